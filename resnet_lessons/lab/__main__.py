"""Measure what `results/` still lacks: `python -m resnet_lessons.lab degradation-mini`.

What is there is kept. At the end the table, and an experiment's picture, are made again from all
that is stored. `python -m resnet_lessons.lab mechanisms [lesions …]` measures inside networks.
"""

import argparse

from resnet_lessons.lab import mechanisms, summary, sweep
from resnet_lessons.lab.experiments import EXPERIMENTS
from resnet_lessons.lab.results import MECHANISMS, store_to_write


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m resnet_lessons.lab", description=__doc__.splitlines()[0]
    )
    parser.add_argument("name", choices=sorted([*EXPERIMENTS, MECHANISMS]), metavar="NAME")
    listed = ", ".join(mechanisms.MEASUREMENTS)
    parser.add_argument("which", nargs="*", help=f"of mechanisms; default, all: {listed}")
    parser.add_argument("--workers", type=int, help="trainings at once")
    options = parser.parse_args()
    name, store = options.name, store_to_write()
    if name == MECHANISMS:
        mechanisms.measure(*options.which, store=store)
        table = mechanisms.table(store=store)
    else:
        if options.which:
            parser.error(f"{name} is an experiment, and takes no further names")
        sweep.sweep(name, options.workers, store)
        if name not in store.available():
            return
        summary.draw(name, store)
        table = summary.table(name, store)
    summary.put_into_readme(name, table, store)
    print(table)


if __name__ == "__main__":
    main()
