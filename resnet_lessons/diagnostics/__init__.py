"""Measurements inside a network, on a copy, so that the network itself stays as it was."""

from resnet_lessons.diagnostics.branches import BranchSize, branch_sizes
from resnet_lessons.diagnostics.gradients import (
    LayerGradient,
    LayerSignal,
    gradient_norms,
    signal_sizes,
)
from resnet_lessons.diagnostics.normalisation import settled, without_batch_norm
from resnet_lessons.diagnostics.responses import LayerResponse, layer_responses
from resnet_lessons.diagnostics.shattering import (
    autocorrelation,
    brown_noise,
    gradients_along_line,
    white_noise,
)

__all__ = [
    "BranchSize",
    "LayerGradient",
    "LayerResponse",
    "LayerSignal",
    "autocorrelation",
    "branch_sizes",
    "brown_noise",
    "gradient_norms",
    "gradients_along_line",
    "layer_responses",
    "settled",
    "signal_sizes",
    "white_noise",
    "without_batch_norm",
]
