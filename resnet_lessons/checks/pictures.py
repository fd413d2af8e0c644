"""What a matplotlib picture shows, as plain values."""

import sys


def drawn(picture: object) -> tuple[dict[str, object], ...]:
    """The panels of a Figure or Axes: title, labels, limits, and lines with their points.

    A picture that pyplot keeps is closed, or a notebook would show it below the verdict.
    """
    panels = [picture] if hasattr(picture, "get_lines") else picture.axes
    seen = tuple(_panel(panel) for panel in panels)
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and panels:
        pyplot.close(panels[0].figure)
    return seen


def _panel(panel: object) -> dict[str, object]:
    # The label of an error bar belongs to the whole; its line has none of its own.
    bars = {bar.lines[0]: bar.get_label() for bar in panel.containers if hasattr(bar, "has_yerr")}
    legend = panel.get_legend()
    return {
        "title": panel.get_title(),
        "xlabel": panel.get_xlabel(),
        "ylabel": panel.get_ylabel(),
        "xlim": tuple(float(v) for v in panel.get_xlim()),
        "ylim": tuple(float(v) for v in panel.get_ylim()),
        "legend": legend is not None,
        "lines": tuple(
            {
                "label": str(bars.get(line, line.get_label())),
                "x": tuple(float(v) for v in line.get_xdata(orig=False)),
                "y": tuple(float(v) for v in line.get_ydata(orig=False)),
            }
            for line in panel.get_lines()
        ),
    }
