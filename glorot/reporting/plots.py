"""What ``views`` has, on a page: one function per kind of figure, from plain numbers to matplotlib's."""

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot.reporting import pictures
from glorot.reporting.pictures import plain
from glorot.reporting.style import DIM, DPI, SHADE, STYLE, WIDTH, layer_color, layer_style, line_style, wrapped
from glorot.reporting.views import Confusion, HeatMap, Histogram, Layers, Line, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3  # panels beside each other
WIDE_RANGE = 20.0  # a range of more than this factor is drawn by powers of ten


@contextmanager
def page(
    title: str, caption: str, rows: int, columns: int, height: float, **options: Any
) -> Iterator[tuple["Figure", "np.ndarray"]]:
    """A figure with a grid of axes, (rows, columns), between its title and its caption. height: of a row, in inches."""
    with pictures.shipped(STYLE):
        figure = pictures.new(figsize=(WIDTH, rows * height + 0.9), dpi=DPI, layout="constrained")
        figure.suptitle(plain(wrapped(title)))
        figure.supxlabel(plain(wrapped(caption)), fontsize=7, color=DIM)
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)
        figure.draw_without_rendering()  # lays the figure out, once for all of its files
        figure.set_layout_engine("none")


def grid_of(number: int) -> tuple[int, int]:
    """How so many panels stand: (rows, columns)."""
    columns = min(number, ACROSS)
    return -(-number // columns), columns


def legend(figure: "Figure", handles: Sequence[Any]) -> None:
    """To the right of all axes, where it covers nothing."""
    figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=7.5, alignment="left")


def folded(text: str) -> str:
    """A label of a legend, in lines."""
    return "\n".join(textwrap.wrap(short(text, 72), 24)) or "_"


def short(text: str, most: int = 60) -> str:
    """Without its middle, where it is longer: rows often differ in their beginning and columns in their end."""
    head = most - 1 - most // 3
    return plain(text if len(text) <= most else f"{text[:head]}\N{HORIZONTAL ELLIPSIS}{text[-(most // 3) :]}")


def titled(one: "Axes", text: str, columns: int, below: str = "") -> None:
    """A panel's title, cut so that it does not reach the title beside it. below: its second line."""
    most = 78 // columns
    lines = [*textwrap.wrap(short(text, 2 * most), most), *([plain(below)] if below else [])]
    one.set_title("\n".join(lines), fontsize=9.5 if columns == 1 else 8)


def hide_rest(axes: "np.ndarray", shown: int) -> None:
    for one in axes.flat[shown:]:
        one.set_axis_off()


# Lines ---------------------------------------------------------------------------------------------


def lines(
    panels: Sequence[Panel], title: str, caption: str, x: str, y: str, log_x: bool | None = None, keys: bool = True
) -> "Figure":
    """One panel each; a line is a mean, its band (or bars) one standard error on each side, and a cross where all of it
    diverged. log_x: whether x goes by powers of ten; None: if it needs to. keys: whether there is a legend.
    Every line has a gid "line-PANEL-NUMBER"."""
    rows, columns = grid_of(len(panels))
    over_updates = log_x is False
    with page(title, caption, rows, columns, 2.6, sharey=True, sharex=True) as (figure, axes):
        handles: dict[str, Any] = {}
        for number, (panel, one) in enumerate(zip(panels, axes.flat, strict=False)):
            titled(one, panel.title, columns)
            one.set_xlabel(plain(x))
            if number % columns == 0:
                one.set_ylabel(plain(y))
            if panel.chance is not None:
                one.axhline(panel.chance, color=SHADE, linewidth=1, linestyle=":", label=f"chance {panel.chance:.1f} %")
                handles.setdefault("chance", one.lines[-1])
            for line in panel.lines:
                handles.setdefault(f"line {line.number}", _line(one, number, line, over_updates))
        _scales(axes, panels, log_x)
        for one in axes.flat[: len(panels)]:
            one.tick_params(labelbottom=True)
        hide_rest(axes, len(panels))
        if keys:
            numbers = sorted(int(name.split()[1]) for name in handles if name.startswith("line"))
            named = [handles[f"line {number}"] for number in numbers]
            chances = [handle for name, handle in handles.items() if name == "chance"]
            legend(figure, [*(handle for handle in named if handle.get_label()[:1] != "_"), *chances])
    return figure


def _line(one: "Axes", panel: int, line: Line, over_updates: bool) -> Any:
    style = line_style(line.number)
    gid = f"line-{panel}-{line.number}"
    marker: dict[str, Any] = {} if over_updates and len(line.x) > 1 else {"marker": "o"}
    label = folded(line.label)
    (drawn,) = one.plot(line.x, line.y, label=label, gid=gid, **style, **marker)
    color = style["color"]
    if line.thin is not None:
        one.plot(line.x, line.thin, linewidth=0.6, alpha=0.7, gid=f"{gid}-thin", **style)
    if line.spread is not None and over_updates:
        low, high = line.y - line.spread, line.y + line.spread
        one.fill_between(line.x, low, high, color=color, alpha=0.2, linewidth=0, gid=f"{gid}-band")
    elif line.spread is not None:
        one.errorbar(line.x, line.y, np.nan_to_num(line.spread), fmt="none", color=color, capsize=2, linewidth=1)
    if line.lost:
        at_end = over_updates and len(line.x) > 0
        y = [np.interp(x, line.x, line.y) if at_end else 1.0 for x in line.lost]
        where: dict[str, Any] = {} if at_end else {"transform": one.get_xaxis_transform(), "clip_on": False}
        one.plot(line.lost, y, linestyle="", marker="x", color=color, markersize=6, **where)
    return drawn


def _scales(axes: "np.ndarray", panels: Sequence[Panel], log_x: bool | None) -> None:
    """Powers of ten where numbers above 0 spread far."""
    every = [line for panel in panels for line in panel.lines]
    xs = np.concatenate([line.x for line in every]) if every else np.array([])
    ys = np.concatenate([line.y for line in every]) if every else np.array([])
    far = [len(one) and one.min() > 0 and one.max() / one.min() > WIDE_RANGE for one in (xs, ys)]
    for one in axes.flat:
        if log_x is None and far[0]:
            one.set_xscale("log")
        if far[1]:
            one.set_yscale("log")
        if log_x is not None:
            one.xaxis.set_major_formatter(_thousands)
            one.locator_params(axis="x", nbins=5)
        elif len(xs) and len(set(xs)) <= 8:  # the values of the axis themselves
            ticks = [f"{x:g}" for x in sorted(set(xs))]
            crowded = sum(map(len, ticks)) > 18  # at the width of a panel
            one.set_xticks(sorted(set(xs)), ticks, **({"rotation": 45} if crowded else {}))
            one.minorticks_off()


def _thousands(number: float, position: int | None = None) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


# Maps ----------------------------------------------------------------------------------------------


def heat_maps(maps: Sequence[HeatMap], title: str, caption: str, x: str, y: str, value: str) -> "Figure":
    """One map each, all with one scale of colours, and the number in every field."""
    rows, columns = grid_of(len(maps))
    known = np.concatenate([one.values[np.isfinite(one.values)] for one in maps])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    with page(title, caption, rows, columns, 2.4) as (figure, axes):
        for one, ax in zip(maps, axes.flat, strict=False):
            titled(ax, one.title, columns)
            image = ax.imshow(one.values, cmap="viridis_r", vmin=low, vmax=max(high, low + 1e-12), aspect="auto",
                              origin="lower")  # fmt: skip
            ax.set_xticks(range(len(one.columns)), [plain(name) for name in one.columns])
            ax.set_yticks(range(len(one.rows)), [plain(name) for name in one.rows])
            ax.set(xlabel=plain(x), ylabel=plain(y))
            ax.grid(False)
            for i, j in np.ndindex(one.values.shape):
                number = one.values[i, j]
                text = one.marks[i][j] or f"{number:.3g}"
                dark = math.isfinite(number) and number > (low + high) / 2
                ax.text(j, i, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
        hide_rest(axes, len(maps))
        figure.colorbar(image, ax=axes, label=plain(value), shrink=0.9)
    return figure


def confusions(shown: Sequence[Confusion], names: Sequence[str], title: str, caption: str) -> "Figure":
    """Shares of each class's test examples, in percent; the diagonal is what was right."""
    rows, columns = grid_of(len(shown))
    with page(title, caption, rows, columns, 2.5) as (figure, axes):
        for one, ax in zip(shown, axes.flat, strict=False):
            titled(ax, one.title, columns)
            totals = np.maximum(one.counts.sum(axis=1, keepdims=True), 1)
            shares = 100 * one.counts / totals
            image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=100)
            ax.grid(False)
            classes = len(shares)
            if classes <= 20:
                ticks = [plain(names[k]) if k < len(names) else str(k) for k in range(classes)]
                turned = {"rotation": 90} if max(map(len, ticks)) > 2 else {}
                ax.set_xticks(range(classes), ticks, fontsize=6, **turned)
                ax.set_yticks(range(classes), ticks, fontsize=6)
            for i, j in np.ndindex(shares.shape) if classes <= 12 else ():
                if shares[i, j] >= 0.5:
                    color = "white" if shares[i, j] > 60 else "black"
                    ax.text(j, i, f"{shares[i, j]:.0f}", ha="center", va="center", fontsize=5, color=color)
            ax.set(xlabel="predicted", ylabel="class")
        hide_rest(axes, len(shown))
        figure.colorbar(image, ax=axes, label="% of the class", shrink=0.8)
    return figure


# Inside networks -----------------------------------------------------------------------------------


def layer_page(
    cells: Sequence[Sequence[Layers | None]], title: str, caption: str, y: str,
    draw: Callable[["Axes", Layers, int], None], log: bool = False,
) -> "Figure":  # fmt: skip
    """A panel per cell of the table, all with one y axis; a line per layer."""
    from matplotlib.lines import Line2D

    keep = [j for j in range(len(cells[0])) if any(row[j] is not None for row in cells)]
    cells = [[row[j] for j in keep] for row in cells if any(one is not None for one in row)]
    rows, columns = len(cells), len(keep)
    known = [one for line in cells for one in line if one is not None]
    deepest = max(one.first + len(one.values["mean"]) - 1 for one in known)
    with page(title, caption, rows, columns, 1.9, sharey=True, sharex=True) as (figure, axes):
        for i, j in np.ndindex(rows, columns):
            one, ax = cells[i][j], axes[i, j]
            if one is None:
                ax.set_axis_off()
                continue
            titled(ax, one.title, columns)
            if log:
                ax.set_yscale("log")
            draw(ax, one, deepest)
            if all(other is None for other in cells[i][:j]):
                ax.tick_params(labelleft=True)
            ax.xaxis.set_major_formatter(_thousands)
            ax.locator_params(axis="x", nbins=5)
            if all(row[j] is None for row in cells[i + 1 :]):
                ax.set_xlabel("updates")
                ax.tick_params(labelbottom=True)
        figure.supylabel(plain(y), fontsize=9)
        first = min(one.first for one in known)
        legend(figure, [Line2D([], [], **layer_style(layer, deepest)) for layer in range(first, deepest + 1)][:20])
    return figure


def _layer_lines(ax: "Axes", one: Layers, deepest: int, column: str) -> Iterator[tuple[Any, np.ndarray]]:
    for layer, row in enumerate(one.values[column], one.first):
        ax.plot(one.updates, row, markevery=max(1, len(row) // 8), **layer_style(layer, deepest))
        yield layer_color(layer, deepest), row


def means_with_spread(ax: "Axes", one: Layers, deepest: int) -> None:
    """The mean of each layer, and a band of one standard deviation on each side. deepest: layers of the deepest."""
    for (color, mean), std in zip(_layer_lines(ax, one, deepest, "mean"), one.values["std"], strict=True):
        ax.fill_between(one.updates, mean - std, mean + std, color=color, alpha=0.15, linewidth=0)


def percentiles(ax: "Axes", one: Layers, deepest: int) -> None:
    """The 98th percentile of each layer with markers, the 2nd without."""
    for (color, _), low in zip(_layer_lines(ax, one, deepest, "p98"), one.values["p2"], strict=True):
        ax.plot(one.updates, low, color=color, linewidth=0.8)


def column_lines(column: str) -> Callable[["Axes", Layers, int], None]:
    """A line per layer of one column of the probes."""

    def draw(ax: "Axes", one: Layers, deepest: int) -> None:
        for _ in _layer_lines(ax, one, deepest, column):
            pass

    return draw


def histograms(cells: Sequence[tuple[str, Sequence[Histogram | None]]], title: str, caption: str, x: str) -> "Figure":
    """A row per network, a column per moment; an outline per layer."""
    from matplotlib.lines import Line2D

    columns = max(len(moments) for _, moments in cells)
    layers = max(len(one.edges) for _, moments in cells for one in moments if one is not None)
    with page(title, caption, len(cells), columns, 2.1) as (figure, axes):
        for (name, moments), line in zip(cells, axes, strict=True):
            for one, ax in zip(moments, line, strict=False):
                if one is None:
                    ax.set_axis_off()
                    continue
                titled(ax, name, columns, one.title)
                for layer, (edges, density) in enumerate(zip(one.edges, one.densities, strict=True), 1):
                    center = (edges[1:] + edges[:-1]) / 2
                    ax.plot(center, np.where(density > 0, density, np.nan), color=layer_color(layer, layers))
                ax.set_yscale("log")
                _whole_decades(ax)
            hide_rest(line, len(moments))
        for ax in axes[-1]:
            ax.set_xlabel(plain(x))
        figure.supylabel("density", fontsize=9)
        legend(figure, [
            Line2D([], [], color=layer_color(layer, layers), label=f"layer {layer}") for layer in range(1, layers + 1)
        ][:20])  # fmt: skip
    return figure


def _whole_decades(ax: "Axes") -> None:
    """A logarithmic axis from one power of ten to another, so that two of them at least are named."""
    from matplotlib.ticker import NullFormatter

    low, high = ax.get_ylim()
    ax.set_ylim(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))
    ax.yaxis.set_minor_formatter(NullFormatter())


# Images --------------------------------------------------------------------------------------------


def image_rows(
    rows: Sequence[tuple[str, np.ndarray, Sequence[str]]], title: str, caption: str, across: int
) -> "Figure":
    """Images with a text below each. rows: name, (n, height, width) or (n, height, width, 3) of 0 to 255, texts."""
    heights = [-(-max(1, len(images)) // across) for _, images, _ in rows]
    with pictures.shipped(STYLE):
        small_print = 0.14 * len(wrapped(caption).splitlines())
        tall = sum(heights) * (WIDTH / across) * 1.35 + 0.25 * len(rows) + 0.4 + small_print
        figure = pictures.new(figsize=(WIDTH, tall), dpi=DPI, layout="constrained")
        figure.suptitle(plain(wrapped(title)))
        figure.supxlabel(plain(wrapped(caption)), fontsize=7, color=DIM)
        axes = figure.subplots(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
        for (name, images, texts), ax in zip(rows, axes, strict=True):
            ax.set_title(short(name, 90), fontsize=8)
            ax.set_axis_off()
            if len(images):
                _mosaic(ax, images, texts, across)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _mosaic(ax: "Axes", images: np.ndarray, texts: Sequence[str], across: int) -> None:
    n, height, width = images.shape[:3]
    row, column, down = round(1.35 * height) + 1, round(1.08 * width) + 1, -(-n // across)
    mosaic = np.full((down * row, across * column, *images.shape[3:]), 255, np.uint8)
    for i, pixels in enumerate(images):
        top, left = i // across * row, i % across * column
        mosaic[top : top + height, left : left + width] = pixels
        if i < len(texts):
            ax.text(left + width / 2, top + height, plain(texts[i]), fontsize=5.5, ha="center", va="top")
    ax.imshow(mosaic, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
