"""What a grading run keeps: its seed, and what came of each submission, whole or not at all."""

import hashlib
import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

import resnet_lessons
from resnet_lessons._files import write_whole
from resnet_lessons.checks.verdict import Verdict
from resnet_lessons.grading.sheets import sheets

MOST_ATTEMPTS = 2  # to grade a submission, should the grader itself be stopped in the middle


@dataclass
class Record:
    """What came of one file.

    Attributes:
        student, number, file: whose it is.
        sheet: "03"; None if it is no answer to any sheet.
        verdicts: by the exercises' names.
        failures: of cells, as number and sentence.
        remarks: on the file, for the student.
        look: what the person who grades should look at.
        seconds: what the grading took.
    """

    student: str
    number: str
    file: str
    sheet: str | None
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    failures: list[tuple[int, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    look: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def points(self) -> dict[str, float]:
        """By the exercises' names: their points times the share of probes passed in a row."""
        worth = {e.name: e.points for e in sheets().get(self.sheet, ())}
        return {n: round(worth[n] * v.share, 2) for n, v in self.verdicts.items() if n in worth}

    @property
    def total(self) -> float:
        return round(sum(self.points.values()), 2)


class Kept:
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
        self.seed = self._seed(again)

    def _seed(self, again: bool) -> int:
        path = self.folder / "seed.json"
        try:
            seed = json.loads(path.read_text())["seed"]
            if not again and type(seed) is int:
                return seed
        except (OSError, ValueError, KeyError, TypeError):
            pass
        seed = secrets.randbelow(2**40)
        write_text(path, json.dumps({"seed": seed}))
        return seed

    def find(self, key: str, mark: str) -> Record | None:
        """What is known of a submission with that content; None if it has to be graded."""
        try:
            told = json.loads((self.folder / "records" / f"{key}.json").read_text("utf-8"))
            if told.pop("mark") != mark:
                return None
            verdicts = {name: Verdict(**v) for name, v in told.pop("verdicts").items()}
            failures = [(number, sentence) for number, sentence in told.pop("failures")]
            return Record(**told, verdicts=verdicts, failures=failures)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def keep(self, key: str, mark: str, record: Record) -> None:
        """Remember what came of a submission."""
        text = json.dumps({"mark": mark, **asdict(record)}, ensure_ascii=False, indent=1)
        write_text(self.folder / "records" / f"{key}.json", text)
        self._attempts(key).unlink(missing_ok=True)

    def attempt(self, key: str, mark: str) -> bool:
        """Note that it is tried now; whether it may be: not if that stopped the grader before."""
        path = self._attempts(key)
        try:
            before, count = path.read_text().split()
        except (OSError, ValueError):
            before, count = mark, "0"
        count = int(count) if before == mark else 0
        write_text(path, f"{mark} {count + 1}")
        return count < MOST_ATTEMPTS

    def forget(self, key: str) -> None:
        """The attempt was given up for another reason."""
        self._attempts(key).unlink(missing_ok=True)

    def put_feedback(self, name: str, page: str) -> Path:
        path = self.folder / "feedback" / f"{name}.html"
        write_text(path, page)
        return path

    def _attempts(self, key: str) -> Path:
        return self.folder / "records" / f"{key}.attempt"


def safe_name(student: str, number: str) -> str:
    """A name for files that belong to this student, and to no other."""
    safe = re.sub(r"[^\w-]+", "_", student).strip("_")[:60] or "student"
    return f"{safe}-{hashlib.sha256(f'{student}/{number}'.encode()).hexdigest()[:6]}"


def mark_of(cells: list[str], sheet: str, seed: int) -> str:
    """What a grade depends on: the code, the sheet, its probes, and the random numbers."""
    checks = Path(resnet_lessons.__file__).parent / "checks"
    parts = [*cells, sheet, str(seed)]
    parts += [path.read_text("utf-8") for path in sorted(checks.glob("*.py"))]
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "replace")).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    data = text.encode("utf-8", "replace")
    write_whole(path, len(data), lambda file: file.write(data))
