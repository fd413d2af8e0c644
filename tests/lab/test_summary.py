"""An experiment's stored runs as a table and a picture."""

import re
from dataclasses import replace

import pytest

from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab import summary
from resnet_lessons.lab.experiments import EXPERIMENTS, Experiment, mendings, pair
from resnet_lessons.lab.results import COURSE, RunStore
from resnet_lessons.lab.trial import Trial
from resnet_lessons.training.history import Ending, Epoch, History

RECIPE = {"epochs": 2, "lr": 0.1}
FIGURES = [(0.1, 2.0, 30.0, 2.0, 40.0, 1.0), (0.05, 1.0, 20.0, 1.5, 30.0, 1.0)]


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(64, 20)


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "results")


def trial(kind="plain", seed=0, **number):
    return Trial(kind=kind, depth=8, seed=seed, **number)


def history(**changes):
    epochs = [Epoch(number, *figures) for number, figures in enumerate(FIGURES, 1)]
    return History("plain-8", 0, epochs, **{"ending": Ending.FINISHED, **changes})


def test_an_experiment_is_a_table_of_means_and_ranges(store, mini):
    for seed, error in enumerate((10.0, 20.0, 60.0)):
        last = replace(history().epochs[1], train_error=error, test_error=error + 5)
        measured = replace(history(), epochs=[history().epochs[0], last])
        store.write("depths", trial(seed=seed), mini, measured, RECIPE)
    store.write("depths", trial("residual"), mini, measured, RECIPE)
    assert summary.table("depths", store).splitlines()[2:] == [
        "| plain-8 | 3 | 30.0 (10.0 to 60.0) | 35.0 (15.0 to 65.0) |",
        "| residual-8 | 1 | 60.0 | 65.0 |",
    ]


def test_published_errors_stand_beside_the_measured(store, mini, monkeypatch):
    shown = Experiment(lambda: mini, (), "depth", "", published={("residual", 8): "8.75"})
    monkeypatch.setitem(EXPERIMENTS, "depths", shown)
    for kind in ("plain", "residual"):
        store.write("depths", trial(kind), mini, history(), RECIPE)
    assert summary.table("depths", store).splitlines() == [
        "| net | trainings | training error % | test error % | test error % as published |",
        "| --- | --- | --- | --- | --- |",
        "| plain-8 | 1 | 20.0 | 30.0 |  |",
        "| residual-8 | 1 | 20.0 | 30.0 | 8.75 |",
    ]


def test_changes_stand_in_the_order_in_which_they_were_made(store, mini, monkeypatch):
    trainings = tuple(mendings(0, 72, RECIPE))
    monkeypatch.setitem(EXPERIMENTS, "depths", Experiment(lambda: mini, trainings, "curves", ""))
    for training in reversed(trainings):
        store.write("depths", training, mini, history(), RECIPE)
    table = summary.table("depths", store).splitlines()[2:]
    rows = [line.split(" | ")[0].strip("| ") for line in table]
    assert rows == [training.kind for training in trainings]


def test_a_training_that_ended_early_is_named_below_the_table(store, mini):
    diverged = history(ending=Ending.DIVERGED)
    store.write("depths", trial(seed=3), mini, diverged, RECIPE)
    lines = summary.table("depths", store).splitlines()
    assert lines[-2:] == ["", "plain-8 seed 3 diverged after 2 epochs."]


@pytest.mark.parametrize("picture", summary.PICTURES)
def test_an_experiment_is_drawn_beside_its_file(store, mini, monkeypatch, picture):
    drawn = []
    for kind, real in summary.PICTURES.items():

        def look(runs, title, kind=kind, real=real):
            drawn.append((kind, title))
            return real(runs, title=title)

        monkeypatch.setitem(summary.PICTURES, kind, look)
    trainings = tuple(pair(8, 0, 2, RECIPE))
    shown = Experiment(lambda: mini, trainings, picture, "Errors")
    monkeypatch.setitem(EXPERIMENTS, "depths", shown)
    number = {"x": 20} if picture in ("cost", "images") else {}
    store.write("depths", trial(**number), mini, history(), RECIPE)
    summary.draw("depths", store)
    assert drawn == [(picture, "Errors")]
    assert (store.folder / "depths.png").read_bytes().startswith(b"\x89PNG")


def test_every_experiment_has_a_picture():
    assert {experiment.picture for experiment in EXPERIMENTS.values()} == set(summary.PICTURES)


def test_runs_kept_elsewhere_need_no_readme(store):
    summary.put_into_readme("depths", "a table", store)
    assert not (store.folder / "README.md").exists()


MARKS = ("<!-- table of depths -->", "<!-- end of table -->")


def test_the_table_replaces_the_one_in_the_readme_and_nothing_else(store):
    store.folder.mkdir()
    readme = store.folder / "README.md"
    readme.write_text(f"before\n{MARKS[0]}\nan old table\n{MARKS[1]}\nafter\n", encoding="utf-8")
    told = f"before\n{MARKS[0]}\na new one\n{MARKS[1]}\nafter\n"
    for _ in range(2):
        summary.put_into_readme("depths", "a new one", store)
        assert readme.read_text(encoding="utf-8") == told


@pytest.mark.parametrize("text", ["no marks\n", f"{MARKS[0]}\nrest\n", f"{MARKS[1]}\n{MARKS[0]}\n"])
def test_a_readme_without_both_marks_is_left_as_it_is(store, text):
    store.folder.mkdir()
    readme = store.folder / "README.md"
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"lacks the line .*; write both"):
        summary.put_into_readme("depths", "a table", store)
    assert readme.read_text(encoding="utf-8") == text


def stored_tables():
    """The names of the tables in the course's own README, and what stands there."""
    text = (COURSE.folder / "README.md").read_text(encoding="utf-8")
    return re.findall(r"<!-- table of (\S+) -->\n(.+?)\n<!-- end of table -->", text, re.DOTALL)


@pytest.mark.parametrize(("name", "there"), stored_tables())
def test_the_tables_in_the_readme_are_those_of_what_is_stored(name, there):
    if name in COURSE.available():
        assert summary.table(name) == there
