"""Checkpoints: a training that was killed ends as one that was not, and nothing else is taken."""

import errno
import io
import json
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
import trainings
from torch import nn
from trainings import Wrapped, measured, net, quiet, same

from resnet_lessons.data.sets.loading import load
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.training import train
from resnet_lessons.training.checkpoint import FORMAT, SERIES, Checkpoint

EPOCHS = 4


@pytest.fixture(scope="module")
def mini():
    """256 training and 60 test images of 7×7 pixels."""
    return load(device="cpu").pooled(4).take(256, 60)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made" / "net.pt"


def interrupt_in_epoch(number):
    """Called with the number of training batches so far; an epoch has four."""

    def before(count):
        if count == 4 * (number - 1) + 3:
            raise KeyboardInterrupt

    return before


# Going on


@pytest.mark.parametrize("options", [{}, {"augmented": True, "schedule": "steps", "momentum": 0.5}])
@pytest.mark.parametrize("cut", [1, 2, EPOCHS])
def test_a_cut_training_ends_as_the_whole_one_bit_for_bit(mini, path, cut, options):
    """Dropout and augmentation draw random numbers, so their states must come back too."""
    whole = Wrapped(dropout=0.5)
    expected = quiet(whole, mini, EPOCHS, **options)
    first = quiet(
        Wrapped(interrupt_in_epoch(cut), dropout=0.5), mini, EPOCHS, checkpoint=path, **options
    )
    assert len(first) == cut - 1 and path.exists() == (cut > 1)

    torch.manual_seed(99)
    other = Wrapped(dropout=0.5)
    nn.init.normal_(other.net.fc.weight)  # what the checkpoint must replace
    if cut == 1:
        other = Wrapped(dropout=0.5)
    state = torch.get_rng_state()
    history = quiet(other, mini, EPOCHS, checkpoint=path, **options)
    assert history.restored == cut - 1
    assert other.count == 4 * (EPOCHS - cut + 1), "epochs were repeated"
    assert measured(history) == measured(expected)
    assert same(other.state_dict(), whole.state_dict())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_training_cut_by_steps_goes_on_bit_for_bit(mini, path):
    options = {"steps": 14, "warmup": 5, "schedule": "steps"}
    whole = net()
    expected = quiet(whole, mini, EPOCHS, **options)
    quiet(Wrapped(interrupt_in_epoch(3)).net, mini, EPOCHS, **options)  # another net: no influence

    class Stop(Exception):
        pass

    def stop(history):
        if len(history) == 2:
            raise Stop

    with pytest.raises(Stop):
        quiet(net(), mini, EPOCHS, checkpoint=path, live=stop, **options)
    model = net(seed=5)
    history = quiet(model, mini, EPOCHS, checkpoint=path, **options)
    assert (history.restored, len(history)) == (2, 4)
    assert measured(history) == measured(expected) and same(model.state_dict(), whole.state_dict())


def test_a_finished_training_is_read_and_not_repeated(mini, path):
    model = Wrapped()
    history = quiet(model, mini, checkpoint=path)
    written = path.stat().st_mtime_ns
    seen = []
    again = Wrapped()
    found = quiet(again, mini, checkpoint=path, live=lambda h: seen.append(len(h)))
    assert again.count == 0 and found.epochs == history.epochs and found.restored == 2
    assert same(again.state_dict(), model.state_dict())
    assert seen == [2], "the curve of what was read is not shown"
    assert path.stat().st_mtime_ns == written


def test_the_layout_in_memory_may_change_in_between(mini, path):
    quiet(Wrapped(interrupt_in_epoch(2)), mini, checkpoint=path, channels_last=True)
    model = Wrapped()
    history = quiet(model, mini, checkpoint=path, channels_last=False)
    assert history.restored == 1 and len(history) == 2
    assert all(weight.is_contiguous() for weight in model.parameters())


def test_what_happened_is_said(mini, path, capsys):
    quiet(Wrapped(interrupt_in_epoch(2)), mini, checkpoint=path)
    train(Wrapped(), mini, 1, batch_size=64, checkpoint=path.with_name("other.pt"))
    assert "read from" not in capsys.readouterr().out
    quiet(Wrapped(), mini, checkpoint=path, progress=True)
    quiet(Wrapped(), mini, checkpoint=path, progress=True)
    out = capsys.readouterr().out
    assert "epoch 1/2: read from net.pt" in out and "100%" in out.split("\r")[-1]
    assert "epoch 2/2: read from net.pt" in out.split("\r")[-1]


SCRIPT = """
import os, signal, sys, time
from dataclasses import replace
import torch
from resnet_lessons import cifar_resnet, load, train

torch.set_num_threads(1)
data = load(device="cpu").pooled(4).take(1024, 60)

def run(checkpoint, report):
    torch.manual_seed(0)
    model = cifar_resnet(8, width=4, in_channels=1)
    history = train(model, data, 8, batch_size=64, augmented=True, checkpoint=checkpoint,
                    progress=False, live=report)
    weights = [value.double().sum().item().hex() for value in model.state_dict().values()]
    return [replace(epoch, seconds=0.0) for epoch in history], weights
"""
# A child of a process that has loaded torch already starts at once, so that many can be killed.
KILLED = """
expected = run(None, False)
kills = 0
for delay in (None, 0.0, 0.002, 0.004, 0.03, 0.05, 0.08, None):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        run(sys.argv[1], lambda h: len(h) > h.restored and os.write(writer, b"."))
        os._exit(0)
    os.close(writer)
    if delay is not None and os.read(reader, 1):
        time.sleep(delay)
    elif delay is None:
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    kills += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
seen = []
same = run(sys.argv[1], lambda history: seen.append(len(history))) == expected
print(same, kills, seen[0])
"""


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_process_killed_again_and_again_ends_as_one_never_killed(path):
    """Real processes, killed at moments spread over an epoch and over the writing at its end."""
    done = run(SCRIPT + KILLED, path)
    assert done.returncode == 0, done.stderr
    same, kills, restored = done.stdout.split()
    assert same == "True"
    assert int(kills) >= 6 and int(restored) >= 4, "too little was killed to prove anything"
    assert [file.name for file in path.parent.iterdir()] == ["net.pt"], "parts are left behind"


# What is refused


def refuse(mini, path, match, model=None, **options):
    before = path.read_bytes()
    model = model or net()
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=match) as caught:
        quiet(model, mini, checkpoint=path, **options)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_bytes() == before, "what was refused must stay as it was"
    assert same(model.state_dict(), weights)


@pytest.fixture
def stored(mini, path):
    quiet(net(), mini, checkpoint=path)
    return path


@pytest.mark.parametrize(
    ("model", "difference"),
    [
        (cifar_resnet(8, width=2, in_channels=1, residual=False), r"largest score .*\d, here .*\d"),
        (cifar_resnet(14, width=2, in_channels=1), r"layer1\.1\.conv1\.weight=None, here"),
        (
            cifar_resnet(8, width=3, in_channels=1),
            r"conv1\.weight=\(2, 1, 3, 3\), here \(3, 1, 3, 3\)",
        ),
        (nn.Sequential(nn.Flatten(), nn.Linear(49, 10)), r"1\.weight=None, here \(10, 49\)"),
    ],
)
def test_a_checkpoint_of_another_net_is_refused(mini, stored, model, difference):
    refuse(mini, stored, f"is of another net .*{difference}.*; name another file", model)


def test_a_checkpoint_of_other_images_is_refused(mini, stored):
    refuse(mini.take(255), stored, "of other images .*train=256, here 255.*; name another")
    brighter = mini.train.images.clone()
    brighter[17, 0, 3, 3] ^= 1  # one bit of one pixel
    changed = replace(mini, train=replace(mini.train, images=brighter))
    refuse(changed, stored, r"of other images \(checksum='\w{8}', here '\w{8}'\)")
    labels = mini.test.labels.roll(1)
    refuse(replace(mini, test=replace(mini.test, labels=labels)), stored, "of other images")
    refuse(replace(mini, mean=(0.5,)), stored, r"of other images \(mean=.*here \[0\.5\]")
    refuse(replace(mini, name="other"), stored, r"of other images \(name=.*here 'other'\)")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"epochs": 3}, "epochs=2, here 3"),
        ({"lr": 0.05}, r"lr=0\.1, here 0\.05"),
        ({"seed": 1, "augmented": True}, "augmented=False, here True; seed=0, here 1"),
        ({"steps": 7}, "steps=None, here 7"),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused(mini, stored, options, told):
    refuse(mini, stored, f"trained with {told}, but .*; pass the same values", **options)


def test_another_way_of_printing_a_net_or_its_images_is_no_other_training(
    mini, stored, monkeypatch
):
    monkeypatch.setattr(nn.BatchNorm2d, "extra_repr", lambda self: "as another torch prints it")
    monkeypatch.setattr(type(mini), "__repr__", lambda self: "images")
    assert quiet(net(), mini, checkpoint=stored).restored == 2


def test_scores_that_differ_by_rounding_alone_are_the_same_nets(mini, stored):
    model = net()
    model.fc.register_forward_hook(lambda module, inputs, scores: scores * 1.0001)
    assert quiet(model, mini, checkpoint=stored).restored == 2


def test_what_was_asked_for_with_numbers_of_numpy_goes_on(mini, path):
    how = {"lr": np.logspace(-1, -2, 3)[0], "seed": np.int64(2), "weight_decay": np.float32(0.5)}
    data = replace(mini, mean=tuple(np.array(mini.mean)), std=tuple(np.array(mini.std)))
    quiet(net(), data, np.int64(2), checkpoint=path, batch_size=np.int32(64), **how)
    assert quiet(net(), data, 2, checkpoint=path, **how).restored == 2


def test_a_checkpoint_of_another_version_is_refused_in_a_sentence(mini, stored):
    content = torch.load(stored, weights_only=True)
    torch.save({**content, "format": f"{SERIES}1"}, stored)
    refuse(mini, stored, r"another version of the course .* 1', here .* 2'\), so .*; name another")


@pytest.mark.parametrize("where", [0.001, 0.1, 0.35, 0.5, 0.65, 0.9, 0.999])
@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_damaged_checkpoint_is_refused(mini, stored, damage, where):
    raw = bytearray(stored.read_bytes())
    place = int(where * len(raw))
    if damage == "cut":
        del raw[place:]
    else:
        # More than the 64 bytes that torch fills up with nothing where it aligns a tensor.
        raw[place : place + 80] = bytes(255 - byte for byte in raw[place : place + 80])
    stored.write_bytes(raw)
    refuse(mini, stored, "cannot be read .*; it is damaged or something else: delete it")


def test_every_flipped_weight_is_noticed(mini, stored):
    """torch itself does not compare the checksums of what it reads."""
    with zipfile.ZipFile(stored) as archive:
        weights = (entry for entry in archive.infolist() if "/data/" in entry.filename)
        largest = max(weights, key=lambda entry: entry.file_size)
        with archive.open(largest) as file:
            content = file.read()
    raw = stored.read_bytes()
    assert raw.count(content) >= 1
    stored.write_bytes(raw.replace(content, bytes([content[0] ^ 1]) + content[1:]))
    torch.load(stored, weights_only=True)
    refuse(mini, stored, "is damaged")


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["EVIL"],)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_an_untrusted_pickle_is_not_run(mini, path, monkeypatch, form):
    monkeypatch.setenv("EVIL", str(path.parent / "run"))
    path.parent.mkdir()
    content = {"format": FORMAT, "identity": {}, "state": Evil()}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    refuse(mini, path, "might run code" if form == "zip" else "cannot be read")
    assert not (path.parent / "run").exists()


@pytest.mark.parametrize(
    "content",
    [
        {"weight": torch.zeros(3)},
        {"format": "something 7", "identity": {}, "state": {}},
        {"format": FORMAT, "identity": {"net": ""}, "state": {}},
        torch.zeros(2),
    ],
)
def test_a_file_of_something_else_is_refused(mini, path, content):
    path.parent.mkdir()
    torch.save(content, path)
    refuse(mini, path, "cannot be read")


@pytest.mark.parametrize("text", [b"", b"a text", json.dumps({"format": FORMAT}).encode()])
def test_a_file_that_is_no_archive_is_refused(mini, path, text):
    path.parent.mkdir()
    path.write_bytes(text)
    refuse(mini, path, "cannot be read")


@pytest.mark.parametrize("value", [3, 1.5, ["net.pt"], b"net.pt"])
def test_a_checkpoint_that_is_no_path_is_named(mini, value):
    with pytest.raises(TypeError, match=r"checkpoint is .*, but it must be the path .*; pass"):
        quiet(net(), mini, checkpoint=value)


def test_a_folder_is_no_checkpoint(mini, tmp_path):
    with pytest.raises(ValueError, match=r"that is a folder; name a file in it, .*resnet20\.pt"):
        quiet(net(), mini, checkpoint=tmp_path)


# Where it cannot be written


def test_a_full_disk_warns_once_and_keeps_the_last_checkpoint(mini, path, monkeypatch):
    whole = net()
    expected = quiet(whole, mini, EPOCHS)
    model, space = net(), [2]

    class Full(io.FileIO):
        """A file on a disk that is full after two checkpoints."""

        def write(self, content):
            if space[0] <= 0:
                super().write(content[:1000])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            space[0] -= 1
            return super().write(content)

    def opened(self, mode="r", *arguments):
        return Full(self, mode) if "w" in mode else open(self, mode, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "open", opened)
        with pytest.warns(RuntimeWarning, match="No space left.*stays as it was") as caught:
            history = quiet(model, mini, EPOCHS, checkpoint=path)
    assert len(caught) == 1 and caught[0].filename == trainings.__file__
    assert measured(history) == measured(expected) and same(model.state_dict(), whole.state_dict())
    assert [file.name for file in path.parent.iterdir()] == ["net.pt"], "a part is left behind"

    again = net()
    history = quiet(again, mini, EPOCHS, checkpoint=path)
    assert history.restored == 2 and measured(history) == measured(expected)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of files")
def test_a_file_that_may_not_grow_is_a_full_disk(path):
    """The same from the operating system itself, in a process with a limit on its files."""
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
    done = run(limit + SCRIPT + "run(sys.argv[1], lambda history: print(len(history)))", path)
    assert done.returncode == 0 and done.stdout.split() == list("12345678")
    assert done.stderr.count("RuntimeWarning") == 1 and "does not exist yet" in done.stderr
    assert list(path.parent.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_and_the_training_goes_on(mini, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(RuntimeWarning, match="cannot be written .*does not exist yet") as caught:
        history = quiet(net(), mini, checkpoint=tmp_path / "file" / "net.pt")
    assert len(caught) == 1 and len(history) == 2


def test_what_a_killed_process_left_behind_is_removed_and_nothing_else(path):
    path.parent.mkdir()
    for name in ("net.pt.123.part", "net.pt", "net2.pt.123.part", "net.pt.notes"):
        path.with_name(name).write_text("x")
    Checkpoint(path, {})
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["net.pt", "net.pt.notes", "net2.pt.123.part"]


def test_a_name_is_no_pattern(path):
    """In a pattern [1] would stand for the digit alone."""
    path.parent.mkdir()
    for name in ("run[1].pt.5.part", "run1.pt.5.part", "run[1].pt.old.part"):
        path.with_name(name).write_text("x")
    Checkpoint(path.with_name("run[1].pt"), {})
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["run1.pt.5.part", "run[1].pt.old.part"]


def test_a_checkpoint_gives_no_warning_where_all_is_well(mini, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet(net(), mini, checkpoint=str(path))
    assert path.exists()
