"""Every check rejects each wrong answer with the right words, and accepts each right one."""

import pytest
import torch
from answers import BANK

from resnet_lessons.checks import EXERCISES
from resnet_lessons.checks.answers import Answer

WRONG = [entry for entry in BANK if not entry.right]
RIGHT = [entry for entry in BANK if entry.right]


@pytest.mark.parametrize("entry", WRONG, ids=lambda entry: entry.id)
def test_a_wrong_answer_is_rejected_with_the_right_words(entry):
    exercise = EXERCISES[entry.exercise]
    torch.manual_seed(0)
    answer = entry.make()
    verdict = exercise.judge(Answer(answer), exercise.probes)
    assert verdict.state == "wrong", verdict
    assert verdict.probe == entry.probe, verdict
    assert entry.says.lower() in verdict.seen.lower(), verdict


@pytest.mark.parametrize("entry", RIGHT, ids=lambda entry: entry.id)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_right_answer_passes(entry, seed):
    exercise = EXERCISES[entry.exercise]
    torch.manual_seed(seed)
    verdict = exercise.judge(Answer(entry.make()), exercise.probes, seed)
    assert verdict.right, verdict
