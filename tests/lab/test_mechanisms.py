"""Measurements in networks: each once, in the network that its line names, kept with its origin."""

import math

import pytest
import torch

from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab import mechanisms, results, sweep
from resnet_lessons.lab.mechanisms import Measurement
from resnet_lessons.training import Ending

RECIPE = {"epochs": 1, "batch_size": 32, "lr": 0.01}


def weights(net, data, seed):
    """What tells networks apart."""
    assert not data.train.images.is_floating_point()
    yield "first", net.conv1.weight.sum().item()
    yield "last", net.fc.weight.sum().item() + seed


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Two measurements that take no time."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(mechanisms, "MINI", RECIPE)
    monkeypatch.setattr(mechanisms, "WIDTH", 2)
    monkeypatch.setattr(mechanisms, "SEEDS", (0, 1))
    monkeypatch.setattr(mechanisms, "images", lambda: load(device="cpu").pooled(4).take(64, 20))
    found = {
        "at the start": Measurement(
            weights, {"first": lambda v: v["first"]}, depths=(8, 14), trained=False
        ),
        "trained": Measurement(weights, {"both": lambda v: sum(v.values())}, ("residual",), (8,)),
    }
    monkeypatch.setattr(mechanisms, "MEASUREMENTS", found)
    return found


def net_of(measured, trained):
    (training,) = (
        training
        for training in mechanisms.networks(mechanisms.MEASUREMENTS[measured.measurement])
        if training.key == (measured.net, measured.depth, measured.seed)
    )
    return mechanisms.network(training, mechanisms.images(), trained)


def test_each_value_is_of_the_network_that_its_line_names(tiny, capsys):
    mechanisms.measure()
    stored = results.read_measurements()
    assert [(m.label, m.seed) for m in stored if m.measurement == "at the start"] == [
        (f"{net}-{depth}", seed)
        for net in ("plain", "residual")
        for depth in (8, 14)
        for seed in (0, 1)
    ]
    assert [(m.label, m.seed) for m in stored if m.measurement == "trained"] == [
        ("residual-8", 0),
        ("residual-8", 1),
    ]
    for measured in stored:
        trained = measured.measurement == "trained"
        net = net_of(measured, trained)
        assert (net.depth, net.kind) == (measured.depth, measured.net)
        assert measured.values == dict(weights(net, mechanisms.images(), measured.seed))
        assert measured.origin["recipe"] == ({**RECIPE, "width": 2} if trained else {"width": 2})
    first, second = (m.values for m in stored if m.measurement == "trained")
    assert first != second


def test_what_is_stored_is_not_measured_again(tiny, capsys):
    mechanisms.measure("trained")
    assert "0 measurements stored, 2 to go" in capsys.readouterr().out
    stored = results.read_measurements()
    mechanisms.measure()
    assert "2 measurements stored, 8 to go" in capsys.readouterr().out
    assert results.read_measurements("trained") == stored
    mechanisms.measure()
    assert "10 measurements stored, 0 to go" in capsys.readouterr().out


def test_a_network_is_trained_once_and_kept(tiny, monkeypatch):
    mechanisms.measure("trained")
    training = mechanisms.networks(tiny["trained"])[0]
    assert sweep.checkpoint("mechanisms", training).is_file()
    again, history = sweep.finish(
        training, mechanisms.images(), sweep.checkpoint("mechanisms", training)
    )
    assert history.restored == 1
    assert results.read_measurements("trained")[0].values == dict(
        weights(again, mechanisms.images(), 0)
    )


def test_an_interrupted_measurement_stores_nothing_and_goes_on(tiny, monkeypatch):
    calls = []

    def interrupted(net, data, seed):
        yield "first", 1.0
        calls.append(net)
        if len(calls) == 3:
            raise KeyboardInterrupt
        yield "last", 2.0

    whole = tiny["at the start"]
    tiny["at the start"] = Measurement(interrupted, whole.summaries, depths=(8,), trained=False)
    with pytest.raises(SystemExit, match="Run again to go on"):
        mechanisms.measure("at the start")
    assert [dict(m.values) for m in results.read_measurements()] == [
        {"first": 1.0, "last": 2.0}
    ] * 2
    mechanisms.measure("at the start")
    assert len(calls) == 5 and len(results.read_measurements()) == 4


def test_an_interrupted_training_ends_it_all(tiny, monkeypatch):
    def interrupted(model, data, **options):
        history = real(model, data, **options)
        history.ending = Ending.INTERRUPTED
        return history

    real = sweep.train
    monkeypatch.setattr(sweep, "train", interrupted)
    with pytest.raises(SystemExit, match="Stopped"):
        mechanisms.measure("trained")
    assert not (results.FOLDER / "mechanisms.jsonl").exists()


def test_what_there_is_not_is_named(tiny):
    with pytest.raises(ValueError, match=r"name is 'traind'.*did you mean 'trained'"):
        mechanisms.measure("traind")


def test_the_table_tells_mean_smallest_and_largest(tiny):
    data = mechanisms.images()
    for seed, value in enumerate((1.0, 2.0, 6.0)):
        values = {"first": value, "last": 10.0}
        results.write_measurements("trained", "residual", 8, seed, data, values, RECIPE)
    results.write_measurements("at the start", "plain", 14, 0, data, {"first": 2.5}, {})
    results.write_measurements("at the start", "residual", 8, 0, data, {"first": 1234.5}, {})
    assert mechanisms.table().splitlines() == [
        "| measured | layers | plain | residual |",
        "| --- | --- | --- | --- |",
        "| first | 8 | – | 1.23e+03 |",
        "| first | 14 | 2.5 | – |",
        "| both | 8 | – | 13 (11 to 16) |",
    ]
    assert mechanisms.table("trained").splitlines()[2:] == ["| both | 8 | – | 13 (11 to 16) |"]
    assert mechanisms.table(depths=[14]).splitlines()[2:] == ["| first | 14 | 2.5 | – |"]
    with pytest.raises(ValueError, match=r"name is 'traind'.*did you mean 'trained'"):
        mechanisms.table("traind")


def test_the_table_stands_in_the_readme(tiny, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["mechanisms", "at the start"])
    results.FOLDER.mkdir()
    readme = results.FOLDER / "README.md"
    readme.write_text("a <!-- table of mechanisms --> b <!-- end of table --> c", encoding="utf-8")
    mechanisms.main()
    assert mechanisms.table() in readme.read_text(encoding="utf-8")
    assert mechanisms.table() in capsys.readouterr().out


# Reading and writing


def test_values_are_read_as_they_were_measured(tiny):
    data, values = mechanisms.images(), {"b": 1 / 3, "a": math.inf, "lag 5": -1e-300}
    results.write_measurements("m", "plain", 20, 4, data, values, RECIPE)
    (measured,) = results.read_measurements("m")
    assert list(measured.values.items()) == list(values.items())
    assert (measured.label, measured.seed, measured.data_set) == ("plain-20", 4, data.title)
    assert measured.origin["recipe"] == RECIPE and measured.origin["torch"] == torch.__version__
    assert results.available() == [], "values are no runs"


def test_where_nothing_is_measured_nothing_is_read(tiny):
    assert results.read_measurements() == []
    with pytest.raises(ValueError, match="name is 'm', but"):
        results.read_measurements("m")


def test_a_measurement_without_values_is_not_stored(tiny):
    with pytest.raises(ValueError, match=r"m found no value in plain-8, but .*; see whether"):
        results.write_measurements("m", "plain", 8, 0, mechanisms.images(), {}, {})
    assert results.read_measurements() == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:-5],
        lambda line: "[]",
        lambda line: line.replace('"place"', '"at"'),
        lambda line: line.replace('"value": 2.0', '"value": "two"'),
        lambda line: line.replace('"place": "b"', '"place": "a"'),
        lambda line: line.replace('"net"', '"name"'),
    ],
)
def test_a_damaged_line_is_named(tiny, damage):
    values = {"a": 1.0, "b": 2.0}
    results.write_measurements("m", "plain", 8, 0, mechanisms.images(), values, {})
    file = results.FOLDER / "mechanisms.jsonl"
    first, second = file.read_text(encoding="utf-8").splitlines()
    assert damage(second) != second
    file.write_text(f"{first}\n{damage(second)}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 2 of results/mechanisms\.jsonl is damaged.*value"):
        results.read_measurements()


# What is stored in the repository


@pytest.mark.parametrize("name", mechanisms.MEASUREMENTS)
def test_what_is_stored_is_stored_for_every_network(name):
    stored = {
        (m.net, m.depth, m.seed) for m in results.read_measurements() if m.measurement == name
    }
    wanted = {training.key for training in mechanisms.networks(mechanisms.MEASUREMENTS[name])}
    assert stored in (set(), wanted)


def test_what_is_stored_stands_in_the_readme():
    stored = {m.measurement for m in results.read_measurements()}
    assert stored <= set(mechanisms.MEASUREMENTS)
    readme = (results.FOLDER / "README.md").read_text(encoding="utf-8")
    assert not stored or mechanisms.table() in readme, (
        "run: python -m resnet_lessons.lab.mechanisms"
    )
