"""The package as a whole: what importing it loads, who may import whom, and what is explained."""

import ast
import inspect
import subprocess
import sys
import tomllib

import pytest
from importlinter.cli import lint_imports

import resnet_lessons
from set_repository import ROOT

HEAVY = {"IPython", "ipywidgets", "matplotlib", "pandas", "torchvision"}
COMPILER = "torch._dynamo"  # takes longer to load than the rest of torch
# The rooms that show things; the others import such libraries where they need them, if ever.
SHOWING = {"plots", "lab", "widgets", "checks"}
SOURCES, GRADER = (
    {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    for package in ("resnet_lessons", "resnet_grading")
)
MODULES = [path for path in SOURCES if path != "resnet_lessons/__init__.py"]


def top(path):
    """`plots` for resnet_lessons/plots/style.py, `shapes` for resnet_lessons/shapes.py."""
    return path.removesuffix(".py").split("/")[1]


def imports(node):
    """The dotted names that a module imports as it is itself imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif not isinstance(child, ast.FunctionDef | ast.Lambda):
            yield from imports(child)


# Importing


@pytest.fixture(scope="module")
def loaded():
    """The modules that a fresh Python has after the package, and after its pictures."""
    code = "".join(
        f"import sys, {name}\nprint(*sys.modules)\n"
        for name in ("resnet_lessons", "resnet_lessons.plots")
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [set(line.split()) for line in run.stdout.splitlines()]


def test_importing_the_package_loads_nothing_heavy(loaded):
    assert {"resnet_lessons", "torch"} <= loaded[0]
    assert not loaded[0] & {*HEAVY, COMPILER}


def test_plots_loads_matplotlib_and_no_notebook(loaded):
    assert "matplotlib" in loaded[1]
    assert not loaded[1] & {"IPython", "ipywidgets", "torchvision", COMPILER}


@pytest.mark.parametrize("path", MODULES)
def test_only_what_shows_imports_heavy_libraries(path):
    loads = {name.partition(".")[0] for name in imports(SOURCES[path])}
    if top(path) not in SHOWING:
        assert not loads & HEAVY
    assert not loads & {"IPython", "ipywidgets"} or top(path) == "widgets"


# The rooms: which knows which is a contract in pyproject.toml


def test_a_room_knows_only_the_rooms_below_it(capsys):
    contracts = str(ROOT / "pyproject.toml")
    assert lint_imports(contracts, no_cache=True, no_logo=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", MODULES)
def test_a_room_is_entered_by_its_face(path):
    """`from resnet_lessons.networks import …`, not `.networks.blocks`, but within the room."""
    past = {
        node.module
        for node in ast.walk(SOURCES[path])
        if isinstance(node, ast.ImportFrom)
        and node.module.count(".") > 1
        and node.module.split(".")[:2] != ["resnet_lessons", top(path)]
        and node.module.startswith("resnet_lessons.")
    }
    assert not past


# What is public


def test_every_name_in_all_exists_once_in_order():
    names = resnet_lessons.__all__
    assert len(names) == len(set(names))  # ruff keeps them in order
    assert set(names) <= set(dir(resnet_lessons))
    namespace = {}
    exec("from resnet_lessons import *", namespace)
    assert set(names) == namespace.keys() - {"__builtins__"}


@pytest.mark.parametrize("name", resnet_lessons.__all__)
def test_every_public_name_has_a_docstring_of_its_own(name):
    thing = getattr(resnet_lessons, name)
    own = thing.__dict__.get("__doc__") if inspect.isclass(thing) else thing.__doc__
    # A dataclass without a docstring is given its signature as one.
    assert own and own.strip() and not own.startswith(f"{name}(")


def definitions(tree, inside=""):
    """The public functions, classes and methods of a module, and every `__init__`, by name."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if node.name.startswith("_") and not (inside and node.name == "__init__"):
                continue
            yield inside + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from definitions(node, f"{node.name}.")


@pytest.mark.parametrize("path", SOURCES | GRADER)
def test_every_module_and_public_definition_is_explained(path):
    source = (SOURCES | GRADER)[path]
    assert ast.get_docstring(source)
    silent = [
        name
        for name, node in definitions(source)
        if "." not in name and name != "main" and not ast.get_docstring(node)
    ]
    # The solutions and their variants in a lesson's checks are explained by their exercise.
    assert not silent or "/checks/lesson_" in path


@pytest.mark.parametrize("path", SOURCES | GRADER)
def test_every_public_function_and_method_is_annotated(path):
    bare = []
    for name, node in definitions((SOURCES | GRADER)[path]):
        if isinstance(node, ast.ClassDef):
            continue
        given = node.args
        named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        named += [argument for argument in (given.vararg, given.kwarg) if argument]
        named = [argument for argument in named if argument.arg not in ("self", "cls")]
        if not node.returns or not all(argument.annotation for argument in named):
            bare.append(name)
    assert not bare


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert resnet_lessons.__version__ == project["version"]
