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
from resnet_lessons.training import Ending, Epoch, History


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(64, 20)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of results, not made yet."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def file(folder):
    """The file of the one stored experiment, "depths"."""
    folder.mkdir()
    return folder / "depths.jsonl"


RECIPE = {"epochs": 2, "lr": 0.1, "schedule": "cosine"}


def history(seed=0, epochs=2, **changes):
    return History(
        "plain-8",
        seed,
        [Epoch(n, 0.1 / n, 1 / 3, 200 / 3, 2 / 7, 0.1, seed + 0.5) for n in range(1, epochs + 1)],
        **changes,
    )


# Writing and reading


def test_what_is_written_is_read_again(folder, mini):
    results.write("depths", "plain", 8, mini, history(seed=4), RECIPE)
    assert results.available() == ["depths"]
    (run,) = results.read("depths")
    assert (run.net, run.depth, run.seed, run.data_set) == ("plain", 8, 4, mini.title)
    assert run.label == "plain-8"
    assert list(run.epochs) == history(seed=4).epochs


@settings(max_examples=60, deadline=None)
@given(figures=st.lists(st.floats(allow_nan=False), min_size=6, max_size=6))
def test_floats_survive_to_the_last_bit(tmp_path_factory, mini, figures):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "FOLDER", tmp_path_factory.mktemp("results"))
        results.write("depths", "plain", 8, mini, History("x", 0, [Epoch(1, *figures)]), RECIPE)
        (run,) = results.read("depths")
    assert run.epochs == (Epoch(1, *figures),)


def test_a_loss_that_was_no_number_survives(folder, mini):
    spoilt = History("x", 0, [replace(history().epochs[0], test_loss=math.nan)])
    results.write("depths", "plain", 8, mini, spoilt, RECIPE)
    assert math.isnan(results.read("depths")[0].epochs[0].test_loss)


def test_the_origin_says_where_when_and_how(folder, mini):
    results.write("depths", "plain", 8, mini, history(), RECIPE)
    origin = results.read("depths")[0].origin
    assert origin["recipe"] == RECIPE
    assert origin["device"] == "cpu"
    assert origin["processor"] == f"{platform.machine()}, {torch.get_num_threads()} threads"
    assert origin["torch"] == torch.__version__
    assert origin["python"] == platform.python_version()
    assert abs(date.fromisoformat(origin["date"]) - date.today()) <= timedelta(days=1)
    assert "commit" in origin
    for line in (folder / "depths.jsonl").read_text(encoding="utf-8").splitlines():
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


def test_runs_are_grouped_and_sorted(folder, mini):
    wanted = [("plain", 8, 0), ("plain", 8, 1), ("plain", 20, 0), ("residual", 8, 0)]
    for net, depth, seed in reversed(wanted):
        results.write("depths", net, depth, mini, history(seed), RECIPE)
    runs = results.read("depths")
    assert [(run.net, run.depth, run.seed) for run in runs] == wanted
    assert [run.label for run in runs] == ["plain-8", "plain-8", "plain-20", "residual-8"]
    for run in runs:
        assert list(run.epochs) == history(run.seed).epochs


def test_lines_of_two_runs_may_alternate(file, mini):
    """As two sweeps at once would write them."""
    for seed in (0, 1):
        results.write("depths", "plain", 8, mini, history(seed), RECIPE)
    first, second = [file.read_text().splitlines()[i::2] for i in (0, 1)]
    file.write_text("\n".join(first + second))
    assert [run.epochs for run in results.read("depths")] == [
        tuple(history(seed).epochs) for seed in (0, 1)
    ]


def test_a_training_without_a_finished_epoch_is_not_stored(folder, mini):
    with pytest.raises(ValueError, match=r"plain-8 has no finished epoch, .*: The loss of"):
        results.write("depths", "plain", 8, mini, history(epochs=0, ending=Ending.DIVERGED), {})
    assert results.available() == []


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
        lambda line: line.replace('"origin"', '"where"'),
        lambda line: line.replace('"epoch": 1', '"epoch": 2'),
        lambda line: line.replace('"epoch": 1', '"epoch": "1"'),
    ],
)
def test_a_damaged_line_is_named(file, mini, damage):
    for seed in (0, 1):
        results.write("depths", "plain", 8, mini, history(seed), RECIPE)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert damage(lines[2]) != lines[2]
    lines[2] = damage(lines[2])
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 3 of results/depths\.jsonl is damaged.*; restore"):
        results.read("depths")


def test_a_run_that_is_stored_twice_is_found(file, mini):
    for _ in range(2):
        results.write("depths", "plain", 8, mini, history(), RECIPE)
    with pytest.raises(ValueError, match=r"line 3 of .* damaged"):
        results.read("depths")


def test_an_unknown_experiment_is_named_with_the_nearest(file):
    file.touch()
    (file.parent / "others.jsonl").touch()
    (file.parent / "notes.txt").touch()
    assert results.available() == ["depths", "others"]
    with pytest.raises(ValueError, match=r"experiment is 'depth'.*did you mean 'depths'"):
        results.read("depth")


@pytest.mark.parametrize("made", [True, False])
def test_where_nothing_is_stored_the_message_says_so(folder, made):
    if made:
        folder.mkdir()
    assert results.available() == []
    with pytest.raises(ValueError, match=r"experiment is 'depths', but no .*; restore the folder"):
        results.read("depths")


def test_the_stored_experiments_are_whole():
    """Whatever is stored in the repository: every run as long as its recipe says."""
    for name in results.available():
        for run in results.read(name):
            assert len(run.epochs) == run.origin["recipe"]["epochs"], (name, run.label, run.seed)
            assert all(0 <= epoch.train_error <= 100 for epoch in run.epochs)
