"""The checks of the exercises: `checks.residual_block(ResidualBlock)` judges an answer in words.

One file a lesson. A check lets a row of probes look at what the answer *does*, from coarse to
subtle; the first that fails says what it saw, which idea that offends, and where to look.
"""

from resnet_lessons.checks import lesson_01, lesson_03, lesson_05, lesson_13
from resnet_lessons.checks.exercise import Exercise

LESSONS = (lesson_01, lesson_03, lesson_05, lesson_13)

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise for lesson in LESSONS for exercise in lesson.EXERCISES
}
globals().update(EXERCISES)

__all__ = ["EXERCISES", *EXERCISES]
