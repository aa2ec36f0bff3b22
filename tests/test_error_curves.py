"""Figures 11 and 12: curves and bands are those of the runs, ticks those of the paper; only of runs that are alike."""

import itertools

import numpy as np
import pytest
from click.testing import CliRunner
from drawn import page, store
from other import another
from stored import a_provenance

from glorot.cli.main import cli
from glorot.datasets.catalogue import DATASETS
from glorot.paper import drawing, error_curves, figures
from glorot.paper.figures import FIGURES
from glorot.paper.table1 import TABLE_1
from glorot.results.selected import gather_selected
from glorot.results.store import Store, settings_of
from glorot.results.stored import gather
from glorot.sweeps import config, search, written
from glorot.sweeps.about import Role, in_words, label_of
from glorot.sweeps.fields import ABOUT
from glorot.sweeps.runs import expand
from glorot.sweeps.settings import Settings

DEEP = (1000,) * 5


def curves(folder, number=11):
    (panel,) = page(number, gather([folder])).panels
    return {curve.label: curve for curve in panel.curves}


def test_one_curve_a_method(tmp_path):
    """Its longest run; of other costs and of layers of several sizes none, and a diverged one if there is no other."""
    store(tmp_path, "short", updates=100)
    store(tmp_path, "long", updates=200, salt=3)
    store(tmp_path, "longer-but-diverged", updates=400, status="diverged")
    store(tmp_path, "quadratic", updates=900, loss="quadratic")
    store(tmp_path, "growing", updates=900, hidden=(10, 20, 30))
    store(tmp_path, "mnist", "relu", updates=900, dataset="mnist")
    store(tmp_path, "sigmoid", "sigmoid", "normalized", hidden=(30,) * 4, status="diverged")
    drawn = page(11, gather([tmp_path]))
    (panel,) = drawn.panels
    assert [curve.label for curve in panel.curves] == ["Sigmoid N* (diverged)", "Tanh"]
    tanh = panel.curves[1]
    assert (tanh.activation, tanh.initializer, tanh.rate, tanh.spread) == ("tanh", "standard", 0.03, None)
    assert tanh.updates.tolist() == [0, 100, 200]
    assert tanh.errors.tolist() == [90, 66.5, 43]
    assert "hidden layers 5 x 30 (4 x 30: Sigmoid N*); minibatch 10; updates 200 (100: Sigmoid N*)" in drawn.caption
    assert "pre-trained" in drawn.caption


def test_seeds_of_several_devices_are_one_curve(tmp_path):
    """No method is told apart by where it ran; of one seed that ran on both, the finished run, then the CPU's."""
    store(tmp_path, "a", device="cuda", salt=4)
    store(tmp_path, "b", device="cpu", salt=2)
    store(tmp_path, "c", device="cuda", seed=1, salt=6)
    store(tmp_path, "d", "softsign", device="cuda", seed=1, salt=8)
    store(tmp_path, "e", "softsign", device="cpu", status="diverged")
    store(tmp_path, "f", "softsign", device="cuda", salt=8)
    store(tmp_path, "g", "sigmoid", device="cpu")
    found = curves(tmp_path)
    assert list(found) == ["Sigmoid", "Tanh", "Softsign"]
    assert found["Tanh"].errors[-1] == pytest.approx(44)
    assert found["Softsign"].errors[-1] == pytest.approx(48)
    caption = page(11, gather([tmp_path])).caption
    assert "device cpu and cuda (cuda: Softsign; cpu: Sigmoid)" in caption
    assert "seeds 2 (1: Sigmoid)" in caption


def test_seeds_are_a_mean_with_a_band(tmp_path):
    """Of one standard error; at the evaluations that all of them have; one that diverged is said."""
    for seed, salt in enumerate((0, 3, 9)):
        store(tmp_path, f"tanh-{seed}", salt=salt, seed=seed)
    store(tmp_path, "tanh-3", seed=3, status="diverged")
    store(tmp_path, "softsign", "softsign")
    found = curves(tmp_path)
    assert list(found) == ["Tanh (1 of 4 diverged)", "Softsign"]
    tanh = found["Tanh (1 of 4 diverged)"]
    assert tanh.updates.tolist() == [0, 50, 100]
    np.testing.assert_allclose(tanh.errors, [90, 67, 44])
    np.testing.assert_allclose(tanh.spread, np.array([0, 0.5, 1]) * np.std([0, 3, 9], ddof=1) / np.sqrt(3))
    assert "seeds 1 (3: Tanh), mean ± standard error" in page(11, gather([tmp_path])).caption
    (axes,) = FIGURES[11].draw(page(11, gather([tmp_path])), "x").axes
    (band,) = axes.collections
    corners = {tuple(corner) for corner in np.round(band.get_paths()[0].vertices, 9)}
    for side in (-1, 1):
        ends = np.column_stack([tanh.updates / 1000, tanh.errors + side * tanh.spread])
        assert {tuple(end) for end in np.round(ends, 9)} <= corners
    mean = next(
        line for line in axes.lines if len(line.get_xdata()) == 3 and line.get_color() == drawing.COLORS["tanh"]
    )
    np.testing.assert_allclose(mean.get_ydata(), tanh.errors)


@pytest.mark.parametrize("dataset", ["shapeset", "mnist", "cifar10"])
def test_the_papers_errors_are_ticks_on_the_right(tmp_path, dataset):
    """Those of Table 1, in the method's colour, within the axis; as numbers, too, none over another."""
    for activation in ("tanh", "softsign", "sigmoid", "relu"):
        for initializer in ("standard", "normalized"):
            store(tmp_path, f"{activation}-{initializer}", activation, initializer, dataset=dataset)
    shown = page(11 if dataset == "shapeset" else 12, gather([tmp_path]))
    (panel,) = shown.panels
    assert {curve.label: curve.paper for curve in panel.curves if curve.paper} == TABLE_1[dataset]
    drawn = FIGURES[11].draw(shown, "x")
    (axes,) = drawn.axes
    ticks = [line for line in axes.lines if line.get_marker() == "_"]
    assert sorted(float(tick.get_ydata()[0]) for tick in ticks) == sorted(TABLE_1[dataset].values())
    for tick, curve in zip(ticks, (curve for curve in panel.curves if curve.paper), strict=True):
        assert tick.get_color() == drawing.COLORS[curve.activation]
        assert axes.get_ylim()[0] < tick.get_ydata()[0] < axes.get_ylim()[1]
    right = axes.get_window_extent().x1
    inner, outer = ({round(tick.get_window_extent().x0) for tick, curve in
                     zip(ticks, (curve for curve in panel.curves if curve.paper), strict=True)
                     if (curve.initializer == "standard") == standard} for standard in (True, False))  # fmt: skip
    assert right <= min(inner) <= max(inner) < min(outer)
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))
    numbers = [float(number) for text in axes.texts for number in text.get_text().split("\N{EN DASH}")]
    assert (
        {min(TABLE_1[dataset].values()), max(TABLE_1[dataset].values())}
        <= set(numbers)
        <= set(TABLE_1[dataset].values())
    )
    (legend,) = drawn.legends
    assert f"the paper, after\n{ABOUT['updates'].papers} updates" in legend.get_texts()[-1].get_text()


def test_numbers_that_are_near_each_other_are_a_range():
    places = {1.64: 0.01, 1.72: 0.02, 1.76: 0.03, 2.21: 0.2, 5.0: 0.21}
    assert error_curves.clusters(places) == [(1.64, 1.76), (2.21, 5.0)]
    assert error_curves.clusters({2.0: 0.5}) == [(2.0, 2.0)]
    assert error_curves.clusters({}) == []


def test_chance_of_every_data_set(tmp_path):
    for dataset in ("mnist", "cifar10"):
        store(tmp_path, dataset, dataset=dataset)
    drawn = FIGURES[12].draw(page(12, gather([tmp_path])), "x")
    levels = []
    for axes in drawn.axes:
        (line,) = (line for line in axes.lines if line.get_linestyle() == ":")
        levels.append(set(line.get_ydata()))
    assert levels == [{DATASETS["mnist"].chance}, {DATASETS["cifar10"].chance}]
    assert "chance: 88.7 / 90.0 %" in [text.get_text() for text in drawn.legends[0].get_texts()]


def test_whose_learning_rate_is_whose(tmp_path):
    for dataset, rate in (("mnist", 0.1), ("cifar10", 0.03)):
        store(tmp_path, f"{dataset}-tanh", dataset=dataset, learning_rate=rate)
        store(tmp_path, f"{dataset}-softsign", "softsign", dataset=dataset, learning_rate=0.01)
    store(tmp_path, "relu", "relu", dataset="cifar10", learning_rate=0.3)
    (legend,) = FIGURES[12].draw(page(12, gather([tmp_path])), "x").legends
    assert legend.get_title().get_text() == "learning rate on\nMNIST / CIFAR-10"
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[:3] == ["Tanh: 0.1 / 0.03", "Softsign: 0.01", "ReLU: \N{EN DASH} / 0.3"]


def test_one_of_two_data_sets(tmp_path):
    store(tmp_path, "a", dataset="cifar10")
    drawn = page(12, gather([tmp_path]))
    assert [panel.title for panel in drawn.panels] == ["CIFAR-10"]
    assert drawn.notes == ["needs runs on MNIST; glorot run figures"]


def test_dollars_in_a_label_are_no_formula():
    """Labels of activations that someone adds."""
    curve = error_curves.Curve("$x^2$", "square", "standard", np.array([0, 9]), np.array([90.0, 80.0]), rate=0.1)
    drawn = error_curves.errors(drawing.Page([error_curves.Curves("a $ b $", [curve])], "for $5 or $6"), "$\\bad$")
    texts = [drawn.legends[0].get_texts()[0], drawn.axes[0].title, *drawn.texts]
    for text in texts:
        shown, is_formula = text._preprocess_math(text.get_text())
        assert not is_formula, shown


# Which runs. ---------------------------------------------------------------------------------------


def test_longer_runs_of_a_small_network_hide_no_full_one(tmp_path):
    store(tmp_path, "full", hidden=DEEP, updates=100)
    store(tmp_path, "small", hidden=(20,) * 5, updates=900)
    store(tmp_path, "small-too", "softsign", hidden=(20,) * 5, updates=900)
    found = curves(tmp_path)
    assert found["Tanh"].updates[-1] == 100
    assert list(found) == ["Tanh", "Softsign*"]


DRAWN = {"dataset", "activation", "initializer", "learning_rate", "seed", "loss"}  # the figure says or is of one


@pytest.mark.parametrize("field", [name for name in Settings.model_fields if name not in DRAWN])
def test_no_difference_is_silent(tmp_path, field):
    """Of any field of a run that decides its result: the caption says who differs and how."""
    store(tmp_path, "tanh", hidden=DEEP)
    store(tmp_path, "sigmoid", "sigmoid", hidden=DEEP)
    base = {"dataset": "shapeset", "activation": "softsign", "learning_rate": 0.1, "updates": 100, "hidden": DEEP}
    _, other = another(field, base)
    value = getattr(other, field)
    cell = value if field == "hidden" or ABOUT[field].column is not str else label_of(value)
    store(tmp_path, "softsign", "softsign", **{"hidden": DEEP, field: cell})
    caption = page(11, gather([tmp_path])).caption
    said = caption.partition("\n")[0]
    about = ABOUT[field]
    if other.ignored:  # no network: it is called by what it is
        assert f"({about.text(value)}: " in said
        return
    matters = about.role is not Role.SERVES and field != "probes"  # what was seen inside is in no curve
    assert ("Softsign" in said) == matters
    if matters:
        assert f"({about.text(value)}: Softsign" in said.replace('"', "")  # a name with a comma stands in quotes
    told = field in ("updates", "pretraining")  # by where its curve ends, and by its name
    assert ("Softsign*" in said) == (about.role is Role.DECIDES and not told)


def test_results_of_an_older_data_set_say_so(tmp_path):
    """And stand behind those of today's."""
    store(tmp_path, "old", hidden=DEEP, updates=900, inputs="", data="")
    assert "inputs pixels in [0, 1]; data set version 1" in page(11, gather([tmp_path])).caption
    store(tmp_path, "new", hidden=DEEP)
    store(tmp_path, "old-softsign", "softsign", hidden=DEEP, inputs="", data="")
    caption = page(11, gather([tmp_path])).caption
    assert curves(tmp_path)["Tanh"].updates[-1] == 100
    assert (
        "inputs pixels in [-1, 1] (pixels in [0, 1]: Softsign*); data set version 2 (version 1: Softsign*)" in caption
    )


def test_sigmoid_of_four_layers_stands_beside_that_of_five(tmp_path):
    """The paper found this depth best for it. Only if it is alike in all else."""
    store(tmp_path, "five", "sigmoid", hidden=DEEP)
    store(tmp_path, "other", "sigmoid", hidden=(20,) * 4, updates=900)
    store(tmp_path, "few", "sigmoid", hidden=DEEP[:4], train_examples=20)
    assert list(curves(tmp_path)) == ["Sigmoid"]
    store(tmp_path, "four", "sigmoid", hidden=DEEP[:4], learning_rate=0.3, salt=7)
    found = curves(tmp_path)
    assert list(found) == ["Sigmoid", "Sigmoid, 4 layers"]
    four = found["Sigmoid, 4 layers"]
    assert (four.errors[-1], four.rate, four.paper) == (47, 0.3, None)
    assert four.style["linestyle"] != found["Sigmoid"].style["linestyle"]


def test_a_network_that_was_pre_trained_has_a_line_of_its_own(tmp_path):
    """As in the paper's figure 11; its end is no end of the paper's Tanh."""
    store(tmp_path, "plain", "tanh", hidden=DEEP)
    assert "`glorot run pretraining`" in page(11, gather([tmp_path])).caption
    denoising = 'denoising(corruption=0.25, updates=300, learning_rate=0.001, loss="cross_entropy", tied=true)'
    store(tmp_path, "before", "tanh", hidden=DEEP, pretraining=denoising, salt=7)
    found = curves(tmp_path)
    assert list(found) == ["Tanh", "Tanh, pre-trained"]
    assert (found["Tanh, pre-trained"].errors[-1], found["Tanh, pre-trained"].paper) == (47, None)
    assert found["Tanh, pre-trained"].style["linestyle"] != found["Tanh"].style["linestyle"]
    caption = page(11, gather([tmp_path])).caption
    assert "`glorot run pretraining`" not in caption
    assert "denoising (corruption 0.25, updates 300, learning rate 0.001, loss cross_entropy, tied) (none" in caption


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.01", "0.01"),
        ("inverse_time", "inverse_time"),
        ("my_gain(some_factor=2, both=false)", "my_gain (some factor 2, not both)"),
        ("denoising(corruption=[0.1, 0.2], updates=300000)", "denoising (corruption 0.1-0.2, updates 300,000)"),
        ("odd(value)", "odd(value)"),
    ],
)
def test_a_choice_in_words(text, words):
    assert in_words(text) == words


SEARCH = """\
name: chosen
base: {dataset: shapeset, depth: 5, width: 30, updates: 100, evaluate_every: 50}
grid:
  method: {Tanh: {activation: tanh}, Tanh N: {activation: tanh, initializer: normalized}}
  learning_rate: [0.3, 0.1]
  seed: [0, 1]
select: {over: [learning_rate], by: valid_error}
"""


@pytest.mark.parametrize("searched", [False, True])
def test_the_rate_is_the_one_that_select_chose(tmp_path, searched):
    """Not the one of the run with the lowest validation error: a seed of the other rate is lower, its mean is not."""
    (tmp_path / "sweep.yaml").write_text(SEARCH + "search: {updates: 50, seeds: 2}\n" * searched)
    sweep = config.load(tmp_path / "sweep.yaml")
    (tmp_path / "sweep.yaml").write_text(written.dump(sweep))
    runs = expand(sweep, "cpu")
    for run in [*search.flat(search.short_runs(sweep, runs)), *runs]:
        rate, seed, short = run.settings.learning_rate, run.settings.seed, run.settings.updates == 50
        error = {0.3: (10.0, 90.0), 0.1: (30.0, 40.0)}[rate][seed]
        if searched and not short:  # the long ones decide nothing
            error = 100 - error
        outcome = {"status": "done", "updates_done": run.settings.updates, "valid_error": error, "test_error": error}
        history = [{"update": update, "examples": 1, "test_error": error, "valid_error": error} for update in (0, 50)]
        Store(tmp_path).write_run(settings_of(run) | outcome, a_provenance(), history)
    (panel,) = page(11, gather_selected([tmp_path])).panels
    assert [(curve.label, curve.rate, curve.updates[-1]) for curve in panel.curves] == [
        ("Tanh", 0.1, 50),
        ("Tanh N", 0.1, 50),
    ]
    assert panel.curves[0].errors[-1] == (65 if searched else 35)


def test_a_broken_sweep_hides_no_others(tmp_path, monkeypatch):
    for name in ("good", "broken"):
        store(tmp_path / "results" / name, name, "tanh" if name == "good" else "softsign")
    (tmp_path / "results/good/sweep.yaml").write_text(SEARCH.partition("select")[0])
    (tmp_path / "results/broken/sweep.yaml").write_text("name: [")
    monkeypatch.setattr(figures, "FIGURES", {11: FIGURES[11]})
    monkeypatch.setattr(figures, "LECTURE", {})
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(cli, ["report", "--figures", "paper"], standalone_mode=False)
    assert ended.return_value == 2
    assert (tmp_path / "results/figures/figure-11.svg").is_file(), ended.stderr
    assert "not in the figures: results/broken/sweep.yaml" in ended.stderr
