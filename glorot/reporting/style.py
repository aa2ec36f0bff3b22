"""How figures look: sizes, colours, letters.

A layer has the same colour and marker in every figure, from dark (layer 1, at the input) to light. The colour-blind can
tell the colours apart.
"""

import textwrap
from typing import Any

WIDTH = 7.0  # inches: that of the text on a page of A4 or letter
DPI = 160
CAPTION_WIDTH = 125  # letters
STYLE: Any = {
    "font.size": 9.0, "axes.titlesize": 9.5, "figure.titlesize": 10.5, "legend.fontsize": 8.0,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "lines.linewidth": 1.4, "lines.markersize": 3.5,
}  # fmt: skip
SHADE, DIM = "#777777", "#444444"  # of bands and guides; of small print
MARKERS = "osD^vP*X"


def layer_color(layer: int, layers: int) -> Any:
    """layer: from 1, at the input. Viridis up to where it is too light for a line on white."""
    from matplotlib import colormaps

    return colormaps["viridis"](0.88 * (layer - 1) / max(1, layers - 1))


def layer_style(layer: int, layers: int) -> dict[str, Any]:
    """Colour, marker and label of a layer's line."""
    marker = MARKERS[(layer - 1) % len(MARKERS)]
    return {"color": layer_color(layer, layers), "marker": marker, "label": f"layer {layer}"}


def wrapped(caption: str) -> str:
    """Its lines, none longer than the page is wide."""
    return "\n".join(textwrap.fill(line, CAPTION_WIDTH) for line in caption.splitlines())


# Okabe & Ito's colours; the yellow of these is too light for a line on white.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CYCLE_DASHES = ((), (4, 1.5), (1, 1.65), (6.4, 1.6, 1, 1.6), (6, 1, 1, 1))  # on, off, ... in widths of the line


def line_style(number: int) -> dict[str, Any]:
    """Colour and dashes of a figure's line, by its place in the table: 35 that can be told apart."""
    return {"color": color(number), "linestyle": (0, dashes(number)) if dashes(number) else "-"}


def color(number: int) -> str:
    return CYCLE[number % len(CYCLE)]


def dashes(number: int) -> tuple[float, ...]:
    return CYCLE_DASHES[number // len(CYCLE) % len(CYCLE_DASHES)]
