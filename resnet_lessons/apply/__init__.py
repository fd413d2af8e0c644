"""What a residual network is used for: other images, where it looks, boxes and masks, video."""

from resnet_lessons.apply.backbones import (
    detector,
    dilated,
    freeze_batch_norm,
    pyramid,
    segmenter,
    stages,
)
from resnet_lessons.apply.grad_cam import grad_cam
from resnet_lessons.apply.scenes import CLASS_NAMES, draw_scenes
from resnet_lessons.apply.transfer import change_channels, few, freeze_features, new_head, only
from resnet_lessons.apply.video import inflate

__all__ = [
    "CLASS_NAMES",
    "change_channels",
    "detector",
    "dilated",
    "draw_scenes",
    "few",
    "freeze_batch_norm",
    "freeze_features",
    "grad_cam",
    "inflate",
    "new_head",
    "only",
    "pyramid",
    "segmenter",
    "stages",
]
