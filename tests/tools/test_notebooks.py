"""The notebooks are what their sources say, run without error, and fit to be opened by anyone."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from build_notebooks import (
    BOOTSTRAP,
    ROOT,
    build,
    difference,
    execute,
    main,
    metadata,
    notebook_path,
    problems,
    smaller,
    sources,
    write,
)
from resnet_lessons.plots.style import new_figure
from set_repository import colab_badge, repository

LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SHEETS = sorted((ROOT / "notebooks" / "exercises").glob("*.ipynb"))
EXAMPLE = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# 99 · Example

See {{ repository }} and {{ notebook }}.

```{code-cell} ipython3
# {{ bootstrap }}
```

```{code-cell} ipython3
import os
print(os.environ["RESNET_LESSONS_BUDGET"])
```

The same cell twice.

```{code-cell} ipython3
x = 1
```

```{code-cell} ipython3
x = 1
```
"""
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
every_sheet = pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
every_notebook = pytest.mark.parametrize(
    "path",
    LESSONS + SHEETS,
    ids=lambda path: path.relative_to(ROOT / "notebooks").with_suffix("").as_posix(),
)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def example(tmp_path):
    """A course with one small lesson, and the path of its source."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    source = tmp_path / "source" / "99_example.md"
    source.parent.mkdir()
    (tmp_path / "notebooks").mkdir()
    source.write_text(EXAMPLE, encoding="utf-8")
    return source


# --- the notebooks of the course ---


def test_there_are_lessons():
    assert sources(), "source has no lesson; write source/00_start_here.md"
    assert LESSONS, "notebooks has no notebook; run: make notebooks"


def test_notebooks_are_their_sources():
    assert problems() == {}


@every_lesson
def test_runs_in_seconds_and_warns_of_nothing(path, tmp_path):
    folder = tmp_path / "notebooks"
    shutil.copytree(path.parent, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, folder, "quick")
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", f"cell {number} warns: {output.text}"


@pytest.mark.parametrize("background", ["white", "none"])
def test_a_picture_loses_bytes_but_no_pixel(background):
    drawing, axes = new_figure()
    axes[0, 0].plot([1, 3, 2])
    file = io.BytesIO()
    drawing.savefig(file, format="png", facecolor=background)
    before = base64.b64encode(file.getvalue()).decode()
    after = smaller("image/png", before)
    pixels = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))).convert("RGBA"))
        for coded in (before, after)
    ]
    assert len(after) < len(before) and np.array_equal(*pixels)
    assert (pixels[0][..., 3] == 255).all() == (background == "white")
    assert smaller("image/png", after) == after and smaller("image/svg+xml", "<svg>") == "<svg>"


@every_notebook
def test_is_small(path):
    assert path.stat().st_size < 1_000_000


@every_notebook
def test_begins_with_title_badge_and_bootstrap(path):
    cells = nbformat.read(path, as_version=4).cells
    number = path.stem[:2]
    title, _, badge, *_ = cells[0].source.splitlines()
    assert re.fullmatch(rf"# {'Exercises ' * (path in SHEETS)}{number} · \S.*", title)
    assert badge == (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{repository()}/blob/main/"
        f"{path.relative_to(ROOT).as_posix()})"
    )
    first = next(cell for cell in cells if cell.cell_type == "code")
    assert first.source == BOOTSTRAP.rstrip().replace("{{ repository }}", repository())
    assert first.metadata.tags == ["bootstrap"]


@every_lesson
def test_the_readme_lists_the_lesson_with_its_badge(path):
    place = path.relative_to(ROOT).as_posix()
    rows = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    row = next(row for row in rows if re.match(rf"\| {path.stem[:2]} \| .*\({place}\)", row))
    assert row.endswith(f"| {colab_badge(place)} |")


@every_notebook
def test_a_lesson_asks_colab_for_a_gpu_and_none_names_its_python(path):
    asked = nbformat.read(path, as_version=4).metadata
    assert asked == metadata(gpu=path in LESSONS)
    assert ("accelerator" in asked) == (path in LESSONS)


@every_notebook
def test_cells_are_short(path):
    for cell in code_cells(nbformat.read(path, as_version=4)):
        assert len(cell.source.splitlines()) <= 30, cell.source


@every_lesson
def test_was_executed_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(nbformat.read(path, as_version=4))]
    assert counts == list(range(1, len(counts) + 1))


@every_sheet
def test_a_sheet_of_exercises_is_not_executed(path):
    """What learners see below a cell is what their own answer gave, never "not attempted"."""
    for cell in code_cells(nbformat.read(path, as_version=4)):
        assert (cell.outputs, cell.execution_count) == ([], None), cell.source


@every_lesson
def test_shows_no_error_but_those_meant(path):
    for cell in code_cells(nbformat.read(path, as_version=4)):
        kinds = {output.output_type for output in cell.outputs}
        meant = "raises-exception" in cell.metadata.get("tags", [])
        assert ("error" in kinds) == meant, cell.source


@every_notebook
def test_tells_nothing_of_the_machine_it_was_made_on(path):
    folders = [f"{folder}/" for folder in (ROOT, Path.home(), tempfile.gettempdir(), sys.prefix)]
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            # Any few letters occur somewhere in a picture.
            for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
                del output.data[kind]
        text = json.dumps(cell)
        assert not [folder for folder in folders if folder in text], cell.source
        assert not re.search(r"(?<![\w.:/])/(home|private|root|tmp|Users|var)/|:\\\\Users", text), (
            text
        )


# --- the builder ---


def test_a_source_becomes_a_notebook(example):
    root = example.parents[1]
    notebook = build(example, root)
    nbformat.validate(notebook)
    title, bootstrap, *_, first, second = notebook.cells
    assert title.source.endswith(f"See {repository(root)} and notebooks/99_example.ipynb.")
    assert bootstrap.source.splitlines()[0] == BOOTSTRAP.splitlines()[0]
    assert bootstrap.metadata.tags == ["bootstrap"]
    assert "{{" not in title.source + bootstrap.source
    assert first.source == second.source and first.id != second.id
    assert difference(notebook, build(example, root)) is None


def test_a_new_cell_leaves_the_ids_of_the_others(example):
    root = example.parents[1]
    before = [cell.id for cell in build(example, root).cells]
    example.write_text(EXAMPLE.replace("The same", "New.\n\n+++\n\nThe same"), encoding="utf-8")
    after = [cell.id for cell in build(example, root).cells]
    assert [cell_id for cell_id in after if cell_id in before] == before
    assert len(after) == len(before) + 1


def test_every_difference_from_the_source_is_seen(example):
    root = example.parents[1]
    changes = {
        "source": lambda nb: nb.cells[0].update(source="edited by hand"),
        "id": lambda nb: nb.cells[1].update(id="other"),
        "tags": lambda nb: nb.cells[1].metadata.update(tags=[]),
        "type": lambda nb: nb.cells[1].update(cell_type="raw"),
        "missing": lambda nb: nb.cells.pop(),
        "added": lambda nb: nb.cells.append(nbformat.v4.new_markdown_cell("more")),
        "metadata": lambda nb: nb.metadata.pop("accelerator"),
    }
    for name, change in changes.items():
        notebook = build(example, root)
        change(notebook)
        assert difference(build(example, root), notebook), name


def test_a_notebook_and_its_source_need_each_other(example):
    root = example.parents[1]
    path = notebook_path(example, root)
    assert "not made yet" in problems(root)[path.name]
    write(build(example, root), path)
    assert problems(root) == {}
    example.write_text(EXAMPLE.replace("twice", "again"), encoding="utf-8")
    assert "differs" in problems(root)[path.name]
    example.unlink()
    assert "no source" in problems(root)[path.name]


def test_builds_in_a_budget_and_leaves_the_old_notebook_when_a_cell_fails(example, capsys):
    root = example.parents[1]
    path = notebook_path(example, root)
    assert main(["99", "--budget", "quick"], root) == 0
    made = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in code_cells(made)] == [1, 2, 3, 4]
    assert code_cells(made)[1].outputs[0].text == "quick\n"
    assert main(["--check"], root) == 0

    example.write_text(EXAMPLE.replace("The same", "An equal"), encoding="utf-8")
    assert main(["--check"], root) == 1
    assert main(["--keep-outputs"], root) == 0
    assert main(["--check"], root) == 0
    kept = nbformat.read(path, as_version=4)
    assert code_cells(kept) == code_cells(made)

    bytes_before = path.read_bytes()
    example.write_text(EXAMPLE.replace("x = 1", "x = 1 / 0", 1), encoding="utf-8")
    for option, words in (
        ("--budget=quick", "cell 5: ZeroDivisionError: division by zero\n    | x = 1 / 0\n"),
        ("--keep-outputs", "its code has changed"),
    ):
        capsys.readouterr()
        assert main(["99", option], root) == 1
        said = capsys.readouterr().out
        assert words in said and "99_example.ipynb" in said
        assert len(said.splitlines()) < 5
        assert path.read_bytes() == bytes_before


def test_a_lesson_that_is_not_there_is_named_with_those_that_are(example, capsys):
    with pytest.raises(SystemExit):
        main(["42"], example.parents[1])
    assert "No lesson begins with '42'; there are: 99_example" in capsys.readouterr().err


def test_outputs_are_those_of_any_machine(tmp_path):
    """A widget leaves its static picture only, and a traceback names files from the folder on."""
    code = """
import ipywidgets
from IPython.display import HTML, display
import build_notebooks
display(ipywidgets.IntSlider())
class Explorer:
    def _repr_mimebundle_(self, **_):
        slider = ipywidgets.IntSlider()._repr_mimebundle_()
        return {**slider, "text/html": "static"}
display(Explorer())
build_notebooks.build(None)
"""
    cell = nbformat.v4.new_code_cell(code, metadata={"tags": ["raises-exception"]})
    path = nbformat.v4.new_code_cell(f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r})")
    notebook = nbformat.v4.new_notebook(cells=[path, cell])
    execute(notebook, tmp_path, "quick")
    shown, error = cell.outputs
    assert shown.data["text/html"] == "static"
    assert set(shown.data) == {"text/html", "text/plain"}
    trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    assert "File tools/build_notebooks.py:" in trace
    assert str(ROOT) not in trace


# --- the first cell, outside and inside of Colab ---

CAPTURED = {"capture_output": True, "text": True, "timeout": 300}
SHELL = """
import sys, types
if "colab" in sys.argv:
    sys.modules["google.colab"] = types.ModuleType("google.colab")
if "missing" in sys.argv:
    sys.modules["resnet_lessons"] = None
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="NoColor")
if shell.run_cell(sys.stdin.read()).success and "colab" in sys.argv:
    import resnet_lessons
    print(resnet_lessons.__file__)
"""


def plain_environment(**extra):
    """The environment variables, but for those that would lead to this folder or to a network."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON", "RESNET"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", **extra}


def run_bootstrap(*situation, python=sys.executable, address="YOUR_ACCOUNT/x", **environment):
    """What the first cell prints."""
    done = subprocess.run(
        [python, "-c", SHELL, *situation],
        input=BOOTSTRAP.replace("{{ repository }}", address),
        env=plain_environment(**environment),
        cwd=tempfile.gettempdir(),
        **CAPTURED,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_bootstrap_is_short():
    assert len(BOOTSTRAP.splitlines()) <= 14
    assert max(map(len, BOOTSTRAP.splitlines())) <= 100


def test_bootstrap_is_silent_where_the_course_is_installed():
    assert run_bootstrap(PYTHONPATH=str(ROOT)) == ""


def test_bootstrap_says_in_one_line_what_to_run():
    said = run_bootstrap("missing")
    assert "`make lab`" in said and "`pip install -r requirements.txt`" in said
    assert len(said.splitlines()) == 1


def test_bootstrap_says_in_colab_that_the_address_is_not_set():
    said = run_bootstrap("missing", "colab")
    assert "`make badges REPO=owner/name`" in said
    assert len(said.splitlines()) == 1


def test_bootstrap_installs_in_colab_and_replaces_nothing(tmp_path, wheel):
    python, packages = copy_of_this_python(tmp_path / "colab")
    stand_in_for_d2l(tmp_path)
    before = {path.name for path in packages.glob("*.dist-info")}
    said = run_bootstrap(
        "colab", python=python, RESNET_LESSONS_SOURCE=str(wheel), PIP_FIND_LINKS=str(tmp_path)
    )
    after = {path.name for path in packages.glob("*.dist-info")}
    assert said.splitlines()[-1] == str(packages / "resnet_lessons" / "__init__.py")
    assert before <= after
    assert after - before == {"d2l-1.0.3.dist-info", "resnet_lessons-0.1.0.dist-info"}


def copy_of_this_python(folder):
    """A new Python, and its folder of packages: all that this one has but the course and d2l."""
    own = Path(sysconfig.get_path("purelib"))
    # Looked for as a file: find_spec("pip") warns where distutils was imported before.
    seed = ["--without-pip"] if (own / "pip").exists() else []
    subprocess.run([sys.executable, "-m", "venv", *seed, folder], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    for item in own.iterdir():
        hidden = item.suffix == ".pth" or item.name.lower().startswith(("resnet_lessons", "d2l"))
        if not hidden and not (packages / item.name).exists():
            (packages / item.name).symlink_to(item)
    return folder / "bin" / "python", packages


def stand_in_for_d2l(folder):
    """A wheel with the name, and the impossible demands, of d2l."""
    info = "d2l-1.0.3.dist-info"
    with zipfile.ZipFile(folder / "d2l-1.0.3-py3-none-any.whl", "w") as wheel:
        wheel.writestr("d2l/__init__.py", "")
        wheel.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: d2l\nVersion: 1.0.3\nRequires-Dist: numpy==1.23.5\n",
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
