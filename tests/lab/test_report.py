"""An experiment's stored runs as a table and a picture."""

from dataclasses import replace

import pytest

from resnet_lessons import plots
from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab import report, results
from resnet_lessons.lab.experiments import EXPERIMENTS, Experiment, mendings, pair
from resnet_lessons.training import Ending, Epoch, History

RECIPE = {"epochs": 2, "lr": 0.1}
FIGURES = [(0.1, 2.0, 30.0, 2.0, 40.0, 1.0), (0.05, 1.0, 20.0, 1.5, 30.0, 1.0)]


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(64, 20)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    return tmp_path / "results"


def history(seed=0, **changes):
    epochs = [Epoch(number, *figures) for number, figures in enumerate(FIGURES, 1)]
    return History("plain-8", seed, epochs, **changes)


def test_an_experiment_is_a_table_of_means_and_ranges(folder, mini):
    for seed, error in enumerate((10.0, 20.0, 60.0)):
        last = replace(history().epochs[1], train_error=error, test_error=error + 5)
        measured = History("plain-8", seed, [history().epochs[0], last])
        results.write("depths", "plain", 8, mini, measured, RECIPE)
    results.write("depths", "residual", 8, mini, measured, RECIPE)
    assert report.table("depths").splitlines()[2:] == [
        "| plain-8 | 3 | 30.0 (10.0 to 60.0) | 35.0 (15.0 to 65.0) |",
        "| residual-8 | 1 | 60.0 | 65.0 |",
    ]


def test_published_errors_stand_beside_the_measured(folder, mini, monkeypatch):
    shown = Experiment(lambda: mini, (), "depth", "", published={("residual", 8): "8.75"})
    monkeypatch.setitem(EXPERIMENTS, "depths", shown)
    for net in ("plain", "residual"):
        results.write("depths", net, 8, mini, history(), RECIPE)
    assert report.table("depths").splitlines() == [
        "| net | trainings | training error % | test error % | test error % as published |",
        "| --- | --- | --- | --- | --- |",
        "| plain-8 | 1 | 20.0 | 30.0 |  |",
        "| residual-8 | 1 | 20.0 | 30.0 | 8.75 |",
    ]


def test_changes_stand_in_the_order_in_which_they_were_made(folder, mini, monkeypatch):
    trainings = tuple(mendings(0, 72, RECIPE))
    monkeypatch.setitem(EXPERIMENTS, "depths", Experiment(lambda: mini, trainings, "curves", ""))
    for training in reversed(trainings):
        results.write("depths", training.net, training.depth, mini, history(), RECIPE)
    rows = [line.split(" | ")[0].strip("| ") for line in report.table("depths").splitlines()[2:]]
    assert rows == [training.net for training in trainings]


def test_a_training_that_ended_early_is_named_below_the_table(folder, mini):
    results.write("depths", "plain", 8, mini, history(seed=3, ending=Ending.DIVERGED), RECIPE)
    *_, empty, last = report.table("depths").splitlines()
    assert not empty and last.startswith("plain-8 seed 3: The loss of plain-8 is no longer finite")


PLOTS = {
    "depth": "error_against_depth",
    "curves": "curves",
    "changes": "changes",
    "cost": "error_against_cost",
    "images": "error_against_images",
}


@pytest.mark.parametrize("picture", PLOTS)
def test_an_experiment_is_drawn_beside_its_file(folder, mini, monkeypatch, picture):
    drawn = []
    for kind, function in PLOTS.items():
        real = getattr(plots, function)

        def look(runs, *arguments, kind=kind, real=real, **options):
            drawn.append((kind, options["title"]))
            return real(runs, *arguments, **options)

        monkeypatch.setattr(plots, function, look)
    trainings = tuple(pair(8, 0, 2, RECIPE))
    monkeypatch.setitem(
        EXPERIMENTS, "depths", Experiment(lambda: mini, trainings, picture, "Errors")
    )
    net = {"cost": "wide, 1.2 million", "images": "tuned, 20 images"}.get(picture, "plain")
    results.write("depths", net, 8, mini, history(), RECIPE)
    report.draw("depths")
    assert drawn == [(picture, "Errors")]
    assert (folder / "depths.png").read_bytes().startswith(b"\x89PNG")


def test_runs_kept_elsewhere_need_no_readme(folder, mini):
    results.write("depths", "plain", 8, mini, history(), RECIPE)
    report.tell("depths")
    assert not (folder / "README.md").exists()


MARKS = ("<!-- table of depths -->", "<!-- end of table -->")


def test_the_table_replaces_the_one_in_the_readme_and_nothing_else(folder, mini):
    results.write("depths", "plain", 8, mini, history(), RECIPE)
    readme = folder / "README.md"
    readme.write_text(f"before\n{MARKS[0]}\nan old table\n{MARKS[1]}\nafter\n", encoding="utf-8")
    told = f"before\n{MARKS[0]}\n{report.table('depths')}\n{MARKS[1]}\nafter\n"
    for _ in range(2):
        report.tell("depths")
        assert readme.read_text(encoding="utf-8") == told


@pytest.mark.parametrize("text", ["no marks\n", f"{MARKS[0]}\nrest\n", f"{MARKS[1]}\n{MARKS[0]}\n"])
def test_a_readme_without_both_marks_is_left_as_it_is(folder, mini, text):
    results.write("depths", "plain", 8, mini, history(), RECIPE)
    (folder / "README.md").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"lacks the line .*; write both"):
        report.tell("depths")
    assert (folder / "README.md").read_text(encoding="utf-8") == text
