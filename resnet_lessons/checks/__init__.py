"""The checks of the exercises: `checks.residual_block(ResidualBlock)` judges an answer in words.

One file a lesson, found by its name. A check lets a row of probes look at what the answer *does*,
from coarse to subtle; the first that fails says what it saw, which idea that offends, and where to
look.
"""

from importlib import import_module
from pathlib import Path

from resnet_lessons.checks.exercise import Exercise

LESSONS = tuple(
    import_module(f"{__name__}.{file.stem}")
    for file in sorted(Path(__file__).parent.glob("lesson_*.py"))
)

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise for lesson in LESSONS for exercise in lesson.EXERCISES
}
globals().update(EXERCISES)

__all__ = ["EXERCISES", *EXERCISES]
