"""Make the notebooks from their sources: python tools/build_notebooks.py [02 ...]

A lesson is written as text, in source/NN_name.md (MyST Markdown), and read as
notebooks/NN_name.ipynb, executed; its sheet of exercises, with solutions, in
source/exercises/NN_name.md, and read as notebooks/exercises/NN_name.ipynb, without them
and not executed (tools/exercise_sheets.py). In a source, {{ repository }} stands for owner/name on
GitHub, {{ notebook }} for the notebook's path in the repository, and a code cell with nothing but
`# {{ bootstrap }}` for the cell below, the first code cell of every notebook. The course's own
pictures describe themselves; a code cell that makes another says `:alt: What it shows.`
"""

import argparse
import base64
import hashlib
import io
import json
import os
import sys
import sysconfig
import time
from itertools import zip_longest
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from PIL import Image

from exercise_sheets import each_exercise_a_cell, with_headers, without_solutions
from set_repository import ROOT, repository

# Runs on IPython 7 (Colab's) as on today's; both let an error render itself, here as one sentence.
# A folder that only has the package's name (a clone, say) has no origin, and is not the package.
BOOTSTRAP = """\
# Finds the course's package; in Colab, where it is missing, fetches it first.
import importlib.util, os, sys

if getattr(importlib.util.find_spec("resnet_lessons"), "origin", None) is None:
    source = os.environ.get("RESNET_LESSONS_SOURCE", "git+https://github.com/{{ repository }}")
    cure = "`make lab` (or `pip install -r requirements.txt`)"
    if "google.colab" in sys.modules:
        cure = "YOUR_ACCOUNT" in source and "`make badges REPO=owner/name`: its address is not set"
    if cure:
        error = ModuleNotFoundError(f"The course is not installed: in its folder, run {cure}.")
        error._render_traceback_ = lambda: [str(error)]
        raise error
    %pip install -q "{source}"
    %pip install -q --no-deps d2l==1.0.3
"""
WIDGET = "application/vnd.jupyter.widget-view+json"


def sources(root: Path = ROOT) -> list[Path]:
    """The sources in order: of the lessons, then of the sheets of exercises."""
    folder = root / "source"
    return sorted(folder.glob("*.md")) + sorted(folder.glob("exercises/*.md"))


def name_of(source: Path) -> str:
    """`03_name` for a lesson, `exercises/03_name` for a sheet of exercises."""
    return f"exercises/{source.stem}" if is_sheet(source) else source.stem


def is_sheet(source: Path) -> bool:
    return source.parent.name == "exercises"


def notebook_path(source: Path, root: Path = ROOT) -> Path:
    return root / "notebooks" / f"{name_of(source)}.ipynb"


def build(source: Path, root: Path = ROOT) -> NotebookNode:
    """Return the notebook that a source describes, not executed; of a sheet, what learners get."""
    notebook = build_whole(source, root)
    return without_solutions(notebook) if is_sheet(source) else notebook


def build_whole(source: Path, root: Path = ROOT) -> NotebookNode:
    """Return the notebook that a source describes, not executed; of a sheet, with its solutions."""
    path = notebook_path(source, root)
    values = {"repository": repository(root), "notebook": path.relative_to(root).as_posix()}
    text = source.read_text(encoding="utf-8")
    cells, seen = [], {}
    for cell in jupytext.reads(each_exercise_a_cell(text), fmt="md:myst").cells:
        # An id made of a cell's own text stays when other cells, or the address, change.
        key = hashlib.sha1(f"{cell.cell_type} {cell.source}".encode()).hexdigest()[:8]
        seen[key] = seen.get(key, 0) + 1
        cell.id = key if seen[key] == 1 else f"{key}-{seen[key]}"
        if cell.source == "# {{ bootstrap }}":
            cell.source = BOOTSTRAP.rstrip()
            cell.metadata.tags = ["bootstrap"]
        for name, value in values.items():
            cell.source = cell.source.replace(f"{{{{ {name} }}}}", value)
        cells.append(cell)
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata(gpu=not is_sheet(source)))
    return with_headers(notebook)


def metadata(gpu: bool = True) -> dict:
    """What a notebook says of itself, wherever it is made: a lesson, in Colab, a GPU please."""
    asks = {"accelerator": "GPU"} if gpu else {}
    return {
        **asks,
        "colab": {**({"gpuType": "T4"} if gpu else {}), "provenance": [], "toc_visible": True},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def execute(notebook: NotebookNode, folder: Path, budget: str) -> None:
    """Run all cells in place, in `folder` and within `budget`.

    Raises:
        RuntimeError: a cell failed; the message names the cell and the error in a few lines.
    """
    at = {}
    client = NotebookClient(
        notebook,
        timeout=3600,
        kernel_name="python3",
        coalesce_streams=True,  # a progress bar leaves its last state only
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],  # the kernel's own log is no part of a lesson
        on_cell_start=lambda cell, cell_index: at.update(cell=cell, number=cell_index + 1),
    )
    try:
        client.execute(cwd=str(folder), env={**os.environ, "RESNET_LESSONS_BUDGET": budget})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        said = f"{error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else error
        raise RuntimeError(f"cell {at['number']}: {said}\n{indented(at['cell'].source)}") from None
    notebook.metadata = metadata()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            kept = [output for output in cell.outputs if not only_widget(output)]
            cell.outputs = [described(tidy(output), cell) for output in kept]


def only_widget(output: NotebookNode) -> bool:
    """Whether an output is a widget with nothing to show where no kernel runs."""
    return set(output.get("data", ())) in ({WIDGET}, {WIDGET, "text/plain"})


def described(output: NotebookNode, cell: NotebookNode) -> NotebookNode:
    """Give pictures that do not describe themselves the words that the source has (`:alt:`)."""
    for kind in output.get("data", ()):
        if kind.startswith("image/") and "alt" in cell.metadata:
            output.metadata.setdefault(kind, {}).setdefault("alt", cell.metadata.alt)
    return output


def tidy(output: NotebookNode) -> NotebookNode:
    """Return an output as any machine would give it: no widget's number, no folder of this one."""
    data = output.get("data", {})
    pictures = {kind: data.pop(kind) for kind in list(data) if kind.startswith("image/")}
    data.pop(WIDGET, None)
    text = json.dumps(output)
    for folder in (sysconfig.get_path("purelib"), str(ROOT)):
        # IPython writes the home folder as ~.
        for spelling in (folder, folder.replace(str(Path.home()), "~")):
            text = text.replace(f"{spelling}/", "")
    output = nbformat.from_dict(json.loads(text))
    if pictures:
        output.data.update({kind: smaller(kind, coded) for kind, coded in pictures.items()})
    return output


def smaller(kind: str, coded: str) -> str:
    """A PNG in base64 with the same pixels in fewer bytes: an opaque one needs no opacity."""
    if kind != "image/png":
        return coded
    picture, file = Image.open(io.BytesIO(base64.b64decode(coded))), io.BytesIO()
    if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
        picture = picture.convert("RGB")
    picture.save(file, "PNG", optimize=True, dpi=picture.info.get("dpi"))
    return min(coded, base64.b64encode(file.getvalue()).decode(), key=len)


def keep_outputs(notebook: NotebookNode, old: NotebookNode) -> None:
    """Give the code cells of `notebook` the outputs that the same cells have in `old`.

    Raises:
        RuntimeError: the code is not the same, so its outputs cannot be.
    """
    new_code, old_code = (
        [cell for cell in each.cells if cell.cell_type == "code"] for each in (notebook, old)
    )
    if [cell.id for cell in new_code] != [cell.id for cell in old_code]:
        raise RuntimeError("its code has changed; execute it: make notebooks")
    for new, done in zip(new_code, old_code, strict=True):
        new.outputs, new.execution_count = done.outputs, done.execution_count


def difference(notebook: NotebookNode, committed: NotebookNode) -> str | None:
    """Say where a committed notebook differs from what its source describes; None where nowhere."""
    if notebook.metadata != committed.metadata:
        return "the metadata differs"
    for number, (new, old) in enumerate(zip_longest(notebook.cells, committed.cells), start=1):
        for key in ("cell_type", "source", "id", "metadata"):
            if new is None or old is None or new[key] != old[key]:
                return f"cell {number} differs:\n{indented((new or old).source)}"
    return None


def problems(root: Path = ROOT) -> dict[str, str]:
    """What is wrong with the committed notebooks, by name; empty if each is as its source says."""
    wrong = {}
    made = {notebook_path(source, root): source for source in sources(root)}
    folder = root / "notebooks"
    for path in sorted({*made, *folder.glob("*.ipynb"), *folder.glob("exercises/*.ipynb")}):
        name = path.relative_to(folder).as_posix()
        if path not in made:
            wrong[name] = "it has no source; delete it, or write source/*.md"
        elif not path.exists():
            wrong[name] = "it is not made yet; run: make notebooks"
        else:
            committed = nbformat.read(path, as_version=4)
            if found := difference(build(made[path], root), committed):
                wrong[name] = f"it differs from its source: {found}"
    return wrong


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    nbformat.validate(notebook)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    unfinished.replace(path)


def indented(text: str, most: int = 6) -> str:
    """Return the first lines of a cell as they appear under a message."""
    lines = text.splitlines()
    shown = lines if len(lines) <= most else [*lines[:most], "…"]
    return "\n".join(f"    | {line}" for line in shown)


def chosen(names: list[str], root: Path = ROOT) -> list[Path]:
    """The sources whose names begin with one of `names`; all of them if there are no names.

    Raises:
        RuntimeError: a name is the beginning of no lesson's.
    """

    def is_named(source: Path, names: tuple[str, ...]) -> bool:
        return source.stem.startswith(names) or name_of(source).startswith(names)

    for name in names:
        if not any(is_named(source, (name,)) for source in sources(root)):
            listed = ", ".join(map(name_of, sources(root)))
            raise RuntimeError(f"No lesson begins with {name!r}; there are: {listed}")
    return [s for s in sources(root) if not names or is_named(s, tuple(names))]


def make(source: Path, options: argparse.Namespace, root: Path = ROOT) -> str:
    """Make one notebook, as the command line asks for it, and return what to say of it.

    Raises:
        RuntimeError: it cannot be made; the old one stands.
    """
    path, start = notebook_path(source, root), time.monotonic()
    notebook = build(source, root)
    if is_sheet(source):
        path.parent.mkdir(exist_ok=True)
    elif options.keep_outputs:
        keep_outputs(notebook, nbformat.read(path, as_version=4))
    else:
        execute(notebook, path.parent, options.budget)
    write(notebook, path)
    return f"{time.monotonic() - start:.0f} s, {path.stat().st_size / 1000:.0f} kB"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Make the notebooks from source.")
    parser.add_argument("names", nargs="*", help="beginnings of names, as 02 or exercises/02")
    parser.add_argument("--budget", choices=("quick", "cpu", "gpu"), default="cpu")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="only say what is out of step")
    how.add_argument(
        "--keep-outputs", action="store_true", help="take over edited prose, execute nothing"
    )
    options = parser.parse_args(arguments)
    if options.check:
        wrong = problems(root)
        for name, what in wrong.items():
            print(f"notebooks/{name}: {what}")
        return 1 if wrong else 0
    try:
        lessons = chosen(options.names, root)
    except RuntimeError as error:
        parser.error(str(error))
    failed = 0
    for source in lessons:
        print(f"notebooks/{name_of(source)}.ipynb", end=": ", flush=True)
        try:
            print(make(source, options, root))
        except RuntimeError as error:
            print(f"{error}\nThe notebook is left as it was.")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
