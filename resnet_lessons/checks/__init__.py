"""The checks of the exercises: `checks.residual_block(ResidualBlock)` judges an answer in words.

One file a lesson; `forms` says how an exercise is written. A check lets a row of probes look at
what the answer *does*, from coarse to subtle; the first that fails says what it saw, which idea
that offends, and where to look.
"""

from resnet_lessons.checks import (
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    lesson_13,
)
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.lesson_01 import (
    convolve,
    layer_parameters,
    output_shape,
    plain_cnn,
    receptive_field,
)
from resnet_lessons.checks.lesson_02 import deepen, diagnose, gradient_norms, plain_net, plot_errors
from resnet_lessons.checks.lesson_03 import (
    padding_shortcut,
    projection_shortcut,
    residual_block,
    shortcut_kind,
    zero_branch,
)
from resnet_lessons.checks.lesson_04 import (
    five_block_sizes,
    make_stages,
    mismatches,
    resnet18,
    translate,
)
from resnet_lessons.checks.lesson_05 import (
    augment,
    error_percent,
    learning_rate,
    pick_epoch,
    train_step,
)
from resnet_lessons.checks.lesson_06 import (
    mean_and_range,
    paired_gap,
    plot_gap,
    residual_twin,
    response_std,
)
from resnet_lessons.checks.lesson_07 import (
    bottleneck,
    bottleneck_parameters,
    design_network,
    load_checkpoint,
    network_price,
)
from resnet_lessons.checks.lesson_08 import autocorrelation, filter_direction, lesion, paths
from resnet_lessons.checks.lesson_09 import (
    fuse,
    grouped_width,
    preact_block,
    scale_chain,
    wide_parameters,
)
from resnet_lessons.checks.lesson_10 import cam, grey_kernel, inflated, new_classifier, overlap
from resnet_lessons.checks.lesson_13 import (
    bug_batch,
    bug_best,
    bug_checkpoint,
    bug_curve,
    bug_difference,
    bug_groups,
    bug_head,
    bug_helper,
    bug_shortcut,
    bug_sizes,
    bug_stages,
    bug_start,
    bug_stream,
)

LESSONS = (
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    lesson_13,
)

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise for lesson in LESSONS for exercise in lesson.EXERCISES
}

__all__ = [
    "EXERCISES",
    "augment",
    "autocorrelation",
    "bottleneck",
    "bottleneck_parameters",
    "bug_batch",
    "bug_best",
    "bug_checkpoint",
    "bug_curve",
    "bug_difference",
    "bug_groups",
    "bug_head",
    "bug_helper",
    "bug_shortcut",
    "bug_sizes",
    "bug_stages",
    "bug_start",
    "bug_stream",
    "cam",
    "convolve",
    "deepen",
    "design_network",
    "diagnose",
    "error_percent",
    "filter_direction",
    "five_block_sizes",
    "fuse",
    "gradient_norms",
    "grey_kernel",
    "grouped_width",
    "inflated",
    "layer_parameters",
    "learning_rate",
    "lesion",
    "load_checkpoint",
    "make_stages",
    "mean_and_range",
    "mismatches",
    "network_price",
    "new_classifier",
    "output_shape",
    "overlap",
    "padding_shortcut",
    "paired_gap",
    "paths",
    "pick_epoch",
    "plain_cnn",
    "plain_net",
    "plot_errors",
    "plot_gap",
    "preact_block",
    "projection_shortcut",
    "receptive_field",
    "residual_block",
    "residual_twin",
    "resnet18",
    "response_std",
    "scale_chain",
    "shortcut_kind",
    "train_step",
    "translate",
    "wide_parameters",
    "zero_branch",
]
