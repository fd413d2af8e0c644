"""A history: read as a list, by column, and as a table."""

from dataclasses import fields

import pytest

from resnet_lessons.training.history import Ending, Epoch, History
from resnet_lessons.training.recipe import Recipe

EPOCHS = [Epoch(1, 0.1, 2.0, 80.0, 1.9, 75.0, 3.0), Epoch(2, 0.05, 1.5, 60.125, 1.4, 55.0, 3.5)]


def test_a_history_is_read_as_a_list_and_by_column():
    history = History("plain-8", 3, list(EPOCHS))
    assert len(history) == 2 and list(history) == EPOCHS
    assert history[0] is EPOCHS[0] and history[-1] is EPOCHS[1]
    for index, field in enumerate(fields(Epoch)):
        expected = [list(vars(epoch).values())[index] for epoch in EPOCHS]
        assert history.column(field.name) == expected
    with pytest.raises(ValueError, match=r"name is 'train_eror'.*did you mean 'train_error'"):
        history.column("train_eror")


def test_a_history_prints_as_a_table():
    text = str(History("plain-8", 3, list(EPOCHS), Ending.INTERRUPTED))
    lines = text.splitlines()
    assert lines[0] == "plain-8 (seed 3)" and lines[-1].startswith("Interrupted")
    assert lines[1].split("  ")[0] == "epoch"
    assert lines[3].split() == ["2", "0.0500", "1.500", "60.12", "1.400", "55.00", "3.5"]
    assert len({len(line) for line in lines[1:4]}) == 1, "the columns do not line up"
    assert str(History("plain-8", 3, list(EPOCHS))).splitlines() == lines[:-1]


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (None, ""),
        (Ending.FINISHED, ""),
        (Ending.INTERRUPTED, "Interrupted in epoch 3 of 9; the 2 finished epochs are kept."),
        (
            Ending.DIVERGED,
            "The loss of plain-8 is no longer finite in epoch 3 of 9; try a smaller learning rate "
            "(it is 0.2; 0.02, say), and look for infinite values in the weights.",
        ),
    ],
)
def test_the_words_about_an_ending_are_made_from_fields(ending, words):
    history = History("plain-8", 3, list(EPOCHS), ending, recipe=Recipe(epochs=9, lr=0.2))
    assert history.ending_in_words() == words
    history.recipe = None  # a history made by hand, or read from a file
    short = words.replace(" of 9", "").replace(" (it is 0.2; 0.02, say)", "")
    assert history.ending_in_words() == short


def test_an_ending_is_stored_as_a_word():
    assert [str(ending) for ending in Ending] == ["finished", "interrupted", "diverged"]
    assert Ending("diverged") is Ending.DIVERGED
