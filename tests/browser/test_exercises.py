"""A learner's way through an exercise: untouched, wrong, right, saved, and loaded again."""

from lab import PATIENCE
from playwright.sync_api import expect

from build_notebooks import build_whole
from set_repository import ROOT

SHEET = "03_the_residual_block"


def solution(start: str) -> str:
    """The answer to the exercise whose code starts so."""
    source = ROOT / "source" / "exercises" / f"{SHEET}.md"
    cells = (cell.source for cell in build_whole(source).cells if cell.cell_type == "code")
    code = next(code for code in cells if code.startswith(start))
    return "\n".join(line for line in code.splitlines() if "### " not in line)


def test_a_wrong_answer_is_explained_a_right_one_praised_and_nothing_is_lost(lab):
    lab.open(f"exercises/{SHEET}.ipynb")
    for start in ("importlib.util", "from torch import nn"):
        lab.run(lab.cell(start))
    check = lab.cell("checks.residual_block(")
    answer = lab.cell("class ResidualBlock")
    box = check.locator(".jp-RenderedHTMLCommon")

    lab.run(answer)
    lab.run(check)
    expect(box).to_contain_text("not attempted yet")

    helper = lab.cell("def projection_shortcut")
    lab.rewrite(helper, solution("def projection_shortcut"))
    lab.run(helper)
    right = solution("class ResidualBlock")
    wrong = right.replace("out + self.shortcut(x)", "out")
    assert wrong != right
    lab.rewrite(answer, wrong)
    lab.run(answer)
    lab.run(check)
    expect(box).to_contain_text("the input is not added", timeout=PATIENCE)
    expect(box).to_contain_text("Hint.")
    expect(check.locator("[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
    check.scroll_into_view_if_needed()
    lab.shoot("exercise_wrong", box)

    lab.rewrite(answer, right)
    lab.run(answer)
    lab.run(check)
    expect(box).to_contain_text("right (7 of 7 probes)", timeout=PATIENCE)
    green = box.locator("div").first.evaluate("e => getComputedStyle(e).borderLeftColor")
    assert green == "rgb(0, 158, 115)"
    lab.shoot("exercise_right", box)

    lab.save()
    lab.reload()
    written = lab.cell("class ResidualBlock").locator(".cm-content")
    assert written.inner_text().split() == right.split()
    expect(lab.cell("checks.residual_block(").locator(".jp-RenderedHTMLCommon")).to_contain_text(
        "right (7 of 7 probes)"
    )
    assert lab.faults() == []
    assert lab.complaints == []
