"""Finding what was handed in, and by whom: files, folders and archives, Canvas's and Moodle's.

Archives are never unpacked: their members are read one by one, up to a size, and their names are
labels and no paths.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from resnet_grading.notebooks import LARGEST

MOST_MEMBERS = 20_000
MOST_BYTES = 1 << 30  # of all that is read from one archive
DEEPEST = 3  # archives in archives
# doejane_LATE_123_456_name.ipynb, Canvas's "Download Submissions"
CANVAS = re.compile(r"(?P<student>[^_/]+)_(?:LATE_)?(?P<number>\d+)_\d+_(?P<file>[^/]+)")
# Jane Doe_123_assignsubmission_file_/name.ipynb, Moodle's "Download all submissions"
MOODLE = re.compile(r"(?P<student>[^/]+?)_(?P<number>\d+)_assignsubmission_file_?(?P<file>.*)")
SHEET = re.compile(r"(?:Copy_of_|Copy of )?\d\d_\w+?(?:[ -]?\(?\d+\)?)?")
IGNORED = re.compile(r"(?:^|/)(?:__MACOSX|\.[^/]*|__pycache__)(?:/|$)")
KINDS = (".ipynb", ".py", ".json")


@dataclass(frozen=True)
class File:
    """One file of a submission: where it was found, what it holds, how new it is."""

    name: str
    data: bytes
    time: float = 0.0


@dataclass
class Submission:
    """What one student handed in.

    Attributes:
        student: the name, as file or folder has it.
        number: Canvas's number of the user, or Moodle's of the participant; "" where none is told.
        files: notebooks and scripts; all files, where there are none of these.
    """

    student: str
    number: str = ""
    files: list[File] = field(default_factory=list)


def collect(sources: list[Path], leave_out: tuple[Path, ...] = ()) -> list[Submission]:
    """What students handed in, in the order of their names.

    Args:
        sources: notebooks, folders with a file or a folder for each student, or archives of these.
        leave_out: files and folders in them that nobody handed in.

    Raises:
        FileNotFoundError: a source does not exist.
    """
    found: dict[tuple[str, str], Submission] = {}
    for source in sources:
        if not source.exists():
            raise FileNotFoundError(
                f"There is no file or folder {str(source)!r}; name notebooks, a folder of them, "
                "or an archive such as submissions.zip."
            )
        inside = source.is_dir() or zipfile.is_zipfile(source)
        for path, file in _files(source, {path.resolve() for path in leave_out}):
            owned = owner(path, source.absolute(), inside)
            found.setdefault(owned, Submission(*owned)).files.append(file)
    for submission in found.values():
        code = [file for file in submission.files if file.name.lower().endswith(KINDS)]
        submission.files = code or submission.files[:1]
    return sorted(found.values(), key=lambda s: (s.student.lower(), s.number))


def owner(path: str, source: Path, inside: bool) -> tuple[str, str]:
    """Name and number of the student whose file stands at `path` in `source`."""
    parts = PurePosixPath(path).parts
    for part in parts:
        if named := _names_a_student(part):
            return named["student"], named["number"]
    if inside and len(parts) > 1:
        return parts[0], ""
    stem = PurePosixPath(parts[-1]).stem
    if SHEET.fullmatch(stem) and not inside:  # only the sheet's own name: the folder tells more
        return source.parent.name or stem, ""
    return stem, ""


def _names_a_student(part: str) -> re.Match | None:
    return MOODLE.fullmatch(part) or CANVAS.fullmatch(part)


def _files(source: Path, leave_out: set[Path]) -> list[tuple[str, File]]:
    """The files of a source, with their paths in it; what all have in common is left out."""
    if source.is_dir():
        found = list(_folder(source, leave_out))
    elif zipfile.is_zipfile(source):
        found = list(_archive(source.read_bytes(), "", [MOST_BYTES]))
    else:
        found = [(source.name, _file(source))]
    while len({path.split("/")[0] for path, _ in found}) == 1:
        if any("/" not in path for path, _ in found) or _names_a_student(found[0][0].split("/")[0]):
            break
        found = [(path.split("/", 1)[1], file) for path, file in found]
    return found


def _folder(folder: Path, leave_out: set[Path]) -> Iterator[tuple[str, File]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if IGNORED.search(name) or not path.is_file() or path.is_symlink():
            continue
        if not leave_out.isdisjoint((path.resolve(), *path.resolve().parents)):
            continue
        if zipfile.is_zipfile(path) and path.suffix.lower() == ".zip":
            for inner, file in _archive(path.read_bytes(), "", [MOST_BYTES], depth=1):
                yield f"{name.removesuffix('.zip')}/{inner}", file
        else:
            yield name, _file(path)


def _file(path: Path) -> File:
    with path.open("rb") as file:
        return File(path.name, file.read(LARGEST + 1), path.stat().st_mtime)


def _archive(data: bytes, name: str, left: list[int], depth: int = 0) -> Iterator[tuple[str, File]]:
    """The members of an archive; `left` holds how many bytes may still be read from it."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = [m for m in archive.infolist() if not m.is_dir()][:MOST_MEMBERS]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        yield name or "archive", File(name, data)
        return
    for member in members:
        path = label(member.filename)
        if not path or IGNORED.search(path):
            continue
        try:
            with archive.open(member) as file:
                content = file.read(min(LARGEST, left[0]) + 1)
        except Exception:  # damaged, encrypted, or made to mislead
            content = b""
        left[0] -= min(len(content), left[0])
        if path.lower().endswith(".zip") and content[:2] == b"PK" and depth < DEEPEST:
            stem = path[: -len(".zip")]
            for inner, file in _archive(content, path, left, depth + 1):
                yield f"{stem}/{inner}", file
        else:
            time = sum(n * 100.0**i for i, n in enumerate(reversed(member.date_time)))
            yield path, File(path.rsplit("/", 1)[-1], content, time)


def label(name: str) -> str:
    """A member's name with nothing in it that leads anywhere."""
    parts = re.split(r"[/\\]+", name)
    return "/".join(part for part in parts if part not in ("", ".", "..") and ":" not in part)
