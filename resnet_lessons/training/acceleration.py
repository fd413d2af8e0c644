"""What makes a training faster and leaves what it computes alone, up to rounding.

Each is an argument of `train` and decided here where the argument is None: the layout of the
weights in memory, mixed precision, and compilation.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn

from resnet_lessons._arguments import true_or_false


@contextmanager
def layout(model: nn.Module, channels_last: bool | None = None) -> Iterator[None]:
    """Lay the weights out in memory as `train` does; afterwards they are as torch makes them.

    Args:
        channels_last: keep the channels of a pixel next to each other; None: where that is faster.
            A GPU's tensor cores work that way. On a CPU it depends on the width: against the usual
            layout, a step of the 6n+2 networks took 0.81 to 0.85 of the time on two cores at 16
            channels, and 1.13 at 8.
    """
    if channels_last is None:
        convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
        on_gpu = any(module.weight.is_cuda for module in convolutions)
        channels_last = on_gpu or min((c.out_channels for c in convolutions), default=0) >= 16
    if not true_or_false("channels_last", channels_last):
        yield
        return
    model.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        model.to(memory_format=torch.contiguous_format)


class Arithmetic:
    """The type that a training step computes in.

    Args:
        device: where it computes.
        mixed_precision: whether convolutions and matrix products compute in a narrow type, while
            the weights stay float32; None: on a GPU with tensor cores (compute capability 7 and
            newer). The type is bfloat16, but float16 on a GPU of capability 7 (T4, V100), which
            has no bfloat16.

    Attributes:
        dtype: the narrow type, or None where all is float32.
        scaler: small gradients vanish in float16, so there the loss is multiplied before the way
            back and the gradients divided after it; with other types it does nothing.
    """

    def __init__(self, device: torch.device, mixed_precision: bool | None = None) -> None:
        on_gpu = device.type == "cuda"
        capability = torch.cuda.get_device_capability(device) if on_gpu else (0, 0)
        if mixed_precision is None:
            mixed_precision = capability >= (7, 0)
        self.device = device
        self.dtype = None
        if true_or_false("mixed_precision", mixed_precision):
            self.dtype = torch.float16 if on_gpu and capability < (8, 0) else torch.bfloat16
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)

    def narrow(self) -> AbstractContextManager:
        """Inside, convolutions and matrix products compute in `dtype`."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None)


def compiled(model: nn.Module, batch_size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The forward pass through `torch.compile`, for batches of `batch_size` images.

    Another size would be compiled again, which takes longer than what a last, smaller batch saves;
    so that one goes through the model as it is.

    Raises:
        RuntimeError: at the first batch, if this machine cannot compile; it names the cure.
    """
    fast = torch.compile(model, dynamic=False)

    def forward(images: torch.Tensor) -> torch.Tensor:
        if len(images) != batch_size:
            return model(images)
        try:
            return fast(images)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise RuntimeError(
                f"compiled is True, but torch.compile failed on this machine ({reason}); install "
                "a C++ compiler (for a GPU, Triton), or train with compiled=False."
            ) from error

    return forward
