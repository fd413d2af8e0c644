"""Measurements in networks: each once, in the network that its line names, kept with its origin."""

import math
import sys

import pytest
import torch

from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab import __main__ as command
from resnet_lessons.lab import mechanisms, results, sweep
from resnet_lessons.lab.mechanisms import Measurement
from resnet_lessons.lab.propagation import at, first, mean_value
from resnet_lessons.lab.results import RunStore
from resnet_lessons.lab.trial import Trial
from resnet_lessons.training.history import Ending

RECIPE = {"epochs": 1, "batch_size": 32, "lr": 0.01}


def weights(net, data, seed):
    """What tells networks apart."""
    assert not data.train.images.is_floating_point()
    yield {"layer": "first", "value": net.conv1.weight.sum().item()}
    yield {"layer": "last", "value": net.fc.weight.sum().item() + seed}


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "results")


@pytest.fixture
def tiny(monkeypatch):
    """Two measurements that take no time."""
    monkeypatch.setattr(mechanisms, "MINI", RECIPE)
    monkeypatch.setattr(mechanisms, "WIDTH", 2)
    monkeypatch.setattr(mechanisms, "SEEDS", (0, 1))
    monkeypatch.setattr(mechanisms, "images", lambda: load(device="cpu").pooled(4).take(64, 20))
    found = {
        "at the start": Measurement(weights, {"first": first}, depths=(8, 14), trained=False),
        "trained": Measurement(weights, {"mean": mean_value}, ("residual",), (8,)),
    }
    monkeypatch.setattr(mechanisms, "MEASUREMENTS", found)
    return found


def values_of(net, seed=0):
    return tuple(weights(net, mechanisms.images(), seed))


def net_of(measured, trained, store):
    (run,) = (
        run
        for run in mechanisms.networks(mechanisms.MEASUREMENTS[measured.measurement])
        if (measured.measurement, *run.key) == measured.key
    )
    return mechanisms.network(run, mechanisms.images(), trained, store)


def test_each_value_is_of_the_network_that_its_line_names(tiny, store, capsys):
    mechanisms.measure(store=store)
    stored = store.read_measurements()
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
        net = net_of(measured, trained, store)
        assert (net.depth, net.kind) == (measured.depth, measured.kind)
        assert measured.values == values_of(net, measured.seed)
        assert measured.origin["recipe"] == ({**RECIPE, "width": 2} if trained else {"width": 2})
    first, second = (m.values for m in stored if m.measurement == "trained")
    assert first != second


def test_what_is_stored_is_not_measured_again(tiny, store, capsys):
    mechanisms.measure("trained", store=store)
    assert "0 measurements stored, 2 to go" in capsys.readouterr().out
    stored = store.read_measurements()
    mechanisms.measure(store=store)
    assert "2 measurements stored, 8 to go" in capsys.readouterr().out
    assert store.read_measurements("trained") == stored
    mechanisms.measure(store=store)
    assert "10 measurements stored, 0 to go" in capsys.readouterr().out


def test_a_network_is_trained_once_and_kept(tiny, store):
    mechanisms.measure("trained", store=store)
    run = mechanisms.networks(tiny["trained"])[0]
    file = sweep.checkpoint(store, "mechanisms", run)
    assert file.is_file()
    again, history = sweep.finish(run, mechanisms.images(), file)
    assert history.restored == 1
    assert store.read_measurements("trained")[0].values == values_of(again)


def test_an_interrupted_measurement_stores_nothing_and_goes_on(tiny, store):
    calls = []

    def interrupted(net, data, seed):
        yield {"layer": "first", "value": 1.0}
        calls.append(net)
        if len(calls) == 3:
            raise KeyboardInterrupt
        yield {"layer": "last", "value": 2.0}

    whole = tiny["at the start"]
    tiny["at the start"] = Measurement(interrupted, whole.summaries, depths=(8,), trained=False)
    with pytest.raises(SystemExit, match="Run again to go on"):
        mechanisms.measure("at the start", store=store)
    assert [at(m.values) for m in store.read_measurements()] == [[1.0, 2.0]] * 2
    mechanisms.measure("at the start", store=store)
    assert len(calls) == 5 and len(store.read_measurements()) == 4


def test_an_interrupted_training_ends_it_all(tiny, store, monkeypatch):
    def interrupted(model, data, **options):
        history = real(model, data, **options)
        history.ending = Ending.INTERRUPTED
        return history

    real = sweep.train
    monkeypatch.setattr(sweep, "train", interrupted)
    with pytest.raises(SystemExit, match="Stopped"):
        mechanisms.measure("trained", store=store)
    assert not (store.folder / "mechanisms.jsonl").exists()


def test_what_there_is_not_is_named(tiny):
    with pytest.raises(ValueError, match=r"name is 'traind'.*did you mean 'trained'"):
        mechanisms.measure("traind")


def trial(kind, depth, seed=0):
    return Trial(kind=kind, depth=depth, seed=seed)


def places(**values):
    return [{"layer": layer, "value": value} for layer, value in values.items()]


def test_the_table_tells_mean_smallest_and_largest(tiny, store):
    data = mechanisms.images()
    for seed, value in enumerate((1.0, 2.0, 6.0)):
        values = places(first=value, last=10.0)
        store.write_measurement("trained", trial("residual", 8, seed), data, values, RECIPE)
    for kind, depth, value in (("plain", 14, 2.5), ("residual", 8, 1234.5)):
        values = places(first=value)
        store.write_measurement("at the start", trial(kind, depth), data, values, {})
    assert mechanisms.table(store=store).splitlines() == [
        "| measured | layers | plain | residual |",
        "| --- | --- | --- | --- |",
        "| first | 8 | – | 1.23e+03 |",
        "| first | 14 | 2.5 | – |",
        "| mean | 8 | – | 6.5 (5.5 to 8) |",
    ]
    only = ["| mean | 8 | – | 6.5 (5.5 to 8) |"]
    assert mechanisms.table("trained", store=store).splitlines()[2:] == only
    assert mechanisms.table(depths=[14], store=store).splitlines()[2:] == [
        "| first | 14 | 2.5 | – |"
    ]
    with pytest.raises(ValueError, match=r"name is 'traind'.*did you mean 'trained'"):
        mechanisms.table("traind", store=store)


def test_the_table_stands_in_the_readme(tiny, store, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lab", "mechanisms", "at the start"])
    monkeypatch.setattr(command, "store_to_write", lambda: store)
    store.folder.mkdir()
    readme = store.folder / "README.md"
    readme.write_text("a <!-- table of mechanisms --> b <!-- end of table --> c", encoding="utf-8")
    command.main()
    table = mechanisms.table(store=store)
    assert len(table.splitlines()) == 4 and table in capsys.readouterr().out
    assert readme.read_text(encoding="utf-8") == (
        f"a <!-- table of mechanisms -->\n{table}\n<!-- end of table --> c"
    )


# Reading and writing


def test_values_are_read_as_they_were_measured(tiny, store):
    data = mechanisms.images()
    values = [
        {"layer": "b", "value": 1 / 3},
        {"layer": "a", "value": math.inf},
        {"lag": 5, "kept": True, "value": -1e-300},
        {"block": None, "value": 0.0},
    ]
    store.write_measurement("m", trial("plain", 20, 4), data, values, RECIPE)
    (measured,) = store.read_measurements("m")
    assert list(measured.values) == values
    assert (measured.label, measured.seed, measured.data_set) == ("plain-20", 4, data.title)
    assert measured.origin["recipe"] == RECIPE and measured.origin["torch"] == torch.__version__
    assert store.available() == [], "values are no runs"


def test_values_are_found_by_the_fields_of_their_places():
    values = [
        {"block": None, "value": 1.0},
        {"block": "a", "stage": 1, "value": 2.0},
        {"block": "b", "stage": 1, "value": 3.0},
        {"lag": 1, "value": 4.0},
    ]
    assert at(values) == [1, 2, 3, 4]
    assert at(values, stage=1) == [2, 3] and at(values, stage=1, block="b") == [3]
    assert at(values, block=None) == [1], "a place without the field is another place"
    assert at(values, stage=2) == []


def test_where_nothing_is_measured_nothing_is_read(store):
    assert store.read_measurements() == []
    with pytest.raises(ValueError, match="name is 'm', but"):
        store.read_measurements("m")


def test_a_measurement_without_values_is_not_stored(tiny, store):
    with pytest.raises(ValueError, match=r"m found no value in plain-8, but .*; see whether"):
        store.write_measurement("m", trial("plain", 8), mechanisms.images(), [], {})
    assert store.read_measurements() == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:-5],
        lambda line: "[]",
        lambda line: line.replace('"values": [', '"values": ["", '),
        lambda line: line.replace('"value": 2.0', '"error": 2.0'),
        lambda line: line.replace('"seed": 1', '"seed": 0'),
        lambda line: line.replace('"kind"', '"net"'),
    ],
)
def test_a_damaged_line_is_named(tiny, store, damage):
    for seed in (0, 1):
        values = places(a=1.0, b=2.0)
        store.write_measurement("m", trial("plain", 8, seed), mechanisms.images(), values, {})
    file = store.folder / "mechanisms.jsonl"
    first, second = file.read_text(encoding="utf-8").splitlines()
    assert damage(second) != second
    file.write_text(f"{first}\n{damage(second)}\n", encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"line 2 of results/mechanisms\.jsonl is damaged.*network"
    ):
        store.read_measurements()


# What is stored in the repository


@pytest.mark.parametrize("name", mechanisms.MEASUREMENTS)
def test_what_is_stored_is_stored_for_every_network(name):
    stored = {m.key for m in results.read_measurements() if m.measurement == name}
    runs = mechanisms.networks(mechanisms.MEASUREMENTS[name])
    assert stored in (set(), {(name, *run.key) for run in runs})


def test_what_is_stored_stands_in_the_readme():
    stored = {m.measurement for m in results.read_measurements()}
    assert stored <= set(mechanisms.MEASUREMENTS)
    readme = (results.COURSE.folder / "README.md").read_text(encoding="utf-8")
    assert not stored or mechanisms.table() in readme, (
        "run: python -m resnet_lessons.lab mechanisms"
    )
