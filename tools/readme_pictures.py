"""Make README's pictures from what `make test-browser` saw: python tools/readme_pictures.py"""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SEEN = ROOT / "tests" / "browser" / "screenshots"
KEPT = ROOT / "tests" / "browser" / "pictures"
NAMES = ("explorer", "exercise_wrong")
COLOURS = 64  # enough for a page, and a third of the bytes


def main(seen: Path = SEEN, kept: Path = KEPT) -> int:
    missing = [name for name in NAMES if not (seen / f"{name}.png").exists()]
    if missing:
        print(f"There is no picture {' and no '.join(missing)} yet; run: make test-browser")
        return 1
    kept.mkdir(exist_ok=True)
    for name in NAMES:
        with Image.open(seen / f"{name}.png") as picture:
            small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(kept / f"{name}.png", optimize=True)
        print(f"{name}.png: {(kept / f'{name}.png').stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
