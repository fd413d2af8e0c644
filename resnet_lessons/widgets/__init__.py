"""Explorers: controls and a picture that answers them at once, each made by one call.

An explorer is the last value of a cell. Where no kernel runs (on GitHub, in a PDF), its first
picture stands in its place.
"""

from resnet_lessons.widgets.block import block
from resnet_lessons.widgets.convolution import convolution
from resnet_lessons.widgets.depth import depth
from resnet_lessons.widgets.explorer import Explorer
from resnet_lessons.widgets.inside import inside
from resnet_lessons.widgets.lesions import lesions
from resnet_lessons.widgets.network import network
from resnet_lessons.widgets.training import training

__all__ = ["Explorer", "block", "convolution", "depth", "inside", "lesions", "network", "training"]
