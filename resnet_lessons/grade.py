"""Grade notebooks: python -m resnet_lessons.grade SUBMISSIONS... --out grades.csv

SUBMISSIONS are notebooks, folders with a file or a folder for each student, or archives of these,
such as Canvas and Moodle give out. Beside grades.csv a folder `grades` is made, with a page of
feedback for each student. Run the same command again after more have come, or after Ctrl-C: what is
graded already is kept.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from resnet_lessons.grading import gradebook
from resnet_lessons.grading.feedback import page
from resnet_lessons.grading.limits import Limits
from resnet_lessons.grading.records import Kept, Record, safe_name, write_text
from resnet_lessons.grading.run import Job, grade_all, jobs
from resnet_lessons.grading.serving import MODES
from resnet_lessons.grading.sheets import sheets
from resnet_lessons.grading.submissions import collect


def parser() -> argparse.ArgumentParser:
    """What the command line may say."""
    made = argparse.ArgumentParser(
        prog="python -m resnet_lessons.grade",
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
    """Grade, and say what came of it; 0 if all went well, 130 after Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        if options.workers < 1:
            raise ValueError(f"--workers is {options.workers}; pass a number of at least 1.")
        limits = Limits(total=options.time, memory=options.memory)
        work = jobs(collect(options.submissions), options.sheet)
        if not work:
            raise ValueError("There are no submissions in what you named.")
        kept = Kept(options.out.with_suffix(""), options.again)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    finished: list[Job] = []
    with tqdm(total=len(work), unit=" notebooks", disable=None) as bar:

        def done(job: Job, known: bool) -> None:
            finished.append(job)
            bar.update()

        try:
            mode = grade_all(work, kept, limits, options.workers, done)
        except KeyboardInterrupt:
            bar.close()
            print(f"Stopped; {len(finished)} of {len(work)} are graded and kept. To go on, run the "
                  "same command again.", file=sys.stderr)  # fmt: skip
            return 130
    found = write(kept, [job.record for job in work], options)
    summary(found, options, kept, mode)
    return 0


def write(kept: Kept, records: list[Record], options: argparse.Namespace) -> list[gradebook.Row]:
    """The table, and a page for each student."""
    found = gradebook.rows(records)
    for row in found:
        name = safe_name(row.student, row.number)
        path = kept.put_feedback(name, page(row.student, row.records))
        row.feedback = path.relative_to(options.out.parent).as_posix()
    write_text(options.out, gradebook.table(found, options.format, options.per))
    return found


def summary(
    found: list[gradebook.Row], options: argparse.Namespace, kept: Kept, mode: str | None
) -> None:
    """Say how it went, and whom to look at."""
    print(f"{len(found)} students: {options.out}; feedback: {kept.folder / 'feedback'}")
    if mode:
        print(f"Each notebook ran {MODES[mode]}.")
    for row in found:
        if row.look:
            print(f"Look at {row.student}: {'; '.join(row.look)}.")


if __name__ == "__main__":
    sys.exit(main())
