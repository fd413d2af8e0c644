"""The package as a whole: what importing it loads, who may import whom, and what is explained."""

import ast
import inspect
import subprocess
import sys
import tomllib

import pytest

import resnet_lessons
from set_repository import ROOT

HEAVY = {"IPython", "ipywidgets", "matplotlib", "pandas", "torchvision"}
# From below to above: a module imports only from lines below its own. A module that stands on no
# line stands above all of them.
FLOORS = [
    {"_arguments", "_files", "_http"},
    {"archives", "blocks", "data", "downloads", "history", "scenes", "weights"},
    {"cifar", "hrnet", "lesson_nine", "preact", "pretrained", "video"},
    {"resnet"},
    {"res2net"},
    {"variants"},
    {"shapes", "recipe", "evaluation", "acceleration", "augmentation", "sources"},
    {"backbones", "checkpoints", "diagnostics", "grad_cam", "loading"},
    {"loop", "transfer"},
    {"training"},
    {"results", "budget"},
    {"plots"},
]
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}
NETWORKS = {"blocks", "cifar", "hrnet", "lesson_nine", "preact", "res2net", "resnet"}
SOURCES, GRADER = (
    {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    for package in ("resnet_lessons", "resnet_grading")
)
MODULES = [path for path in SOURCES if path != "resnet_lessons/__init__.py"]


def top(path):
    """`plots` for resnet_lessons/plots/style.py, `blocks` for resnet_lessons/blocks.py."""
    return path.removesuffix(".py").split("/")[1]


def imports(node, inside_functions=False):
    """The dotted names that a module imports as it is itself imported; or all that it ever does."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = child.module or ""
            origin = f"resnet_lessons.{module}".rstrip(".") if child.level else module
            yield from (f"{origin}.{alias.name}" for alias in child.names)
        elif inside_functions or not isinstance(child, ast.FunctionDef | ast.Lambda):
            yield from imports(child, inside_functions)


def siblings(tree, inside_functions=False):
    """The modules of this package that `tree` imports: `blocks`, `data`, …"""
    names = (name.split(".") for name in imports(tree, inside_functions))
    return {name[1] for name in names if name[0] == "resnet_lessons" and len(name) > 1}


# Importing


def loaded_by(statement):
    """The top-level modules that a fresh Python has after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_by("import resnet_lessons")
    assert {"resnet_lessons", "torch"} <= loaded
    assert not loaded & HEAVY


def test_plots_loads_matplotlib_and_no_notebook():
    loaded = loaded_by("import resnet_lessons.plots")
    assert "matplotlib" in loaded
    assert not loaded & {"IPython", "ipywidgets", "torchvision"}


@pytest.mark.parametrize("path", MODULES)
def test_only_plots_and_what_stands_above_it_import_heavy_libraries(path):
    loads = {name.partition(".")[0] for name in imports(SOURCES[path])}
    if FLOOR.get(top(path), len(FLOORS)) < FLOOR["plots"]:
        assert not loads & HEAVY
    assert not loads & {"IPython", "ipywidgets"} or top(path) == "widgets"


# The arrow of dependency


@pytest.mark.parametrize("path", [path for path in MODULES if top(path) in FLOOR])
def test_a_module_imports_only_from_those_below_it(path):
    others = siblings(SOURCES[path]) & set(map(top, MODULES)) - {top(path)}
    assert all(FLOOR.get(name, len(FLOORS)) < FLOOR[top(path)] for name in others), others


def test_blocks_networks_and_data_know_only_what_they_need():
    known = {
        name: siblings(SOURCES[f"resnet_lessons/{name}.py"], inside_functions=True)
        for name in NETWORKS | {"data"}
    }
    assert known.pop("blocks") == {"_arguments"}
    assert known.pop("data") == {"_arguments"}
    assert known.pop("resnet") == {"_arguments", "blocks", "pretrained"}
    assert known.pop("res2net") == {"_arguments", "blocks", "resnet"}
    assert len(known) == 4
    assert all(names == {"_arguments", "blocks"} for names in known.values())


def test_the_grader_is_imported_by_nobody_but_itself():
    loads = {name for tree in SOURCES.values() for name in imports(tree, inside_functions=True)}
    assert not any(name.startswith("resnet_grading") for name in loads)


def test_the_modules_that_the_floors_name_exist():
    assert FLOOR.keys() <= set(map(top, MODULES))


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
