"""Mixed precision and compilation: what they compute in, and that they change rounding alone."""

import shutil

import pytest
import torch
from torch import nn
from trainings import net, quiet

from resnet_lessons.data.sets.loading import load
from resnet_lessons.training.acceleration import Arithmetic, compiled, layout

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(256, 60)


def on_gpu(monkeypatch, capability):
    """The decisions for a GPU of this capability; nothing is computed on it."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    return torch.device("cuda")


@pytest.mark.parametrize(
    ("capability", "chosen", "default"),
    [
        ((9, 0), torch.bfloat16, torch.bfloat16),
        ((8, 0), torch.bfloat16, torch.bfloat16),
        ((7, 5), torch.float16, torch.float16),
        ((7, 0), torch.float16, torch.float16),
        ((6, 1), torch.float16, None),
    ],
)
@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled, but CUDA is not available")
def test_the_type_follows_the_gpu(monkeypatch, capability, chosen, default):
    device = on_gpu(monkeypatch, capability)
    assert Arithmetic(device).dtype is default
    assert Arithmetic(device, True).dtype is chosen
    assert Arithmetic(device, False).dtype is None


def test_on_the_cpu_it_is_off_unless_asked_for():
    assert Arithmetic(CPU).dtype is None
    assert Arithmetic(CPU, True).dtype is torch.bfloat16
    assert not Arithmetic(CPU, True).scaler.is_enabled(), "bfloat16 needs no scaling"


@pytest.mark.parametrize("mixed_precision", [True, False, None])
def test_convolutions_compute_in_the_narrow_type_and_weights_stay_wide(mini, mixed_precision):
    model, seen = net(), set()

    def look(module, inputs, output):
        if module.training:
            seen.add(output.dtype)

    model.layer1[0].conv1.register_forward_hook(look)
    history = quiet(model, mini, mixed_precision=mixed_precision)
    assert seen == {torch.bfloat16 if mixed_precision else torch.float32}
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert {weight.grad.dtype for weight in model.parameters()} == {torch.float32}
    wide = quiet(net(), mini)
    assert history[-1].train_loss == pytest.approx(wide[-1].train_loss, rel=0.05)
    assert (history[-1].train_loss == wide[-1].train_loss) == (not mixed_precision)


def scaler_in(path):
    return torch.load(path, weights_only=True)["state"]["scaler"]


def test_the_scaler_of_float16_comes_back_from_a_checkpoint(mini, tmp_path, monkeypatch):
    """The CPU knows float16 too, so the way of a T4 can be walked here."""

    class Narrow(Arithmetic):
        def __init__(self, device, mixed_precision=None):
            self.device, self.dtype = device, torch.float16
            self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)

    monkeypatch.setattr("resnet_lessons.training.loop.Arithmetic", Narrow)
    whole = quiet(net(), mini, epochs=3, checkpoint=tmp_path / "whole.pt")

    class Stop(Exception):
        pass

    def stop(history):
        if len(history) == 2:
            raise Stop

    path = tmp_path / "net.pt"
    with pytest.raises(Stop):
        quiet(net(), mini, epochs=3, checkpoint=path, live=stop)
    assert scaler_in(path)["scale"] > 1024, "the scaler did not work"
    resumed = quiet(net(), mini, epochs=3, checkpoint=path)
    assert scaler_in(path) == scaler_in(tmp_path / "whole.pt")
    assert resumed.restored == 2 and resumed[-1].train_loss == whole[-1].train_loss


@pytest.mark.parametrize("name", ["mixed_precision", "channels_last", "compiled"])
@pytest.mark.parametrize("value", ["yes", 1, 0.0])
def test_a_switch_that_is_none_is_named(mini, name, value):
    with pytest.raises(TypeError, match=f"{name} is {value!r}, but it must be True or False; pass"):
        quiet(net(), mini, **{name: value})


# Compilation


class Compiled:
    """Stands for torch.compile: counts what goes through it."""

    def __init__(self, monkeypatch, error=None):
        self.sizes, self.error = [], error
        monkeypatch.setattr(torch, "compile", self.compile)

    def compile(self, model, dynamic):
        def fast(images):
            if self.error:
                raise self.error
            self.sizes.append(len(images))
            return model(images)

        return fast


def test_only_whole_batches_of_training_are_compiled(mini, monkeypatch):
    seen = Compiled(monkeypatch)
    history = quiet(net(), mini.take(200), compiled=True)
    assert seen.sizes == [64, 64, 64] * 2
    assert history[-1].train_loss == quiet(net(), mini.take(200))[-1].train_loss


def test_a_machine_that_cannot_compile_says_so(mini, monkeypatch):
    error = torch._dynamo.exc.TorchDynamoException("No working C++ compiler found\nand so on")
    Compiled(monkeypatch, error)
    with pytest.raises(RuntimeError, match=r"failed .*\(No working C\+\+ .*\); install .*=False"):
        quiet(net(), mini, compiled=True)


@pytest.mark.skipif(not shutil.which("c++"), reason="compiling needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # what the compiler itself warns of is not ours
def test_compiled_steps_compute_the_same():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    images = torch.randn(8, 1, 6, 6)
    fast = compiled(model, batch_size=8)
    torch.testing.assert_close(fast(images), model(images))


def test_a_net_without_convolutions_has_no_layout():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    with layout(model):
        assert model[1].weight.is_contiguous()
