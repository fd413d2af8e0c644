"""What crosses from a worker to its judge is plain, or it is refused."""

import contextlib
import json
import os
import socket
import struct
import threading

import pytest
import torch
from submitted import KIND, SETUP
from torch import nn

from resnet_grading import protocol, remote
from resnet_grading.judge import grade
from resnet_grading.launch import Spawner
from resnet_grading.protocol import Broken, Channel, Ended, TimeIsUp
from resnet_grading.remote import (
    RemoteAnswer,
    RemoteModule,
    RemoteWorker,
    public,
)
from resnet_grading.sandbox import Limits
from resnet_lessons.checks import EXERCISES
from resnet_lessons.checks.answers import Answer, Broke, ForwardPass, ModuleView
from resnet_lessons.checks.tracing import Operation
from resnet_lessons.checks.verdict import NotAttempted, Wrong


def crossed(value):
    frame = protocol.encode(value, lambda module: 7)
    words, numbers = struct.unpack(">II", frame[:8])
    assert len(frame) == 8 + words + numbers
    return protocol.decode(frame[8 : 8 + words], frame[8 + words :], lambda number: number)


PLAIN = [
    None,
    True,
    3,
    -0.5,
    "wörter",
    (1, (2, [3]), {4}),
    {"a": (1,), 2: None},
    {(1, 2): "key"},
    Operation("relu", (0,), 1, (2, 3), settings={"stride": (1, 1)}),
]


@pytest.mark.parametrize("value", PLAIN, ids=str)
def test_plain_values_arrive_as_they_are(value):
    seen = crossed(value)
    assert seen == value and type(seen) is type(value)


@pytest.mark.parametrize("dtype", protocol.DTYPES.values(), ids=protocol.DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 4), (2, 3, 4)], ids=str)
def test_tensors_arrive_as_they_are(dtype, shape):
    tensor = (torch.randn(shape) * 3).to(dtype)
    seen = crossed({"x": (tensor, tensor.transpose(0, -1) if shape else tensor)})["x"]
    assert seen[0].dtype is dtype and torch.equal(seen[0], tensor)
    assert torch.equal(seen[1], tensor.transpose(0, -1) if shape else tensor)


def test_a_run_and_a_module_arrive():
    run = ForwardPass(torch.ones(2), False, None, {"weight": torch.ones(1), "bias": None})
    seen = crossed((run, ModuleView(nn.Identity())))
    assert torch.equal(seen[0].output, run.output) and seen[0].gradients["bias"] is None
    assert seen[1] == 7


class Evil(str):
    __eq__ = lambda self, other: True  # noqa: E731
    __hash__ = str.__hash__


def test_nothing_but_values_crosses():
    assert type(crossed(Evil("a"))) is str
    for thing in (object(), len, Evil, torch.float32, nn.Identity()):
        with pytest.raises(TypeError, match="no plain value"):
            protocol.encode(thing, None)


def header(value, tensors=()):
    return json.dumps({"value": value, "tensors": tensors}).encode()


LIES = {
    "no JSON": (b"\xff\xfe", b""),
    "a pickle": (b"cos\nsystem\n(S'true'\ntR.", b""),
    "no header": (b"[]", b""),
    "an unknown kind": (header(["object", "os.system"]), b""),
    "an unknown record": (header(["record", "Popen", {}]), b""),
    "a record with other fields": (header(["record", "ForwardPass", {"output": 3}]), b""),
    "an operation of words": (
        header(["record", "Operation", {"name": "a", "inputs": ["tuple", "x"], "output": 1,
                                        "shape": ["tuple"]}]), b""),
    "a bare object": (header({"a": 1}), b""),
    "an empty list": (header([]), b""),
    "a tensor that is missing": (header(["tensor", 0]), b""),
    "a negative tensor": (header(["tensor", -1], [["float32", [1]]]), bytes(4)),
    "too few numbers": (header(None, [["float32", [3]]]), bytes(8)),
    "too many numbers": (header(None, [["float32", [1]]]), bytes(8)),
    "a negative shape": (header(None, [["float32", [-1, -1]]]), bytes(4)),
    "a shape of words": (header(None, [["float32", ["1"]]]), bytes(4)),
    "a huge shape": (header(None, [["float32", [2**62, 2**62, 0]]]), b""),
    "an unknown dtype": (header(None, [["object", [1]]]), bytes(8)),
    "nested without end": (b'{"tensors": [], "value": ' + b'["tuple", ' * 10**5, b""),
    "a key that cannot be one": (header(["dict", [["list"], 1]]), b""),
    "half a pair": (header(["dict", ["a"]]), b""),
}  # fmt: skip


@pytest.mark.parametrize("words, numbers", LIES.values(), ids=LIES)
def test_a_lie_is_refused(words, numbers):
    with pytest.raises(Broken, match="cannot be read"):
        protocol.decode(words, numbers, lambda number: number)


def test_any_byte_makes_a_true_or_false():
    seen = protocol.decode(header(["tensor", 0], [["bool", [3]]]), b"\x00\x01\x07", None)
    assert seen.tolist() == [False, True, True]


# --- the channel ---


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    yield Channel(one), other
    one.close()
    other.close()


def test_a_frame_arrives_in_pieces(ends):
    channel, other = ends
    frame = protocol.encode((1, torch.arange(100_000)), None)
    thread = threading.Thread(target=lambda: [other.sendall(frame[:5]), other.sendall(frame[5:])])
    thread.start()
    number, tensor = protocol.decode(*channel.receive(10), None)
    thread.join()
    assert number == 1 and torch.equal(tensor, torch.arange(100_000))


def test_silence_ends_and_too_much_is_told_apart(ends):
    channel, other = ends
    with pytest.raises(TimeIsUp):
        channel.receive(0.05)
    other.sendall(struct.pack(">II", 10, protocol.MOST_NUMBERS + 1))
    with pytest.raises(Broken, match="more than"):
        channel.receive(1)
    with pytest.raises(TimeIsUp):  # a pipe that nobody empties
        channel.send(bytes(50 << 20), 0.1)
    other.close()
    with pytest.raises(Ended):
        channel.receive(1)


def test_a_trickle_does_not_stretch_the_time(ends):
    channel, other = ends
    stop = threading.Event()

    def trickle():
        other.sendall(struct.pack(">II", 1000, 0))
        while not stop.wait(0.02):
            other.sendall(b" ")

    thread = threading.Thread(target=trickle)
    thread.start()
    with pytest.raises(TimeIsUp):
        channel.receive(0.2)
    stop.set()
    thread.join()


# --- the remote vocabulary ---


def answering(ends, *replies):
    """A worker that gives these replies, whatever it is asked."""
    channel, other = ends

    def work():
        with contextlib.suppress(protocol.Lost):  # the judge may have heard enough
            for reply in replies:
                Channel(other).receive(5)
                other.sendall(reply)

    threading.Thread(target=work, daemon=True).start()
    return RemoteWorker(channel.end, 2.0, kill=other.close, folder=None)


def test_where_many_processes_want_to_run_the_clock_may_show_more(ends, monkeypatch):
    seconds = []
    for load in (0.5, 8.0):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
        seconds.append(answering(ends).seconds - remote.GRACE)
    assert seconds == [4.0, 16.0]


def test_every_method_of_the_vocabulary_goes_across():
    assert {"__call__", "value", "origins", "make"} <= set(public(Answer))
    assert {"run", "load", "parameters", "trace", "prepare"} <= set(public(ModuleView))
    for kind, ours in ((Answer, RemoteAnswer), (ModuleView, RemoteModule)):
        for name in public(kind):
            assert getattr(ours, name) is not getattr(kind, name)


@pytest.mark.parametrize("kind", [Wrong, NotAttempted, Broke])
def test_what_the_worker_raises_is_raised(kind, ends):
    told = protocol.encode({"raises": (kind.__name__, "so " * 1000)}, None)
    with pytest.raises(kind) as caught:
        RemoteAnswer(answering(ends, told)).value()
    assert type(caught.value) is kind and len(str(caught.value)) == 1000


@pytest.mark.parametrize(
    "reply", [3, {}, {"gives": 1, "raises": 2}, {"raises": ("SystemExit", "x")}, {"raises": None}]
)
def test_a_reply_that_is_none_loses_the_worker(reply, ends):
    worker = answering(ends, protocol.encode(reply, None))
    with pytest.raises(Broke, match="disturbed the grading"):
        RemoteAnswer(worker).value()
    assert isinstance(worker.lost, Broken)
    with pytest.raises(Broke):  # and it is not asked again
        RemoteAnswer(worker)()


def test_a_verdict_is_worth_nothing_if_the_worker_says_it(ends):
    told = [
        protocol.encode({"gives": value}, None) for value in ("identity", "projection", "right")
    ]
    verdict = EXERCISES["shortcut_kind"].judge(
        RemoteAnswer(answering(ends, *told)), EXERCISES["shortcut_kind"].probes
    )
    assert verdict.state == "wrong" and verdict.passed == 0


def test_where_nothing_can_be_forked_a_new_python_does_the_work():
    cells = [SETUP, KIND, "import socket\nsocket.create_connection(('127.0.0.1', 9))"]
    told = grade(cells, "03", 5, Limits(total=60), Spawner())
    assert told.verdicts["shortcut_kind"].right
    assert told.mode == "plain"
    assert "no network" in told.failures[0][1]
