"""Image sets: what one is, how it is augmented, and where the published ones come from."""

from resnet_lessons.data.augmentation import augment
from resnet_lessons.data.dataset import Dataset, Split, channel_statistics
from resnet_lessons.data.sets import cache_folder, default_device, load

__all__ = [
    "Dataset",
    "Split",
    "augment",
    "cache_folder",
    "channel_statistics",
    "default_device",
    "load",
]
