"""Figure 5: two costs over two weights of a small network, one in each layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.paper.drawing import Page, sheet
from glorot.randomness import generator
from glorot.reporting.pictures import plain
from glorot.results.stored import StoredRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Few units, so that one weight of each layer matters; so far out that the costs' shapes show; more than one
# example, as one alone can be fitted, and its cross-entropy then be next to 0.
UNITS, CLASSES, EXAMPLES, SEED, REACH, POINTS = 4, 3, 5, 5, 6.0, 41
TITLES = {"cross_entropy": "cross-entropy\n(softmax)", "quadratic": "quadratic cost\n(sigmoid outputs)"}
COLORS = ("#0072B2", "#E69F00")
VIEW = (12, -120)  # degrees: up, around


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Costs over two weights, by what they are called. costs[name][i, j]: where the weight of layer 1 is w1[j] and that
    of layer 2 is w2[i]."""

    title: str
    w1: np.ndarray
    w2: np.ndarray
    costs: dict[str, np.ndarray]


def surfaces(runs: Sequence[StoredRun], data: Path) -> Page[Surfaces]:
    """Figure 5: two costs of a small tanh network over two of its weights, one in each layer, mean over examples."""
    n, classes, examples = UNITS, CLASSES, EXAMPLES
    draws = generator(SEED, "weights")
    x = draws.standard_normal((examples, n))
    hidden, output = draws.uniform(-1, 1, (n, n)) / np.sqrt(n), draws.uniform(-1, 1, (classes, n)) / np.sqrt(n)
    goals = np.float32(draws.integers(classes, size=examples)[:, None] == np.arange(classes))
    weights = np.linspace(-REACH, REACH, POINTS)
    tanh = np.vectorize(ACTIVATIONS["tanh"].value, otypes=[np.float32])
    costs = {title: np.empty((len(weights), len(weights))) for title in TITLES.values()}
    for column, w1 in enumerate(weights):
        hidden[0, 0] = w1
        a = tanh(np.float32(x @ hidden.T))
        for row, w2 in enumerate(weights):
            output[0, 0] = w2
            logits = np.float32(a @ output.T)
            for name, title in TITLES.items():
                costs[title][row, column] = mean_cost(name, logits, goals)
    made = f"{n} inputs, {n} tanh units, {classes} outputs; {examples} random inputs and targets, random weights"
    return Page([Surfaces("", weights, weights, costs)], f"{made} (seed {SEED})")


def mean_cost(name: str, logits: np.ndarray, goals: np.ndarray) -> float:
    """A loss, mean over examples. logits, goals: (examples, classes) float32."""
    loss, total = LOSSES[name], 0.0
    for example, targets in zip(logits, goals, strict=True):
        normalizer = loss.normalizer(example)
        total += sum(float(loss.value(z, normalizer, t)) for z, t in zip(example, targets, strict=True))
    return total / len(logits)


def drawn(page: Page[Surfaces], title: str) -> "Figure":
    """All costs over the same two axes, the lowest drawn first, seen from little above so that each shows."""
    from matplotlib.patches import Patch

    with sheet(page, title, 3.8, subplot_kw={"projection": "3d"}) as (figure, axes):
        one: Any  # an Axes3D, which has no types
        for panel, one in zip(page.panels, axes, strict=True):
            x, y = np.meshgrid(panel.w1, panel.w2)
            colors = dict(zip(panel.costs, COLORS, strict=False))
            for name in sorted(panel.costs, key=lambda name: panel.costs[name].max()):
                one.plot_surface(x, y, panel.costs[name], color=colors[name], alpha=0.85, rcount=len(x), ccount=len(x),
                                 linewidth=0.2, edgecolor="#333333")  # fmt: skip
            one.set(xlabel="a weight of layer 1", ylabel="a weight of layer 2", zlabel="cost (mean)")
            one.set_zlim(bottom=0)
            for axis, ends in ((one.xaxis, panel.w1), (one.yaxis, panel.w2)):
                axis.set_ticks(np.linspace(ends[0], ends[-1], 5))
            one.view_init(*VIEW)
            one.set_box_aspect((4, 4, 3), zoom=1.05)  # leaves room for the labels
            handles = [Patch(color=color, label=plain(name)) for name, color in colors.items()]
            figure.legend(handles=handles, loc="outside right center", frameon=False)
    return figure
