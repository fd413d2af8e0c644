"""A whole class: which files are to be graded, by whom, and what is done when one goes wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from resnet_grading import notebooks
from resnet_grading.judge_process import JudgeFailed, JudgeProcess
from resnet_grading.records import Grade, Record, RunStore, mark_of, safe_name
from resnet_grading.sandbox import Limits
from resnet_grading.sheets import sheet_of, sheets, ungraded
from resnet_grading.submissions import Submission


@dataclass
class Job:
    """One sheet of one student, to be graded; without cells there is nothing to grade."""

    record: Record
    cells: list[str]
    mark: str = ""

    @property
    def key(self) -> str:
        record = self.record
        return f"{safe_name(record.student, record.number)}-{record.sheet or 'none'}"


def jobs(submissions: list[Submission], sheet: str | None) -> list[Job]:
    """What there is to do; `sheet` is what every notebook is taken for, None to find out."""
    found = [(submission, *_read(submission, sheet)) for submission in submissions]
    usual = {name for _, by_sheet, _ in found for name in by_sheet}
    sheet = sheet or (usual.pop() if len(usual) == 1 else None)
    made = []
    for submission, by_sheet, trouble in found:
        remarks = [f"{file}: {why}" for file, why in trouble.items()]
        for _, job in sorted(by_sheet.items()):
            job.record.remarks += remarks
            made.append(job)
        if not by_sheet:
            remarks = remarks or ["There is no file."]
            file = next(iter(trouble), "")
            record = Record(submission.student, submission.number, file, sheet, remarks)
            why, look = " ".join(remarks), "nothing could be graded"
            record.grade = _no_grade(sheet, "not attempted", why, look)
            made.append(Job(record, []))
    return made


def _read(submission: Submission, sheet: str | None) -> tuple[dict[str, Job], dict[str, str]]:
    """By sheets: the newest file. By files' names: why it answers no sheet."""
    by_sheet: dict[str, Job] = {}
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
        record = Record(submission.student, submission.number, file.name, name, remarks)
        by_sheet[name] = Job(record, cells)
    return by_sheet, trouble


def _no_grade(sheet: str | None, state: str, why: str, look: str) -> Grade:
    exercises = sheets().get(sheet, ())
    return Grade({each.name: ungraded(each, state, why) for each in exercises}, look=[look])


async def grade_all(
    work: list[Job], store: RunStore, limits: Limits, workers: int, done: Callable[[Job], None]
) -> None:
    """Fill in the grades of all jobs, `workers` at once; `done` is called after each.

    Where it is cancelled, what is under way is not graded, and no judge survives.
    """
    unknown = []
    for job in work:
        job.mark = mark_of(job.cells, job.record.sheet or "", store.seed)
        known = store.find(job.key, job.mark) if job.cells else job.record.grade
        if known:
            job.record.grade = known
            done(job)
        else:
            unknown.append(job)

    async def work_off() -> None:
        judge = JudgeProcess()
        try:
            while unknown:
                job = unknown.pop(0)
                await _grade(job, judge, store, limits)
                done(job)
        finally:
            await judge.close()

    await asyncio.gather(*(work_off() for _ in range(min(workers, len(unknown)))))


async def _grade(job: Job, judge: JudgeProcess, store: RunStore, limits: Limits) -> None:
    record = job.record
    try:
        if not store.attempt(job.key, job.mark):
            raise JudgeFailed("The grader was stopped whenever this notebook was run.")
        record.grade = await judge.grade(job.cells, record.sheet, store.seed, limits)
    except JudgeFailed as error:
        why, look = f"It could not be graded: {error}", "could not be graded"
        record.grade = _no_grade(record.sheet, "wrong", why, look)
    except asyncio.CancelledError:
        store.forget_attempts(job.key)
        raise
    store.keep(job.key, job.mark, record)
