"""Grad-CAM: where in an image a network's score for a class comes from.

Selvaraju et al. 2017 (arXiv:1610.02391). At one layer, channel k gives a map A^k. Its weight is the
mean, over all pixels, of the gradient of the class score with respect to that map; the result is
the weighted sum of the maps, cut off at zero:

    map = relu( sum over k of  mean(d score / d A^k) · A^k ).

At the last stage of a network that ends in a global average pool and a linear layer, this is the
class activation map of Zhou et al. 2016 (arXiv:1512.04150), divided by the number of pixels.
"""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons._arguments import image_batch, true_or_false
from resnet_lessons.training import in_mode


def grad_cam(
    model: nn.Module,
    images: Tensor,
    layer: str,
    classes: int | Tensor | None = None,
    positive: bool = True,
) -> Tensor:
    """Where the scores for `classes` come from: a map N×h×w, on the pixels of that layer.

    The model runs in evaluation mode, on the device where it is, and stays as it was: modes,
    gradients, hooks and torch's random state.

    Args:
        model: takes images N×C×H×W and gives scores N×classes. Its images must not influence each
            other, which in evaluation mode they do not in any network of this course.
        images: float, N×C×H×W, scaled as in training: `data.normalize(data.test.images[:8])`.
        layer: dotted name of a module that gives feature maps N×K×h×w, such as `"layer4"`; where it
            runs several times in one pass, its last run counts.
        classes: whose score to explain: a class number for all images, or one for each; default,
            the class that the model gives the highest score.
        positive: cut the map off at zero, as the paper does. With False, what speaks against the
            class stays, as negative values.

    Returns:
        The maps, without a gradient, and not scaled: their size is in units of the score.

    Raises:
        TypeError, ValueError: `images` are no float tensor N×C×H×W, or none; there is no such layer
            or class; the layer gives no feature maps, or the score does not depend on it.
    """
    channels = images.shape[1] if isinstance(images, Tensor) and images.dim() == 4 else 0
    image_batch(images, channels, "grad_cam")  # the number of channels, the model checks itself
    if len(images) == 0:
        raise ValueError(
            f"grad_cam was given no image (input shape {tuple(images.shape)}), but there must be "
            "one to explain; pass at least one image."
        )
    true_or_false("positive", positive)
    module = _module(model, layer)
    device = next((tensor.device for tensor in model.parameters()), images.device)
    devices = [device] if device.type == "cuda" else []
    with in_mode(model, training=False), torch.enable_grad(), torch.random.fork_rng(devices):
        with _leaf(module) as outputs:
            scores = model(images.to(device))
        maps = _feature_maps(outputs, layer)
        chosen = scores.gather(1, _classes(classes, scores)[:, None])
        # Each image's score depends on its own maps alone, so the sum has the gradient of each.
        (gradient,) = torch.autograd.grad(chosen.sum(), maps, allow_unused=True)
    if gradient is None:
        raise ValueError(
            f"layer is {layer!r}, but the scores do not depend on what it gives; choose a layer on "
            "the way from the images to the scores."
        )
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    result = (weights * maps).sum(dim=1).detach()
    return F.relu(result) if positive else result


def _module(model: nn.Module, name: str) -> nn.Module:
    modules = dict(model.named_modules())
    if name in modules and name != "":
        return modules[name]
    near = difflib.get_close_matches(str(name), modules, n=1, cutoff=0.4)
    cure = f"did you mean {near[0]!r}?" if near else "print the model for its names."
    raise ValueError(f"layer is {name!r}, but {type(model).__name__} has none of that name; {cure}")


@contextmanager
def _leaf(module: nn.Module) -> Iterator[list[object]]:
    """Inside, what `module` gives is where the graph begins; the list holds it, the last run last.

    What goes on is a copy, for a ReLU in place behind the module would change the maps themselves.
    And since the graph begins here, a network whose weights are frozen can be explained as well.
    """
    outputs: list[object] = []

    def hook(_: nn.Module, __: tuple, output: object) -> Tensor | None:
        if not isinstance(output, Tensor):
            outputs.append(output)
            return None
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()

    handle = module.register_forward_hook(hook)
    try:
        yield outputs
    finally:
        handle.remove()


def _feature_maps(outputs: list[object], layer: str) -> Tensor:
    maps = outputs[-1] if outputs else None
    if isinstance(maps, Tensor) and maps.dim() == 4:
        return maps
    if maps is None:
        given = "did not run"
    elif isinstance(maps, Tensor):
        given = f"gives a tensor of shape {tuple(maps.shape)}"
    else:
        given = f"gives a {type(maps).__name__}"
    raise ValueError(
        f"layer is {layer!r}, but that module {given}, and Grad-CAM needs feature maps N×K×h×w; "
        "choose a stage, a block or a convolution, such as 'layer3'."
    )


def _classes(classes: int | Tensor | None, scores: Tensor) -> Tensor:
    """One class number an image."""
    if scores.dim() != 2:
        raise ValueError(
            f"the model gives scores of shape {tuple(scores.shape)}, but Grad-CAM explains scores "
            "N×classes; pass a classifier."
        )
    if classes is None:
        return scores.argmax(1)
    numbers = torch.as_tensor(classes, device=scores.device)
    whole = not (numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool)
    if not whole or numbers.shape not in ((), (len(scores),)):
        raise ValueError(
            f"classes is {classes!r}, but it must be a class number, or one for each of the "
            f"{len(scores)} images; pass for example classes=0, or the labels."
        )
    if not (numbers.min() >= 0 and numbers.max() < scores.shape[1]):
        raise ValueError(
            f"classes is {classes!r}, but the model has the classes 0 to {scores.shape[1] - 1}; "
            "choose among them."
        )
    return numbers.long().expand(len(scores))
