"""Stored runs -> the figures of the paper: which runs each shows, and the numbers it draws.

For each figure of Glorot & Bengio (2010) a function turns stored runs into plain data, and a function of ``drawing.py``
puts it on the page; FIGURES at the bottom pairs them. Figures 1 and 5-8 need no run: 6-8 look into the paper's own
network before its first update.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot.datasets import Dataset
from glorot.datasets.catalogue import DATASETS
from glorot.datasets.loading import load, pinned
from glorot.errors import DataError
from glorot.paper import cost_surfaces, drawing, error_curves, lecture_pictures
from glorot.paper.alike import NotDrawn, Selection, Shown, described, how_to_get, level, select, settings_of
from glorot.paper.drawing import Histograms, Images, Moments, Page
from glorot.reporting.pictures import contact_sheet
from glorot.results.store import write_bytes
from glorot.results.stored import StoredRun
from glorot.sweeps.fields import ABOUT
from glorot.sweeps.values import DEFAULT_DEPTH, DEFAULT_WIDTH, Probes
from glorot.training.probes import BINS, ProbeRow, measure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn


# Runs ----------------------------------------------------------------------------------------------


def probed(runs: Iterable[StoredRun]) -> list[Shown]:
    """The settings on Shapeset, with the paper's cost and hidden layers of one size, in whose networks was looked."""
    fitting = (
        run for run in runs if run["dataset"] == "shapeset" and run["loss"] == ABOUT["loss"].paper and level(run)
    )
    return settings_of(run for run in fitting if len(run.probes))


def needed(runs: Iterable[StoredRun], *methods: str) -> tuple[Selection, list[str]]:
    """Probed runs of the methods, with the paper's five layers where there are such; and notes on those without.

    Raises NotDrawn where there is none.
    """
    selection = select((one for one in probed(runs) if one.method in methods), together=methods)
    if not selection:
        raise NotDrawn(f"needs probed runs on Shapeset of {' and '.join(methods)}; {how_to_get()}")
    missing = [method for method in methods if method not in selection.by_label]
    return selection, [f"without {method}, of which there is no probed run; {how_to_get()}" for method in missing]


def caption(selection: Selection, said: Collection[str] = ()) -> str:
    """What was run. A figure of what is in a network shows that of one seed. said: as `described` has it."""
    seeds = dict.fromkeys(str(one.runs[0]["seed"]) for one in selection)
    return f"{described(selection, said)}; seed {' or '.join(seeds)}"


# Figures -------------------------------------------------------------------------------------------


def samples(runs: Sequence[StoredRun], data: Path) -> Page[Images]:
    """Figure 1: the first test images of Shapeset, and of Small-ImageNet where it is built, with their classes."""
    from glorot.datasets.shapeset import SIZE, Shapeset

    panels, notes = [gallery("shapeset", Shapeset(GALLERY_SIZE))], []
    try:
        panels.append(gallery("small_imagenet", load(pinned("small_imagenet", data), data)))
        notes.append("holds photographs of ImageNet, which are others' property: not for publication")
    except DataError as error:
        notes.append(f"without {DATASETS['small_imagenet'].label}: {error}")
    sizes = [f"{panel.title}: {panel.pixels.shape[2]} x {panel.pixels.shape[1]} pixels" for panel in panels]
    sizes[0] += f", as in the paper's figure; the networks see {SIZE} x {SIZE}"
    return Page(panels, f"{'; '.join(sizes)}. T: triangle, P: parallelogram, E: ellipse", notes)


def gallery(name: str, dataset: Dataset) -> Images:
    """The first test images of a data set, with their classes."""
    info, examples = DATASETS[name], dataset.test.first(GALLERY)
    edge = math.isqrt(dataset.n_inputs)
    names = info.implementation().CLASS_NAMES
    return Images(info.label, examples.pixels.reshape(-1, edge, edge), [names[label] for label in examples.labels])


def sigmoid_activations(runs: Sequence[StoredRun], data: Path) -> Page[Moments]:
    """Figure 2: sigmoid networks of four and of five hidden layers, or of one of these depths; of one width."""
    widths: dict[int, list[Shown]] = {}
    for one in probed(runs):
        if one.method == "Sigmoid" and len(one.hidden) in (4, 5):
            widths.setdefault(one.hidden[0], []).append(one)
    if not widths:
        raise NotDrawn(f"needs a probed run of Sigmoid with 4 or 5 hidden layers on Shapeset; {how_to_get()}")
    found = [select(ones, lambda one: f"{len(one.hidden)} hidden layers", {"hidden"}) for ones in widths.values()]
    shown = max(found, key=lambda one: (len(one.by_label), one.width == DEFAULT_WIDTH, one.size))
    panels = [moments(one, "activation", f"Sigmoid, {label}") for label, one in sorted(shown.by_label.items())]
    notes = [f"without the network of {depth} hidden layers, of which there is no probed run"
             for depth in (4, 5) if f"{depth} hidden layers" not in shown.by_label]  # fmt: skip
    return Page(panels, f"{shown.width} units a layer; {caption(shown, {'hidden'})}", notes)


def saturation(runs: Sequence[StoredRun], data: Path) -> Page[Moments]:
    """Figure 3: how far the activations of tanh and of softsign spread, layer by layer."""
    return over_time(runs, "activation", "Tanh", "Softsign")


def final_activations(runs: Sequence[StoredRun], data: Path) -> Page[Histograms]:
    """Figure 4: histograms of activations at the end of training."""
    methods = ("Tanh", "Softsign")
    selection, notes = needed(runs, *methods)
    panels = []
    for method in (one for one in methods if one in selection.by_label):
        probes = selection.by_label[method].runs[0].probes
        panels.append(histograms(probes, "activation", method, int(probes["update"].max())))
    return Page(panels, caption(selection), notes)


def initial_activations(runs: Sequence[StoredRun], data: Path) -> Page[Histograms]:
    """Figure 6: histograms of activations before the first update."""
    return before_training("activation")


def initial_gradients(runs: Sequence[StoredRun], data: Path) -> Page[Histograms]:
    """Figure 7: histograms of the gradient with respect to z before the first update."""
    return before_training("gradient")


def initial_weight_gradients(runs: Sequence[StoredRun], data: Path) -> Page[Histograms]:
    """Figure 8: histograms of the gradient with respect to the weights before the first update."""
    return before_training("weight_gradient")


def weight_gradients(runs: Sequence[StoredRun], data: Path) -> Page[Moments]:
    """Figure 9: the standard deviation of weight gradients during training."""
    return over_time(runs, "weight_gradient", "Tanh", "Tanh N")


def normalized_saturation(runs: Sequence[StoredRun], data: Path) -> Page[Moments]:
    """Figure 10: as figure 3, for tanh with the normalized initialization."""
    return over_time(runs, "activation", "Tanh N")


# Data ----------------------------------------------------------------------------------------------


def over_time(runs: Sequence[StoredRun], quantity: str, *methods: str) -> Page[Moments]:
    """A panel for each of these methods that there are runs of. Raises NotDrawn."""
    selection, notes = needed(runs, *methods)
    there = [method for method in methods if method in selection.by_label]
    return Page([moments(selection.by_label[method], quantity, method) for method in there], caption(selection), notes)


def moments(shown: Shown, quantity: str, title: str) -> Moments:
    """What the probes of a setting's first seed saw of one quantity over time, in its hidden layers."""
    run = shown.runs[0]
    seen = run.probes[run.probes["quantity"] == quantity]
    layers = range(1, len(run.hidden) + 1)

    def by_layer(column: str) -> np.ndarray:
        table = seen.pivot(index="layer", columns="update", values=column)
        return table.reindex(layers).to_numpy(np.float64)

    updates = np.sort(seen["update"].unique()).astype(np.int64)
    return Moments(title, updates, *(by_layer(column) for column in ("mean", "std", "p2", "p98")))


def histograms(rows: Any, quantity: str, title: str, update: int = 0) -> Histograms:
    """The densities of one quantity at one moment, in the hidden layers. rows: the frame of a run's probes.

    What lies outside of a histogram counts in its end bins; where the quantity has no natural bounds (gradients) these
    bins are left out of the drawing, though not out of the sum that makes the area 1.
    """
    seen = rows[(rows["quantity"] == quantity) & (rows["update"] == update)].sort_values("layer")
    hidden = seen["layer"] <= rows.loc[rows["quantity"] == "activation", "layer"].max()
    edges, densities = [], []
    cut = 0 if quantity == "activation" else 1
    for row in seen[hidden].itertuples():
        if not row.counts:
            raise NotDrawn(f"needs a run of {title} that did not diverge: there is no histogram of its {quantity}")
        borders = np.linspace(row.low, row.high, BINS + 1)
        counts = np.array(row.counts)
        edges.append(borders[cut : len(borders) - cut])
        densities.append((counts / counts.sum() / np.diff(borders))[cut : BINS - cut])
    return Histograms(title, np.array(edges), np.array(densities))


def before_training(quantity: str) -> Page[Histograms]:
    """Tanh networks of the paper's size at their first weights, standard and normalized, on 300 images of Shapeset."""
    panels = [histograms(first_look(name), quantity, title) for name, title in INITIALIZATIONS.items()]
    return Page(panels, f"hidden layers {DEFAULT_DEPTH} x {DEFAULT_WIDTH}, before the first update (seed 0)")


@cache
def first_look(initializer: str) -> Any:
    """What probes see in the paper's network at update 0, as a frame such as StoredRun.probes. About a second."""
    import pandas as pd

    from glorot import kernels
    from glorot.datasets.inputs import INPUTS
    from glorot.models.network import initial_parameters, layer_sizes

    images = load("shapeset", Path())
    sizes = layer_sizes(images.n_inputs, (DEFAULT_WIDTH,) * DEFAULT_DEPTH, images.n_classes)
    network = kernels.create(
        "cpu", sizes, "tanh", "cross_entropy", 10, 1.0, 1, INPUTS[DATASETS["shapeset"].inputs].levels(images)
    )
    network.parameters = initial_parameters(sizes, initializer, 0)
    rows: list[ProbeRow] = measure(network, images.test.first(Probes.examples), "tanh")
    return pd.DataFrame(rows)


# Files ---------------------------------------------------------------------------------------------


def draw_all(runs: Sequence[StoredRun], folder: Path, data: Path) -> tuple[list[Path], list[str]]:
    """Draw every figure there is something for, as figure-NN.png and .svg, and contact-sheet.png with all of them; and
    the lecture's pictures.

    data: the folder of the data sets. Returns the files, and what was not drawn with its reason. Equal runs give equal
    bytes. A figure that cannot be drawn leaves no file of an earlier time. Raises ResultsError.
    """
    files, notes, pictures = [], [], []
    for number, figure in FIGURES.items():
        names = [folder / f"figure-{number:02}.{form}" for form in ("png", "svg")]
        try:
            page = figure.page(runs, data)
        except NotDrawn as missing:
            notes.append(f"figure {number}: not drawn: {missing}")
            for path in names:
                path.unlink(missing_ok=True)
            continue
        notes += [f"figure {number}: {note}" for note in page.notes]
        drawn = figure.draw(page, f"Figure {number}: {figure.title}")
        for path in names:
            write_bytes(path, drawing.rendered(drawn, path.suffix[1:]))
        pictures.append(names[0])
        files += names
    for name, picture in LECTURE.items():
        drawn = picture.draw(picture.page(runs, data), f"The lecture: {picture.title}")
        for path in (folder / f"lecture-{name}.{form}" for form in ("png", "svg")):
            write_bytes(path, drawing.rendered(drawn, path.suffix[1:]))
            files.append(path)
    sheet = folder / "contact-sheet.png"
    sheet.unlink(missing_ok=True)
    if pictures:
        write_bytes(sheet, contact_sheet(pictures))
        files.append(sheet)
    return files, notes


# Tables --------------------------------------------------------------------------------------------

GALLERY = 32  # images of each data set in figure 1
GALLERY_SIZE = 64  # edge of Shapeset's images there, as in the paper
INITIALIZATIONS = {"standard": "Tanh, standard initialization", "normalized": "Tanh, normalized initialization"}


@dataclass(frozen=True)
class PaperFigure:
    """page: runs and data folder -> what is drawn; raises NotDrawn. draw: that and the title -> the drawing."""

    title: str
    page: Callable[[Sequence[StoredRun], Path], Page[Any]]
    draw: "Callable[[Page[Any], str], Drawn]"


FIGURES = {
    1: PaperFigure("images of the data sets", samples, drawing.images),
    2: PaperFigure("activations of sigmoid networks during training", sigmoid_activations, drawing.bands),
    3: PaperFigure("activations during training, tanh and softsign", saturation, drawing.spreads),
    4: PaperFigure("activations at the end of training", final_activations, drawing.final_densities),
    5: PaperFigure("two costs over two weights, one in each layer", cost_surfaces.surfaces, cost_surfaces.drawn),
    6: PaperFigure("activations at initialization", initial_activations, drawing.activation_densities),
    7: PaperFigure("back-propagated gradients at initialization", initial_gradients, drawing.gradient_densities),
    8: PaperFigure("weight gradients at initialization", initial_weight_gradients, drawing.weight_densities),
    9: PaperFigure("weight gradients during training", weight_gradients, drawing.gradient_spreads),
    10: PaperFigure("activations during training, tanh, normalized", normalized_saturation, drawing.spreads),
    11: PaperFigure("test error during online training on Shapeset", error_curves.online_errors, error_curves.errors),
    12: PaperFigure(
        "test error during training on MNIST and CIFAR-10", error_curves.finite_errors, error_curves.errors
    ),
}
LECTURE = {  # these need no run, and stand beside the paper's
    "gradients": PaperFigure("gradients of two costs over z", lecture_pictures.cost_gradients, lecture_pictures.drawn),
    "slopes": PaperFigure("slopes of the activation functions", lecture_pictures.slopes, lecture_pictures.drawn),
}
