"""One page a student: what the probes saw, and where to look; what learners wrote is escaped."""

from html import escape
from pathlib import Path
from string import Template

from resnet_grading.gradebook import Row
from resnet_grading.records import Record
from resnet_grading.sheets import points, sheets

PAGE = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))


def page(row: Row) -> str:
    """The feedback for a student as a page that needs no other file."""
    sheets = "\n".join(map(_sheet, row.records))
    return PAGE.substitute(student=escape(row.student), sheets=sheets)


def _sheet(record: Record) -> str:
    if record.sheet is None:
        return f"<h2>{escape(record.file)}</h2>\n{_list(record.remarks)}"
    total = f"{record.total:g} of {points(record.sheet)} points"
    parts = [f'<h2>Sheet {record.sheet} <span class="points">{total}</span></h2>']
    for exercise in sheets()[record.sheet]:
        if verdict := record.grade.verdicts.get(exercise.name):
            worth = f"{record.points[exercise.name]:g} of {exercise.points}"
            box = f'<span class="points">{worth}</span>{verdict._repr_html_()}'
            parts.append(f'<div class="exercise">{box}</div>')
    cells = [f"Code cell {number}: {sentence}" for number, sentence in record.grade.failures]
    if cells:
        parts.append(f"<h2>Cells that did not run to their end</h2>\n{_list(cells)}")
    if record.remarks:
        parts.append(f"<h2>About the file</h2>\n{_list(record.remarks)}")
    return "\n".join(parts)


def _list(sentences: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"
