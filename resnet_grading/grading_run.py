"""A whole class: which files are to be graded, by whom, and what is done when one goes wrong."""

import asyncio
from collections.abc import Callable

from resnet_grading import notebooks
from resnet_grading.judge_process import JudgeFailed, JudgeProcess
from resnet_grading.records import Grade, Record, RunStore
from resnet_grading.sandbox import Limits
from resnet_grading.sheets import sheet_of, sheets, ungraded
from resnet_grading.submissions import Submission


def records(submissions: list[Submission], sheet: str | None) -> list[Record]:
    """What there is to do; `sheet` is what every notebook is taken for, None to find out."""
    read = [(submission, *_read(submission, sheet)) for submission in submissions]
    usual = {name for _, by_sheet, _ in read for name in by_sheet}
    sheet = sheet or (usual.pop() if len(usual) == 1 else None)
    found = []
    for submission, by_sheet, trouble in read:
        remarks = [f"{file}: {why}" for file, why in trouble.items()]
        for _, record in sorted(by_sheet.items()):
            record.remarks += remarks
            found.append(record)
        if not by_sheet:
            remarks = remarks or ["There is no file."]
            file = next(iter(trouble), "")
            found.append(Record(submission.student, submission.number, file, sheet, remarks))
            why, look = " ".join(remarks), "nothing could be graded"
            found[-1].grade = _no_grade(sheet, "not attempted", why, look)
    return found


def _read(submission: Submission, sheet: str | None) -> tuple[dict[str, Record], dict[str, str]]:
    """By sheets: the newest file. By files' names: why it answers no sheet."""
    by_sheet: dict[str, Record] = {}
    trouble: dict[str, str] = {}
    for file in sorted(submission.files, key=lambda file: file.time):
        try:
            cells, remarks = notebooks.read(file.name, file.data)
        except notebooks.Unreadable as error:
            trouble[file.name] = str(error)
            continue
        name = sheet or sheet_of(cells)
        if name is None:
            trouble[file.name] = "Nothing in it tells which sheet it answers."
            continue
        if name in by_sheet:
            remarks.append(f"There are several files for this sheet; {file.name} is the newest.")
        whose = (submission.student, submission.number, file.name)
        by_sheet[name] = Record(*whose, name, remarks, cells)
    return by_sheet, trouble


def _no_grade(sheet: str | None, state: str, why: str, look: str) -> Grade:
    exercises = sheets().get(sheet, ())
    return Grade({each.name: ungraded(each, state, why) for each in exercises}, look=[look])


async def grade_all(
    found: list[Record], store: RunStore, limits: Limits, workers: int, done: Callable[[], object]
) -> None:
    """Fill in all grades, those of `workers` submissions at once; `done` is called after each.

    Where it is cancelled, what is under way is not graded, and no judge survives.
    """
    unknown = []
    for record in found:
        known = store.find(record) if record.cells else record.grade
        if known:
            record.grade = known
            done()
        else:
            unknown.append(record)

    async def work_off() -> None:
        judge = JudgeProcess()
        try:
            while unknown:
                await _grade(unknown.pop(0), judge, store, limits)
                done()
        finally:
            await judge.close()

    await asyncio.gather(*(work_off() for _ in range(min(workers, len(unknown)))))


async def _grade(record: Record, judge: JudgeProcess, store: RunStore, limits: Limits) -> None:
    try:
        if not store.attempt(record):
            raise JudgeFailed("The grader was stopped whenever this notebook was run.")
        record.grade = await judge.grade(record.cells, record.sheet, store.seed, limits)
    except JudgeFailed as error:
        why, look = f"It could not be graded: {error}", "could not be graded"
        record.grade = _no_grade(record.sheet, "wrong", why, look)
    except asyncio.CancelledError:
        store.forget_attempts(record)
        raise
    store.keep(record)
