"""The picture of one image in one residual block: maps, class scores, sizes in all blocks."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from resnet_lessons.plots.style import NEUTRAL, RESIDUAL, new_figure, show_image

# Grey in the middle, and its lightness only rises, so that signs are told apart in grey print, too.
COLOURS = "cividis"
SHADES = "darker: below 0      grey: 0      lighter: above 0"
# Left, bottom, width and height of each panel, in parts of the picture's.
PLACES = {
    "image": (0.02, 0.49, 0.32, 0.45),
    "maps": (0.425, 0.45, 0.565, 0.473),
    "shades": (0.425, 0.415, 0.565, 0.02),
    "scores": (0.145, 0.105, 0.195, 0.31),
    "ratios": (0.425, 0.105, 0.565, 0.2),
}
LONGEST = 14  # letters of a name that there is room for


def panels() -> tuple[Figure, dict[str, Axes]]:
    """Five panels at fixed places: found in half the time, and at rest while a slider moves."""
    picture, axes = new_figure(5, width=8.8, height=5.2, layout="none")
    found = dict(zip(PLACES, axes[0], strict=True))
    for name, panel in found.items():
        panel.set_position(PLACES[name])
    return picture, found


def draw_image(axes: Axes, image: Tensor, title: str) -> None:
    """An image, uint8, C×H×W."""
    show_image(axes, image, interpolation="nearest")
    axes.axis("off")
    axes.set_title(title, fontsize=9)


def draw_maps(
    axes: Axes,
    shades: Axes,
    maps: Mapping[str, np.ndarray],
    channels: Sequence[int],
    limit: float,
    title: str,
) -> None:
    """Rows of maps under one name, channels×H×W each, and the scale of their values below them.

    They are one picture, which is drawn much faster than many panels.
    """
    height, width = next(iter(maps.values())).shape[1:]
    larger = max(1, 28 // max(height, width))  # so that a gap of two is narrow beside small maps
    down, along = height * larger + 2, width * larger + 2
    tiles = np.full((len(maps) * down - 2, len(channels) * along - 2), np.nan)
    for row, values in enumerate(maps.values()):
        for column, channel in enumerate(values):
            top, left = row * down, column * along
            tiles[top : top + down - 2, left : left + along - 2] = channel.repeat(larger, 0).repeat(
                larger, 1
            )
    drawn = axes.imshow(tiles, cmap=COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_xticks(along * np.arange(len(channels)) + (along - 3) / 2, channels)
    axes.set_yticks(down * np.arange(len(maps)) + (down - 3) / 2, list(maps))
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=9)
    scale = axes.figure.colorbar(drawn, cax=shades, orientation="horizontal", extend="both")
    scale.set_label(SHADES, fontsize=8)
    scale.outline.set_visible(False)
    shades.tick_params(labelsize=8)


def draw_scores(axes: Axes, scores: Mapping[str, float], right: str) -> None:
    """A bar a class, in percent; the right one is blue, and named in bold."""
    colours = [RESIDUAL if name == right else "#BBBBBB" for name in scores]
    axes.barh(range(len(scores)), list(scores.values()), color=colours)
    short = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in scores]
    axes.set_yticks(range(len(scores)), short, fontsize=8)
    axes.get_yticklabels()[list(scores).index(right)].set_fontweight("bold")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 100)
    axes.set_xlabel("score (%); bold: the right class", fontsize=9)


def draw_ratios(axes: Axes, ratios: Mapping[str, float], chosen: str) -> None:
    """A dot a block, the chosen one black; ticks stand where a stage begins."""
    names = list(ratios)
    values = np.array([ratio if np.isfinite(ratio) else np.nan for ratio in ratios.values()])
    axes.axhline(1, color=NEUTRAL, linestyle=":")
    axes.plot(range(len(names)), values, "o-", color=RESIDUAL, markersize=4)
    place = names.index(chosen)
    axes.axvline(place, color="black", linewidth=1)
    axes.plot(place, values[place], "D", color="black", markersize=8)
    parents = [name.rpartition(".")[0] for name in names]
    starts = [n for n in range(len(names)) if n == 0 or parents[n] != parents[n - 1]]
    axes.set_xticks(starts, [names[n] for n in starts], fontsize=8)
    axes.set_ylim(0, max(1.2, 1.1 * float(np.nan_to_num(values).max())))
    axes.set_ylabel("F(x), as a\nmultiple of x", fontsize=9)
    axes.set_xlabel(f"all blocks; black: {chosen}; dotted: F(x) as large as x", fontsize=9)
