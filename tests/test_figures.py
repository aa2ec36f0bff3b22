"""Figures: the numbers they draw are the stored ones; every one is drawn, in the same bytes each time."""

import xml.etree.ElementTree as ElementTree
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from drawn import MOMENTS, NOWHERE, a_row, page, store
from naive import LOSSES as NAIVE_LOSSES
from naive import one_hot
from PIL import Image
from stored import a_provenance, a_record

from glorot.cli import report as report_command
from glorot.cli.main import cli
from glorot.datasets import Examples, FiniteDataset, wordnet
from glorot.datasets.shapeset import CLASS_NAMES, Shapeset
from glorot.errors import DataError
from glorot.models.activations import ACTIVATIONS
from glorot.models.initializers import INITIALIZERS
from glorot.paper import cost_surfaces, drawing, figures, lecture_pictures
from glorot.paper.alike import with_exceptions
from glorot.paper.figures import FIGURES, NotDrawn
from glorot.reporting import style
from glorot.results.store import Store
from glorot.results.stored import gather
from glorot.training.probes import BINS, ProbeRow


def everything(folder):
    """Runs for all twelve figures."""
    store(folder, "s4", "sigmoid", hidden=(30,) * 4)
    store(folder, "s5", "sigmoid", salt=0.01)
    for number, activation in enumerate(("tanh", "softsign")):
        for initializer in ("standard", "normalized"):
            store(folder, f"{activation}-{initializer}", activation, initializer, salt=0.1 * (number + 1))
    for dataset in ("mnist", "cifar10"):
        for initializer in ("standard", "normalized"):
            store(folder, f"{dataset}-{initializer}", "tanh", initializer, probed=False, dataset=dataset)
    return gather([folder])


@pytest.fixture
def runs(tmp_path):
    return everything(tmp_path / "stored")


@pytest.fixture
def small(monkeypatch):
    """Networks for figures 6-8 that take no time."""
    monkeypatch.setattr(figures, "DEFAULT_WIDTH", 20)
    monkeypatch.setattr(cost_surfaces, "POINTS", 7)
    figures.first_look.cache_clear()
    yield
    figures.first_look.cache_clear()


# What is drawn. ------------------------------------------------------------------------------------


def expected(quantity, depth, column, salt=0.0):
    return [[getattr(a_row(quantity, layer, at, salt), column) for at in MOMENTS] for layer in range(1, depth + 1)]


@pytest.mark.parametrize(
    ("number", "quantity", "panels"),
    [
        (2, "activation", [("Sigmoid, 4 hidden layers", 4, 0.0), ("Sigmoid, 5 hidden layers", 5, 0.01)]),
        (3, "activation", [("Tanh", 5, 0.1), ("Softsign", 5, 0.2)]),
        (9, "weight_gradient", [("Tanh", 5, 0.1), ("Tanh N", 5, 0.1)]),
        (10, "activation", [("Tanh N", 5, 0.1)]),
    ],
)
def test_moments_are_the_stored_ones(runs, number, quantity, panels):
    """Of the hidden layers: the logits have weight gradients, too, and are no line."""
    drawn = page(number, runs)
    assert [panel.title for panel in drawn.panels] == [title for title, _, _ in panels]
    layers = "30 units a layer" if number == 2 else "hidden layers 5 x 30"
    assert drawn.caption == f"{layers}; minibatch 10; learning rate 0.03; updates 100; seed 0"
    for panel, (_, depth, salt) in zip(drawn.panels, panels, strict=True):
        assert panel.updates.tolist() == list(MOMENTS)
        for column in ("mean", "std", "p2", "p98"):
            assert getattr(panel, column).tolist() == expected(quantity, depth, column, salt)


def test_histograms_at_the_end(runs):
    tanh, softsign = page(4, runs).panels
    assert (tanh.title, softsign.title) == ("Tanh", "Softsign")
    counts = np.array([a_row("activation", layer, 100).counts for layer in range(1, 6)])
    np.testing.assert_allclose(tanh.densities, counts / counts.sum(1, keepdims=True) * BINS / 2)
    assert tanh.edges.shape == (5, BINS + 1)
    assert (tanh.edges[0, 0], tanh.edges[0, -1]) == (-1, 1)


def test_end_bins_of_gradients_are_not_drawn(runs):
    """They hold all that lies outside; the rest keeps its share of the area."""
    (run,) = (run for run in runs if run.run_id == "s4")
    panel = figures.histograms(run.probes, "gradient", "x", 50)
    assert panel.edges.shape == (4, BINS - 1)
    for layer, (edges, density) in enumerate(zip(panel.edges, panel.densities, strict=True), 1):
        row = a_row("gradient", layer, 50)
        share = 1 - (row.counts[0] + row.counts[-1]) / sum(row.counts)
        assert (density * np.diff(edges)).sum() == pytest.approx(share)
        assert edges[0] == pytest.approx(row.low + (row.high - row.low) / BINS)


@pytest.mark.parametrize("loss", ["cross_entropy", "quadratic"])
def test_surfaces_are_the_costs(loss, small):
    """Against the oracle, at some points; the weights that stay are drawn again."""
    (surfaces,) = page(5, []).panels
    cost = surfaces.costs[cost_surfaces.TITLES[loss]]
    n, classes, examples = cost_surfaces.UNITS, cost_surfaces.CLASSES, cost_surfaces.EXAMPLES
    draws = cost_surfaces.generator(cost_surfaces.SEED, "weights")
    x = draws.standard_normal((examples, n))
    hidden, output = (draws.uniform(-1, 1, (units, n)) / np.sqrt(n) for units in (n, classes))
    targets = draws.integers(classes, size=examples)
    for i, j in [(0, 0), (1, 5), (6, 2), (6, 6)]:
        hidden[0, 0], output[0, 0] = surfaces.w1[j], surfaces.w2[i]
        values = NAIVE_LOSSES[loss][0](np.tanh(x @ hidden.T) @ output.T, one_hot(targets, classes))
        assert cost[i, j] == pytest.approx(float(np.sum(values)) / examples, rel=1e-5)


def test_cross_entropy_lies_above_the_quadratic_cost_which_has_the_plateaus():
    """Far from the minimum, where a step should be long, its slope is next to nothing; cross-entropy's is not."""
    (surfaces,) = page(5, []).panels

    def slope_at_the_worst(cost):
        scaled = cost / cost.max()
        return np.abs(np.gradient(scaled, surfaces.w2, axis=0))[scaled > 0.9].mean()

    cross_entropy, quadratic = (surfaces.costs[title] for title in cost_surfaces.TITLES.values())
    assert (cross_entropy > quadratic).all()
    assert slope_at_the_worst(quadratic) < slope_at_the_worst(cross_entropy) / 4


def test_both_surfaces_stand_on_one_axis(small):
    drawn = FIGURES[5].draw(page(5, []), "x")
    (axes,) = drawn.axes
    assert len(axes.collections) == 2
    assert axes.get_zlim()[0] == 0
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a weight of layer 1", "a weight of layer 2")
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.get_texts()] == list(cost_surfaces.TITLES.values())


@pytest.mark.parametrize("number", [6, 7, 8])
def test_both_initializations_have_one_x_axis(number, small):
    """And all layers are in it. What is too narrow there is shown magnified, with the same values."""
    shown = page(number, [])
    drawn = FIGURES[number].draw(shown, "x")
    first, second = drawn.axes[:2]
    assert first.get_xlim() == second.get_xlim()
    assert first.get_xlabel() == second.get_xlabel() != ""
    unit = 1.0 if number == 6 else 10.0 ** int(first.get_xlabel().partition("{")[2].partition("}")[0])
    for axes, panel in zip((first, second), shown.panels, strict=True):
        assert len(axes.lines) == 5
        for line, edges, densities in zip(axes.lines, panel.edges, panel.densities, strict=True):
            np.testing.assert_allclose(line.get_xdata() * unit, (edges[1:] + edges[:-1]) / 2)
            there = densities > 0
            np.testing.assert_allclose(line.get_ydata()[there] / unit, densities[there])
            assert (
                axes.get_xlim()[0] < line.get_xdata()[there].min() < line.get_xdata()[there].max() < axes.get_xlim()[1]
            )
    for axes, panel in zip((first, second), shown.panels, strict=True):
        narrow = panel.edges.max() * drawing.MAGNIFIED < max(other.edges.max() for other in shown.panels)
        assert len(axes.child_axes) == narrow
        for inset in axes.child_axes:
            assert all(
                np.array_equal(small.get_xydata(), large.get_xydata(), equal_nan=True)
                for small, large in zip(inset.lines, axes.lines, strict=True)
            )
            assert inset.get_xlim()[1] < first.get_xlim()[1] / 3


def test_layers_drift_apart_within_a_band(runs):
    """Figure 9: from the smallest to the largest layer at each moment."""
    shown = page(9, runs)
    for axes, panel in zip(FIGURES[9].draw(shown, "x").axes, shown.panels, strict=True):
        assert axes.get_yscale() == "log"
        (band,) = axes.collections
        corners = {tuple(corner) for corner in np.round(band.get_paths()[0].vertices, 12)}
        for ends in (panel.std.min(0), panel.std.max(0)):
            assert {tuple(end) for end in np.round(np.column_stack([panel.updates / 1000, ends]), 12)} <= corners


def test_initialization_shows_the_papers_effects():
    """At the paper's size: activations and gradients fade with standard and stay level with normalized weights."""

    def spread(number):
        """Standard deviation of each layer by its histogram, (panels, layers)."""
        found = []
        for panel in page(number, []).panels:
            middles, areas = (panel.edges[:, 1:] + panel.edges[:, :-1]) / 2, panel.densities * np.diff(panel.edges)
            found.append(np.sqrt((areas * middles**2).sum(1) / areas.sum(1)))
        return found

    standard, normalized = spread(6)
    assert (standard[1:] < 0.75 * standard[:-1]).all()
    assert (normalized[1:] > 0.8 * normalized[:-1]).all()
    standard, normalized = spread(7)
    assert (standard[:-1] < 0.75 * standard[1:]).all()
    assert (normalized[:-1] > 0.7 * normalized[1:]).all()
    for weights in spread(8):
        assert weights.max() < 1.6 * weights.min()


def test_diverged_at_once(tmp_path):
    """No evaluation, no histogram: there is nothing to draw, and that is said."""
    rows = [asdict(ProbeRow(0, "activation", layer, float("nan"), float("nan"))) for layer in range(1, 6)]
    for activation in ("tanh", "softsign"):
        record = a_record(activation, activation=activation, initializer="standard", hidden="30-30-30-30-30",
                          status="diverged")  # fmt: skip
        Store(tmp_path).write_run(record, a_provenance(), [], rows)
    runs = gather([tmp_path])
    with pytest.raises(NotDrawn, match="needs runs on Shapeset that did not diverge at once"):
        page(11, runs)
    with pytest.raises(NotDrawn, match="needs a run of Tanh that did not diverge"):
        page(4, runs)
    assert np.isnan(page(3, runs).panels[0].std).all()


def test_images(monkeypatch):
    shapeset = page(1, [])
    assert [panel.pixels.shape for panel in shapeset.panels] == [(32, 64, 64)]  # as in the paper
    examples = Shapeset(64).test.first(32)
    assert np.array_equal(shapeset.panels[0].pixels.reshape(32, -1), examples.pixels)
    assert shapeset.panels[0].classes == [CLASS_NAMES[label] for label in examples.labels]
    assert shapeset.notes[0].startswith("without ImageNet: data set small_imagenet is not there")
    pixels = np.arange(40 * 37 * 37, dtype=np.uint8).reshape(40, -1)
    photographs = Examples(pixels, np.arange(40, dtype=np.uint8) % 10)
    fake = FiniteDataset("fake", 10, photographs, photographs, photographs)
    monkeypatch.setattr(figures, "load", lambda name, data: fake)
    both = page(1, [])
    assert np.array_equal(both.panels[1].pixels.reshape(32, -1), pixels[:32])
    assert ["not for publication" in note for note in both.notes] == [True]
    assert both.panels[1].classes[:11] == [*wordnet.CLASS_NAMES, wordnet.CLASS_NAMES[0]]
    sizes = "Shapeset: 64 x 64 pixels, as in the paper's figure; the networks see 32 x 32; ImageNet: 37 x 37 pixels"
    assert both.caption == f"{sizes}. T: triangle, P: parallelogram, E: ellipse"


def test_the_class_of_each_image_stands_below_it():
    drawn = page(1, [])
    (axes,) = drawing.images(drawn, "Figure 1").axes
    assert [text.get_text() for text in axes.texts] == drawn.panels[0].classes
    first, seventeenth = axes.texts[0].get_position(), axes.texts[16].get_position()
    assert first[0] == seventeenth[0] == 32  # the middle of an image
    assert first[1] == 64  # its lower edge
    assert first[1] < seventeenth[1] - 64


# Which runs. ---------------------------------------------------------------------------------------


def test_probed_run_of_five_layers_first(tmp_path):
    """At the sizes of the paper; a longer one without probes, of another depth or another cost is none to show."""
    store(tmp_path, "deep", hidden=(1000,) * 5, updates=100)
    store(tmp_path, "shallow", hidden=(1000,) * 2, updates=900)
    store(tmp_path, "narrow", hidden=(20,) * 5, updates=900)
    store(tmp_path, "blind", hidden=(1000,) * 5, updates=900, probed=False)
    store(tmp_path, "quadratic", hidden=(1000,) * 5, updates=900, loss="quadratic")
    assert figures.needed(gather([tmp_path]), "Tanh")[0].by_label["Tanh"].runs[0].run_id == "deep"
    shown, notes = figures.needed(gather([tmp_path]), "Tanh", "Tanh N")
    assert ([*shown.by_label], [note.split()[1:3] for note in notes]) == (["Tanh"], [["Tanh", "N,"]])


def test_panels_of_runs_that_are_alike(tmp_path):
    """Rather than of the longest of each method; where there are none, the caption says what differs."""
    store(tmp_path, "tanh", updates=100)
    store(tmp_path, "tanh-on-few", updates=900, train_examples=20)
    store(tmp_path, "softsign", "softsign", updates=100, salt=3)
    shown, _ = figures.needed(gather([tmp_path]), "Tanh", "Softsign")
    assert [shown.by_label[method].runs[0].run_id for method in ("Tanh", "Softsign")] == ["tanh", "softsign"]
    store(tmp_path, "tanh-n-on-few", "tanh", "normalized", updates=100, train_examples=20, learning_rate=0.5)
    caption = page(9, gather([tmp_path])).caption
    assert caption == (
        "hidden layers 5 x 30; minibatch 10; learning rate 0.03 (0.5: Tanh N); updates 900 (100: Tanh N); "
        "training examples the first 20; seed 0"
    )


def test_labels_with_a_comma_stand_in_quotes():
    """ "cpu: Tanh, pre-trained, Sigmoid, 4 layers" would be four methods."""
    devices = {"Tanh": "cuda", "Softsign": "cuda", "Tanh N": "cuda", "Tanh, pre-trained": "cpu", "Sigmoid": "cpu"}
    assert with_exceptions(devices) == 'cuda (cpu: "Tanh, pre-trained", Sigmoid)'


def test_the_lowest_seed_is_looked_into(tmp_path):
    for seed in (3, 2, 1):
        store(tmp_path, f"{seed}", "tanh", "normalized", salt=seed, seed=seed, probed=seed > 1)
    drawn = page(10, gather([tmp_path]))
    assert drawn.caption.endswith("seed 2")
    assert drawn.panels[0].std.tolist() == expected("activation", 5, "std", 2)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (2, "needs a probed run of Sigmoid with 4 or 5 hidden layers on Shapeset; glorot run figures"),
        (3, "needs probed runs on Shapeset of Tanh and Softsign; glorot run figures"),
        (4, "needs probed runs on Shapeset of Tanh and Softsign; glorot run figures"),
        (9, "needs probed runs on Shapeset of Tanh and Tanh N; glorot run figures"),
        (10, "needs probed runs on Shapeset of Tanh N; glorot run figures"),
        (11, "needs runs on Shapeset; glorot run figures"),
        (12, "needs runs on MNIST or CIFAR-10; glorot run figures"),
    ],
)
def test_no_runs(number, reason):
    with pytest.raises(NotDrawn, match=reason.replace("(", r"\(")):
        page(number, [])


@pytest.mark.parametrize(("number", "missing"), [(3, "Softsign"), (4, "Softsign"), (9, "Tanh N")])
def test_one_of_two_methods_alone(tmp_path, number, missing):
    store(tmp_path, "a", "tanh")
    drawn = page(number, gather([tmp_path]))
    assert [panel.title for panel in drawn.panels] == ["Tanh"]
    assert [note.partition(";")[0] for note in drawn.notes] == [f"without {missing}, of which there is no probed run"]


@pytest.mark.parametrize(("depth", "other"), [(4, 5), (5, 4)])
def test_sigmoid_networks_of_one_depth_alone(tmp_path, depth, other):
    store(tmp_path, "a", "sigmoid", hidden=(30,) * depth)
    drawn = page(2, gather([tmp_path]))
    assert [panel.title for panel in drawn.panels] == [f"Sigmoid, {depth} hidden layers"]
    assert drawn.notes == [f"without the network of {other} hidden layers, of which there is no probed run"]


def test_sigmoid_networks_of_one_width(tmp_path):
    for name, depth, width, updates in [("a", 4, 30, 900), ("b", 5, 20, 900), ("c", 5, 30, 100), ("d", 4, 10, 900)]:
        store(tmp_path, name, "sigmoid", hidden=(width,) * depth, updates=updates)
    drawn = page(2, gather([tmp_path]))
    assert len(drawn.panels) == 2
    assert drawn.caption == (
        "30 units a layer; minibatch 10; learning rate 0.03; updates 900 (100: 5 hidden layers); seed 0"
    )


# Files. --------------------------------------------------------------------------------------------


def test_all_are_drawn(runs, tmp_path, small):
    files, notes = figures.draw_all(runs, tmp_path, NOWHERE)
    names = [f"figure-{number:02}.{form}" for number in range(1, 13) for form in ("png", "svg")]
    names += [f"lecture-{name}.{form}" for name in ("gradients", "slopes") for form in ("png", "svg")]
    assert [file.name for file in files] == [*names, "contact-sheet.png"]
    assert [note.partition(":")[0] for note in notes] == ["figure 1"]
    for file in files:
        if file.suffix == ".svg":
            assert ElementTree.parse(file).getroot().tag.endswith("svg")
            continue
        with Image.open(file) as picture:
            assert picture.format == "PNG"
            assert picture.width == (1680 if file == files[-1] else round(drawing.WIDTH * drawing.DPI))
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 30
        assert 5_000 < file.stat().st_size < 1_000_000


@pytest.mark.slow
def test_equal_data_give_equal_bytes(runs, tmp_path, small, monkeypatch):
    """One figure of each way to draw."""
    some = {number: FIGURES[number] for number in (1, 2, 3, 5, 7, 9, 11)}
    monkeypatch.setattr(figures, "FIGURES", some)
    monkeypatch.setattr(drawing, "DPI", 40)
    first, second = (figures.draw_all(runs, tmp_path / name, NOWHERE)[0] for name in "ab")
    assert len(first) == 2 * len(some) + 2 * len(figures.LECTURE) + 1
    for file, other in zip(first, second, strict=True):
        assert file.read_bytes() == other.read_bytes(), file.name


def test_what_is_not_there_is_not_drawn(runs, tmp_path, monkeypatch):
    """Not even if it was before."""
    monkeypatch.setattr(figures, "FIGURES", {number: FIGURES[number] for number in (1, 10, 12)})
    monkeypatch.setattr(figures, "LECTURE", {})
    folder = tmp_path / "drawn"
    figures.draw_all(runs, folder, NOWHERE)
    assert len(list(folder.iterdir())) == 7
    files, notes = figures.draw_all([], folder, NOWHERE)
    assert {file.name for file in files} == {"figure-01.png", "figure-01.svg", "contact-sheet.png"}
    assert set(folder.iterdir()) == set(files)
    assert notes[1:] == [
        "figure 10: not drawn: needs probed runs on Shapeset of Tanh N; glorot run figures (or figures-quick)",
        "figure 12: not drawn: needs runs on MNIST or CIFAR-10; glorot run figures",
    ]


def test_same_colour_for_the_same_method():
    assert set(drawing.COLORS) <= set(ACTIVATIONS)
    assert len({drawing.OTHER_COLOR, *drawing.COLORS.values()}) == len(drawing.COLORS) + 1
    assert len({str(drawing.dashes(name)) for name in INITIALIZERS}) == len(INITIALIZERS)
    assert drawing.dashes("standard") == "-"


@pytest.mark.parametrize("number", [2, 3, 4])
def test_same_colour_for_the_same_layer(runs, number):
    """Whatever the depth of its network; every layer of the deepest one is in the legend."""
    drawn = FIGURES[number].draw(page(number, runs), "x")
    colors = [[line.get_color() for line in axes.lines] for axes in drawn.axes]
    layers = [style.layer_color(layer, 5) for layer in range(1, 6)]
    assert set(colors[1]) == set(layers)
    assert set(colors[0]) == set(layers[:4] if number == 2 else layers)
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.get_texts()][:5] == [f"layer {layer}" for layer in range(1, 6)]


@pytest.mark.parametrize(("last", "unit"), [(100, 1000), (drawing.LONG, drawing.EPOCH)])
def test_time_is_in_epochs_where_it_is_long(tmp_path, last, unit):
    store(tmp_path, "a", updates=last)
    drawn = FIGURES[11].draw(page(11, gather([tmp_path])), "x")
    (axes,) = drawn.axes
    assert axes.get_xlabel() == ("thousands of updates" if unit == 1000 else "epochs of 20,000 updates")
    (curve,) = (line for line in axes.lines if line.get_color() == drawing.COLORS["tanh"] and line.get_marker() != "_")
    assert max(curve.get_xdata()) == last / unit


SWEEP = """\
name: tiny
base: {dataset: shapeset, activation: tanh, depth: 2, width: 20, learning_rate: 0.1, updates: 20, evaluate_every: 10,
       valid_examples: 50, test_examples: 300, probes: {every: 10}}
grid: {initializer: [standard, normalized]}
"""


def test_report_figures(glorot, tmp_path, monkeypatch):
    """Through real processes, of two sweeps together. Figures 6-8 show what a run's own probes see at update 0."""
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    (tmp_path / "more.yaml").write_text(SWEEP.replace("name: tiny", "name: more").replace("tanh", "softsign"))
    for name in ("tiny", "more"):
        assert glorot("run", f"{name}.yaml", "-q").returncode == 0
    (tmp_path / "matplotlibrc").write_bytes(b"\xff: no text\n")
    ended = glorot("report", "--figures", "paper", MPLBACKEND="nonsense")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("## more")
    assert ended.stderr.splitlines()[-1] == "12 figures drawn in results/figures, all of them on contact-sheet.png"
    assert (
        "figure 2: not drawn: needs a probed run of Sigmoid with 4 or 5 hidden layers on Shapeset; glo" in ended.stderr
    )
    folder = tmp_path / "results" / "figures"
    assert {int(file.stem[-2:]) for file in folder.glob("figure-*.svg")} == {1, *range(3, 12)}
    monkeypatch.setattr(figures, "DEFAULT_DEPTH", 2)
    monkeypatch.setattr(figures, "DEFAULT_WIDTH", 20)
    for run in gather([tmp_path / "results" / "tiny"]):
        ours = figures.first_look.__wrapped__(run["initializer"])
        stored = run.probes[run.probes["update"] == 0].drop(columns=["counts"]).reset_index(drop=True)
        assert ours.drop(columns=["counts"]).astype(stored.dtypes).equals(stored)
        assert [row or () for row in ours["counts"]] == list(run.probes["counts"][: len(ours)])


def test_figures_of_one_named_sweep_lie_beside_its_tables(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(figures, "draw_all", lambda runs, folder, data: asked.append(folder) or ([Path("x.svg")], []))
    monkeypatch.setattr(report_command, "_tables", lambda *_: 0)
    for name in "ab":
        store(tmp_path / name, name)
        (tmp_path / name / "sweep.yaml").touch()  # is asked for, not read
    runner = CliRunner()
    for names in (["a"], ["a", "b"], []):
        result = runner.invoke(cli, ["report", *names, "--output", str(tmp_path), "--figures", "paper"])
        assert result.exit_code == 0, result.output
    assert asked == [tmp_path / "a" / "figures", tmp_path / "figures", tmp_path / "figures"]


def test_some_figures_need_no_results(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(figures, "draw_all", lambda *arguments: asked.append(arguments) or ([Path("x.svg")], []))
    result = CliRunner().invoke(cli, ["report", "--output", str(tmp_path), "--figures", "--data", str(NOWHERE)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert asked == [([], tmp_path / "figures", NOWHERE)]


def test_a_torn_data_set_is_left_out(monkeypatch):
    def torn(name, data):
        raise DataError("torn")

    monkeypatch.setattr(figures, "load", torn)
    drawn = page(1, [])
    assert [panel.title for panel in drawn.panels] == ["Shapeset"]
    assert drawn.notes == ["without ImageNet: torn"]


def test_nothing_to_draw_at_all(tmp_path, monkeypatch):
    """There are no runs: all is said, and no sheet is drawn."""
    monkeypatch.setattr(figures, "FIGURES", {number: FIGURES[number] for number in (3, 10)})
    files, notes = figures.draw_all([], tmp_path, NOWHERE)
    assert {file.stem for file in files} == {file.stem for file in tmp_path.iterdir()}
    assert all(file.stem.startswith("lecture-") for file in files)  # of formulas: they need no runs
    assert [note.partition(": needs")[0] for note in notes] == ["figure 3: not drawn", "figure 10: not drawn"]


def test_the_lectures_pictures():
    """Cross-entropy's gradient is a - t, squared error's is near 0 where a unit is wrong and saturated; slopes peak."""
    for panel, target in zip(lecture_pictures.cost_gradients([], NOWHERE).panels, (0, 1), strict=True):
        cross_entropy, squared = panel.lines.values()
        a = 1 / (1 + np.exp(-panel.z))
        assert cross_entropy == pytest.approx(a - target, abs=1e-6)
        assert squared == pytest.approx((a - target) * a * (1 - a), abs=1e-6)
        wrong = 0 if target else -1
        assert abs(cross_entropy[wrong]) > 0.99
        assert abs(squared[wrong]) < 0.001
    (panel,) = lecture_pictures.slopes([], NOWHERE).panels
    assert "Sigmoid: at most 0.25" in panel.lines
    assert all(values.max() <= 1 for values in panel.lines.values())
