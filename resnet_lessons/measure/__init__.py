"""Measurements inside a network, on a copy, so that the network itself stays as it was."""

from resnet_lessons.measure.blocks import Block, device_of, find_blocks, same_randomness
from resnet_lessons.measure.branches import BranchSize, BranchTerms, branch_sizes, branch_terms
from resnet_lessons.measure.gradients import (
    LayerGradient,
    LayerSignal,
    gradient_norms,
    signal_sizes,
)
from resnet_lessons.measure.landscape import loss_along, loss_over_plane, random_direction
from resnet_lessons.measure.lesion_errors import Lesion, lesion_errors
from resnet_lessons.measure.lesions import removed, reordered, shuffled, swapped
from resnet_lessons.measure.normalisation import settled, without_batch_norm
from resnet_lessons.measure.paths import (
    LengthGradient,
    PathGradient,
    gradient_by_length,
    path_counts,
    sample_path_gradients,
)
from resnet_lessons.measure.responses import LayerResponse, layer_responses
from resnet_lessons.measure.shattering import (
    autocorrelation,
    brown_noise,
    gradients_along_line,
    white_noise,
)

__all__ = [
    "Block",
    "BranchSize",
    "BranchTerms",
    "LayerGradient",
    "LayerResponse",
    "LayerSignal",
    "LengthGradient",
    "Lesion",
    "PathGradient",
    "autocorrelation",
    "branch_sizes",
    "branch_terms",
    "brown_noise",
    "device_of",
    "find_blocks",
    "gradient_by_length",
    "gradient_norms",
    "gradients_along_line",
    "layer_responses",
    "lesion_errors",
    "loss_along",
    "loss_over_plane",
    "path_counts",
    "random_direction",
    "removed",
    "reordered",
    "same_randomness",
    "sample_path_gradients",
    "settled",
    "shuffled",
    "signal_sizes",
    "swapped",
    "white_noise",
    "without_batch_norm",
]
