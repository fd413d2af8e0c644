"""Point the course at another copy on GitHub: python tools/set_repository.py owner/name

The address stands in pyproject.toml; this changes it there and in all that was made from it: the
badge and the first cell of every notebook, and the badges and links in the documents. It executes
no notebook and needs nothing but Python.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What GitHub accepts: an account of letters, digits and single inner hyphens; a name without .git.
ADDRESS = re.compile(
    r"[a-z0-9](-?[a-z0-9]){0,38}/(?!.*\.git$)(?!\.+$)[a-z0-9._-]{1,100}", re.I | re.A
)


def repository(root: Path = ROOT) -> str:
    """Return `owner/name` of the course's repository, as pyproject.toml has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].removeprefix("https://github.com/")


def colab_badge(notebook: str, root: Path = ROOT) -> str:
    """Markdown of the badge that opens a notebook, named by its path from `root`, in Colab."""
    return (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{repository(root)}/blob/main/{notebook})"
    )


def set_repository(new: str, root: Path = ROOT) -> list[Path]:
    """Replace the repository's address by `new` wherever it stands and return the files changed.

    Raises:
        ValueError: `new` is no address that a GitHub repository can have.
    """
    if not ADDRESS.fullmatch(new):
        raise ValueError(
            f"The address is {new!r}, but it must be owner/name, the end of the repository's "
            "https://github.com/owner/name; for example: make badges REPO=ada/resnet_lessons"
        )
    # Links say github.com/owner/name, Colab's badges github/owner/name.
    old = re.compile(rf"(github(?:\.com)?/){re.escape(repository(root))}(?![\w-])")
    changed = []
    # pyproject.toml comes last: until it is written an interrupted change can be run again.
    for path in [*root.glob("*.md"), *root.glob("notebooks/**/*.ipynb"), root / "pyproject.toml"]:
        before = path.read_bytes()
        after = old.sub(rf"\g<1>{new}", before.decode("utf-8")).encode("utf-8")
        if after != before:
            path.write_bytes(after)
            changed.append(path)
    return changed


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("Name the repository: make badges REPO=owner/name")
    try:
        changed = set_repository(sys.argv[1])
    except ValueError as error:
        sys.exit(str(error))
    for path in changed:
        print(path.relative_to(ROOT))
    print(f"{len(changed)} files now point at https://github.com/{repository()}")


if __name__ == "__main__":
    main()
