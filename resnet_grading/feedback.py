"""One page a student: what the probes saw, and where to look; what learners wrote is escaped."""

from html import escape

from resnet_grading.gradebook import Row
from resnet_grading.records import Record
from resnet_grading.sheets import points, sheets

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 48em; margin: 2em auto; padding: 0 1em; }}
h1 {{ font-size: 1.5em; margin-bottom: 0; }}
h2 {{ font-size: 1.1em; margin: 2em 0 .5em; }}
.points {{ float: right; font-variant-numeric: tabular-nums; }}
.exercise {{ margin: 1em 0; clear: both; }}
code {{ font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }}
li {{ margin: .3em 0; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<h1>{student}</h1>
{sheets}
</body>
</html>
"""


def page(row: Row) -> str:
    """The feedback for a student as a page that needs no other file."""
    student, body = escape(row.student), "\n".join(map(_sheet, row.records))
    return PAGE.format(title=f"Feedback: {student}", student=student, sheets=body)


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
