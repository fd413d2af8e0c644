"""Every explorer, by mouse and by keyboard: what is moved is answered, in words and picture."""

import re

import pytest
from lab import PATIENCE
from playwright.sync_api import expect

from resnet_lessons import widgets

SETUP = """
import torch
from resnet_lessons import cifar_resnet, load, widgets
data = load().pooled(2).take(640, 200)
nets = {kind: cifar_resnet(14, kind == "residual", width=4, in_channels=1)
        for kind in ("plain", "residual")}
"""
MADE = {
    "convolution": "widgets.convolution(size=7, stride=1)",
    "block": "widgets.block(64, 128, 2, 'identity')",
    "network": "widgets.network()",
    "depth": "widgets.depth(layers=20)",
    "lesions": "widgets.lesions(nets, data)",
    "inside": "widgets.inside(nets['residual'], data)",
    "training": "widgets.training(data, 8, epochs=400)",
}


@pytest.fixture
def explorer(lab, request):
    """The explorer that a test names, alone in a notebook; at the end nothing may have failed."""
    code = MADE[request.param]
    lab.write(f"{request.param}.ipynb", [SETUP.strip(), code])
    lab.run_all()
    explorer = lab.explorer(lab.cell(code))
    yield explorer
    assert lab.faults() == []
    assert lab.complaints == []


def of(name):
    return pytest.mark.parametrize("explorer", [name], indirect=True, ids=[name])


def test_every_explorer_has_a_test():
    assert set(MADE) == set(widgets.__all__) - {"Explorer"}


LABEL = "c => (c.labels ?? c.closest('.widget-hslider').querySelectorAll('label'))[0].innerText"


def move(keyboard, control):
    """Choose the next value by keyboard, or at the end the one before."""
    control.focus()
    if control.get_attribute("role") == "slider":
        low, high = (control.get_attribute(f"aria-value{end}") for end in ("now", "max"))
        keyboard.press("ArrowLeft" if low == high else "ArrowRight")
        return
    keyboard.press("Space")  # ticks a box; JupyterLab takes arrow keys until a menu is open
    if control.evaluate("c => c.matches('select')"):
        at_end = control.evaluate("c => c.selectedIndex === c.options.length - 1")
        keyboard.press("ArrowUp" if at_end else "ArrowDown")
        keyboard.press("Enter")


@pytest.mark.parametrize("explorer", MADE, indirect=True, ids=MADE)
def test_every_control_has_a_label_and_answers_the_keyboard(explorer, lab):
    controls = explorer.controls.all()
    assert controls
    for control in controls:
        label = control.evaluate(LABEL)
        assert label
        expect(explorer.control(label)).to_have_count(1)
        if control.locator("option").count() == 1:
            continue  # nothing else to choose, as where no guess is wrong
        before = explorer.state()
        move(lab.page.keyboard, control)
        explorer.expect_change(before)
    # Tab alone reaches them: no control is a trap, and none is left out.
    controls[0].focus()
    reached = 1
    for _ in range(30):
        lab.page.keyboard.press("Tab")
        if explorer.box.evaluate("box => box.contains(document.activeElement)"):
            reached += explorer.box.evaluate(
                "() => document.activeElement.matches('select, [role=slider], [type=checkbox]')"
            )
        else:
            break
    assert reached == len(controls)


@of("convolution")
def test_a_slider_is_dragged(explorer, lab):
    explorer.expect("7×7 becomes 7×7")
    handle = explorer.control("stride")
    track = handle.locator("xpath=ancestor::*[contains(@class, 'noUi-base')]").bounding_box()
    box = handle.bounding_box()
    lab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    lab.page.mouse.down()
    steps = int(handle.get_attribute("aria-valuemax").split(".")[0]) - 1
    lab.page.mouse.move(track["x"] + track["width"] / steps, box["y"] + box["height"] / 2, steps=8)
    lab.page.mouse.up()
    explorer.expect("7×7 becomes 4×4")
    assert "sees 3 places" in explorer.words()


@of("block")
def test_a_block_that_does_not_fit_is_mended_by_its_menu(explorer, lab):
    explorer.expect("they cannot be added")
    broken = explorer.state()
    lab.shoot("explorer", explorer.box)
    explorer.control("shortcut").select_option("projection")
    explorer.expect(re.compile(r"parameters, [\d,]+ of them in the shortcut"))
    assert explorer.state()[1] != broken[1]


@of("network")
def test_a_network_is_built_by_menu(explorer):
    explorer.expect("50 layers with weights, 25,557,032 parameters")
    explorer.control("block").select_option("basic")
    explorer.expect("34 layers with weights, 21,797,672 parameters")
    assert "resnet34" in explorer.words()


@of("depth")
def test_a_depth_is_chosen_by_menu(explorer):
    explorer.control("layers").select_option("56")
    explorer.expect("plain-56 ends at")
    explorer.control("figure").select_option(label="test error")
    explorer.expect("Test error: plain-56")


@of("lesions")
def test_blocks_are_left_out_by_clicks(explorer, lab):
    explorer.control("layer1.1").click()
    explorer.expect("Left out: layer1.1.")
    explorer.control("layer3.1").click()
    explorer.expect("Left out: layer1.1, layer3.1.")
    explorer.control("layer1.1").click()
    explorer.expect("Left out: layer3.1.")


@of("inside")
def test_an_image_and_a_block_are_chosen(explorer, lab):
    explorer.expect("Test image 0")
    explorer.control("test image").focus()
    for _ in range(3):
        lab.page.keyboard.press("ArrowRight")
    explorer.expect("Test image 3")
    before = explorer.words()
    explorer.control("block").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(explorer.view).not_to_have_text(before)


@of("training")
def test_a_training_starts_rests_goes_on_and_is_stopped_with_its_curve_kept(explorer, lab):
    button = {
        name: explorer.box.get_by_role("button", name=name, exact=True)
        for name in ("Start", "Pause", "Resume", "Stop")
    }
    expect(button["Stop"]).to_be_disabled()
    button["Start"].click()
    explorer.expect("residual-8 after epoch 2:")
    # The notebook answers meanwhile.
    lab.cells.first.locator(".cm-content").click()
    lab.page.keyboard.press("Escape")
    lab.page.keyboard.press("B")
    other = lab.cells.nth(1)
    lab.rewrite(other, "print('six times seven is', 6 * 7)")
    lab.run(other)
    assert "six times seven is 42" in lab.outputs(other)
    expect(button["Pause"]).to_be_visible()  # and trains on
    # By keyboard: one button starts, pauses and resumes.
    button["Pause"].focus()
    lab.page.keyboard.press("Space")
    expect(button["Resume"]).to_be_visible(timeout=PATIENCE)
    explorer.expect("Paused in epoch")
    rested = explorer.words()
    lab.run(other)  # a whole round through the kernel
    assert explorer.words() == rested
    lab.page.keyboard.press("Escape")
    button["Resume"].focus()
    lab.page.keyboard.press("Enter")
    explorer.expect_change((rested, ""))
    button["Stop"].click()
    explorer.expect(re.compile(r"Ended after \d+ of 400 epochs\. Start trains"))
    expect(explorer.view.locator("img")).to_be_visible()
    ended = explorer.state()
    lab.run(other)
    assert explorer.state() == ended
    lab.shoot("training_stopped")


@of("block")
def test_saved_and_loaded_again_it_is_as_it_was_left_and_answers(explorer, lab):
    explorer.control("shortcut").select_option("projection")
    explorer.expect("in the shortcut")
    lab.save()
    lab.reload()
    again = lab.explorer(lab.cell(MADE["block"]))
    again.expect("in the shortcut")
    again.control("shortcut").select_option("identity")
    again.expect("they cannot be added")


@of("depth")
def test_without_its_kernel_it_still_tells(explorer, lab, server):
    told = explorer.words()
    lab.save()
    server.shut_kernels()
    lab.open("depth.ipynb")
    expect(lab.cell(MADE["depth"]).locator(".jp-OutputArea-output").first).to_contain_text(
        told, timeout=PATIENCE
    )
