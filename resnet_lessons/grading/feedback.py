"""One page a student: what the probes saw, and where to look; what learners wrote is escaped."""

from html import escape

from resnet_lessons.checks.verdict import Verdict
from resnet_lessons.grading.records import Record
from resnet_lessons.grading.sheets import sheets

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


def page(student: str, records: list[Record]) -> str:
    """The feedback for a student as a page that needs no other file."""
    body = "\n".join(_sheet(record) for record in records)
    return PAGE.format(title=escape(f"Feedback: {student}"), student=escape(student), sheets=body)


def _sheet(record: Record) -> str:
    if record.sheet is None:
        return f"<h2>{escape(record.file)}</h2>\n{_list('', record.remarks)}"
    exercises = sheets()[record.sheet]
    total = f"{record.total:g} of {sum(e.points for e in exercises)} points"
    parts = [f'<h2>Sheet {record.sheet} <span class="points">{total}</span></h2>']
    for exercise in exercises:
        if exercise.name in record.verdicts:
            verdict = record.verdicts[exercise.name]
            points = f"{record.points[exercise.name]:g} of {exercise.points}"
            parts.append(_exercise(verdict, points))
    cells = [f"Code cell {number}: {sentence}" for number, sentence in record.failures]
    parts.append(_list("Cells that did not run to their end", cells))
    parts.append(_list("About the file", record.remarks))
    return "\n".join(filter(None, parts))


def _exercise(verdict: Verdict, points: str) -> str:
    return (
        f'<div class="exercise"><span class="points">{points}</span>{verdict._repr_html_()}</div>'
    )


def _list(heading: str, sentences: list[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<h2>{heading}</h2>\n<ul>{items}</ul>" if heading else f"<ul>{items}</ul>"
