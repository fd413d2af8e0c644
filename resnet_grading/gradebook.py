"""Grades as a table: a row a student, in the columns that Canvas or Moodle import."""

import csv
import io
import re
from dataclasses import dataclass, field

from resnet_grading.records import Record
from resnet_grading.sheets import points, sheets


@dataclass
class Row:
    """All sheets of one student.

    Attributes:
        feedback: where the page is.
        most: the points that can be had for the sheets that the class has handed in.
    """

    student: str
    number: str
    records: list[Record] = field(default_factory=list)
    feedback: str = ""
    most: int = 0
    unknown = ""

    def points(self, sheet: str, exercise: str | None = None) -> float | str:
        """What an exercise or the sheet brought; "" if the student handed in nothing for it."""
        for record in self.records:
            if record.sheet == sheet:
                return record.points.get(exercise, 0.0) if exercise else record.total
        return ""

    @property
    def identifier(self) -> str:
        return self.number and f"Participant {self.number}"

    @property
    def total(self) -> float:
        return round(sum(record.total for record in self.records), 2)

    @property
    def look(self) -> str:
        """What the person who grades should look at."""
        return "; ".join(what for record in self.records for what in record.grade.look)

    @property
    def comments(self) -> str:
        """The headlines of all verdicts."""
        grades = [record.grade for record in self.records]
        return "\n".join(v.headline for grade in grades for v in grade.verdicts.values())


# By format the columns before and behind those with points, and which attribute of a row they have.
# Canvas finds its users by ID, and adds up by itself; Moodle's worksheet for grading offline finds
# its participants by Identifier.
FORMATS = {
    "plain": (
        {"Student": "student", "ID": "number"},
        {"Total": "total", "Out of": "most", "Look at": "look", "Feedback": "feedback"},
    ),
    "canvas": (
        {
            **{"Student": "student", "ID": "number"},
            **dict.fromkeys(("SIS User ID", "SIS Login ID", "Section"), "unknown"),
        },
        {},
    ),
    "moodle": (
        {"Identifier": "identifier", "Full name": "student"},
        {"Grade": "total", "Maximum Grade": "most", "Feedback comments": "comments"},
    ),
}


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
    if per == "sheet":
        columns = [(f"Sheet {sheet}", points(sheet), sheet, None) for sheet in graded]
    else:
        columns = [
            (f"{exercise.number} {exercise.title}", exercise.points, sheet, exercise.name)
            for sheet in graded
            for exercise in sheets()[sheet]
        ]
    first, last = FORMATS[kind]
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    # Canvas and Moodle know by their own settings what there is to be had.
    worth = " ({:g})" if kind == "plain" else ""
    write([*first, *(heading + worth.format(each) for heading, each, _, _ in columns), *last])
    if kind == "canvas":  # whose second row says it
        write(["    Points Possible", "", "", "", "", *(each for _, each, _, _ in columns)])
    for row in found:
        row.most = sum(map(points, graded))
        grades = (row.points(sheet, exercise) for _, _, sheet, exercise in columns)
        before, behind = ([getattr(row, name) for name in part.values()] for part in (first, last))
        write(map(_harmless, [*before, *grades, *behind]))
    return out.getvalue()


def _harmless(value: object) -> str:
    """A number, or text without control characters that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return f"{value:g}"
    text = re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "", value)
    return f"'{text}" if re.match(r"\s*[=+\-@]", text) else text
