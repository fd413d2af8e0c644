"""A whole class: which files are to be graded, by whom, and what is done when one goes wrong."""

import queue
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
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


class GradingRun:
    """Judges, each in a process that a thread waits for."""

    def __init__(self, store: RunStore, limits: Limits, workers: int) -> None:
        """`workers`: how many are graded at once."""
        self.store, self.limits, self.workers = store, limits, workers
        self.free: queue.SimpleQueue[JudgeProcess] = queue.SimpleQueue()
        self.stopped = False

    def grade(self, work: list[Job]) -> Iterator[Job]:
        """Fill in the grades of all jobs; gives each that is done.

        What is left when the iterator is closed is not graded, and no judge survives it.
        """
        unknown = []
        for job in work:
            job.mark = mark_of(job.cells, job.record.sheet or "", self.store.seed)
            if job.cells and not (known := self.store.find(job.key, job.mark)):
                unknown.append(job)
                continue
            job.record.grade = known if job.cells else job.record.grade
            yield job
        judges = [JudgeProcess() for _ in range(min(self.workers, len(unknown)))]
        for judge in judges:
            self.free.put(judge)
        pool = ThreadPoolExecutor(self.workers)
        pending = {pool.submit(self._one, job) for job in unknown}
        try:
            while pending:
                # With a timeout, since Ctrl-C does not get through to an endless one on Windows.
                done, pending = wait(pending, 0.2, FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            self.stopped = True
            pool.shutdown(wait=False, cancel_futures=True)
            for judge in judges:
                judge.close()
            wait([future for future in pending if not future.cancelled()], 15)

    def _one(self, job: Job) -> Job:
        judge, record = self.free.get(), job.record
        try:
            if not self.store.attempt(job.key, job.mark):
                raise JudgeFailed("The grader was stopped whenever this notebook was run.")
            record.grade = judge.grade(job.cells, record.sheet, self.store.seed, self.limits)
        except JudgeFailed as error:
            if self.stopped:
                self.store.forget_attempts(job.key)
                return job
            why, look = f"It could not be graded: {error}", "could not be graded"
            record.grade = _no_grade(record.sheet, "wrong", why, look)
        finally:
            self.free.put(judge)
        self.store.keep(job.key, job.mark, record)
        return job
