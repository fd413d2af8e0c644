"""Grade notebooks: python -m resnet_grading SUBMISSIONS... --out grades.csv

SUBMISSIONS are notebooks, folders with a file or a folder for each student, or archives of these,
such as Canvas and Moodle give out. Beside grades.csv a folder `grades` is made, with a page of
feedback for each student. Run the same command again after more have come, or after Ctrl-C: what is
graded already is kept.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from tqdm import tqdm

from resnet_grading import gradebook
from resnet_grading.feedback import page
from resnet_grading.grading_run import grade_all, records
from resnet_grading.records import Record, RunStore, safe_name, write_text
from resnet_grading.sandbox import MODES, Limits
from resnet_grading.sheets import sheets
from resnet_grading.submissions import collect


def parser() -> argparse.ArgumentParser:
    """What the command line may say."""
    made = argparse.ArgumentParser(
        prog="python -m resnet_grading",
        description="Grade notebooks with exercises, each shut in a process of its own.",
    )
    add = made.add_argument
    add("submissions", nargs="+", type=Path, help="notebooks, folders, or archives (zip)")
    add("--out", type=Path, default=Path("grades.csv"), help="the table (default: grades.csv)")
    add("--format", choices=gradebook.FORMATS, default="plain", help="whose columns it has")
    add("--per", choices=("exercise", "sheet"), default="exercise", help="what has a column")
    add("--sheet", choices=list(sheets()), help="what all are; by default each is recognised")
    add("--workers", type=int, default=1, metavar="N", help="how many are graded at once")
    add("--again", action="store_true", help="forget what was graded before")
    limits = Limits()
    add("--time", type=float, default=limits.total, help="seconds for one (default: %(default)g)")
    add("--memory", type=int, default=limits.memory, help="MiB for one (default: %(default)s)")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Grade, and say what came of it; 0 if all went well, 2 on wrong input, 130 after Ctrl-C."""
    options = parser().parse_args(arguments)
    found, graded = [], 0
    try:
        if options.workers < 1:
            raise ValueError(f"--workers is {options.workers}; pass a number of at least 1.")
        limits = Limits(total=options.time, memory=options.memory)
        folder = own_folder(options)
        found = records(collect(options.submissions, (folder, options.out)), options.sheet)
        if not found:
            raise ValueError("There are no submissions in what you named.")
        store = RunStore(folder, options.again)
        with tqdm(total=len(found), unit=" notebooks", disable=None) as bar:

            def done() -> None:
                nonlocal graded
                graded += 1
                bar.update()

            asyncio.run(grade_all(found, store, limits, options.workers, done))
        report(store, found, options)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        known = f"{graded} of {len(found)} are graded and kept" if found else "nothing is graded"
        print(f"Stopped; {known}. To go on, run the same command again.", file=sys.stderr)
        return 130
    return 0


def own_folder(options: argparse.Namespace) -> Path:
    """Where records and pages are kept: beside the table, under its name.

    Raises:
        ValueError: there is no such name, or what stands there was handed in.
    """
    folder = options.out.with_suffix("")
    if folder == options.out:
        raise ValueError(
            f"--out is '{options.out}', but the table needs an ending, since its pages of feedback "
            f"go into a folder of that name; pass for example --out {options.out}.csv."
        )
    if folder.resolve() in (source.resolve() for source in options.submissions):
        raise ValueError(
            f"--out is '{options.out}', so that pages of feedback would go into the submissions' "
            "own folder; pass another name, for example --out grades.csv."
        )
    return folder


def report(store: RunStore, found: list[Record], options: argparse.Namespace) -> None:
    """Write the table and a page for each student; say how it went, and whom to look at."""
    rows = gradebook.rows(found)
    for row in rows:
        path = store.folder / "feedback" / f"{safe_name(row.student, row.number)}.html"
        write_text(path, page(row))
        row.feedback = path.relative_to(options.out.parent).as_posix()
    write_text(options.out, gradebook.table(rows, options.format, options.per))
    print(f"{len(rows)} students: {options.out}; feedback: {store.folder / 'feedback'}")
    modes = {record.grade.mode for record in found}
    for mode in filter(modes.__contains__, reversed(MODES)):
        print(f"Each notebook ran {MODES[mode]}.")
        break
    for row in rows:
        if row.look:
            print(f"Look at {row.student}: {row.look}.")


if __name__ == "__main__":
    sys.exit(main())
