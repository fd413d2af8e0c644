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
    """What came of one file.

    Attributes:
        student, number, file: whose it is.
        sheet: "03"; None if it is no answer to any sheet.
        remarks: on the file, for the student.
    """

    student: str
    number: str
    file: str
    sheet: str | None
    remarks: list[str] = field(default_factory=list)
    grade: Grade = field(default_factory=Grade)

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
    """The folder beside the grades: a rerun grades only what it does not find here."""

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

    def find(self, key: str, mark: str) -> Grade | None:
        """What is known of a submission with that content; None if it has to be graded."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            known = json.loads((self.folder / "records" / f"{key}.json").read_text("utf-8"))
            if known["mark"] == mark:
                return Grade.from_plain(known["grade"])
        return None

    def keep(self, key: str, mark: str, record: Record) -> None:
        """Remember what came of a submission."""
        text = json.dumps({"mark": mark, **asdict(record)}, ensure_ascii=False, indent=1)
        write_text(self.folder / "records" / f"{key}.json", text)
        self.forget_attempts(key)

    def attempt(self, key: str, mark: str) -> bool:
        """Note that it is tried now; whether it may be: not if that stopped the grader before."""
        path = self._attempts(key)
        before = path.read_text() if path.exists() else ""
        write_text(path, f"{before}{mark}\n")
        return before.split().count(mark) < MOST_ATTEMPTS

    def forget_attempts(self, key: str) -> None:
        """The last attempt came to an end, or was given up for another reason."""
        self._attempts(key).unlink(missing_ok=True)

    def _attempts(self, key: str) -> Path:
        return self.folder / "records" / f"{key}.attempt"


def safe_name(student: str, number: str) -> str:
    """A name for files that belong to this student, and to no other."""
    safe = re.sub(r"[^\w-]+", "_", student).strip("_")[:60] or "student"
    return f"{safe}-{hashlib.sha256(f'{student}/{number}'.encode()).hexdigest()[:6]}"


def mark_of(cells: list[str], sheet: str, seed: int) -> str:
    """What a grade depends on: the code, the sheet, its probes, and the random numbers."""
    probes = sorted(Path(checks.__file__).parent.rglob("*.py"))
    parts = [*cells, sheet, str(seed), *(path.read_text("utf-8") for path in probes)]
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "replace")).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    data = text.encode("utf-8", "replace")
    write_whole(path, len(data), lambda file: file.write(data))
