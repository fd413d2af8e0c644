"""Measurements inside a network, on a copy, so that the network itself stays as it was."""

from resnet_lessons.diagnostics.gradients import LayerGradient, gradient_norms
from resnet_lessons.diagnostics.responses import LayerResponse, layer_responses

__all__ = [
    "LayerGradient",
    "LayerResponse",
    "gradient_norms",
    "layer_responses",
]
