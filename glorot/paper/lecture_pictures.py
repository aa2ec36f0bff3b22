"""Two pictures of the lecture, which need no run: gradients of two costs over z, and the slopes of the activations."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.paper.drawing import COLORS, Page, sheet
from glorot.results.stored import StoredRun
from glorot.training.steps import mapped
from glorot.training.theory import steepest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REACH, POINTS = 8.0, 401
COSTS = {"sigmoid_cross_entropy": "cross-entropy: a - t", "quadratic": "squared error: (a - t) f'(z)"}
COST_COLORS = ("#0072B2", "#E69F00")


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines over z, by what they are called. z: (n,). lines[name]: (n,). marks[name]: a point to mark, (z, value)."""

    title: str
    z: np.ndarray
    lines: dict[str, np.ndarray]
    colors: dict[str, str]
    marks: dict[str, tuple[float, float]]


def over() -> np.ndarray:
    return np.linspace(-REACH, REACH, POINTS)


def cost_gradients(runs: Sequence[StoredRun], data: Path) -> Page[Lines]:
    """dC/dz of one logistic unit a = 1 / (1 + exp(-z)) with the targets t = 0 and t = 1, of both costs."""
    z, panels = over(), []
    for target in (0, 1):
        lines = {label: mapped(LOSSES[name].delta, z, np.zeros_like(z), np.full_like(z, target))
                 for name, label in COSTS.items()}  # fmt: skip
        panels.append(Lines(f"target t = {target}", z, lines, dict(zip(lines, COST_COLORS, strict=True)), {}))
    said = "One logistic unit. Where it is wrong and saturated, squared error has hardly any gradient"
    return Page(panels, said)


def slopes(runs: Sequence[StoredRun], data: Path) -> Page[Lines]:
    """f'(z) of the activation functions with a colour of their own, with its largest value."""
    z, lines, colors, marks = over(), {}, {}, {}
    for name in COLORS:
        f = ACTIVATIONS[name]
        largest = steepest(name)
        label = f"{f.label}: at most {largest.slope:.3g}"
        lines[label] = mapped(f.slope_at, z)
        colors[label] = COLORS[name]
        if abs(largest.z) < REACH / 2:
            marks[label] = (largest.z, largest.slope)
    page = Lines("slopes f'(z)", z, lines, colors, marks)
    return Page([page], "A product of such slopes is in every gradient of a deep network; the dots are the largest")


def drawn(page: Page[Lines], title: str) -> "Figure":
    """A panel for each target, or one."""
    with sheet(page, title, 3.2, sharey=True) as (figure, axes):
        for panel, one in zip(page.panels, axes, strict=True):
            for name, values in panel.lines.items():
                one.plot(panel.z, values, color=panel.colors[name], label=name)
                if name in panel.marks:
                    one.plot(*panel.marks[name], marker="o", color=panel.colors[name])
            one.set_xlabel("z")
        axes[0].set_ylabel("dC/dz" if len(axes) > 1 else "f'(z)")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False)
    return figure
