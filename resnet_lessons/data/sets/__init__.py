"""The sets with names: where each is published, how it is fetched, and how its files are read."""

from resnet_lessons.data.sets.loading import cache_folder, default_device, load

__all__ = [
    "cache_folder",
    "default_device",
    "load",
]
