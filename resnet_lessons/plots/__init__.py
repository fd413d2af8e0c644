"""Every picture of the course, in one visual language.

Plain networks are vermilion, residual ones blue: a pair that colour-blind readers tell apart. In
grey print the two are alike, so plain networks have squares, or dashes where these mean nothing
else, and residual ones dots. Deeper is darker. Training figures are solid lines, test figures
dashed. Several seeds are drawn as their mean with a band from the smallest to the largest.

A network is called by its kind, or by kind and depth: ("plain", 44). These decide how it looks.

Each function returns a closed figure: as the last line of a cell it is shown once. Its `repr` says
in words what it shows, which is also its alternative text in a notebook.
"""

from resnet_lessons.plots.against import (
    error_against_cost,
    error_against_depth,
    error_against_images,
)
from resnet_lessons.plots.histories import LiveCurves, curves, curves_by_kind
from resnet_lessons.plots.layers import block_by_block, gradient_norms, histograms, layer_responses
from resnet_lessons.plots.mechanisms import changes, shattering, through_depth
from resnet_lessons.plots.perturbations import (
    lesion_errors,
    loss_planes,
    loss_slices,
    path_gradients,
)
from resnet_lessons.plots.pictures import feature_maps, guesses, images
from resnet_lessons.plots.scales import chain, exchange
from resnet_lessons.plots.structure import block, costs, misfit, network
from resnet_lessons.plots.using import boxes, heatmaps

__all__ = [
    "LiveCurves",
    "block",
    "block_by_block",
    "boxes",
    "chain",
    "changes",
    "costs",
    "curves",
    "curves_by_kind",
    "error_against_cost",
    "error_against_depth",
    "error_against_images",
    "exchange",
    "feature_maps",
    "gradient_norms",
    "guesses",
    "heatmaps",
    "histograms",
    "images",
    "layer_responses",
    "lesion_errors",
    "loss_planes",
    "loss_slices",
    "misfit",
    "network",
    "path_gradients",
    "shattering",
    "through_depth",
]
