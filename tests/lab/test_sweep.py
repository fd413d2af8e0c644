"""The sweep: every training once, a cut one goes on, and each is the training it says it is."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab import results, sweep
from resnet_lessons.lab.experiments import EXPERIMENTS, Experiment, pair
from resnet_lessons.training import Ending, History, train

RECIPE = {"epochs": 2, "batch_size": 32, "lr": 0.01}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    return tmp_path / "results"


def experiment(recipe=RECIPE):
    """Eight trainings that take no time."""
    return Experiment(
        data=lambda: load(device="cpu").pooled(4).take(64, 20),
        trainings=tuple(
            training
            for seed in (0, 1)
            for depth in (8, 14)
            for training in pair(depth, seed, 2, recipe)
        ),
        picture="depth",
        title="tiny",
    )


@pytest.fixture
def tiny(folder, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "tiny", experiment())
    sweep.images.cache_clear()
    yield EXPERIMENTS["tiny"]
    sweep.images.cache_clear()


def figures(run):
    return [replace(epoch, seconds=0.0) for epoch in run.epochs]


def test_a_sweep_stores_every_training_once(tiny, capsys):
    sweep.sweep("tiny")
    runs = results.read("tiny")
    assert {(run.net, run.depth, run.seed) for run in runs} == {
        (net, depth, seed) for net in ("plain", "residual") for depth in (8, 14) for seed in (0, 1)
    }
    assert runs[0].origin["recipe"] == {**RECIPE, "width": 2}
    assert figures(runs[0]) != figures(runs[1]), "two seeds gave one result"
    assert "0 trainings stored, 8 to go" in capsys.readouterr().out
    sweep.sweep("tiny")
    assert "8 trainings stored, 0 to go" in capsys.readouterr().out
    assert results.read("tiny") == runs


def test_each_run_is_the_training_that_its_name_says(tiny):
    sweep.sweep("tiny")
    for run in results.read("tiny"):
        torch.manual_seed(run.seed)
        (training,) = (one for one in tiny.trainings if one.key == (run.net, run.depth, run.seed))
        model = training.build(1, 10)
        assert (model.depth, model.kind) == (run.depth, run.net)
        alone = train(model, sweep.images("tiny"), **RECIPE, seed=run.seed, progress=False)
        assert figures(run) == figures(alone)


def test_plain_and_residual_start_from_the_same_weights():
    weights = {}
    for training in experiment().trainings:
        torch.manual_seed(training.seed)
        weights[training.key] = list(training.build(1, 10).parameters())
    for net, depth, seed in weights:
        for one, other in zip(
            weights[net, depth, seed], weights["residual", depth, seed], strict=True
        ):
            assert torch.equal(one, other)
    assert not torch.equal(weights["plain", 8, 0][0], weights["plain", 8, 1][0])


def interrupt_after(epochs, monkeypatch):
    """As Ctrl-C in the epoch after so many."""
    real, seen = train, []

    def interrupted(model, data, **options):
        def live(history):
            seen.append(1)
            if len(seen) == epochs:
                raise KeyboardInterrupt

        return real(model, data, **options | {"live": live})

    monkeypatch.setattr(sweep, "train", interrupted)


def test_an_interrupted_sweep_goes_on_where_it_was(tiny, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="Run again to go on"):
        interrupt_after(5, patch)  # in the second epoch of the third training
        sweep.sweep("tiny")
    stored = results.read("tiny")
    assert [run.label for run in stored] == ["plain-8", "residual-8"]
    assert sweep.checkpoint("tiny", tiny.trainings[2]).exists()

    epochs = []
    with monkeypatch.context() as patch:

        def counted(model, data, **options):
            history = train(model, data, **options)
            epochs.append(len(history) - history.restored)
            return history

        patch.setattr(sweep, "train", counted)
        sweep.sweep("tiny")
    assert epochs == [1, 2, 2, 2, 2, 2]
    assert "2 trainings stored, 6 to go" in capsys.readouterr().out
    runs = results.read("tiny")
    assert len(runs) == 8 and all(run in runs for run in stored)
    assert not any(sweep.checkpoint("tiny", t).exists() for t in tiny.trainings)

    results.FOLDER = results.FOLDER.with_name("whole")  # put back with the fixture's patch
    sweep.sweep("tiny")
    assert list(map(figures, results.read("tiny"))) == list(map(figures, runs))


def test_a_training_that_fails_does_not_end_the_sweep(tiny, monkeypatch, capsys):
    def failing(model, data, **options):
        if "plain-14" in options["label"]:
            return History(options["label"], options["seed"], [], Ending.DIVERGED)
        history = train(model, data, **options)
        if "residual-14" in options["label"]:
            history.ending = Ending.DIVERGED
        return history

    monkeypatch.setattr(sweep, "train", failing)
    sweep.sweep("tiny")
    runs = results.read("tiny")
    assert len(runs) == 6
    assert (
        "plain-14 seed 0 is not stored: The loss of plain-14 seed 0 is no longer finite"
        in capsys.readouterr().out
    )
    stopped = {run.label for run in runs if run.stopped}
    assert stopped == {"residual-14"}, "what ended early is stored like what did not"


def test_what_is_left_is_told_before_and_after_each_training(tiny, capsys):
    sweep.sweep("tiny")
    lines = [line for line in capsys.readouterr().out.splitlines() if "about" in line]
    assert lines[0].startswith("about ") and lines[0].endswith(" 1 at a time, on cpu")
    assert len(lines) == 9 and lines[1].startswith("plain-8 seed 0 is over; about ")


def test_what_is_left_is_corrected_by_what_was_taken(tiny, monkeypatch):
    """Four hours were predicted for four trainings; the first takes half an hour."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(sweep, "_predict", lambda training, data: 3600.0)
    wanted = list(tiny.trainings[:4])
    left = sweep.Left(wanted, None, workers=1)
    assert str(left) == "4.0 hours"
    assert str(sweep.Left(wanted, None, workers=2)) == "2.0 hours"
    now[0] = 1800.0
    left.remove(wanted[0])
    assert str(left) == "1.5 hours"


def test_a_prediction_counts_the_steps(tiny, monkeypatch):
    monkeypatch.setattr(sweep.budget, "predict", lambda model, data, epochs, batch_size: 10.0)
    data = sweep.images("tiny")  # two batches of 32
    training = tiny.trainings[0]
    assert sweep._predict(training, data) == 20.0
    assert sweep._predict(replace(training, recipe=RECIPE | {"steps": 3}), data) == 15.0


def test_a_gpu_gets_several_trainings_and_a_cpu_one(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert sweep.default_workers(torch.device("cuda")) == 8
    assert sweep.default_workers(torch.device("cpu")) == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert sweep.default_workers(torch.device("cuda")) == 1


def test_what_there_is_not_is_named(tiny):
    with pytest.raises(ValueError, match=r"name is 'degradation-minni'.*'degradation-mini'"):
        sweep.sweep("degradation-minni")
    with pytest.raises(ValueError, match="workers is 0, but it must be at least 1"):
        sweep.sweep("tiny", workers=0)


# Several at once: the experiment must be importable by the other processes

MODULE = """
import sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from resnet_lessons import results, sweep
from resnet_lessons.experiments import EXPERIMENTS
from test_sweep import RECIPE, experiment

EXPERIMENTS["tiny"] = experiment({recipe})
results.FOLDER = Path({folder!r})
if __name__ == "__main__":
    sweep.sweep("tiny", workers=2)
"""


def start(folder, recipe="RECIPE"):
    script = folder.parent / "run.py"
    tests = os.path.dirname(os.path.dirname(__file__))
    script.write_text(MODULE.format(tests=tests, folder=str(folder), recipe=recipe))
    return subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def test_two_at_a_time_measure_what_one_does(tiny, folder):
    process = start(folder)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "2 at a time" in out and out.count("is over") == 8
    together = results.read("tiny")
    assert len({run.origin["processor"] for run in together}) == 1
    results.FOLDER = folder.with_name("alone")
    sweep.sweep("tiny")
    for one, other in zip(results.read("tiny"), together, strict=True):
        for mine, yours in zip(one.epochs, other.epochs, strict=True):
            assert mine.train_loss == pytest.approx(yours.train_loss, rel=1e-4)


@pytest.mark.skipif(sys.platform == "win32", reason="sends Ctrl-C as a Unix terminal does")
def test_ctrl_c_ends_all_of_them_and_loses_an_epoch_at_most(tiny, folder):
    process = start(folder, 'RECIPE | {"epochs": 400}')
    unfinished = folder.parent / "unfinished" / "tiny"
    deadline = time.monotonic() + 120
    while len(list(unfinished.glob("*.pt"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and "Run again to go on" in err, err
    assert len(list(unfinished.glob("*.pt"))) >= 2
    with pytest.raises(ProcessLookupError):  # nobody of them is left
        for _ in range(100):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
