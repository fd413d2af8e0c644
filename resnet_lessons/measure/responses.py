"""How strong the response of each convolution is (He et al. 2015, Fig. 7)."""

import copy
import math
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import image_batch, whole_number


@dataclass(frozen=True)
class LayerResponse:
    """How far the values spread that a convolutional layer hands on.

    Attributes:
        name: the convolution's dotted name in the network.
        std: standard deviation of the response, over all images, channels and pixels.
        ends_branch: whether the layer is the last of a residual branch, so that its response is
            F(x) itself, what is added to x.
    """

    name: str
    std: float
    ends_branch: bool


def layer_responses(
    model: nn.Module, images: Tensor, kernel_size: int | None = 3, batch_size: int = 100
) -> list[LayerResponse]:
    """How strong the response of each 3×3 convolution is, in the order of the forward pass.

    The measurement of He et al. 2015 (arXiv:1512.03385, Fig. 7): a response is the output of a
    convolution after its batch normalisation, before the nonlinearity and before the addition. A
    convolution's batch normalisation is the one that takes the very tensor it gave; where there is
    none, as at the end of a pre-activation block, the convolution's own output counts. A layer that
    runs several times in one pass is reported once, with all that it gave.

    A residual block is known by its attribute `downsample`, torchvision's name for the shortcut;
    the convolution that runs last in it, the shortcut aside, ends its branch.

    Args:
        model: measured in evaluation mode, on the device where it is.
        images: float, N×C×H×W, scaled as in training: `data.normalize(data.test.images)`.
        kernel_size: height and width of the kernels to report; None reports every convolution,
            those of projection shortcuts too.
        batch_size: images at a time; it changes the memory needed, not the result.

    Raises:
        TypeError, ValueError: `images` are no float tensor N×C×H×W, or none; another argument is no
            positive whole number; or no convolution with such a kernel ran.
    """
    whole_number("batch_size", batch_size)
    if kernel_size is not None:
        whole_number("kernel_size", kernel_size)
    _check_images(images)
    trial = copy.deepcopy(model).eval()
    uses = _watch(trial)
    device = next((t.device for t in chain(trial.parameters(), trial.buffers())), images.device)
    with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        for batch in images.split(batch_size):
            trial(batch.to(device))

    wanted: dict[str, list[_Use]] = {}
    for use in uses:
        if kernel_size is None or set(use.kernel_size) == {kernel_size}:
            wanted.setdefault(use.name, []).append(use)
    if not wanted:
        ran = ", ".join(sorted({"×".join(map(str, use.kernel_size)) for use in uses}))
        raise ValueError(
            f"kernel_size is {kernel_size}, but no such convolution ran in {type(model).__name__} "
            f"(kernels that did: {ran or 'none'}); pass kernel_size=None to measure all there are."
        )
    ends = _branch_ends(trial, [use.name for use in uses])
    return [LayerResponse(name, _spread(parts), name in ends) for name, parts in wanted.items()]


def _check_images(images: Tensor) -> None:
    # Any number of channels is right here: which one the network takes, it says itself.
    channels = images.shape[1] if isinstance(images, Tensor) and images.dim() == 4 else 0
    image_batch(images, channels, "layer_responses")
    if len(images) == 0:
        raise ValueError(
            f"layer_responses was given no image (input shape {tuple(images.shape)}), but there "
            "must be values to measure; pass at least one image."
        )


@dataclass
class _Use:
    """What one run of a convolution gave: how many values, their mean and their variance."""

    name: str
    kernel_size: tuple[int, ...]
    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def measure(self, response: Tensor) -> None:
        variance, mean = torch.var_mean(response.double(), correction=0)
        self.count, self.mean, self.variance = response.numel(), mean.item(), variance.item()


def _watch(model: nn.Module) -> list[_Use]:
    """Return a list that every forward pass of `model` will fill, in the order of its layers."""
    uses: list[_Use] = []

    def watch_convolution(name: str, layer: nn.Conv2d) -> None:
        def hook(_: nn.Module, __: tuple, output: Tensor) -> None:
            uses.append(use := _Use(name, layer.kernel_size))
            use.measure(output)
            # The version tells whether a ReLU in place has changed the tensor since.
            output.use, output.version_then = use, output._version

        layer.register_forward_hook(hook)

    def watch_normalisation(_: nn.Module, args: tuple, named: dict, output: Tensor) -> None:
        (given,) = (*args, *named.values())
        if hasattr(given, "use") and given._version == given.version_then:
            given.use.measure(output)

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            watch_convolution(name, layer)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_hook(watch_normalisation, with_kwargs=True)
    return uses


def _spread(parts: list[_Use]) -> float:
    """The standard deviation of the values of all parts together."""
    count = sum(part.count for part in parts)
    mean = sum(part.count * part.mean for part in parts) / count
    squares = sum(part.count * (part.variance + (part.mean - mean) ** 2) for part in parts)
    return math.sqrt(squares / count)


def _branch_ends(model: nn.Module, ran: list[str]) -> set[str]:
    """Of the convolutions that ran, in their order, the last one of each residual branch."""
    ends = set()
    for name, module in model.named_modules():
        if hasattr(module, "downsample"):
            inside = f"{name}." if name else ""
            shortcut = f"{inside}downsample"
            branch = [r for r in ran if r.startswith(inside) and not r.startswith(shortcut)]
            ends.update(branch[-1:])
    return ends
