"""The code of a submitted file, whatever state it is in."""

import json
import re
from collections.abc import Iterator

LARGEST = 100 << 20  # bytes of a notebook, whose outputs may hold pictures
MOST_CELLS = 2000
MOST_CODE = 2 << 20  # characters
CELL = re.compile(r"^#\s*(?:%%|In\s*\[.*\]:).*$", re.MULTILINE)


class Unreadable(Exception):
    """The file holds no code; the message says in a sentence why."""


def read(name: str, data: bytes) -> tuple[list[str], list[str]]:
    """The code cells of a notebook or a Python script, and what was wrong with it, in sentences.

    Raises:
        Unreadable: it is neither, or empty, or too large.
    """
    if not data.strip():
        raise Unreadable("The file is empty.")
    if len(data) > LARGEST:
        raise Unreadable(f"The file has more than {LARGEST >> 20} MiB.")
    text, remarks = _text(data), []
    if name.lower().endswith(".py") and not text.lstrip().startswith("{"):
        cells = [cell for cell in CELL.split(text) if cell.strip()]
    else:
        try:
            found = _cells(json.loads(text))
        except (ValueError, RecursionError):
            found = list(_whole_cells(text))
            if not found:
                raise Unreadable("It is no notebook: it is not in JSON.") from None
            remarks = ["The file is damaged: only the cells before the damage could be read."]
        cells = [code for cell in found if (code := _code(cell)) is not None]
    if not any(cell.strip() for cell in cells):
        raise Unreadable("There is no code in it.")
    if len(cells) > MOST_CELLS or sum(map(len, cells)) > MOST_CODE:
        raise Unreadable("There is far too much code in it.")
    return cells, remarks


def _text(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if data[:4] == b"PK\x03\x04" or b"\x00" in data[:1024]:
            raise Unreadable("It is no notebook, but a file of another kind.") from None
        return data.decode("latin-1")


def _cells(notebook: object) -> list[object]:
    if isinstance(notebook, dict):
        cells = notebook.get("cells")
        if cells is None and isinstance(notebook.get("worksheets"), list):  # before 2015
            sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
            cells = [cell for sheet in sheets for cell in sheet.get("cells") or ()]
        if isinstance(cells, list):
            return cells
    raise Unreadable("It is no notebook: it has no cells.")


def _code(cell: object) -> str | None:
    """The code of a cell; None if it is not a code cell."""
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _whole_cells(text: str) -> Iterator[object]:
    """The cells of a notebook that breaks off, or is broken, somewhere."""
    decoder, place = json.JSONDecoder(), text.find('"cells"')
    while place >= 0 and (place := text.find("{", place)) >= 0:
        try:
            cell, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return
        yield cell
