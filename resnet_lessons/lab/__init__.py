"""The stored experiments of the course: what is trained, how it is run, and what came out."""

from resnet_lessons.lab.experiments import ARTICLE, EXPERIMENTS, KIN, OTHERS, TOPS, xavier_init
from resnet_lessons.lab.results import Run
from resnet_lessons.lab.variants import SETTINGS, small_variant

__all__ = [
    "ARTICLE",
    "EXPERIMENTS",
    "KIN",
    "OTHERS",
    "SETTINGS",
    "TOPS",
    "Run",
    "small_variant",
    "xavier_init",
]
