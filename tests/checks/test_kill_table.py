"""The kill table tells of every answer, and fails where a check does."""

import pytest
from answers import Entry

import kill_table

KIND = {"exercise": "shortcut_kind"}
RIGHT = lambda i, o, s: "projection" if i != o or s > 1 else "identity"  # noqa: E731
WRONG = lambda i, o, s: "projection"  # noqa: E731
SPEAKS = {"probe": "a block that changes nothing", "says": "`'projection'`"}


@pytest.mark.parametrize(
    ("entry", "said", "status"),
    [
        (Entry(**KIND, kind="k", make=lambda: WRONG, right=False, **SPEAKS), "caught", 0),
        (Entry(**KIND, kind="k", make=lambda: RIGHT, right=True), "accepted", 0),
        (Entry(**KIND, kind="k", make=lambda: RIGHT, right=False, **SPEAKS), "ESCAPED", 1),
        (Entry(**KIND, kind="k", make=lambda: ..., right=False, **SPEAKS), "ESCAPED", 1),
        (Entry(**KIND, kind="k", make=lambda: WRONG, right=True), "FALSE ALARM", 1),
        (
            Entry(**KIND, kind="k", make=lambda: WRONG, right=False, **{**SPEAKS, "says": "no"}),
            "OTHER WORDS",
            1,
        ),
        (
            Entry(**KIND, kind="k", make=lambda: WRONG, right=False, **{**SPEAKS, "probe": "no"}),
            "OTHER WORDS",
            1,
        ),
    ],
)
def test_what_became_of_an_answer(entry, said, status, capsys):
    assert kill_table.main([], [entry]) == status
    printed = capsys.readouterr().out
    assert printed.splitlines()[1] == "3.1 shortcut_kind"
    assert said in printed.splitlines()[2]
    assert "exercises: 1" in printed


def test_a_right_answer_is_tried_with_several_seeds(capsys):
    made = []
    entry = Entry(**KIND, kind="k", make=lambda: made.append(1) or RIGHT, right=True)
    assert kill_table.main(["shortcut_kind"], [entry]) == 0
    assert len(made) == 3
    assert kill_table.main(["zero_branch"], [entry]) == 0
    assert len(made) == 3
    assert "right answers accepted: 0 of 0" in capsys.readouterr().out
