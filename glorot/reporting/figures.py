"""`glorot report NAME --figures`: the figures of any sweep, as PNG, SVG and PDF, and all of them on one sheet."""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glorot.datasets.loading import load
from glorot.datasets.local import AnyData, LocalData, info
from glorot.errors import GlorotError
from glorot.reporting import pictures, plots, views
from glorot.reporting.style import STYLE
from glorot.reporting.views import Place, Study
from glorot.results.store import write_bytes
from glorot.sweeps.fields import ABOUT, LAYERS
from glorot.sweeps.values import dataset_text
from glorot.training.checkpoint import kept_layers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMS = ("png", "svg", "pdf")
DOWN = 4  # rows of panels on a page
MOST_LINES = 14  # of a panel
MOST_AXES, MOST_MAPS, MOST_COLUMNS = 6, 9, 6
GALLERY, MISTAKES, UNITS = 32, 10, 24  # images of a data set, mistakes of a network, units of a first layer
CIFAR10 = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Drawn:
    """name: of its files. description: what it shows, for who cannot see it."""

    name: str
    figure: "Figure"
    description: str


Maker = Callable[[Study, Path, Path, list[str]], Iterator[Drawn]]  # study, data folder, states, notes to add to


def draw(study: Study, folder: Path, data: Path, states: Path) -> tuple[list[Path], list[str]]:
    """Draw all that there is something for, in this folder; figures of an earlier time there are removed.

    data: the folder of the data sets. states: where the last states of runs are kept. Returns the files, and notes of
    what was not drawn. Equal results give equal bytes. Raises ResultsError.
    """
    notes: list[str] = []
    files: list[Path] = []
    pictures_: list[Path] = []
    for make in MAKERS:
        for drawn in make(study, data, states, notes):
            paths = [folder / f"{drawn.name}.{form}" for form in FORMS]
            for path in paths:
                write_bytes(path, pictures.rendered(drawn.figure, path.suffix[1:], STYLE))
            files += paths
            pictures_.append(paths[0])
    if pictures_:
        write_bytes(folder / "contact-sheet.png", pictures.contact_sheet(pictures_))
        files.append(folder / "contact-sheet.png")
    ours = _names(study)
    for old in folder.glob("*") if folder.is_dir() else ():
        if old not in files and ours.fullmatch(old.stem) and old.suffix[1:] in FORMS and old.is_file():
            old.unlink(missing_ok=True)
    return files, notes


# Results -------------------------------------------------------------------------------------------


def over_updates(study: Study, data: Path, states: Path, notes: list[str]) -> Iterator[Drawn]:
    lacking = views.without_history(study)
    for what, y in (("error", "test error (%)"), ("loss", "test loss")):
        panels = [panel for panel in views.curves(study, what) if panel.lines]
        if not panels:
            notes.append(f"{what} over updates: not drawn: no run has a history")
            continue
        notes += [f"{what} over updates: no history of {lacking}"] if lacking else []
        for page, part in enumerate(_lines_in_parts(panels), 1):
            title = f"{study.name}: {y.removesuffix(' (%)')} over updates" + _part(page, part is panels)
            text = f"Thick: mean over seeds, band: standard error; thin: validation. {study.caption}"
            figure = plots.lines(part, title, text, "updates", y, log_x=False)
            yield Drawn(f"curves-{what}{_suffix(page)}", figure, f"{y} of each row of the table over updates")


def _lines_in_parts(panels: Sequence[views.Panel]) -> Iterator[Sequence[views.Panel]]:
    """No panel has so many lines that they cannot be told apart."""
    numbers = sorted({line.number for panel in panels for line in panel.lines})
    if len(numbers) <= MOST_LINES:
        yield panels
        return
    size = math.ceil(len(numbers) / math.ceil(len(numbers) / MOST_LINES))  # of equal parts: an axis' halves stay whole
    for start in range(0, len(numbers), size):
        some = set(numbers[start : start + size])
        parts = [
            views.Panel(one.title, [line for line in one.lines if line.number in some], one.chance) for one in panels
        ]
        yield [one for one in parts if one.lines]


def _part(page: int, whole: bool) -> str:
    return "" if whole else f", part {page}"


def _suffix(page: int) -> str:
    return "" if page == 1 else f"-{page}"


def over_values(study: Study, data: Path, states: Path, notes: list[str]) -> Iterator[Drawn]:
    for axis in list(views.numeric_axes(study))[:MOST_AXES]:
        panels, shown = views.values_over(study, axis)
        panels = [panel for panel in panels if any(len(line.x) or line.lost for line in panel.lines)]
        if not panels:
            notes.append(f"{_words(axis)}: not drawn: no run is done")
            continue
        y, x = views.value_label(shown.value), _words(axis)
        for page, part in enumerate(_lines_in_parts(panels), 1):
            which = f"Runs: {shown.note}. " if shown.note else ""
            text = f"{which}Bars: standard error over seeds; cross: a run diverged. {study.caption}"
            title = f"{study.name}: {y.removesuffix(' (%)')} over {x}" + _part(page, part is panels)
            yield Drawn(f"over-{axis}{_suffix(page)}", plots.lines(part, title, text, x, y), f"{y} over {x}")


def maps(study: Study, data: Path, states: Path, notes: list[str]) -> Iterator[Drawn]:
    for first, second in list(itertools.combinations(views.numeric_axes(study), 2))[:MOST_AXES]:
        found, shown = views.heat_maps(study, first, second)
        known = [one for one in found if np.isfinite(one.values).sum() > 1]
        if not known:
            continue
        if len(known) > MOST_MAPS:
            notes.append(f"{first} and {second}: {MOST_MAPS} of {len(known)} maps drawn")
        y, x, value = _words(first), _words(second), views.value_label(shown.value)
        title = f"{study.name}: {value.removesuffix(' (%)')} over {y} and {x}"
        which = f"Runs: {shown.note}. " if shown.note else ""
        figure = plots.heat_maps(known[:MOST_MAPS], title, f"{which}Mean over seeds. {study.caption}", x, y, value)
        yield Drawn(f"map-{first}-{second}", figure, f"{value} over {y} and {x}")


def _words(axis: str) -> str:
    return axis.replace("_", " ")


# Inside networks -----------------------------------------------------------------------------------

QUANTITIES = (  # name of the file, quantity, text, how it is drawn, whether by powers of ten
    ("mean", "activation", "activation: mean ± standard deviation", plots.means_with_spread, False),
    ("percentiles", "activation", "activation: 98th (markers) and 2nd percentile", plots.percentiles, False),
    ("spread", "activation", "standard deviation of activations", plots.column_lines("std"), False),
    ("saturation", "activation", "share of saturated units (of ReLU: zeros)", plots.column_lines("saturation"), False),
    ("gradient", "gradient", "standard deviation of gradients dC/dz", plots.column_lines("std"), True),
    ("weight-gradient", "weight_gradient", "standard deviation of weight gradients", plots.column_lines("std"), True),
    ("jacobian", "jacobian", "mean singular value of the Jacobian", plots.column_lines("mean"), True),
)


def inside(study: Study, data: Path, states: Path, notes: list[str]) -> Iterator[Drawn]:
    places = views.probed(study)
    if not places:
        notes.append("inside networks: not drawn: no run was probed; probes: {every: 1000} in base does")
        return
    for name, quantity, text, how, log in QUANTITIES:
        for page, block in enumerate(_blocks(places), 1):
            cells = [[views.layers(study, place, quantity) for place in row] for row in block]
            if any(one is not None for row in cells for one in row):
                title = f"{study.name}: {text}"
                caption = f"Each layer of the network of the first seed. {study.caption}"
                yield Drawn(
                    f"layers-{name}{_suffix(page)}", plots.layer_page(cells, title, caption, text, how, log), text
                )


def densities(study: Study, data: Path, states: Path, notes: list[str]) -> Iterator[Drawn]:
    places = views.probed(study)
    columns = list(itertools.zip_longest(*places))
    if len(columns) > MOST_COLUMNS:
        notes.append(f"histograms: of the first {MOST_COLUMNS} of {len(columns)} columns")
    for quantity, text in (
        ("activation", "activations"), ("gradient", "gradients dC/dz"), ("weight_gradient", "weight gradients"),
    ):  # fmt: skip
        page = 0
        for column in columns[:MOST_COLUMNS]:
            for start in range(0, len(column), DOWN):
                found = []
                for place in column[start : start + DOWN]:
                    if not len(views.probes_of(study, place)):
                        continue
                    moments = views.moments(study, place)
                    shown = [views.histograms(study, place, quantity, moment) for moment in moments]
                    if any(one is not None for one in shown):
                        found.append((place.title, shown))
                if found:
                    page += 1
                    title = f"{study.name}: {text} at the first, a middle and the last moment"
                    caption = f"Each layer of the network of the first seed; area 1. {study.caption}"
                    name = f"histograms-{quantity.replace('_', '-')}{_suffix(page)}"
                    yield Drawn(name, plots.histograms(found, title, caption, text), f"Histograms of {text} per layer")


def _blocks(places: Sequence[Sequence[Place]]) -> Iterator[list[Sequence[Place]]]:
    """The cells of a table in pages of DOWN rows and plots.ACROSS columns."""
    for top in range(0, len(places), DOWN):
        for left in range(0, len(places[0]), plots.ACROSS):
            yield [row[left : left + plots.ACROSS] for row in places[top : top + DOWN]]


# Images --------------------------------------------------------------------------------------------


def samples(study: Study, data: Path, states: Path, notes: list[str]) -> Iterator[Drawn]:
    rows = []
    for dataset in dict.fromkeys(run.settings.dataset for run in study.table.source.runs):
        try:
            examples = load(dataset, data).test.first(GALLERY)
        except GlorotError as error:
            notes.append(f"images of {dataset_text(str(dataset))}: not drawn: {error}")
            continue
        names = class_names(dataset, data)
        texts = [_name(names, int(label)) for label in examples.labels]
        rows.append((dataset_text(str(dataset)), images(dataset, examples.pixels), texts))
    if rows:
        figure = plots.image_rows(rows, "The first test images and their classes", "", 16)
        yield Drawn("data", figure, "The first test images of each data set with their classes")


def images(dataset: AnyData, pixels: np.ndarray) -> np.ndarray:
    """Pixels (n, inputs) as images: (n, height, width), or (n, height, width, 3); inputs of no image in one row.
    Those that are no bytes go from black to white."""
    from glorot.datasets.sheet import as_bytes

    shape = info(dataset).image_shape
    shape = (1, *shape) if len(shape) == 1 else shape
    found = as_bytes(pixels).reshape(len(pixels), *shape)
    return np.moveaxis(found, 1, -1) if len(shape) == 3 else found


def class_names(dataset: AnyData, data: Path) -> Sequence[str]:
    """What its classes are called; empty where that is not known: then numbers stand for them. data: its folder."""
    if isinstance(dataset, LocalData) and not dataset.name:
        from glorot.datasets.layout import layout_of
        from glorot.datasets.sheet import names_of

        try:
            if dataset.form != "folder":
                return names_of(dataset, data)[1]
            return layout_of(Path(dataset.folder)).class_names
        except GlorotError:
            return ()
    if str(dataset) == "shapeset":
        from glorot.datasets.shapeset import CLASS_NAMES

        return CLASS_NAMES
    if str(dataset) == "small_imagenet":
        from glorot.datasets import wordnet

        return wordnet.CLASS_NAMES
    if str(dataset) == "fashion_mnist":
        from glorot.datasets import fashion_mnist

        return fashion_mnist.CLASS_NAMES
    return CIFAR10 if str(dataset) == "cifar10" else ()


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if label < len(names) else str(label)


def confusions(study: Study, data: Path, states: Path, notes: list[str]) -> Iterator[Drawn]:
    by_dataset: dict[AnyData, list[views.Confusion]] = {}
    for place in itertools.chain(*study.places):
        datasets = {run.settings.dataset for run in place.cell.shown}
        found = views.confusion(study, place) if len(datasets) == 1 else None
        if found is not None:
            by_dataset.setdefault(datasets.pop(), []).append(found)
    if not by_dataset:
        notes.append("mistakes: not drawn: results of before predictions were stored; glorot run --rerun adds them")
    page = 0
    for dataset, shown in by_dataset.items():
        for start in range(0, len(shown), 9):
            page += 1
            title = f"{study.name}: what test examples were taken for"
            caption = f"Rows: the class; all seeds together. {study.caption}"
            figure = plots.confusions(shown[start : start + 9], class_names(dataset, data), title, caption)
            yield Drawn(f"confusion{_suffix(page)}", figure, "For each class, what its test examples were taken for")


def mistakes(study: Study, data: Path, states: Path, notes: list[str]) -> Iterator[Drawn]:
    rows = []
    for place in itertools.chain(*study.places):
        wrong = views.mistakes(study, place, MISTAKES)
        if wrong is None or not len(wrong):
            continue
        run = study.finished(place.cell)[0]
        predictions = study.store.read_predictions(run.run_id)
        assert predictions is not None
        dataset = run.settings.dataset
        try:
            test = load(dataset, data).test
        except GlorotError:
            continue  # told by `samples`
        if len(test.labels) <= wrong.max() or (test.labels[wrong] != predictions["label"][wrong]).any():
            notes.append(f"mistakes of {place.title}: not drawn: the data set is another one now")
            continue
        names = class_names(dataset, data)
        texts = [
            f"{_name(names, int(one['label']))} as {_name(names, int(one['prediction']))}" for one in predictions[wrong]
        ]
        rows.append((place.title, images(dataset, test.pixels[wrong]), texts))
    for page, start in enumerate(range(0, len(rows), 6), 1):
        title = f"{study.name}: the mistakes with the highest loss"
        caption = f"Below each image: its class, and what the network of the first seed took it for. {study.caption}"
        figure = plots.image_rows(rows[start : start + 6], title, caption, MISTAKES)
        yield Drawn(f"mistakes{_suffix(page)}", figure, "Test images that networks were most confidently wrong about")


def first_weights(study: Study, data: Path, states: Path, notes: list[str]) -> Iterator[Drawn]:
    rows, missing = [], 0
    for place in itertools.chain(*study.places):
        done = [run for run in study.finished(place.cell) if study.status(run) == "done"]
        layers = kept_layers(states, done[0]) if done else None
        if layers is None:
            missing += bool(done)
            continue
        shape = info(done[0].settings.dataset).image_shape
        units = layers[0].W[:UNITS]
        reach = np.abs(units).max(axis=1, keepdims=True)
        grey = np.uint8(np.clip(127.5 + 127.5 * units / np.maximum(reach, 1e-30), 0, 255))
        if units.shape[1] != np.prod(shape):
            continue
        rows.append((place.title, images(done[0].settings.dataset, grey), ()))
    if missing:
        notes.append(f"first-layer weights: of {missing} cells not drawn: their last states are not kept any more")
    for page, start in enumerate(range(0, len(rows), 6), 1):
        title = f"{study.name}: weights of the first units of layer 1"
        caption = (
            f"Of the first seed; each unit from its most negative weight (dark) to its most positive. {study.caption}"
        )
        figure = plots.image_rows(rows[start : start + 6], title, caption, UNITS // 2)
        yield Drawn(f"weights{_suffix(page)}", figure, "Weights of the first layer as images")


MAKERS: tuple[Maker, ...] = (
    over_updates, over_values, maps, confusions, mistakes, samples, first_weights, inside, densities,
)  # fmt: skip


def _names(study: Study) -> re.Pattern[str]:
    """What MAKERS call their files, and nothing else: what lies beside them may be the user's own."""
    axis = f"({'|'.join(map(re.escape, {*ABOUT, *LAYERS, *study.table.source.sweep.grid}))})"
    layers = "|".join(name for name, *_ in QUANTITIES)
    quantities = "|".join(quantity for _, quantity, *_ in QUANTITIES)
    several = (
        "curves-(error|loss)", f"over-{axis}", "confusion", "mistakes", "weights", f"layers-({layers})",
        f"histograms-({quantities.replace('_', '-')})",
    )  # fmt: skip
    return re.compile(f"data|map-{axis}-{axis}|({'|'.join(several)})(-[0-9]+)?")
