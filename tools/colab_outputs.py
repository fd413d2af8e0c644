"""What is wrong with a notebook that was executed as Colab executes it."""

import re
from collections.abc import Iterator, Sequence

from nbformat import NotebookNode

from build_notebooks import WIDGET

WIDGETS = "application/vnd.jupyter.widget-state+json"
EXPLORER = re.compile(r"\bwidgets\.[a-z]+\(")
# pip, unlike Python, warns on standard output.
WARNS = re.compile(r"\b[A-Z]\w*Warning\b|^\s*(?:WARNING|DEPRECATION|ERROR|\[notice\]).*", re.M)
# What IPython 7 says after each of the two installations.
INSTALLED = ["Note: you may need to restart the kernel to use updated packages."] * 2


def faults(notebook: NotebookNode, fresh: bool) -> list[str]:
    """What is wrong, a line each.

    Args:
        notebook: executed, with the state of its widgets.
        fresh: whether the package was absent when it began.
    """
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            found += [f"cell {number}: {what}" for what in _faults_of(cell, notebook, fresh)]
    return found


def _faults_of(cell: NotebookNode, notebook: NotebookNode, fresh: bool) -> Iterator[str]:
    tags = cell.metadata.get("tags", [])
    if cell.source.strip() and cell.execution_count is None:
        yield "it did not run"
    for output in cell.outputs:
        text = text_of(output)
        if output.output_type == "error" and "raises-exception" not in tags:
            yield f"{output.ename}: {output.evalue}".splitlines()[0]
        elif output.get("name") == "stderr":
            yield f"it writes to stderr: {' '.join(text.split())[:200]}"
        elif warning := WARNS.search(text):
            yield f"it warns: {warning[0].strip()[:200]}"
    if "bootstrap" in tags:
        said = [line for output in cell.outputs for line in text_of(output).splitlines() if line]
        if said != (INSTALLED if fresh else []):
            yield f"the first cell says {said}"
    if makes_explorer(cell) and not any(_is_explorer(each, notebook) for each in cell.outputs):
        yield "its explorer gives no widget, or nothing where no kernel runs"


def text_of(output: NotebookNode) -> str:
    """All that an output says in words."""
    data = output.get("data", {})
    return "\n".join(
        [output.get("text", ""), *(data.get(f"text/{k}", "") for k in ("plain", "html"))]
    )


def makes_explorer(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and EXPLORER.search(cell.source) is not None


def _is_explorer(output: NotebookNode, notebook: NotebookNode) -> bool:
    """Whether an output is a widget that the kernel has opened, and a picture or table besides."""
    data = output.get("data", {})
    state = notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {})
    static = data.get("text/html", "")
    return data.get(WIDGET, {}).get("model_id") in state and (
        "<img" in static or "<table" in static
    )


def verdict_faults(notebook: NotebookNode, expected: Sequence[str]) -> list[str]:
    """Where the checks of a sheet, in order, give no box that begins with the `expected` signs."""
    checks = [c for c in notebook.cells if "check" in c.metadata.get("tags", [])]
    boxes = [[o.get("data", {}).get("text/html", "") for o in check.outputs] for check in checks]
    signs = [box[0].partition("<b>")[2][:1] if len(box) == 1 else "" for box in boxes]
    return [] if signs == list(expected) else [f"its checks show {signs}, not {list(expected)}"]


def freeze_faults(before: Sequence[str], after: Sequence[str], added: Sequence[str]) -> list[str]:
    """Where two lists of installed packages differ by more than the packages `added`."""
    gone = sorted(set(before) - set(after))
    new = {re.split(r"==| @ ", line)[0].replace("_", "-") for line in set(after) - set(before)}
    found = [f"{line} was replaced or removed" for line in gone]
    if not gone and new != set(added):
        found.append(f"it installed {sorted(new)}, not {sorted(added)}")
    return found
