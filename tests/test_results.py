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

from resnet_lessons import results, sweep
from resnet_lessons.data import load
from resnet_lessons.training import Epoch, History, train


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
    assert (run.net, run.depth, run.seed, run.data_set) == ("plain", 8, 4, mini.name)
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
    with pytest.raises(ValueError, match=r"plain-8 has no finished epoch, .*: The loss is gone"):
        results.write("depths", "plain", 8, mini, history(epochs=0, stopped="The loss is gone"), {})
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


# The sweep


@pytest.fixture
def tiny(folder, mini, monkeypatch):
    """An experiment of eight trainings that take no time."""
    experiment = sweep.Experiment(
        depths=(8, 14),
        seeds=(0, 1),
        width=2,
        data=lambda: mini,
        recipe={"epochs": 1, "batch_size": 32, "lr": 0.01},
    )
    monkeypatch.setitem(sweep.EXPERIMENTS, "tiny", experiment)
    return experiment


def figures(run):
    return [replace(epoch, seconds=0.0) for epoch in run.epochs]


def test_a_sweep_stores_every_training_once(tiny, capsys):
    sweep.sweep("tiny")
    runs = results.read("tiny")
    assert {(run.net, run.depth, run.seed) for run in runs} == {
        (net, depth, seed) for net in ("plain", "residual") for depth in (8, 14) for seed in (0, 1)
    }
    assert runs[0].origin["recipe"] == {**tiny.recipe, "width": 2}
    assert figures(runs[0]) != figures(runs[1]), "two seeds gave one result"
    assert "0 trainings stored, 8 to go" in capsys.readouterr().out
    sweep.sweep("tiny")
    assert "8 trainings stored, 0 to go" in capsys.readouterr().out
    assert results.read("tiny") == runs


def test_an_interrupted_sweep_goes_on_where_it_was(tiny, monkeypatch, capsys):
    def interrupted(model, data, **options):
        if "plain-14" in options["label"]:
            return History(options["label"], options["seed"], [], "Interrupted in epoch 1 of 1.")
        return train(model, data, **options)

    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="Run again to go on"):
        patch.setattr(sweep, "train", interrupted)
        sweep.sweep("tiny")
    stored = results.read("tiny")
    assert [run.label for run in stored] == ["plain-8", "residual-8"]
    sweep.sweep("tiny")
    assert "2 trainings stored, 6 to go" in capsys.readouterr().out
    assert len(results.read("tiny")) == 8 and all(run in results.read("tiny") for run in stored)


def test_a_training_that_fails_does_not_end_the_sweep(tiny, monkeypatch, capsys):
    def failing(model, data, **options):
        if "plain-14" in options["label"]:
            return History(options["label"], options["seed"], [], "The loss is no longer finite.")
        return train(model, data, **options)

    monkeypatch.setattr(sweep, "train", failing)
    sweep.sweep("tiny")
    assert len(results.read("tiny")) == 6
    assert "plain-14 seed 0 is not stored: The loss is no longer finite." in capsys.readouterr().out


def test_plain_and_residual_start_from_the_same_weights(tiny, monkeypatch, mini):
    weights = {}

    def look(model, data, **options):
        weights[options["label"]] = [weight.clone() for weight in model.parameters()]
        return history(options["seed"], epochs=1)

    monkeypatch.setattr(sweep, "train", look)
    sweep.sweep("tiny")
    for depth in (8, 14):
        for one, other in zip(
            weights[f"plain-{depth} seed 1"], weights[f"residual-{depth} seed 1"], strict=True
        ):
            assert torch.equal(one, other)
    assert not torch.equal(weights["plain-8 seed 0"][0], weights["plain-8 seed 1"][0])


def test_an_experiment_is_a_table_of_means_and_ranges(folder, mini):
    for seed, error in enumerate((10.0, 20.0, 60.0)):
        last = replace(history().epochs[1], train_error=error, test_error=error + 5)
        measured = History("plain-8", seed, [history().epochs[0], last])
        results.write("depths", "plain", 8, mini, measured, RECIPE)
    results.write("depths", "residual", 8, mini, measured, RECIPE)
    assert sweep.table("depths").splitlines()[2:] == [
        "| plain-8 | 3 | 30.0 (10.0 to 60.0) | 35.0 (15.0 to 65.0) |",
        "| residual-8 | 1 | 60.0 (60.0 to 60.0) | 65.0 (65.0 to 65.0) |",
    ]


def test_an_experiment_is_drawn_beside_its_file(folder, mini):
    results.write("depths", "plain", 8, mini, history(), RECIPE)
    sweep.draw("depths")
    assert (folder / "depths.png").read_bytes().startswith(b"\x89PNG")


MARKS = ("<!-- table of depths -->", "<!-- end of table -->")


def test_the_table_replaces_the_one_in_the_readme_and_nothing_else(folder, mini):
    results.write("depths", "plain", 8, mini, history(), RECIPE)
    readme = folder / "README.md"
    readme.write_text(f"before\n{MARKS[0]}\nan old table\n{MARKS[1]}\nafter\n", encoding="utf-8")
    told = f"before\n{MARKS[0]}\n{sweep.table('depths')}\n{MARKS[1]}\nafter\n"
    for _ in range(2):
        sweep.tell("depths")
        assert readme.read_text(encoding="utf-8") == told


@pytest.mark.parametrize("text", ["no marks\n", f"{MARKS[0]}\nrest\n", f"{MARKS[1]}\n{MARKS[0]}\n"])
def test_a_readme_without_both_marks_is_left_as_it_is(folder, mini, text):
    results.write("depths", "plain", 8, mini, history(), RECIPE)
    (folder / "README.md").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"lacks the line .*; write both"):
        sweep.tell("depths")
    assert (folder / "README.md").read_text(encoding="utf-8") == text
