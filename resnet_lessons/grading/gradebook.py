"""Grades as a table: a row a student, in the columns that Canvas or Moodle import."""

import csv
import io
from dataclasses import dataclass, field

from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.grading.records import Record
from resnet_lessons.grading.sheets import points, sheets

# By format what stands before and behind the columns with points. Canvas finds its users by ID, and
# adds up by itself; Moodle's worksheet for grading offline finds its participants by Identifier.
HEADINGS = {
    "plain": (("Student", "ID"), ("Total", "Out of", "Look at", "Feedback")),
    "canvas": (("Student", "ID", "SIS User ID", "SIS Login ID", "Section"), ()),
    "moodle": (("Identifier", "Full name"), ("Grade", "Maximum Grade", "Feedback comments")),
}
FORMATS = tuple(HEADINGS)


@dataclass
class Row:
    """All sheets of one student."""

    student: str
    number: str
    records: list[Record] = field(default_factory=list)
    feedback: str = ""

    def points(self, sheet: str, exercise: Exercise) -> float | str:
        """What an exercise brought; "" if the student handed in nothing for its sheet."""
        for record in self.records:
            if record.sheet == sheet:
                return record.points.get(exercise.name, 0.0)
        return ""

    @property
    def total(self) -> float:
        return round(sum(record.total for record in self.records), 2)

    @property
    def look(self) -> list[str]:
        """What the person who grades should look at."""
        return [what for record in self.records for what in record.look]


def rows(records: list[Record]) -> list[Row]:
    """Records by student, in their order."""
    found: dict[tuple[str, str], Row] = {}
    for record in records:
        key = (record.student, record.number)
        found.setdefault(key, Row(*key)).records.append(record)
    return list(found.values())


def table(found: list[Row], kind: str, per: str = "exercise") -> str:
    """The CSV file.

    Args:
        kind: one of `FORMATS`.
        per: `"exercise"` for a column each, `"sheet"` for their sums.
    """
    graded = sorted({r.sheet for row in found for r in row.records if r.sheet})
    columns = _columns(graded, per)
    most = sum(map(points, graded))
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    first, last = HEADINGS[kind]
    headings = [heading for heading, _, _ in columns]
    if kind == "plain":  # the others know by their own settings what there is to be had
        headings = [f"{heading} ({worth:g})" for heading, worth, _ in columns]
    write([*first, *headings, *last])
    if kind == "canvas":  # whose second row says it
        write(["    Points Possible", "", "", "", "", *(worth for _, worth, _ in columns)])
    for row in found:
        grades = [_number(get(row)) for _, _, get in columns]
        write([*map(_harmless, _identity(row, kind)), *grades, *_rest(row, kind, most)])
    return out.getvalue()


def _columns(graded: list[str], per: str) -> list[tuple]:
    """Heading, the most that can be had, and how to get a student's."""
    if per == "sheet":
        return [
            (f"Sheet {sheet}", points(sheet), lambda row, sheet=sheet: _sum(row, sheet))
            for sheet in graded
        ]
    return [
        (
            f"{exercise.number} {exercise.title}",
            exercise.points,
            lambda row, sheet=sheet, exercise=exercise: row.points(sheet, exercise),
        )
        for sheet in graded
        for exercise in sheets()[sheet]
    ]


def _sum(row: Row, sheet: str) -> float | str:
    return next((record.total for record in row.records if record.sheet == sheet), "")


def _identity(row: Row, kind: str) -> list[str]:
    if kind == "canvas":
        return [row.student, row.number, "", "", ""]
    if kind == "moodle":
        return [f"Participant {row.number}" if row.number else "", row.student]
    return [row.student, row.number]


def _rest(row: Row, kind: str, most: int) -> list[object]:
    if kind == "canvas":
        return []
    if kind == "moodle":
        verdicts = [v.headline for record in row.records for v in record.verdicts.values()]
        return [_number(row.total), most, _harmless("\n".join(verdicts))]
    return [_number(row.total), most, _harmless("; ".join(row.look)), row.feedback]


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
