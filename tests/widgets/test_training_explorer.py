"""The explorer that trains: its buttons, the rest between two steps, and what it says."""

import asyncio
import importlib
from itertools import pairwise

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from resnet_lessons import cifar_resnet, load, train, widgets
from resnet_lessons.widgets.explorer import VIEW

module = importlib.import_module("resnet_lessons.widgets.training")  # its function hides it
SOME = load(device="cpu").pooled(4).take(train=600, test=60)


def explorer(epochs=3, **options):
    return widgets.training(SOME, 8, epochs, width=4, **options)


def in_a_kernel(script):
    """Run a script that waits between its deeds, as a kernel waits between two cells."""
    return asyncio.run(asyncio.wait_for(script, timeout=60))


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def buttons(lab):
    return lab._go, lab._end


def trained(kind, epochs, **options):
    torch.manual_seed(0)
    net = cifar_resnet(8, residual=kind == "residual", width=4, in_channels=1)
    return train(net, SOME, epochs, progress=False, **options)


def figures(history):
    return [(e.lr, e.train_loss, e.train_error, e.test_loss, e.test_error) for e in history]


def test_started_by_its_button_it_trains_both_to_the_end_and_says_so():
    async def script():
        lab = explorer()
        go, end = buttons(lab)
        assert (go.description, end.disabled) == ("Start", True)
        assert lab.shown.text == (
            "Start trains plain-8 and residual-8 for 3 epochs at a learning rate of 0.1.",
        )
        go.click()
        await until(lambda: lab.histories)
        assert (go.description, end.disabled) == ("Pause", False)
        assert all(control.disabled for control in lab.controls.values())
        await until(lambda: go.description == "Start")
        return lab

    lab = in_a_kernel(script())
    assert [history.label for history in lab.histories] == ["plain-8", "residual-8"]
    for history, kind in zip(lab.histories, ("plain", "residual"), strict=True):
        assert figures(history) == figures(trained(kind, 3))
    assert lab.shown.text[0].startswith("Ended after 3 of 3 epochs. Start trains plain-8")
    for line, history in zip(lab.shown.text[1:], lab.histories, strict=True):
        assert line == (
            f"{history.label} after epoch 3: training error {history[-1].train_error:.1f} %, "
            f"test error {history[-1].test_error:.1f} %."
        )
    assert lab._end.disabled and not any(control.disabled for control in lab.controls.values())
    assert (lab._bar.value, lab._bar.description) == (lab._bar.max, "100 % done")
    assert set(lab.nets) == {"plain-8", "residual-8"}


def test_paused_it_rests_and_resumed_it_goes_on_as_if_it_had_not():
    async def script():
        lab = explorer()
        go, _ = buttons(lab)
        go.click()
        await until(lambda: lab._bar.value > 2)
        go.click()
        await until(lambda: go.description == "Resume")
        assert lab.shown.text[0].startswith("Paused in epoch ")
        at = lab._bar.value
        assert 0 < at < lab._bar.max
        await asyncio.sleep(0.1)
        assert lab._bar.value == at
        go.click()
        await until(lambda: go.description == "Start")
        return lab

    lab = in_a_kernel(script())
    assert figures(lab.histories[1]) == figures(trained("residual", 3))


def test_stopped_it_keeps_its_curve_and_can_start_again_with_other_settings():
    async def script():
        lab = explorer(epochs=50)
        go, end = buttons(lab)
        go.click()
        await until(lambda: lab.histories and len(lab.histories[1]) >= 1)
        end.click()
        await until(lambda: go.description == "Start")
        kept = lab.histories
        assert 1 <= len(kept[1]) < 50 and kept[1].stopped.startswith("Interrupted in epoch")
        assert f"Ended after {max(map(len, kept))} of 50 epochs." in lab.shown.text[0]
        assert len(lab.shown.picture.axes[0].lines[0].get_xdata()) == len(kept[0])
        assert "<img" in lab._repr_mimebundle_()["text/html"]
        lab.controls["lr"].value = 0.01
        assert lab.histories[0] is kept[0]  # a new choice alone forgets nothing
        go.click()
        await until(lambda: len(lab.histories[1]) >= 1 and lab.histories[1] is not kept[1])
        end.click()
        await until(lambda: go.description == "Start")
        return lab

    lab = in_a_kernel(script())
    assert lab.histories[1][0].lr == 0.01


def test_the_kernel_is_asked_for_other_work_after_every_slice(monkeypatch):
    monkeypatch.setattr(module, "AT_A_TIME", 0.0)  # then a slice is a step of each

    async def script():
        lab = explorer(epochs=2)
        seen, show = [], lab._show_progress
        monkeypatch.setattr(lab, "_show_progress", lambda: (show(), seen.append(lab._bar.value)))
        lab.start()
        turns = 0
        while lab._running:
            await asyncio.sleep(0)
            turns += 1
        return seen, turns

    seen, turns = in_a_kernel(script())
    steps = [after - before for before, after in pairwise(seen)]
    assert max(steps) == 2 and seen[-1] == 20
    assert turns > 10


def test_advance_trains_at_once_and_pauses_so_that_a_cell_ends_with_a_curve():
    lab = explorer(epochs=4).advance(2)
    assert [len(history) for history in lab.histories] == [2, 2]
    assert lab.shown.text[0] == "Paused in epoch 3 of 4, learning rate 0.1."
    assert lab._go.description == "Resume"
    assert [line.get_xdata().tolist() for line in lab.shown.picture.axes[0].lines] == [[1, 2]] * 2
    assert lab.shown.picture.axes[0].get_xlim()[1] > 4
    lab.controls["lr"].value = 0.3  # from code; what is under way keeps its own
    assert "learning rate 0.1." in lab.shown.text[0]
    lab.advance(9)
    assert [figures(history) for history in lab.histories] == [
        figures(trained(kind, 4)) for kind in ("plain", "residual")
    ]


def test_without_a_loop_to_train_in_it_says_how():
    lab = explorer()
    with pytest.raises(RuntimeError, match=r"call advance\(3\)"):
        lab.start()


def test_a_rate_that_is_too_large_is_told_and_the_other_goes_on(monkeypatch):
    monkeypatch.setattr(module, "RATES", (0.1, 1e30))
    lab = explorer(lr=1e30).advance(3)
    assert lab.shown.fault
    assert any("no longer finite" in line and "1e+29" in line for line in lab.shown.text)
    assert not lab._under_way()


def test_where_one_has_ended_the_other_is_still_shown_after_every_epoch():
    async def script():
        lab = explorer()
        lab.start()
        lab._pair[0].stop()
        lines = set()
        while lab._running:
            lines.add(lab.shown.text[-1].split(":")[0])
            await asyncio.sleep(0.002)
        return lines

    assert {f"residual-8 after epoch {n}" for n in (1, 2)} <= in_a_kernel(script())


def test_a_training_that_fails_says_what_happened():
    async def script():
        lab = explorer()
        lab.start()
        await until(lambda: lab._bar.value > 0)
        lab._pair[0].advance = lambda: 1 / 0
        await until(lambda: lab._go.description == "Start")
        return lab

    lab = in_a_kernel(script())
    assert lab.shown.fault and "ZeroDivisionError: division by zero" in lab.shown.text[-1]


def test_ctrl_c_while_it_draws_is_a_stop_too():
    async def script():
        lab = explorer()
        lab.start()
        await until(lambda: lab._bar.value > 0)

        def interrupt():
            del lab._show_progress
            raise KeyboardInterrupt

        lab._show_progress = interrupt
        await until(lambda: lab._go.description == "Start")
        return lab

    lab = in_a_kernel(script())
    assert not lab._under_way() and not lab.shown.fault


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"depth": 14}, ValueError, "depth is '14', but it must be one of '8'"),
        ({"lr": 0.2}, ValueError, "lr is '0.2', but it must be one of '0.001'"),
        ({"epochs": 0}, ValueError, "epochs is 0"),
        ({"width": 2.5}, TypeError, "width is 2.5"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"data": [1]}, TypeError, "data is a list"),
    ],
)
def test_what_it_cannot_use_is_refused_in_words(wrong, error, words):
    with pytest.raises(error, match=words):
        widgets.training(**{"data": SOME, **wrong})


def test_in_a_real_kernel_it_trains_between_the_cells():
    cells = [
        "import asyncio\n"
        "from resnet_lessons import load, widgets\n"
        "data = load(device='cpu').pooled(4).take(600, 60)\n"
        "lab = widgets.training(data, 8, 3, width=4)\n"
        "lab",
        "lab.start()\nprint(lab._bar.value)",
        "while lab._running:\n    await asyncio.sleep(0.01)",
        "print([len(history) for history in lab.histories])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert VIEW in notebook.cells[0].outputs[0].data
    assert [cell.outputs[0].text for cell in (notebook.cells[1], notebook.cells[3])] == [
        "0\n",
        "[3, 3]\n",
    ]
