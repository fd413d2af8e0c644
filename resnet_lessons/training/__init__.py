"""Training a classifier: one loop, its recipe, what it measured, and what keeps that."""

from resnet_lessons.training.acceleration import Arithmetic, layout
from resnet_lessons.training.evaluation import Evaluation, evaluate, in_mode
from resnet_lessons.training.history import Ending, Epoch, History
from resnet_lessons.training.loop import TrainingLoop, train, train_step
from resnet_lessons.training.progress import in_notebook
from resnet_lessons.training.random_state import own_random_state
from resnet_lessons.training.recipe import SCHEDULES, Recipe, batch_indices

__all__ = [
    "SCHEDULES",
    "Arithmetic",
    "Ending",
    "Epoch",
    "Evaluation",
    "History",
    "Recipe",
    "TrainingLoop",
    "batch_indices",
    "evaluate",
    "in_mode",
    "in_notebook",
    "layout",
    "own_random_state",
    "train",
    "train_step",
]
