"""The stored experiments of the course: what is trained, how it is run, and what came out.

`python -m resnet_lessons.lab NAME` runs one.
"""

from resnet_lessons.lab.experiments import ARTICLE, EXPERIMENTS, KIN, OTHERS, TOPS, xavier_init
from resnet_lessons.lab.results import Run, RunStore
from resnet_lessons.lab.variants import SETTINGS, small_variant

__all__ = [
    "ARTICLE",
    "EXPERIMENTS",
    "KIN",
    "OTHERS",
    "SETTINGS",
    "TOPS",
    "Run",
    "RunStore",
    "small_variant",
    "xavier_init",
]
