"""A notebook in JupyterLab, as a person uses it: by mouse, by keyboard, and by what is seen."""

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect
from server import Server

PATIENCE = 60_000  # milliseconds; a busy machine is slow, and still right
NOT_RUN = re.compile(r"\[ \]:")
ERROR = "application/vnd.jupyter.error"
STDERR = "application/vnd.jupyter.stderr"


class Lab:
    """One browser page with one notebook."""

    def __init__(self, page: Page, server: Server, screenshots: Path) -> None:
        self.page, self.server, self.screenshots = page, server, screenshots
        self.complaints: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, name: str) -> None:
        """Show a notebook of the server's folder, and wait for its cells and its kernel."""
        address = f"{self.server.url}/lab/tree/{name}?token={self.server.token}&reset"
        self.page.goto(address, timeout=PATIENCE)
        self.wait_for_kernel()

    def reload(self) -> None:
        self.page.reload(timeout=PATIENCE)
        self.wait_for_kernel()

    def write(self, name: str, cells: list[str]) -> None:
        """Make a notebook of code cells, and open it."""
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(made, self.server.notebooks / name)
        self.open(name)

    def wait_for_kernel(self) -> None:
        expect(self.cells.first).to_be_visible(timeout=PATIENCE)
        expect(self.page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=PATIENCE)

    # --- cells ---

    @property
    def cells(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")

    def cell(self, text: str) -> Locator:
        """The first code cell with this text in its code."""
        return self.cells.filter(has=self.page.locator(".cm-content", has_text=text)).first

    def run(self, cell: Locator, wait: bool = True) -> None:
        """Click into a cell, and press what runs it."""
        before = cell.locator(".jp-InputArea-prompt").inner_text()

        def press() -> None:
            cell.locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")

        self._until_it_is_heard(press, cell)
        if wait:
            self.wait_for(cell, before)

    def run_all(self) -> None:
        """Run all cells, and see nothing of an earlier run: outputs and numbers go first."""
        self._choose("Edit", "Clear Outputs of All Cells")
        expect(self.cells.last.locator(".jp-InputArea-prompt")).to_have_text(NOT_RUN)

        def choose() -> None:
            self._choose("Run", "Run All Cells")

        self._until_it_is_heard(choose, self.cells.first)
        self.wait_for(self.cells.last)

    def _choose(self, menu: str, entry: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=entry, exact=True).click()

    def wait_for(self, cell: Locator, before: str = "") -> None:
        """Wait until a cell has run: it has a number in place of a star, and not that of before."""
        prompt = cell.locator(".jp-InputArea-prompt")
        if before:
            expect(prompt).not_to_have_text(before, timeout=PATIENCE)
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=PATIENCE)

    def _until_it_is_heard(self, act: Callable[[], None], cell: Locator) -> None:
        """JupyterLab forgets what is run in the moment in which its kernel connects."""
        for _ in range(5):
            act()
            try:
                prompt = cell.locator(".jp-InputArea-prompt")
                return expect(prompt).not_to_have_text(NOT_RUN, timeout=5_000)
            except AssertionError:
                pass

    def rewrite(self, cell: Locator, code: str) -> None:
        """Replace a cell's code as by hand."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(code)

    def outputs(self, cell: Locator) -> str:
        return cell.locator(".jp-OutputArea").first.inner_text()

    def save(self) -> None:
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Control+S")
        expect(self.page.locator(".jp-mod-dirty")).to_have_count(0, timeout=PATIENCE)

    # --- what must not be ---

    def faults(self) -> list[str]:
        """Error outputs and what was written to stderr, of all cells."""
        kinds = ", ".join(f'[data-mime-type="{kind}"]' for kind in (ERROR, STDERR))
        return self.page.locator(kinds).all_inner_texts()

    def _listen(self, message) -> None:
        source = message.location.get("url", "")
        # A picture from elsewhere, such as the badge, is out of reach of a test without network.
        if message.type == "error" and source.startswith(self.server.url):
            self.complaints.append(f"{message.text} ({source})")

    def shoot(self, step: str, of: Locator | None = None) -> None:
        """Keep a picture of the page, or of a part of it, as an artefact."""
        self.screenshots.mkdir(parents=True, exist_ok=True)
        (of or self.page).screenshot(path=self.screenshots / f"{step}.png")

    # --- explorers ---

    def explorer(self, cell: Locator) -> "Shown":
        shown = Shown(self, cell)
        expect(shown.view).to_be_visible(timeout=PATIENCE)
        return shown


class Shown:
    """An explorer in a cell's output."""

    def __init__(self, lab: Lab, cell: Locator) -> None:
        self.lab, self.cell = lab, cell
        self.box = cell.locator(".jupyter-widgets.widget-vbox").first
        self.view = self.box.locator(".widget-html-content").last

    def words(self) -> str:
        return self.view.inner_text()

    def state(self) -> tuple[str, str]:
        """Its words and its picture."""
        picture = self.view.locator("img")
        return self.words(), picture.get_attribute("src") if picture.count() else ""

    @property
    def controls(self) -> Locator:
        """Menus, sliders and boxes, in their order."""
        return self.box.locator("select, [role=slider], input[type=checkbox]")

    def control(self, label: str) -> Locator:
        """A menu or box by the label that a screen reader says for it; a slider by what stands
        beside it, for ipywidgets gives the handle of a slider no name."""
        row = self.box.locator(".widget-hslider").filter(
            has=self.lab.page.get_by_text(label, exact=True)
        )
        named = self.box.get_by_label(label, exact=True)
        return row.get_by_role("slider").or_(named.and_(self.box.locator("select, input")))

    def expect(self, words: str | re.Pattern) -> None:
        expect(self.view).to_contain_text(words, timeout=PATIENCE)

    def expect_change(self, before: tuple[str, str]) -> None:
        self.lab.page.wait_for_function(
            "([view, text, source]) => view.innerText !== text"
            " || (view.querySelector('img')?.src ?? '') !== source",
            arg=[self.view.element_handle(), *before],
            timeout=PATIENCE,
        )


def contrasts(root: Locator) -> list[dict]:
    """Each text under `root`: its colour, the one behind it, their contrast (WCAG 2.2)."""
    script = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
    return root.evaluate(script)
