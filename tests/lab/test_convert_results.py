"""Lines of the old form get fields: each name and each place becomes what it said."""

import json

import pytest

from convert_results import convert, place, trial
from resnet_lessons.lab.experiments import EXPERIMENTS
from resnet_lessons.lab.results import COURSE, RunStore
from resnet_lessons.lab.trial import Trial


def old(net, depth=20, seed=1, **more):
    return {"net": net, "depth": depth, "seed": seed, "data_set": "mini", **more}


@pytest.mark.parametrize(
    ("net", "depth", "fields"),
    [
        ("plain", 44, {"kind": "plain"}),
        ("projection everywhere", 20, {"kind": "projection everywhere"}),
        ("+ mended block", 18, {"kind": "+ mended block"}),
        ("zero branches, 44 layers", 44, {"kind": "zero branches", "x": 44, "unit": "layers"}),
        ("fine-tuned, 1280 images", 14, {"kind": "fine-tuned", "x": 1280, "unit": "images"}),
        ("ResNeXt, 4.0 million", 26, {"kind": "ResNeXt", "x": 4.0, "unit": "million"}),
        (
            "plain, warm-up, 44 layers",
            44,
            {"kind": "plain", "change": "warm-up", "x": 44, "unit": "layers"},
        ),
    ],
)
def test_a_name_becomes_fields_and_they_make_the_name(net, depth, fields):
    found = trial("any", old(net, depth))
    nothing = {"change": None, "x": None, "unit": None}
    assert found == {**nothing, "depth": depth, "seed": 1, **fields}
    assert Trial(**found).label == (f"{net}-{depth}" if net == "plain" else net)


@pytest.mark.parametrize(
    ("name", "net", "depth", "seed"),
    [
        ("degradation-mini-search", "residual, lr 0.05, warm-up 79", 56, 11),
        ("degradation-mini-search", "plain, lr 0.1, warm-up 0", 20, 10),
        ("degradation-cifar10-small", "residual", 32, 1),
    ],
)
def test_what_is_converted_is_what_is_planned(name, net, depth, seed):
    found = Trial(**trial(name, old(net, depth, seed)))
    (planned,) = (run for run in EXPERIMENTS[name].runs if run.key == found.key)
    assert planned.label == found.label


@pytest.mark.parametrize(
    ("measurement", "words", "fields"),
    [
        ("gradients", "layer1.0.conv1", {"layer": "layer1.0.conv1"}),
        ("branches after training", "layer2.1", {"block": "layer2.1"}),
        ("shattering without normalisation", "lag 16", {"lag": 16}),
        ("single lesions", "nothing", {"block": None}),
        (
            "single lesions",
            "layer3.0 (downsamples)",
            {"block": "layer3.0", "stage": 3, "downsamples": True},
        ),
        (
            "lesions",
            "swapped, statistics measured anew: 5 (lesion 14)",
            {"lesion": "swapped", "anew": 500, "count": 5, "number": 14},
        ),
        ("paths", "norm of one of length 21", {"figure": "norm of one", "length": 21}),
        (
            "slices",
            "whole, statistics of the batch: direction 2 at -0.25",
            {
                "scale": "whole",
                "statistics": "statistics of the batch",
                "direction": 2,
                "distance": -0.25,
            },
        ),
    ],
)
def test_a_place_becomes_fields(measurement, words, fields):
    assert place(measurement, words) == fields


def test_a_place_that_is_not_known_is_named():
    with pytest.raises(ValueError, match="shattering has the place 'leg 3', which is not known"):
        place("shattering", "leg 3")


EPOCH = {"lr": 0.1, "train_loss": 1.5, "train_error": 60.0, "test_loss": 1.25}
EPOCH |= {"test_error": 50.0, "seconds": 2.0, "origin": {"recipe": {"lr": 0.1}, "device": "cpu"}}


def write(file, records):
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")


def test_a_file_is_converted_once_and_reads_as_what_was_measured(tmp_path):
    file = tmp_path / "depths.jsonl"
    lines = [old("plain", epoch=n, **EPOCH) for n in (1, 2)]
    lines += [old("residual", stopped="The loss is no longer finite.", epoch=1, **EPOCH)]
    write(file, lines)
    assert convert(file) == 3
    plain, residual = RunStore(tmp_path).read("depths")
    assert (plain.label, plain.ending, len(plain.epochs)) == ("plain-20", "finished", 2)
    assert (residual.label, residual.ending) == ("residual-20", "diverged")
    assert plain.origin == EPOCH["origin"] and plain.epochs[1].test_error == 50.0
    text = file.read_text(encoding="utf-8")
    assert convert(file) == 0 and file.read_text(encoding="utf-8") == text


def test_values_of_a_network_come_together(tmp_path):
    file = tmp_path / "mechanisms.jsonl"
    origin = {"recipe": {}, "device": "cpu"}
    write(
        file,
        [
            old(
                "plain",
                seed=s,
                measurement="shattering",
                place=f"lag {n}",
                value=n / 3,
                origin=origin,
            )
            for n in (1, 2)
            for s in (0, 1)
        ],
    )
    assert convert(file) == 4
    for seed, measured in enumerate(RunStore(tmp_path).read_measurements("shattering")):
        assert (measured.kind, measured.depth, measured.seed) == ("plain", 20, seed)
        assert measured.values == ({"lag": 1, "value": 1 / 3}, {"lag": 2, "value": 2 / 3})
        assert measured.origin == origin


def test_nothing_of_the_old_form_is_left():
    for file in COURSE.folder.glob("*.jsonl"):
        assert '"net"' not in file.read_text(encoding="utf-8"), file
