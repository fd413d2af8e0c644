"""What a grading run keeps: its seed, and what came of each submission, whole or not at all."""

import contextlib
import hashlib
import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from resnet_grading.sheets import sheets
from resnet_lessons import checks
from resnet_lessons._files import write_whole
from resnet_lessons.checks.verdict import Verdict

MOST_ATTEMPTS = 2  # to grade a submission, should the grader itself be stopped in the middle


@dataclass
class Grade:
    """What a judge found.

    Attributes:
        verdicts: by the exercises' names, in their order.
        failures: of cells, as number and sentence.
        look: what the person who grades should look at.
        seconds: what it took, by the clock.
        mode: how strongly the learner's code was shut in, one of `launch.MODES`; "" if none ran.
    """

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    failures: list[tuple[int, str]] = field(default_factory=list)
    look: list[str] = field(default_factory=list)
    seconds: float = 0.0
    mode: str = ""

    @classmethod
    def from_plain(cls, plain: dict[str, object]) -> "Grade":
        """Undo `asdict` and JSON."""
        verdicts = {name: Verdict(**verdict) for name, verdict in plain["verdicts"].items()}
        failures = [(number, sentence) for number, sentence in plain["failures"]]
        return cls(**{**plain, "verdicts": verdicts, "failures": failures})


@dataclass
class Record:
    """One sheet of one student, and what came of it.

    Attributes:
        student, number, file: whose it is.
        sheet: "03"; None if it is no answer to any sheet.
        remarks: on the file, for the student.
        cells: the code; none if nothing can be graded.
    """

    student: str
    number: str
    file: str
    sheet: str | None
    remarks: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    grade: Grade = field(default_factory=Grade)

    @property
    def key(self) -> str:
        return f"{safe_name(self.student, self.number)}-{self.sheet}"

    @property
    def points(self) -> dict[str, float]:
        """By the exercises' names: their points times the share of probes passed in a row."""
        verdicts, exercises = self.grade.verdicts, sheets().get(self.sheet, ())
        worth = {e.name: e.points for e in exercises if e.name in verdicts}
        return {name: round(most * verdicts[name].share, 2) for name, most in worth.items()}

    @property
    def total(self) -> float:
        return round(sum(self.points.values()), 2)


class RunStore:
    """The folder beside the table: a rerun grades only what it does not find here."""

    def __init__(self, folder: Path, again: bool = False) -> None:
        """`again`: begin anew, with another seed."""
        self.folder = folder
        for part in ("feedback", "records"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # grades are nobody else's business
        if again:
            for old in (folder / "records").iterdir():
                old.unlink()
        seed = folder / "seed.json"
        if again or not seed.exists():
            write_text(seed, json.dumps({"seed": secrets.randbelow(2**40)}))
        self.seed = json.loads(seed.read_text())["seed"]
        probes = sorted(Path(checks.__file__).parent.rglob("*.py"))
        self.probes = [path.read_text("utf-8") for path in probes]

    def find(self, record: Record) -> Grade | None:
        """The grade of the same code from before; None if it has to be graded."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            known = json.loads(self._path(record, "json").read_text("utf-8"))
            if known["mark"] == self.mark(record):
                return Grade.from_plain(known["grade"])
        return None

    def keep(self, record: Record) -> None:
        """Remember the grade."""
        plain = {"mark": self.mark(record), "file": record.file, "grade": asdict(record.grade)}
        write_text(self._path(record, "json"), json.dumps(plain, ensure_ascii=False, indent=1))
        self.forget_attempts(record)

    def attempt(self, record: Record) -> bool:
        """Note that it is tried now; whether it may be: not if that stopped the grader before."""
        path, mark = self._path(record, "attempt"), self.mark(record)
        before = path.read_text() if path.exists() else ""
        write_text(path, f"{before}{mark}\n")
        return before.split().count(mark) < MOST_ATTEMPTS

    def forget_attempts(self, record: Record) -> None:
        """The last attempt came to an end, or was given up for another reason."""
        self._path(record, "attempt").unlink(missing_ok=True)

    def mark(self, record: Record) -> str:
        """What a grade depends on: the code, the sheet, its probes, and the random numbers."""
        parts = [*record.cells, str(record.sheet), str(self.seed), *self.probes]
        return hashlib.sha256("\x00".join(parts).encode("utf-8", "replace")).hexdigest()

    def _path(self, record: Record, kind: str) -> Path:
        return self.folder / "records" / f"{record.key}.{kind}"


def safe_name(student: str, number: str) -> str:
    """A name for files that belong to this student, and to no other."""
    safe = re.sub(r"[^\w-]+", "_", student).strip("_")[:60] or "student"
    return f"{safe}-{hashlib.sha256(f'{student}/{number}'.encode()).hexdigest()[:6]}"


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    data = text.encode("utf-8", "replace")
    write_whole(path, len(data), lambda file: file.write(data))
