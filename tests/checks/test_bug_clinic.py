"""Lesson 13: every patient is ill in one place, its check says so, and the cure makes it green."""

import re

import matplotlib.pyplot as plt
import pytest
from answers import BANK

from build_notebooks import build, sources
from resnet_lessons.checks import lesson_13
from resnet_lessons.checks.answers import Answer

LESSON = build(next(source for source in sources() if source.stem == "13_bug_clinic"))
# For each case, what stands in its code and what should stand there.
CURES = {
    "bug_stream": ("functional.relu(self.bn2(self.conv2(out)))", "self.bn2(self.conv2(out))"),
    "bug_shortcut": (
        "nn.Conv2d(in_channels, out_channels, 1, stride))",
        "nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), "
        "nn.BatchNorm2d(out_channels))",
    ),
    "bug_start": ("super().__init__()\n", "super().__init__()\n        self.inplanes = width\n"),
    "bug_difference": ("residual = x - out", "residual = x"),
    "bug_stages": (
        "for _ in range(blocks_per_stage):\n                stride = 2 if len(blocks) == 0",
        "for place in range(blocks_per_stage):\n                stride = 2 if stage and not place",
    ),
    "bug_groups": ("groups=inside // groups", "groups=groups"),
    "bug_head": (
        "x = self.blocks(self.stem(x))",
        "x = functional.relu(self.bn(self.blocks(self.stem(x))))",
    ),
    "bug_helper": ("channels, False)", "channels, relu=False)"),
    "bug_best": (
        "min(test_errors)",
        "test_errors[validation_errors.index(min(validation_errors))]",
    ),
    "bug_batch": ("    wrong = 0\n", "    wrong = 0\n    net.eval()\n"),
    "bug_checkpoint": (
        "net.load_state_dict(state, strict=False)",
        "net.load_state_dict({k.removeprefix('module.'): v for k, v in state.items()})",
    ),
    "bug_curve": ("smooth.tolist()", "errors"),
    "bug_sizes": ("-(-image // 2)", "-(-image // 4)"),
}
HEAD = "self.fc = nn.Linear(width, num_classes)"


def code(name):
    """The cells of a case: its code, and the line that checks it."""
    checks = [cell.source for cell in LESSON.cells]
    place = next(n for n, source in enumerate(checks) if source.startswith(f"checks.{name}("))
    tagged = [
        cell.source for cell in LESSON.cells[:place] if "answer" in cell.metadata.get("tags", [])
    ]
    return tagged[-1], re.fullmatch(r"checks\.\w+\((\w+)\)", checks[place])[1]


def judged(exercise, source, answer):
    names = {}
    for cell in LESSON.cells[:3]:  # the imports
        if cell.cell_type == "code" and "bootstrap" not in cell.metadata.get("tags", []):
            exec(cell.source, names)
    exec(source, names)
    return exercise.judge(Answer(names[answer]), exercise.probes)


every_case = pytest.mark.parametrize("exercise", lesson_13.EXERCISES, ids=lambda e: e.name)


@every_case
def test_the_patient_is_ill_and_the_first_probe_says_so_as_the_bank_knows(exercise):
    verdict = judged(exercise, *code(exercise.name))
    assert verdict.state == "wrong" and verdict.passed == 0, verdict
    known = [e.says for e in BANK if (e.exercise, e.probe) == (exercise.name, verdict.probe)]
    assert any(says.lower() in verdict.seen.lower() for says in known), verdict


@every_case
def test_the_cure_of_one_place_makes_it_right(exercise):
    source, answer = code(exercise.name)
    ill, well = CURES[exercise.name]
    assert source.count(ill) == 1
    cured = source.replace(ill, well)
    if exercise.name == "bug_head":  # the layer has to be made, too
        cured = cured.replace(HEAD, f"{HEAD}\n        self.bn = nn.BatchNorm2d(width)")
    verdict = judged(exercise, cured, answer)
    assert verdict.right, verdict


def test_the_lesson_tells_of_every_case_where_it_was_seen():
    text = [cell.source for cell in LESSON.cells]
    told = [source for source in text if "Where it was seen, and which look catches it" in source]
    assert len(told) == len(lesson_13.EXERCISES) >= 12
    plt.close("all")
