"""Lessons in a real JupyterLab: run whole, operated, interrupted, and as they are shipped."""

import re

import pytest
from lab import PATIENCE, contrasts
from playwright.sync_api import expect

from set_repository import ROOT

LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_lesson_00_runs_whole(lab):
    lab.open("00_start_here.ipynb")
    lab.run_all()
    assert lab.faults() == []
    report = lab.outputs(lab.cell("environment.report()"))
    assert "Python" in report and "torch" in report
    for code in ("plots.error_against_depth(stored", "live = plots.LiveCurves()"):
        picture = lab.cell(code).locator(".jp-RenderedImage img")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.naturalWidth") > 300
    assert re.search(r"residual-20: training error \d+\.\d %", lab.page.inner_text("body"))
    assert lab.complaints == []


def test_an_explorer_works_in_its_lesson(lab):
    lab.open("01_convolutions_and_shapes.ipynb")
    lab.run_all()
    assert lab.faults() == []
    explorer = lab.explorer(lab.cell("widgets.convolution("))
    before = explorer.state()
    stride = explorer.control("stride")
    stride.focus()
    lab.page.keyboard.press("ArrowRight")
    explorer.expect_change(before)
    explorer.view.scroll_into_view_if_needed()
    lab.shoot("explorer_in_lesson_01")


def test_the_stop_button_keeps_what_a_training_measured(lab):
    lab.write(
        "interrupted.ipynb",
        [
            "from resnet_lessons import cifar_resnet, load, train\n"
            "data = load().pooled(2).take(1280, 200)\n"
            "net = cifar_resnet(8, width=4, in_channels=1)",
            "history = train(net, data, epochs=500, label='residual-8')",
            "print(len(history) == history[-1].epoch, 'epochs are there')",
        ],
    )
    setup, training, after = (lab.cells.nth(number) for number in range(3))
    lab.run(setup)
    lab.run(training, wait=False)
    picture = training.locator(".jp-RenderedImage img")
    expect(picture).to_be_visible(timeout=PATIENCE)
    lab.page.get_by_role("button", name=re.compile("Interrupt the kernel")).click()
    lab.wait_for(training)
    expect(training.locator(".jp-OutputArea")).to_contain_text(
        re.compile(r"Interrupted in epoch \d+ of 500; the \d+ finished epochs are kept")
    )
    expect(picture).to_be_visible()
    lab.run(after)
    assert "True epochs are there" in lab.outputs(after)
    assert lab.faults() == []


@pytest.mark.parametrize("name", LESSONS)
def test_as_it_is_shipped_nothing_is_wider_than_a_laptops_window(lab, name):
    lab.open(name)
    wide = lab.page.locator(".jp-OutputArea-output, .jp-MarkdownOutput").evaluate_all(
        "parts => parts.filter(part => part.scrollWidth > part.clientWidth + 1)"
        ".map(part => [part.scrollWidth, part.clientWidth, part.innerText.slice(0, 80)])"
    )
    assert wide == []
    assert lab.complaints == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_what_the_course_writes_is_readable_in_both_themes(lab, server, theme):
    server.set_theme(theme)
    try:
        lab.write(
            "theme.ipynb",
            [
                "from resnet_lessons import checks, cifar_resnet, shape_table, widgets",
                "checks.shortcut_kind(lambda i, o, s: 'identity' if i == o and s == 1 else "
                "'projection')",
                "checks.shortcut_kind(lambda i, o, s: 'identity')",
                "checks.shortcut_kind(lambda i, o, s: ...)",
                "shape_table(cifar_resnet(8, in_channels=1), (1, 1, 28, 28))",
                "widgets.block()",
                "widgets.network()",
            ],
        )
        lab.run_all()
        assert lab.faults() == []
        lab.explorer(lab.cell("widgets.network()"))
        outputs = lab.page.locator(".jp-OutputArea-output")
        assert outputs.count() == 6
        texts = [text for output in outputs.all() for text in contrasts(output)]
        assert len(texts) > 100
        assert [text for text in texts if text["ratio"] < 4.5] == []
        lab.shoot(theme.lower().replace(" ", "_"))
    finally:
        server.set_theme("JupyterLab Light")
