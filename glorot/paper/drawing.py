"""What a figure shows, as plain data, and how that looks on a page.

A layer has the same colour and marker in every figure, from dark (layer 1, at the input) to light; an activation
function has its own colour, and the initialization its dashes. The colour-blind can tell the colours apart.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from glorot.models.initializers import INITIALIZERS
from glorot.registry import parsed
from glorot.reporting import pictures
from glorot.reporting.pictures import plain
from glorot.reporting.style import DIM, DPI, SHADE, STYLE, WIDTH, layer_style, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Data ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Images:
    """pixels: (n, height, width) uint8, grey. classes: what stands under each image."""

    title: str
    pixels: np.ndarray
    classes: Sequence[str]


@dataclass(frozen=True, eq=False)
class Moments:
    """A quantity of each hidden layer over time. updates: (t,). mean, std, p2, p98 (percentiles): (layers, t)."""

    title: str
    updates: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    p2: np.ndarray
    p98: np.ndarray

    @property
    def longest(self) -> int:
        return int(self.updates[-1])


@dataclass(frozen=True, eq=False)
class Histograms:
    """A quantity of each hidden layer at one moment. edges: (layers, bins + 1). densities: (layers, bins)."""

    title: str
    edges: np.ndarray
    densities: np.ndarray


Panel = TypeVar("Panel")


@dataclass(frozen=True, eq=False)
class Page(Generic[Panel]):
    """One figure. caption: what was run, to stand under it. notes: what to tell who asked for it."""

    panels: list[Panel]
    caption: str
    notes: list[str] = field(default_factory=list)


# Style ---------------------------------------------------------------------------------------------

# Okabe & Ito's colours; the yellow of these is too light for a line on white.
COLORS = {
    "sigmoid": "#D55E00", "tanh": "#0072B2", "softsign": "#009E73", "relu": "#CC79A7", "softplus": "#E69F00",
    "linear": "#56B4E9",
}  # fmt: skip
OTHER_COLOR = "#000000"  # of activation functions that someone adds: the eighth of Okabe & Ito's
DASHES: dict[str, Any] = {
    "standard": "-", "normalized": (0, (4, 1.5)), "standard_normal": ":", "scaled_normal": "-.",
}  # fmt: skip
OTHER_DASHES = [
    (0, (6, 1, 1, 1)),
    (0, (2, 1)),
    (0, (1, 2)),
    (0, (6, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (8, 1)),
    (0, (1, 4)),
    *((0, (on, off, 1, off)) for off in (3, 2) for on in (5, 7, 9, 11)),
]
MAGNIFIED = 5  # a panel that takes less than a fifth of the x axis is shown magnified as well ...
INSET = (0.58, 0.52, 0.4, 0.4)  # ... here: left, bottom, width, height, in parts of the axes
MARKED_FIRST = 4  # probes at which saturating layers differ most: each has its marker
EPOCH = 20_000  # updates, in the paper's figures
LONG = 10 * EPOCH  # from here on time is shown in epochs


def dashes(initializer: str) -> Any:
    """The line style of an initialization."""
    name = parsed(initializer)[0]
    others = [other for other in INITIALIZERS if other not in DASHES]
    place = others.index(name) if name in others else len(name)  # of a plug-in that is not there: any
    return DASHES.get(name) or OTHER_DASHES[place % len(OTHER_DASHES)]


def method_style(activation: str, initializer: str) -> dict[str, Any]:
    """Colour and line style of a method's line."""
    return {"color": COLORS.get(parsed(activation)[0], OTHER_COLOR), "linestyle": dashes(initializer)}


@contextmanager
def sheet(page: Page[Any], title: str, height: float, **options: Any) -> Iterator[tuple["Figure", list["Axes"]]]:
    """A figure with a row of axes, one a panel, between its title and its caption."""
    with pictures.shipped(STYLE):
        figure = pictures.new(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
        axes = figure.subplots(1, len(page.panels), squeeze=False, **options)[0]
        figure.suptitle(plain(title))
        figure.supxlabel(plain(wrapped(page.caption)), fontsize=7.5, color=DIM)
        for panel, one in zip(page.panels, axes, strict=True):
            one.set_title(plain(panel.title))
        yield figure, list(axes)
        figure.draw_without_rendering()  # lays the figure out, once for both of its files
        figure.set_layout_engine("none")


def rendered(figure: "Figure", form: str) -> bytes:
    """The bytes of a file, form "png" or "svg"."""
    return pictures.rendered(figure, form, STYLE)


def unit_of_time(page: Page[Any]) -> int:
    """How many updates one unit of the x axes is."""
    return EPOCH if max(panel.longest for panel in page.panels) >= LONG else 1000


def time_axis(axes: Sequence["Axes"], unit: int) -> None:
    for one in axes:
        one.set_xlabel("epochs of 20,000 updates" if unit == EPOCH else "thousands of updates")


def legend(figure: "Figure", axes: Sequence["Axes"]) -> None:
    """One legend to the right of all axes, where it covers nothing: that of the axes with the most lines."""
    handles, labels = max((one.get_legend_handles_labels() for one in axes), key=lambda found: len(found[0]))
    figure.legend(handles, labels, loc="outside right center", frameon=False)


# Drawings ------------------------------------------------------------------------------------------


def images(page: Page[Images], title: str) -> "Figure":
    """Each panel's images in rows, each with its class below it."""
    across = 16 if len(page.panels) == 1 else 8
    with sheet(page, title, 2.0 if len(page.panels) == 1 else 3.0) as (figure, axes):
        for panel, one in zip(page.panels, axes, strict=True):
            n, height, width = panel.pixels.shape
            row, column, down = round(1.35 * height), round(1.08 * width), -(-n // across)
            mosaic = np.full((down * row, across * column), 255, np.uint8)
            for i, (pixels, name) in enumerate(zip(panel.pixels, panel.classes, strict=True)):
                top, left = i // across * row, i % across * column
                mosaic[top : top + height, left : left + width] = pixels
                one.text(left + width / 2, top + height, plain(name), fontsize=5, ha="center", va="top")
            one.imshow(mosaic, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            one.set_axis_off()
    return figure


def layers_over_time(
    page: Page[Moments], axes: Sequence["Axes"], *quantities: str
) -> Iterator[tuple["Axes", np.ndarray, list[np.ndarray], dict[str, Any]]]:
    """For each layer of each panel: where to draw, the time, the layer's quantities, and the layer's style."""
    unit = unit_of_time(page)
    time_axis(axes, unit)
    layers = max(len(panel.std) for panel in page.panels)
    for panel, one in zip(page.panels, axes, strict=True):
        rows = zip(*(getattr(panel, quantity) for quantity in quantities), strict=True)
        for layer, values in enumerate(rows, 1):
            yield one, panel.updates / unit, list(values), layer_style(layer, layers)


def bands(page: Page[Moments], title: str) -> "Figure":
    """Mean of each layer with a band of one standard deviation on each side."""
    with sheet(page, title, 3.2, sharey=True) as (figure, axes):
        axes[0].set_ylabel("activation: mean ± std. deviation")
        for one, time, (mean, std), style in layers_over_time(page, axes, "mean", "std"):
            one.fill_between(time, mean - std, mean + std, color=style["color"], alpha=0.15, linewidth=0)
            one.plot(time, mean, markevery=max(1, len(mean) // 12), **style)
        legend(figure, axes)
    return figure


def spreads(page: Page[Moments], title: str) -> "Figure":
    """98th percentile (markers alone) and standard deviation (lines) of each layer's activations."""
    from matplotlib.lines import Line2D

    with sheet(page, title, 3.2, sharey=True) as (figure, axes):
        axes[0].set_ylabel("activation")
        for one, time, (std, p98), style in layers_over_time(page, axes, "std", "p98"):
            one.set_ylim(0, 1.04)
            one.plot(time, std, color=style["color"])
            every = max(1, len(std) // 25)
            marked = sorted({*range(0, len(std), every), *range(min(every, MARKED_FIRST))})
            one.plot(time, p98, linestyle="", markevery=marked, **style)
        layers = max(len(panel.std) for panel in page.panels)
        keys = [Line2D([], [], **layer_style(layer, layers)) for layer in range(1, layers + 1)]
        keys += [
            Line2D([], [], color="black", linestyle="", marker="o", label="98th\npercentile"),
            Line2D([], [], color="black", label="standard\ndeviation"),
        ]
        figure.legend(handles=keys, loc="outside right center", frameon=False)
    return figure


def gradient_spreads(page: Page[Moments], title: str) -> "Figure":
    """Standard deviation of each layer's weight gradients, on a scale of powers of ten.

    Shaded: from the smallest layer's to the largest's. The wider, the farther the layers are apart.
    """
    with sheet(page, title, 3.2, sharey=True) as (figure, axes):
        axes[0].set_ylabel("std. deviation of weight gradients")
        for one, time, (std,), style in layers_over_time(page, axes, "std"):
            one.set_yscale("log")
            one.plot(time, std, markevery=max(1, len(std) // 12), linewidth=0.8, **style)
        for panel, one in zip(page.panels, axes, strict=True):
            one.fill_between(panel.updates / unit_of_time(page), panel.std.min(axis=0), panel.std.max(axis=0),
                             color=SHADE, alpha=0.5, linewidth=0, label="smallest to\nlargest layer")  # fmt: skip
        legend(figure, axes)
    return figure


def activation_densities(page: Page[Histograms], title: str) -> "Figure":
    return densities(page, title, "activation", 0)


def final_densities(page: Page[Histograms], title: str) -> "Figure":
    return densities(page, title, "activation", 0.03)  # by powers of ten: tanh has a third of a layer at -1 and 1


def gradient_densities(page: Page[Histograms], title: str) -> "Figure":
    return densities(page, title, "back-propagated gradient dC/dz")


def weight_densities(page: Page[Histograms], title: str) -> "Figure":
    return densities(page, title, "weight gradient dC/dW")


def densities(page: Page[Histograms], title: str, quantity: str, lowest: float | None = None) -> "Figure":
    """One outline a layer, all panels over one x axis.

    lowest: where the y axis begins; if not at 0, it goes by powers of ten and is one for all panels. Gradients need
    that: they spread ten times as far in one layer as in another, and peak as many times as high.

    Where a panel takes but a small part of the x axis, a second look magnifies it.
    """
    with sheet(page, title, 3.0, sharex=True, sharey=lowest != 0) as (figure, axes):
        axes[0].set_ylabel("density (area 1)")
        reach = max(float(np.abs(panel.edges).max()) for panel in page.panels)
        power = 0 if quantity == "activation" else math.floor(math.log10(reach))
        for panel, one in zip(page.panels, axes, strict=True):
            one.set_xlabel(f"{quantity} ($10^{{{power}}}$)" if power else quantity)
            outlines(one, panel, power, lowest, max(len(panel.edges) for panel in page.panels))
            times = int(reach / float(np.abs(panel.edges).max()))
            if times >= MAGNIFIED:
                inset = one.inset_axes(INSET)
                outlines(inset, panel, power, lowest, len(panel.edges))
                inset.set_title(f"x axis magnified {times} times", fontsize=7)
                inset.tick_params(labelsize=6.5, labelleft=False)
        legend(figure, axes)
    return figure


def outlines(one: "Axes", panel: Histograms, power: int, lowest: float | None, layers: int) -> None:
    """The histograms of a panel, the x axis in units of 10^power. layers: of the deepest network, for the colours."""
    for layer, (edges, density) in enumerate(zip(panel.edges, panel.densities, strict=True), 1):
        known = density if lowest == 0 else np.where(density > 0, density, np.nan)
        one.plot((edges[1:] + edges[:-1]) / 2 / 10.0**power, known / 10.0**-power, markevery=(4 * layer, 25),
                 **layer_style(layer, layers))  # fmt: skip
    if lowest != 0:
        one.set_yscale("log")
    if lowest is not None:
        one.set_ylim(bottom=lowest)
