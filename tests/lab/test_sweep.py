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
from resnet_lessons.lab import __main__ as command
from resnet_lessons.lab import summary, sweep
from resnet_lessons.lab.experiments import EXPERIMENTS, Experiment, pair
from resnet_lessons.lab.results import RunStore
from resnet_lessons.training import train
from resnet_lessons.training.history import Ending, History

RECIPE = {"epochs": 2, "batch_size": 32, "lr": 0.01}


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "results")


def experiment(recipe=RECIPE):
    """Eight trainings that take no time."""
    return Experiment(
        data=lambda: load(device="cpu").pooled(4).take(64, 20),
        runs=tuple(
            run for seed in (0, 1) for depth in (8, 14) for run in pair(depth, seed, 2, recipe)
        ),
        picture="depth",
        title="tiny",
    )


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "tiny", experiment())
    sweep.images.cache_clear()
    yield EXPERIMENTS["tiny"]
    sweep.images.cache_clear()


def figures(run):
    return [replace(epoch, seconds=0.0) for epoch in run.epochs]


def test_a_sweep_stores_every_training_once(tiny, store, capsys):
    sweep.sweep("tiny", store=store)
    runs = store.read("tiny")
    assert {(run.kind, run.depth, run.seed) for run in runs} == {
        (kind, depth, seed)
        for kind in ("plain", "residual")
        for depth in (8, 14)
        for seed in (0, 1)
    }
    assert runs[0].origin["recipe"] == {**RECIPE, "width": 2}
    assert figures(runs[0]) != figures(runs[1]), "two seeds gave one result"
    assert "0 trainings stored, 8 to go" in capsys.readouterr().out
    sweep.sweep("tiny", store=store)
    assert "8 trainings stored, 0 to go" in capsys.readouterr().out
    assert store.read("tiny") == runs


def test_each_run_is_the_training_that_its_fields_say(tiny, store):
    sweep.sweep("tiny", store=store)
    for run in store.read("tiny"):
        torch.manual_seed(run.seed)
        (planned,) = (one for one in tiny.runs if one.key == run.key)
        model = planned.build(1, 10)
        assert (model.depth, model.kind) == (run.depth, run.kind)
        alone = train(model, sweep.images("tiny"), **RECIPE, seed=run.seed, progress=False)
        assert figures(run) == figures(alone)


def test_plain_and_residual_start_from_the_same_weights():
    weights = {}
    for run in experiment().runs:
        torch.manual_seed(run.seed)
        weights[run.kind, run.depth, run.seed] = list(run.build(1, 10).parameters())
    for (_, depth, seed), mine in weights.items():
        for one, other in zip(mine, weights["residual", depth, seed], strict=True):
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


def test_an_interrupted_sweep_goes_on_where_it_was(tiny, store, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="Run again to go on"):
        interrupt_after(5, patch)  # in the second epoch of the third training
        sweep.sweep("tiny", store=store)
    stored = store.read("tiny")
    assert [run.label for run in stored] == ["plain-8", "residual-8"]
    assert sweep.checkpoint(store, "tiny", tiny.runs[2]).exists()

    epochs = []
    with monkeypatch.context() as patch:

        def counted(model, data, **options):
            history = train(model, data, **options)
            epochs.append(len(history) - history.restored)
            return history

        patch.setattr(sweep, "train", counted)
        sweep.sweep("tiny", store=store)
    assert epochs == [1, 2, 2, 2, 2, 2]
    assert "2 trainings stored, 6 to go" in capsys.readouterr().out
    runs = store.read("tiny")
    assert len(runs) == 8 and all(run in runs for run in stored)
    assert not any(sweep.checkpoint(store, "tiny", t).exists() for t in tiny.runs)

    whole = RunStore(store.folder.parent / "whole" / "results")
    sweep.sweep("tiny", store=whole)
    assert list(map(figures, whole.read("tiny"))) == list(map(figures, runs))


def test_a_training_that_fails_does_not_end_the_sweep(tiny, store, monkeypatch, capsys):
    def failing(model, data, **options):
        if "plain-14" in options["label"]:
            return History(options["label"], options["seed"], ending=Ending.DIVERGED)
        history = train(model, data, **options)
        if "residual-14" in options["label"]:
            history.ending = Ending.DIVERGED
        return history

    monkeypatch.setattr(sweep, "train", failing)
    sweep.sweep("tiny", store=store)
    runs = store.read("tiny")
    assert len(runs) == 6
    out = capsys.readouterr().out
    assert "plain-14 seed 0 is not stored: it diverged in its first epoch" in out
    early = {run.label for run in runs if run.ending is Ending.DIVERGED}
    assert early == {"residual-14"}, "what ended early is stored like what did not"


def test_what_is_left_is_told_before_and_after_each_training(tiny, store, capsys):
    sweep.sweep("tiny", store=store)
    lines = [line for line in capsys.readouterr().out.splitlines() if "about" in line]
    assert lines[0].startswith("about ") and lines[0].endswith(" 1 at a time, on cpu")
    assert len(lines) == 9 and lines[1].startswith("plain-8 seed 0 is over; about ")


def test_what_is_left_is_corrected_by_what_was_taken(tiny, monkeypatch):
    """Four hours were predicted for four trainings; the first takes half an hour."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(sweep, "_predict", lambda run, data: 3600.0)
    wanted = list(tiny.runs[:4])
    left = sweep.RemainingTime(wanted, None, workers=1)
    assert str(left) == "4.0 hours"
    assert str(sweep.RemainingTime(wanted, None, workers=2)) == "2.0 hours"
    now[0] = 1800.0
    left.remove(wanted[0])
    assert str(left) == "1.5 hours"


def test_a_prediction_counts_the_steps(tiny, monkeypatch):
    monkeypatch.setattr(sweep.budget, "predict", lambda model, data, epochs, batch_size: 10.0)
    data = sweep.images("tiny")  # two batches of 32
    run = tiny.runs[0]
    assert sweep._predict(run, data) == 20.0
    assert sweep._predict(replace(run, recipe=RECIPE | {"steps": 3}), data) == 15.0


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


# The command


def run_command(monkeypatch, store, *arguments):
    monkeypatch.setattr(sys, "argv", ["lab", *arguments])
    monkeypatch.setattr(command, "store_to_write", lambda: store)
    command.main()


def test_the_command_trains_draws_and_tells(tiny, store, monkeypatch, capsys):
    store.folder.mkdir()
    readme = store.folder / "README.md"
    readme.write_text("<!-- table of tiny --><!-- end of table -->", encoding="utf-8")
    run_command(monkeypatch, store, "tiny")
    table = summary.table("tiny", store)
    assert capsys.readouterr().out.endswith(f"{table}\n")
    assert table in readme.read_text(encoding="utf-8")
    assert (store.folder / "tiny.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["tinny"], "invalid choice: 'tinny'"), (["tiny", "lesions"], "tiny is an experiment")],
)
def test_the_command_says_what_it_does_not_take(tiny, store, monkeypatch, capsys, arguments, words):
    with pytest.raises(SystemExit):
        run_command(monkeypatch, store, *arguments)
    assert words in capsys.readouterr().err
    assert not store.folder.exists()


# Several at once: the experiment must be importable by the other processes

MODULE = """
import sys
sys.path[:0] = [{tests!r}]
from resnet_lessons.lab import sweep
from resnet_lessons.lab.experiments import EXPERIMENTS
from resnet_lessons.lab.results import RunStore
from test_sweep import RECIPE, experiment

EXPERIMENTS["tiny"] = experiment({recipe})
if __name__ == "__main__":
    sweep.sweep("tiny", workers=2, store=RunStore({folder!r}))
"""


def start(store, recipe="RECIPE"):
    script = store.folder.parent / "run.py"
    tests = os.path.dirname(__file__)
    script.write_text(MODULE.format(tests=tests, folder=str(store.folder), recipe=recipe))
    return subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def test_two_at_a_time_measure_what_one_does(tiny, store):
    process = start(store)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "2 at a time" in out and out.count("is over") == 8
    together = store.read("tiny")
    assert len({run.origin["processor"] for run in together}) == 1
    alone = RunStore(store.folder.parent / "alone" / "results")
    sweep.sweep("tiny", store=alone)
    for one, other in zip(alone.read("tiny"), together, strict=True):
        for mine, yours in zip(one.epochs, other.epochs, strict=True):
            assert mine.train_loss == pytest.approx(yours.train_loss, rel=1e-4)


@pytest.mark.skipif(sys.platform == "win32", reason="sends Ctrl-C as a Unix terminal does")
def test_ctrl_c_ends_all_of_them_and_loses_an_epoch_at_most(tiny, store):
    process = start(store, 'RECIPE | {"epochs": 400}')
    unfinished = store.folder.parent / "unfinished" / "tiny"
    deadline = time.monotonic() + 400
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
