"""Drawings of what `glorot inspect` finds: variances over layers, and the gradient of a chain over its depth."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glorot.models.activations import ACTIVATIONS
from glorot.reporting import pictures
from glorot.results.store import write_bytes
from glorot.training.chain import Chain
from glorot.training.seen import Inspection, Pair

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito
MARKERS = "osD^vP"
STYLE: Mapping[str, Any] = {"font.size": 9.0, "axes.titlesize": 9.5, "axes.grid": True, "grid.alpha": 0.25}
DPI = 150


def draw_inspections(ones: Sequence[Inspection], file: Path) -> None:
    """Var[a], Var[dC/dz] and Var[dC/dW] over the layers, a line for each method; dashed: theory. Raises ResultsError.

    file: .png or .svg.
    """
    with pictures.shipped(STYLE):
        from matplotlib.ticker import MaxNLocator

        figure = pictures.new(figsize=(9, 3.4), dpi=DPI, layout="constrained")
        axes = figure.subplots(1, 3)
        titles = ("Var[a]: activations", "Var[dC/dz]: gradients", "Var[dC/dW]: weight gradients")
        for number, one in enumerate(ones):
            style = {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)], "markersize": 4}
            columns: list[list[tuple[int, Pair]]] = [
                [(layer.layer, layer.activation) for layer in one.layers if layer.activation],
                [(layer.layer, layer.gradient) for layer in one.layers],
                [(layer.layer, layer.weight_gradient) for layer in one.layers if layer.weight_gradient],
            ]
            for axis, pairs in zip(axes, columns, strict=True):
                layers = [layer for layer, _ in pairs]
                axis.plot(layers, _drawable([pair.measured for _, pair in pairs]), label=one.method, **style)
                theory = _drawable([pair.theory for _, pair in pairs])
                axis.plot(layers, theory, color=style["color"], linestyle="--", linewidth=1)
        for axis, title in zip(axes, titles, strict=True):
            axis.set(title=title, xlabel="layer", yscale="log")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0].legend(frameon=False, fontsize=8)
        figure.suptitle("Before training; dashed: theory near z = 0")
    write_bytes(file, pictures.rendered(figure, file.suffix[1:].lower(), STYLE))


def draw_chains(chains: Sequence[Chain], file: Path) -> None:
    """|dC/db1| over the number of units in the chain, and (dashed) the largest it can be. Raises ResultsError."""
    with pictures.shipped(STYLE):
        from matplotlib.ticker import MaxNLocator

        figure = pictures.new(figsize=(6, 4), dpi=DPI, layout="constrained")
        axis = figure.subplots()
        for number, one in enumerate(chains):
            found, bound = one.by_depth()
            depth, color = range(1, len(found) + 1), COLORS[number % len(COLORS)]
            weights = ", ".join(f"{w:g}" for w in dict.fromkeys(one.weights))
            axis.plot(depth, _drawable(found), color=color, marker=MARKERS[number % len(MARKERS)],
                      markersize=4, label=f"weights {weights}")  # fmt: skip
            axis.plot(depth, _drawable(bound), color=color, linestyle="--", linewidth=1)
        label = ACTIVATIONS[chains[0].activation].label
        axis.set(yscale="log", xlabel="units in the chain", ylabel="|dC/db1|")
        axis.set_title(f"A chain of {label} units; dashed: the largest it can be")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(frameon=False)
    write_bytes(file, pictures.rendered(figure, file.suffix[1:].lower(), STYLE))


def _drawable(values: Sequence[float | None]) -> list[float]:
    """For an axis of powers of ten, which has no 0: gaps."""
    return [value or math.nan for value in values]
