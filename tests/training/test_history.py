"""A history: read as a list, by column, and as a table."""

from dataclasses import fields

import pytest

from resnet_lessons.training.history import Epoch, History

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
    text = str(History("plain-8", 3, list(EPOCHS), "Interrupted."))
    lines = text.splitlines()
    assert lines[0] == "plain-8 (seed 3)" and lines[-1] == "Interrupted."
    assert lines[1].split("  ")[0] == "epoch"
    assert lines[3].split() == ["2", "0.0500", "1.500", "60.12", "1.400", "55.00", "3.5"]
    assert len({len(line) for line in lines[1:4]}) == 1, "the columns do not line up"
    assert str(History("plain-8", 3, list(EPOCHS))).splitlines() == lines[:-1]
