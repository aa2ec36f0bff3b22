"""Figures 11 and 12: test error during training, of every method, beside the paper's errors at the end of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot.datasets.catalogue import DATASETS
from glorot.models.activations import ACTIVATIONS
from glorot.paper.alike import (
    NotDrawn,
    Selection,
    Shown,
    described,
    how_to_get,
    level,
    same_kind,
    select,
    settings_of,
    with_exceptions,
)
from glorot.paper.drawing import DIM, SHADE, Page, method_style, sheet, time_axis, unit_of_time
from glorot.paper.table1 import TABLE_1
from glorot.registry import parsed
from glorot.reporting.pictures import plain
from glorot.results.stored import StoredRun, text_of
from glorot.sweeps.fields import ABOUT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHALLOWER = "Sigmoid, 4 layers"
PRETRAINED = ", pre-trained"
SECOND = {SHALLOWER: (0, (1, 1)), PRETRAINED: (0, (6, 1.5, 1, 1.5))}  # dashes of what is not a method's first line

# Data. ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Curve:
    """A method's runs. updates: (t,). errors: (t,), percent, mean over seeds.

    spread: (t,), standard error of that mean; None of one run. rate: the learning rate. paper: the paper's error at the
    end of its training, where it has one. dashes: where it is not the first line of its method.
    """

    label: str
    activation: str
    initializer: str
    updates: np.ndarray
    errors: np.ndarray
    spread: np.ndarray | None = None
    rate: float = 0.0
    paper: float | None = None
    dashes: Any = None

    @property
    def style(self) -> dict[str, Any]:
        style = method_style(self.activation, self.initializer)
        return style | {"linestyle": self.dashes} if self.dashes else style


@dataclass(frozen=True, eq=False)
class Curves:
    """chance: error in percent of always answering one class."""

    title: str
    curves: list[Curve]
    chance: float | None = None

    @property
    def longest(self) -> int:
        return int(max(curve.updates[-1] for curve in self.curves))


def online_errors(runs: Sequence[StoredRun], data: Path) -> Page[Curves]:
    """Figure 11: test error on Shapeset, every method; also of a network that was pre-trained, where there is one."""
    panel, text = curves(runs, "shapeset")
    pretrained = any(text_of(run.row.get("pretraining")) for run in runs if run["dataset"] == "shapeset")
    more = "(the paper's figure also has a network pre-trained with denoising auto-encoders: `glorot run pretraining`)"
    return Page([panel], text if pretrained else f"{text}\n{more}")


def finite_errors(runs: Sequence[StoredRun], data: Path) -> Page[Curves]:
    """Figure 12: test error on MNIST and on CIFAR-10, or on the one that was run."""
    panels: list[Curves] = []
    texts: dict[str, list[str]] = {}
    notes: list[str] = []
    for dataset in ("mnist", "cifar10"):
        try:
            panel, text = curves(runs, dataset)
        except NotDrawn as missing:
            notes.append(str(missing))
            continue
        panels.append(panel)
        texts.setdefault(text, []).append(panel.title)
    if not panels:
        raise NotDrawn(f"needs runs on MNIST or CIFAR-10; {how_to_get('mnist')}")
    return Page(panels, "\n".join(f"{' and '.join(names)}: {text}" for text, names in texts.items()), notes)


def curves(runs: Sequence[StoredRun], dataset: str) -> tuple[Curves, str]:
    """The test error of each method, and the settings of its runs in words. Raises NotDrawn where there is none."""
    found = settings_of(
        run for run in runs if run["dataset"] == dataset and run["loss"] == ABOUT["loss"].paper and level(run)
    )
    label = DATASETS[dataset].label
    if not found:
        raise NotDrawn(f"needs runs on {label}; {how_to_get(dataset)}")
    selection = select((one for one in found if len(history(one)[0])), _label, {"pretraining"})
    if not selection:
        raise NotDrawn(f"needs runs on {label} that did not diverge at once; {how_to_get(dataset)}")
    selection = with_four_layers(selection, found)
    names = {method: method + "*" * (method in selection.unlike) for method in selection.by_label}
    renamed = selection.renamed(names)
    text = f"{described(renamed, said={'learning_rate', 'probes'})}; {seeds_text(renamed)}"
    if selection.unlike:
        text += "\n* trained with other settings than the others: see above"
    lines = [curve(one, names[method], TABLE_1[dataset].get(method)) for method, one in selection.by_label.items()]
    order = {name: place for place, name in enumerate(ACTIVATIONS)}

    def place(line: Curve) -> int:
        return order.get(parsed(line.activation)[0], len(order))

    lines.sort(key=lambda line: (place(line), line.initializer != "standard", line.label))
    return Curves(label, lines, DATASETS[dataset].chance), text


def _label(one: Shown) -> str:
    return one.method + PRETRAINED * (one["pretraining"] not in ("", "none"))


def with_four_layers(selection: Selection, found: Iterable[Shown]) -> Selection:
    """With sigmoid networks of four layers beside those of five, if they are alike: the paper found that depth best."""
    five = selection.by_label.get("Sigmoid")
    if not five or len(five.hidden) != 5:
        return selection
    shallower = (
        one for one in found if one.method == "Sigmoid" and one.hidden == five.hidden[:4] and len(history(one)[0])
    )
    four = select((one for one in shallower if same_kind(one, five, {"hidden"})), lambda one: SHALLOWER)
    return Selection(selection.by_label | four.by_label, selection.unlike)


def curve(one: Shown, name: str, paper: float | None) -> Curve:
    count = len(one.runs) + one.diverged if one.done else len(one.runs)
    if not one.done:
        name += " (diverged)"
    elif one.diverged:
        name += f" ({one.diverged} of {count} diverged)"
    updates, errors = history(one)
    several = len(errors) > 1
    spread = errors.std(axis=0, ddof=1) / np.sqrt(len(errors)) if several else None
    first = one.runs[0]
    dashes = [dashes for mark, dashes in SECOND.items() if mark in name]
    return Curve(
        name, first["activation"], first["initializer"], updates, errors.mean(axis=0), spread, one.learning_rate, paper,
        *dashes,
    )  # fmt: skip


def history(one: Shown) -> tuple[np.ndarray, np.ndarray]:
    """The evaluations that all runs of a setting have: updates (t,) and test errors in percent (runs, t)."""
    each = [dict(zip(map(int, run.history["update"]), map(float, run.history["test_error"]), strict=True))
            for run in one.runs]  # fmt: skip
    updates = sorted(set.intersection(*map(set, each)))
    return np.array(updates, np.int64), np.array([[errors[update] for update in updates] for errors in each])


def seeds_text(selection: Selection) -> str:
    """ "one seed", "seeds 3 (1: Sigmoid), mean ± standard error"."""
    counts = {label: len(one.runs) for label, one in selection.by_label.items()}
    if max(counts.values()) == 1:
        return "one seed"
    return f"seeds {with_exceptions({label: str(n) for label, n in counts.items()})}, mean ± standard error"


# Drawing. ------------------------------------------------------------------------------------------

TICK = 6  # points: how long the paper's are
FAR = 5  # times lower than the highest error: then an axis by powers of ten
APART = 0.035  # numbers beside the axis that are nearer to each other than this part of it are told as a range


def errors(page: Page[Curves], title: str) -> "Figure":
    """One line a method, a band of one standard error on each side of a mean, and the paper's errors at the right."""
    with sheet(page, title, 3.8) as (figure, axes):
        unit = unit_of_time(page)
        time_axis(axes, unit)
        axes[0].set_ylabel("test error (%)")
        for panel, one in zip(page.panels, axes, strict=True):
            if panel.chance:
                one.axhline(panel.chance, color=SHADE, linewidth=1, linestyle=":")
            for place, line in enumerate(panel.curves):  # the first above: Tanh N, dashed, above Softsign
                one.plot(line.updates / unit, line.errors, zorder=3 - place / len(panel.curves), **line.style)
                if line.spread is not None:
                    one.fill_between(line.updates / unit, line.errors - line.spread, line.errors + line.spread,
                                     color=line.style["color"], alpha=0.2, linewidth=0)  # fmt: skip
            far_down(one, panel)
            papers_ticks(figure, one, panel)
        figure.legend(handles=keys(page.panels), title=legend_title(page.panels), loc="outside right center",
                      frameon=False, alignment="left")  # fmt: skip
    return figure


def papers_ticks(figure: "Figure", one: "Axes", panel: Curves) -> None:
    """The paper's errors as ticks on the right, each in its method's colour, and as numbers.

    Those of the standard initialization stand at the axis, others outside of these: they would hide each other.
    """
    from matplotlib.transforms import ScaledTranslation

    papers = [(line, line.paper) for line in panel.curves if line.paper is not None]
    for line, error in papers:
        right = (0.75 if line.initializer == "standard" else 2) * TICK
        place = one.get_yaxis_transform() + ScaledTranslation(right / 72, 0, figure.dpi_scale_trans)
        one.plot([1], [error], **paper_tick(line.style["color"]), transform=place)
        one.update_datalim([(0, error)], updatex=False)
    one.autoscale_view()
    to_axes = one.transData + one.transAxes.inverted()
    places = {error: float(to_axes.transform((1, error))[1]) for _, error in papers}
    for low, high in clusters(places):
        text = f"{low:.2f}" if low == high else f"{low:.2f}\N{EN DASH}{high:.2f}"
        one.annotate(text, (1, (places[low] + places[high]) / 2), (2.75 * TICK, 0), xycoords="axes fraction",
                     va="center", textcoords="offset points", fontsize=7, color=DIM, annotation_clip=False)  # fmt: skip


def paper_tick(color: str) -> dict[str, Any]:
    return {
        "marker": "_",
        "linestyle": "",
        "markersize": TICK,
        "markeredgewidth": 1.8,
        "color": color,
        "clip_on": False,
    }


def far_down(one: "Axes", panel: Curves) -> None:
    """An axis by powers of ten where errors go from 90 % down to 2 %, or to 12: methods differ by a part of that."""
    from matplotlib.ticker import LogLocator, NullLocator

    lowest, highest = (bound(bound(line.errors) for line in panel.curves) for bound in (min, max))
    if lowest < highest / FAR:
        one.set_yscale("log")
        one.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        one.yaxis.set_major_formatter("{x:g}")
        one.yaxis.set_minor_locator(NullLocator())


def clusters(places: dict[float, float]) -> list[tuple[float, float]]:
    """Numbers, and where each lies on an axis -> the ends of the ranges in which they can be told apart."""
    found: list[tuple[float, float]] = []
    for number in sorted(places):
        if found and places[number] - places[found[-1][1]] < APART:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def keys(panels: Sequence[Curves]) -> list[Any]:
    """The legend's lines: each method with its learning rate on each data set, chance, and the paper's ticks."""
    from matplotlib.lines import Line2D

    lines = {line.label: line for panel in panels for line in panel.curves}
    found = []
    for label, line in lines.items():
        rates = [
            next((f"{one.rate:g}" for one in panel.curves if one.label == label), "\N{EN DASH}") for panel in panels
        ]
        found.append(Line2D([], [], **line.style, label=plain(f"{label}: {joined(rates)}")))
    if any(panel.chance for panel in panels):
        values = joined(f"{panel.chance:.1f}" for panel in panels)
        found.append(Line2D([], [], color=SHADE, linewidth=1, linestyle=":", label=f"chance: {values} %"))
    if any(line.paper is not None for line in lines.values()):
        label = f"the paper, after\n{ABOUT['updates'].papers} updates\n(N: outer ticks)"
        found.append(Line2D([], [], **paper_tick(DIM), label=label))
    return found


def legend_title(panels: Sequence[Curves]) -> str:
    return plain("learning rate" + (f" on\n{' / '.join(panel.title for panel in panels)}" if len(panels) > 1 else ""))


def joined(texts: Iterable[str]) -> str:
    """ "0.03 / 0.01"; one where all are the same."""
    texts = list(texts)
    return " / ".join(texts if len(set(texts)) > 1 else texts[:1])
