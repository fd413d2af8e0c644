"""Stored runs: what is read is what was measured, with its origin; and the sweep."""

import json
import math
import platform
import subprocess
from dataclasses import replace
from datetime import date, timedelta

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab import results
from resnet_lessons.lab.experiments import EXPERIMENTS
from resnet_lessons.lab.results import RunStore
from resnet_lessons.lab.trial import Trial
from resnet_lessons.training.history import Ending, Epoch, History


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(64, 20)


@pytest.fixture
def store(tmp_path):
    """A store whose folder is not made yet."""
    return RunStore(tmp_path / "results")


@pytest.fixture
def file(store):
    """The file of the one stored experiment, "depths"."""
    store.folder.mkdir()
    return store.folder / "depths.jsonl"


RECIPE = {"epochs": 2, "lr": 0.1, "schedule": "cosine"}


def plain(seed=0, **fields):
    return Trial(**{"kind": "plain", "depth": 8, "seed": seed, **fields})


def history(seed=0, epochs=2, ending=Ending.FINISHED):
    return History(
        "plain-8",
        seed,
        [Epoch(n, 0.1 / n, 1 / 3, 200 / 3, 2 / 7, 0.1, seed + 0.5) for n in range(1, epochs + 1)],
        ending=ending,
    )


# Writing and reading


@pytest.mark.parametrize("ending", Ending)
def test_what_is_written_is_read_again(store, mini, ending):
    trial = plain(4, change="warm-up", x=1.5, unit="million")
    store.write("depths", trial, mini, history(4, ending=ending), RECIPE)
    assert store.available() == ["depths"]
    (run,) = store.read("depths")
    assert (run.kind, run.depth, run.seed, run.data_set) == ("plain", 8, 4, mini.title)
    assert (run.change, run.x, run.unit, run.ending) == ("warm-up", 1.5, "million", ending)
    assert run.key == trial.key and run.label == trial.label
    assert list(run.epochs) == history(seed=4).epochs


@settings(max_examples=60, deadline=None)
@given(figures=st.lists(st.floats(allow_nan=False), min_size=6, max_size=6))
def test_floats_survive_to_the_last_bit(tmp_path_factory, mini, figures):
    store = RunStore(tmp_path_factory.mktemp("results"))
    measured = History("x", 0, [Epoch(1, *figures)], ending=Ending.FINISHED)
    store.write("depths", plain(), mini, measured, RECIPE)
    (run,) = store.read("depths")
    assert run.epochs == (Epoch(1, *figures),)


def test_a_loss_that_was_no_number_survives(store, mini):
    spoilt = replace(history(), epochs=[replace(history().epochs[0], test_loss=math.nan)])
    store.write("depths", plain(), mini, spoilt, RECIPE)
    assert math.isnan(store.read("depths")[0].epochs[0].test_loss)


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({}, "plain-8"),
        ({"kind": "residual", "depth": 110}, "residual-110"),
        ({"kind": "zero branches"}, "zero branches"),
        ({"change": "warm-up", "x": 44, "unit": "layers"}, "plain, warm-up, 44 layers"),
        ({"kind": "fine-tuned", "x": 1280, "unit": "images"}, "fine-tuned, 1280 images"),
        ({"kind": "residual", "x": 4.0, "unit": "million"}, "residual, 4.0 million"),
    ],
)
def test_a_label_is_made_from_the_fields(fields, label):
    assert plain(**fields).label == label


def test_the_origin_says_where_when_and_how(store, mini):
    store.write("depths", plain(), mini, history(), RECIPE)
    origin = store.read("depths")[0].origin
    assert origin["recipe"] == RECIPE
    assert origin["device"] == "cpu"
    assert origin["processor"] == f"{platform.machine()}, {torch.get_num_threads()} threads"
    assert origin["torch"] == torch.__version__
    assert origin["python"] == platform.python_version()
    assert abs(date.fromisoformat(origin["date"]) - date.today()) <= timedelta(days=1)
    assert "commit" in origin
    for line in (store.folder / "depths.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(line)["origin"] == origin, "each line must stand alone"


def test_the_commit_is_the_one_of_the_code(monkeypatch):
    def describe(command, **options):
        assert command[:2] == ["git", "describe"] and options["cwd"] == results.PACKAGE
        return subprocess.CompletedProcess(command, 0, stdout="0123456789ab+\n")

    monkeypatch.setattr(subprocess, "run", describe)
    assert results._commit() == "0123456789ab+"


@pytest.mark.parametrize(
    "error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git")]
)
def test_without_git_there_is_no_commit(monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    assert results._commit() is None


def test_runs_are_grouped_and_sorted(store, mini):
    wanted = [plain(seed) for seed in (0, 1)] + [plain(depth=20)]
    wanted += [plain(kind="residual"), plain(kind="residual", x=4), plain(kind="residual", x=20)]
    for trial in reversed(wanted):
        store.write("depths", trial, mini, history(trial.seed), RECIPE)
    runs = store.read("depths")
    assert [run.key for run in runs] == [trial.key for trial in wanted]
    for run in runs:
        assert list(run.epochs) == history(run.seed).epochs


def test_lines_of_two_runs_may_alternate(store, file, mini):
    """As two sweeps at once would write them."""
    for seed in (0, 1):
        store.write("depths", plain(seed), mini, history(seed), RECIPE)
    first, second = [file.read_text().splitlines()[i::2] for i in (0, 1)]
    file.write_text("\n".join(first + second))
    assert [run.epochs for run in store.read("depths")] == [
        tuple(history(seed).epochs) for seed in (0, 1)
    ]


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"epochs": 0, "ending": Ending.DIVERGED}, "no finished epoch"),
        ({"ending": None}, "no ending"),
    ],
)
def test_a_training_without_an_epoch_or_an_end_is_not_stored(store, mini, changes, lacks):
    with pytest.raises(ValueError, match=rf"plain-8 has {lacks}, .*; train to the end"):
        store.write("depths", plain(), mini, history(**changes), {})
    assert store.available() == []


# What can be wrong


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: "",
        lambda line: line[: len(line) // 2],
        lambda line: "3",
        lambda line: "[]",
        lambda line: "null",
        lambda line: line.replace('"depth"', '"dept"'),
        lambda line: line.replace('"train_loss"', '"loss"'),
        lambda line: line.replace('"data_set"', '"data"'),
        lambda line: line.replace('"kind"', '"net"'),
        lambda line: line.replace('"ending": "finished"', '"ending": "over"'),
        lambda line: line.replace('"origin"', '"where"'),
        lambda line: line.replace('"epoch": 1', '"epoch": 2'),
        lambda line: line.replace('"epoch": 1', '"epoch": "1"'),
    ],
)
def test_a_damaged_line_is_named(store, file, mini, damage):
    for seed in (0, 1):
        store.write("depths", plain(seed), mini, history(seed), RECIPE)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert damage(lines[2]) != lines[2]
    lines[2] = damage(lines[2])
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 3 of results/depths\.jsonl is damaged.*; restore"):
        store.read("depths")


def test_a_run_that_is_stored_twice_is_found(store, file, mini):
    for _ in range(2):
        store.write("depths", plain(), mini, history(), RECIPE)
    with pytest.raises(ValueError, match=r"line 3 of .* damaged"):
        store.read("depths")


def test_an_unknown_experiment_is_named_with_the_nearest(store, file):
    file.touch()
    (file.parent / "others.jsonl").touch()
    (file.parent / "notes.txt").touch()
    assert store.available() == ["depths", "others"]
    with pytest.raises(ValueError, match=r"experiment is 'depth'.*did you mean 'depths'"):
        store.read("depth")


@pytest.mark.parametrize("made", [True, False])
def test_where_nothing_is_stored_the_message_says_so(store, made):
    if made:
        store.folder.mkdir()
    assert store.available() == []
    with pytest.raises(ValueError, match=r"experiment is 'depths', but no .*; restore the folder"):
        store.read("depths")


# What the course brings along


def test_the_course_reads_its_own_store():
    assert results.available() == results.COURSE.available()
    assert results.read("start-mini") == results.COURSE.read("start-mini")
    assert results.read_measurements("paths") == results.COURSE.read_measurements("paths") != []


@pytest.mark.parametrize("name", results.available())
def test_the_stored_experiments_are_whole(name):
    """Every run is planned, as long as its recipe says, and of the depth that it names."""
    planned = {run.key: run for run in EXPERIMENTS[name].runs}
    for run in results.read(name):
        assert len(run.epochs) == run.origin["recipe"]["epochs"], (run.label, run.seed)
        assert all(0 <= epoch.train_error <= 100 for epoch in run.epochs)
        assert run.label == planned[run.key].label


def test_what_is_measured_goes_elsewhere_where_the_course_is_installed(
    tmp_path, monkeypatch, capsys
):
    assert results.store_to_write() is results.COURSE
    monkeypatch.setattr(results, "COURSE", RunStore(results.PACKAGED))
    monkeypatch.chdir(tmp_path)
    assert results.store_to_write().folder == tmp_path / "results"
    assert f"what is measured goes to {tmp_path / 'results'}" in capsys.readouterr().out
