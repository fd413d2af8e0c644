"""What four learners hand in for lesson 03, and what each exercise must give them."""

import re

import nbformat

NAME = "03_the_residual_block"
POINTS = {
    "shortcut_kind": 2,
    "padding_shortcut": 4,
    "projection_shortcut": 5,
    "residual_block": 10,
    "zero_branch": 4,
}

# Right in the check that learners have, wrong for numbers that only the hidden probe tries.
BY_HEART = """
def shortcut_kind(in_channels, out_channels, stride):
    known = {(64, 64, 1), (7, 7, 1)}
    return "identity" if (in_channels, out_channels, stride) in known else "projection"
"""
# Right, but noisy: nbgrader takes a word on stderr for a failure.
WARNING = """
def padding_shortcut(x, out_channels, stride):
    import sys, warnings
    warnings.warn("a word of warning")
    print("and another", file=sys.stderr)
    x = x[:, :, ::stride, ::stride]
    return functional.pad(x, (0, 0, 0, 0, 0, out_channels - x.shape[1]))
"""
# The bias is what the second probe objects to; the first, that it makes a module, is passed.
BIASED = """
def projection_shortcut(in_channels, out_channels, stride):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)
    )
"""
STOPS = "raise ValueError('this answer stops')"
ANSWERS = {
    "ada": {},
    "bob": {name: f"def answer(*_): {STOPS}" for name in POINTS},
    "eve": {
        "shortcut_kind": BY_HEART,
        "padding_shortcut": WARNING,
        "projection_shortcut": BIASED,
        "residual_block": "class ResidualBlock(nn.Module:  # a bracket is missing",
        "zero_branch": "def zero_branch(block):\n    ...",
    },
}
EXPECTED = {
    "ada": POINTS,
    "bob": dict.fromkeys(POINTS, 0),
    "eve": {
        "shortcut_kind": 1.5,  # 3 of 4 probes
        "padding_shortcut": 4,
        "projection_shortcut": 1.25,  # 1 of 4
        "residual_block": 0,
        "zero_branch": 0,
    },
    "untouched": dict.fromkeys(POINTS, 0),
}


def submission(given, solved, learner):
    """The notebook that a learner got, as the learner hands it in."""
    notebook = nbformat.from_dict(given)
    solutions = [
        re.sub(r"^ *### (BEGIN|END) SOLUTION\n?", "", cell.source, flags=re.MULTILINE)
        for cell in solved.cells
        if "answer" in cell.metadata.get("tags", [])
    ]
    answers = [cell for cell in notebook.cells if "answer" in cell.metadata.get("tags", [])]
    for name, cell, solution in zip(POINTS, answers, solutions, strict=True):
        if learner == "untouched":
            continue
        answer = ANSWERS[learner].get(name, solution)
        stub = cell.source.split("(")[0].split()[-1]
        cell.source = answer.replace("def answer", f"def {stub}")
    return notebook
