"""Stored runs -> the figures of the paper: which runs each shows, and the numbers it draws.

For each figure of Glorot & Bengio (2010) a function turns stored runs into plain data, and a function of ``drawing.py``
puts it on the page; FIGURES at the bottom pairs them. Figures 1 and 5-8 need no run: 6-8 look into the paper's own
network before its first update.
"""

import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot.datasets import DATASETS, Dataset, load, pinned
from glorot.errors import DataError, ResultsError
from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.paper import drawing
from glorot.paper.drawing import Curve, Curves, Histograms, Images, Moments, Page, Surfaces
from glorot.randomness import generator
from glorot.results.store import write_bytes
from glorot.results.stored import StoredRun, longest, matching
from glorot.sweeps.settings import DEFAULT_DEPTH, DEFAULT_WIDTH, Probes
from glorot.training.probes import BINS, ProbeRow, measure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

HOW_TO_GET = "glorot run figures (or figures-quick)"


class NotDrawn(ResultsError):
    """A figure, or a part of one, for which something is not there: what it needs and how to get it."""


# Runs ----------------------------------------------------------------------------------------------


def alike(runs: Iterable[StoredRun], dataset: str = "shapeset") -> list[StoredRun]:
    """The runs the paper's figures are about: on this data set, with its cost and hidden layers of one size."""
    found = matching(runs, dataset=dataset, loss="cross_entropy")
    return [run for run in found if len(set(run.hidden)) == 1]


def probed(runs: Iterable[StoredRun], method: str, depth: int | None = None) -> StoredRun | None:
    """The probed run to show for a method. depth: hidden layers; None: the paper's five where there are such runs."""
    found = [run for run in matching(alike(runs), method=method) if len(run.probes)]
    deep = [run for run in found if len(run.hidden) == (depth or DEFAULT_DEPTH)]
    return best(deep if depth or deep else found)


def best(runs: Sequence[StoredRun]) -> StoredRun | None:
    """The longest run that did not diverge; a diverged one where there is no other."""
    return longest([run for run in runs if run["status"] == "done"] or runs)


def needed(runs: Sequence[StoredRun], *methods: str) -> list[StoredRun]:
    """A probed run for each of the methods. Raises NotDrawn."""
    found = [probed(runs, method) for method in methods]
    missing = [method for method, run in zip(methods, found, strict=True) if run is None]
    if missing:
        raise NotDrawn(f"needs probed runs on Shapeset of {' and '.join(missing)}; {HOW_TO_GET}")
    return [run for run in found if run is not None]


def settings_text(runs: Iterable[StoredRun]) -> str:
    """What was run, for the line under a figure: sizes, updates and learning rates, which are not the paper's."""

    def joined(texts: Iterable[str]) -> str:
        return " or ".join(dict.fromkeys(texts))

    runs = list(runs)
    hidden = joined(f"{len(run.hidden)} x {run.hidden[0]}" for run in runs)
    counts = joined(f"{updates:,}" for updates in sorted({int(run["updates"]) for run in runs}))
    rates = joined(f"{rate:g}" for rate in sorted({float(run["learning_rate"]) for run in runs}, reverse=True))
    size = joined(str(run["batch_size"]) for run in runs)
    return f"hidden layers {hidden}; {counts} updates of {size} examples; learning rate {rates}"


# Figures -------------------------------------------------------------------------------------------


def samples(runs: Sequence[StoredRun], data: Path) -> Page[Images]:
    """Figure 1: the first test images of Shapeset, and of Small-ImageNet where it is built, with their classes."""
    from glorot.datasets.shapeset import Shapeset

    panels, notes = [gallery("shapeset", Shapeset(GALLERY_SIZE))], []
    try:
        panels.append(gallery("small_imagenet", load(pinned("small_imagenet", data), data)))
        notes.append("holds photographs of ImageNet, which are others' property: not for publication")
    except DataError as error:
        notes.append(f"without {DATASETS['small_imagenet'].label}: {error}")
    sizes = "; ".join(f"{panel.title}: {panel.pixels.shape[2]} x {panel.pixels.shape[1]} pixels" for panel in panels)
    return Page(panels, f"{sizes}. T: triangle, P: parallelogram, E: ellipse", notes)


def gallery(name: str, dataset: Dataset) -> Images:
    """The first test images of a data set, with their classes."""
    info, examples = DATASETS[name], dataset.test.first(GALLERY)
    edge = math.isqrt(dataset.n_inputs)
    names = info.implementation().CLASS_NAMES
    return Images(info.label, examples.pixels.reshape(-1, edge, edge), [names[label] for label in examples.labels])


def sigmoid_activations(runs: Sequence[StoredRun], data: Path) -> Page[Moments]:
    """Figure 2: sigmoid networks of four hidden layers, and of five where there is such a run."""
    four, five = probed(runs, "Sigmoid", 4), probed(runs, "Sigmoid", 5)
    if four is None:
        raise NotDrawn(f"needs a probed run of Sigmoid with 4 hidden layers on Shapeset; {HOW_TO_GET}")
    shown = [run for run in (four, five) if run is not None]
    panels = [moments(run, "activation", f"Sigmoid, {len(run.hidden)} hidden layers") for run in shown]
    notes = [] if five else ["without the network of 5 hidden layers, of which there is no probed run"]
    return Page(panels, settings_text(shown), notes)


def saturation(runs: Sequence[StoredRun], data: Path) -> Page[Moments]:
    """Figure 3: how far the activations of tanh and of softsign spread, layer by layer."""
    shown = needed(runs, "Tanh", "Softsign")
    return Page([moments(run, "activation") for run in shown], settings_text(shown))


def final_activations(runs: Sequence[StoredRun], data: Path) -> Page[Histograms]:
    """Figure 4: histograms of activations at the end of training."""
    shown = needed(runs, "Tanh", "Softsign")
    panels = [histograms(run.probes, "activation", run.method, int(run.probes["update"].max())) for run in shown]
    return Page(panels, settings_text(shown))


def surfaces(runs: Sequence[StoredRun], data: Path) -> Page[Surfaces]:
    """Figure 5: two costs of a small tanh network over two of its weights, one in each layer, mean over examples."""
    n, classes, examples = SURFACE_UNITS, SURFACE_CLASSES, SURFACE_EXAMPLES
    draws = generator(SURFACE_SEED, "weights")
    x = draws.standard_normal((examples, n))
    hidden, output = draws.uniform(-1, 1, (n, n)) / np.sqrt(n), draws.uniform(-1, 1, (classes, n)) / np.sqrt(n)
    goals = np.float32(draws.integers(classes, size=examples)[:, None] == np.arange(classes))
    weights = np.linspace(-SURFACE_REACH, SURFACE_REACH, SURFACE_POINTS)
    tanh = np.vectorize(ACTIVATIONS["tanh"].value, otypes=[np.float32])
    costs = {title: np.empty((len(weights), len(weights))) for title in SURFACE_TITLES.values()}
    for column, w1 in enumerate(weights):
        hidden[0, 0] = w1
        a = tanh(np.float32(x @ hidden.T))
        for row, w2 in enumerate(weights):
            output[0, 0] = w2
            logits = np.float32(a @ output.T)
            for name, title in SURFACE_TITLES.items():
                costs[title][row, column] = mean_cost(name, logits, goals)
    made = f"{n} inputs, {n} tanh units, {classes} outputs; {examples} random inputs and targets, random weights"
    return Page([Surfaces("", weights, weights, costs)], f"{made} (seed {SURFACE_SEED})")


def mean_cost(name: str, logits: np.ndarray, goals: np.ndarray) -> float:
    """A loss, mean over examples. logits, goals: (examples, classes) float32."""
    loss, total = LOSSES[name], 0.0
    for example, targets in zip(logits, goals, strict=True):
        normalizer = loss.normalizer(example)
        total += sum(float(loss.value(z, normalizer, t)) for z, t in zip(example, targets, strict=True))
    return total / len(logits)


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
    shown = needed(runs, "Tanh", "Tanh N")
    return Page([moments(run, "weight_gradient") for run in shown], settings_text(shown))


def normalized_saturation(runs: Sequence[StoredRun], data: Path) -> Page[Moments]:
    """Figure 10: as figure 3, for tanh with the normalized initialization."""
    shown = needed(runs, "Tanh N")
    return Page([moments(run, "activation") for run in shown], settings_text(shown))


def online_errors(runs: Sequence[StoredRun], data: Path) -> Page[Curves]:
    """Figure 11: test error on Shapeset, every method. The paper's curve with pre-training is not reproduced."""
    panel, shown = curves(runs, "shapeset")
    text = f"{settings_text(shown)}\n(the paper's figure also has a network pre-trained with denoising auto-encoders)"
    return Page([panel], text)


def finite_errors(runs: Sequence[StoredRun], data: Path) -> Page[Curves]:
    """Figure 12: test error on MNIST and on CIFAR-10, or on the one that was run."""
    panels: list[Curves] = []
    shown: list[StoredRun] = []
    notes: list[str] = []
    for dataset in ("mnist", "cifar10"):
        try:
            panel, more = curves(runs, dataset)
        except NotDrawn as missing:
            notes.append(str(missing))
            continue
        panels.append(panel)
        shown += more
    if not panels:
        raise NotDrawn(f"needs runs on MNIST or CIFAR-10; {HOW_TO_GET_MORE}")
    return Page(panels, settings_text(shown), notes)


# Data ----------------------------------------------------------------------------------------------


def moments(run: StoredRun, quantity: str, title: str = "") -> Moments:
    """What a run's probes saw of one quantity over time, in its hidden layers."""
    seen = run.probes[run.probes["quantity"] == quantity]
    layers = range(1, len(run.hidden) + 1)

    def by_layer(column: str) -> np.ndarray:
        table = seen.pivot(index="layer", columns="update", values=column)
        return table.reindex(layers).to_numpy(np.float64)

    updates = np.sort(seen["update"].unique()).astype(np.int64)
    columns = (by_layer(column) for column in ("mean", "std", "p2", "p98"))
    return Moments(title or run.method, updates, *columns)


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


def curves(runs: Sequence[StoredRun], dataset: str) -> tuple[Curves, list[StoredRun]]:
    """The test error of each method's longest run, and these runs. Raises NotDrawn where there is none."""
    found = alike(runs, dataset)
    label = DATASETS[dataset].label
    how = HOW_TO_GET if dataset == "shapeset" else HOW_TO_GET_MORE
    if not found:
        raise NotDrawn(f"needs runs on {label}; {how}")
    by_method = {run.method: best(matching(found, method=run.method)) for run in found}
    shown = sorted(  # one that diverged before its first evaluation has no curve
        (run for run in by_method.values() if run and len(run.history)), key=lambda run: ORDER.index(run["activation"])
    )
    if not shown:
        raise NotDrawn(f"needs runs on {label} that did not diverge at once; {how}")
    lines = []
    for run in shown:
        name = run.method + (" (diverged)" if run["status"] == "diverged" else "")
        updates = run.history["update"].to_numpy(np.int64)
        errors = run.history["test_error"].to_numpy(np.float64)
        lines.append(Curve(name, run["activation"], run["initializer"], updates, errors))
    return Curves(label, lines, CHANCE.get(dataset)), shown


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
    """Draw every figure there is something for, as figure-NN.png and .svg, and contact-sheet.png with all of them.

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
    sheet = folder / "contact-sheet.png"
    sheet.unlink(missing_ok=True)
    if pictures:
        write_bytes(sheet, contact_sheet(pictures))
        files.append(sheet)
    return files, notes


def contact_sheet(pictures: Sequence[Path], columns: int = 3, width: int = 560) -> bytes:
    """PNG of all the pictures side by side, each `width` pixels wide and as high as its row needs."""
    from PIL import Image

    small = []
    for path in pictures:
        with Image.open(path) as picture:
            height = round(picture.height * width / picture.width)
            small.append(picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    rows = [small[start : start + columns] for start in range(0, len(small), columns)]
    heights = [max(picture.height for picture in row) for row in rows]
    sheet = Image.new("RGB", (width * min(columns, len(small)), sum(heights)), "white")
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            sheet.paste(picture, (column * width, sum(heights[:number])))
    buffer = io.BytesIO()
    sheet.save(buffer, "png", optimize=True)
    return buffer.getvalue()


# Tables --------------------------------------------------------------------------------------------

HOW_TO_GET_MORE = "glorot run figures"
GALLERY = 32  # images of each data set in figure 1
GALLERY_SIZE = 64  # edge of Shapeset's images there, as in the paper
ORDER = list(ACTIVATIONS)  # of the curves in a legend
INITIALIZATIONS = {"standard": "Tanh, standard initialization", "normalized": "Tanh, normalized initialization"}
CHANCE = {"shapeset": 100 * 5 / 6}  # %, always answering one of the commonest classes

# Figure 5: few units, so that one weight of each layer matters; so far out that the costs' shapes show; more than one
# example, as one alone can be fitted, and its cross-entropy then be next to 0.
SURFACE_UNITS, SURFACE_CLASSES, SURFACE_EXAMPLES, SURFACE_SEED, SURFACE_REACH, SURFACE_POINTS = 4, 3, 5, 5, 6.0, 41
SURFACE_TITLES = {"cross_entropy": "cross-entropy\n(softmax)", "quadratic": "quadratic cost\n(sigmoid outputs)"}


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
    5: PaperFigure("two costs over two weights, one in each layer", surfaces, drawing.surfaces),
    6: PaperFigure("activations at initialization", initial_activations, drawing.activation_densities),
    7: PaperFigure("back-propagated gradients at initialization", initial_gradients, drawing.gradient_densities),
    8: PaperFigure("weight gradients at initialization", initial_weight_gradients, drawing.weight_densities),
    9: PaperFigure("weight gradients during training", weight_gradients, drawing.gradient_spreads),
    10: PaperFigure("activations during training, tanh, normalized", normalized_saturation, drawing.spreads),
    11: PaperFigure("test error during online training on Shapeset", online_errors, drawing.errors),
    12: PaperFigure("test error during training on MNIST and CIFAR-10", finite_errors, drawing.errors),
}
