"""A whole class: which files are to be graded, by whom, and what is done when one goes wrong."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from resnet_lessons.checks.verdict import Verdict
from resnet_lessons.grading import notebooks
from resnet_lessons.grading.lane import Lane, LaneGone
from resnet_lessons.grading.limits import Limits
from resnet_lessons.grading.records import Kept, Record, mark_of, safe_name
from resnet_lessons.grading.sheets import sheet_of, sheets
from resnet_lessons.grading.submissions import File, Submission


@dataclass
class Job:
    """One sheet of one student, to be graded."""

    key: str
    record: Record
    cells: list[str]
    mark: str = ""


def jobs(submissions: list[Submission], sheet: str | None) -> list[Job]:
    """What there is to do; `sheet` is what every notebook is taken for, None to find out."""
    read = [(submission, *_read(submission, sheet)) for submission in submissions]
    usual = {name for _, found, _ in read for name in found}
    sheet = sheet or (usual.pop() if len(usual) == 1 else None)
    return [job for submission, found, bad in read for job in _jobs(submission, found, bad, sheet)]


Found = dict[str | None, tuple[File, notebooks.Code, list[str]]]


def _read(submission: Submission, sheet: str | None) -> tuple[Found, dict[str, str]]:
    """By sheets: the newest file, its code, and remarks; by files' names: why it is none."""
    found: Found = {}
    bad: dict[str, str] = {}
    for file in sorted(submission.files, key=lambda file: file.time):
        try:
            code = notebooks.read(file.name, file.data)
        except notebooks.Unreadable as error:
            bad[file.name] = str(error)
            continue
        name = sheet or sheet_of(code.cells)
        said = list(code.remarks)
        if name in found:
            said.append(f"There are several files for this sheet; {file.name} is the newest.")
        found[name] = (file, code, said)
    return found, bad


def _jobs(
    submission: Submission, found: Found, bad: dict[str, str], usual: str | None
) -> list[Job]:
    about = (submission.student, submission.number)
    if None in found:  # nothing tells what it is: then it is what the others are
        told = found.pop(None)
        if usual in found or usual is None:
            bad[told[0].name] = "Nothing in it tells which sheet it answers."
        else:
            found[usual] = told
    made = [
        Job(
            f"{safe_name(*about)}-{sheet}",
            Record(*about, file.name, sheet, remarks=said),
            code.cells,
        )
        for sheet, (file, code, said) in sorted(found.items())
    ]
    remarks = [f"{name}: {why}" for name, why in bad.items()]
    if not made:
        record = Record(
            *about, next(iter(bad), ""), usual, remarks=remarks or ["There is no file."]
        )
        record.look.append("nothing could be graded")
        return [Job(f"{safe_name(*about)}-{usual or 'none'}", record, [])]
    for job in made:
        job.record.remarks += remarks
    return made


def grade_all(
    work: list[Job], kept: Kept, limits: Limits, lanes: int, done: Callable[[Job, bool], None]
) -> str | None:
    """Fill the records of all jobs.

    Args:
        done: called after each job, with whether it was known from before; in any thread.

    Returns:
        How strongly the workers were shut in, in a word; None if nothing had to be run.
    """
    todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in work:
        job.mark = mark_of(job.cells, job.record.sheet or "", kept.seed)
        if known := kept.find(job.key, job.mark):
            job.record = known
            done(job, True)
        elif not job.cells or job.record.sheet is None:
            _fail(job.record, " ".join(job.record.remarks), "not attempted")
            kept.keep(job.key, job.mark, job.record)
            done(job, False)
        else:
            todo.put(job)
    crew = _Crew(todo, kept, limits, done)
    crew.work(min(lanes, todo.qsize()))
    return crew.mode


class _Crew:
    """Judges, each in a thread that waits for it."""

    def __init__(self, todo: queue.SimpleQueue, kept: Kept, limits: Limits, done: Callable):
        self.todo, self.kept, self.limits, self.done = todo, kept, limits, done
        self.mode: str | None = None
        self.stopped = threading.Event()
        self.lanes: set[Lane] = set()
        self.errors: list[BaseException] = []

    def work(self, count: int) -> None:
        # Not `join`: after Ctrl-C in it a thread counts as ended before it is (Python 3.11, 3.12).
        ended = [threading.Event() for _ in range(count)]
        for event in ended:
            threading.Thread(target=self._guarded, args=(event,), daemon=True).start()
        try:
            for event in ended:
                while not event.wait(0.2):  # Ctrl-C gets through on Windows, too
                    pass
        finally:
            self.stopped.set()
            for lane in list(self.lanes):
                lane.close()
            for event in ended:
                event.wait(15)
        if self.errors:
            raise self.errors[0]

    def _guarded(self, ended: threading.Event) -> None:
        try:
            self._one()
        except BaseException as error:
            self.errors.append(error)
        finally:
            ended.set()

    def _one(self) -> None:
        lane = None
        while not self.stopped.is_set():
            try:
                job = self.todo.get_nowait()
            except queue.Empty:
                break
            lane = self._grade(job, lane or self._lane())
        if lane:
            self._close(lane)

    def _lane(self) -> Lane:
        lane = Lane()
        self.lanes.add(lane)
        self.mode = lane.about["mode"]
        return lane

    def _close(self, lane: Lane) -> None:
        self.lanes.discard(lane)
        lane.close()

    def _grade(self, job: Job, lane: Lane) -> Lane | None:
        """Grade one; returns the lane if it can go on."""
        record, error = job.record, None
        if not self.kept.attempt(job.key, job.mark):
            error = "The grader was stopped whenever this notebook was run."
        else:
            try:
                told = lane.grade(job.cells, record.sheet, self.kept.seed, self.limits)
                record.verdicts, record.failures = told["verdicts"], told["failures"]
                record.look, record.seconds = told["remarks"], told["seconds"]
            except LaneGone as gone:
                error = str(gone)
                self._close(lane)
        if self.stopped.is_set() and error:
            self.kept.forget(job.key)
            return None
        if error:
            _fail(record, f"It could not be graded: {error}", "wrong")
            record.look.append("could not be graded")
        self.kept.keep(job.key, job.mark, record)
        self.done(job, False)
        return None if lane.process.poll() is not None else lane


def _fail(record: Record, why: str, state: str) -> None:
    """No points, and why."""
    for exercise in sheets().get(record.sheet, ()):
        heading = f"{exercise.number} {exercise.title}"
        record.verdicts[exercise.name] = Verdict(
            heading, state, 0, len(exercise.probes), "it can be graded", seen=why
        )
