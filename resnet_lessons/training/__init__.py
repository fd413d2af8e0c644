"""Training a classifier: one loop, its recipe, what it measured, and what keeps that."""

from resnet_lessons.training.acceleration import Arithmetic, layout
from resnet_lessons.training.evaluation import Evaluation, evaluate, in_mode
from resnet_lessons.training.history import Ending, Epoch, History
from resnet_lessons.training.loop import train_step
from resnet_lessons.training.recipe import SCHEDULES, Recipe, batch_indices
from resnet_lessons.training.stepping import SteppedTraining
from resnet_lessons.training.train import in_notebook, own_random_state, train

__all__ = [
    "SCHEDULES",
    "Arithmetic",
    "Ending",
    "Epoch",
    "Evaluation",
    "History",
    "Recipe",
    "SteppedTraining",
    "batch_indices",
    "evaluate",
    "in_mode",
    "in_notebook",
    "layout",
    "own_random_state",
    "train",
    "train_step",
]
