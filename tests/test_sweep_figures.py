"""Figures of any sweep: the numbers that they draw are those of the stored runs, under the sweep's own labels."""

import itertools
import math
import shutil

import numpy as np
import pytest
from drawn import NOWHERE, some_probes
from stored import a_provenance

from glorot.reporting import figures, page, plots, views
from glorot.reporting.report import stored_table
from glorot.reporting.views import Study
from glorot.results.store import Store, settings_of
from glorot.sweeps import config, written
from glorot.sweeps.runs import expand
from glorot.training.loop import PREDICTION

SWEEP = """
name: study
base: {dataset: shapeset, width: 20, updates: 20, evaluate_every: 10}
grid:
  method:
    "Mine <$x$>": {activation: tanh, initializer: standard}
    Yours: {activation: relu, initializer: he_normal}
  depth: [2, 3]
  learning_rate: [0.3, 0.1, 0.01]
  seed: [0, 1]
select: {over: [learning_rate], by: valid_error}
table: {rows: [method], columns: depth}
"""


def error_of(run):
    """By hand: a number that says which run it is of. The best rate is 0.1."""
    rate = {0.3: 20.0, 0.1: 0.0, 0.01: 10.0}[run.settings.learning_rate]
    return 30 + rate + 10 * (run.method == "Yours") + run.settings.depth + 4 * run.settings.seed


def history_of(run):
    def row(update, error, valid):
        test = {"test_error": error, "test_loss": error / 10}
        return {
            "update": update,
            "examples": update,
            **test,
            "valid_error": valid,
            "valid_loss": valid,
            "train_loss": 1,
        }

    end = error_of(run)
    return [row(0, 90.0, 91.0), row(10, end + 5, end + 6), row(20, end, end + 1)]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("results") / "study", SWEEP)


def stored(folder, text, history=history_of):
    sweep = config.parse(text, "x.yaml")
    runs = expand(sweep)
    store = Store(folder, [run.run_id for run in runs])
    store.write_sweep(written.dump(sweep))
    for run in runs:
        lost = run.method == "Yours" and run.settings.learning_rate == 0.3
        outcome = {"status": "diverged", "updates_done": 7} if lost else {"status": "done", "updates_done": 20}
        if not lost:
            outcome |= {"test_error": error_of(run), "valid_error": error_of(run) + 1}
        predictions = np.zeros(4, PREDICTION)
        predictions["label"] = [0, 1, 2, 2]
        predictions["prediction"] = [0, 2, 1, 2]
        predictions["loss"] = [0.1, 2.0, 5.0, 0.2]
        store.write_run(
            {**settings_of(run), **outcome}, a_provenance(), history(run)[: 1 if lost else None],
            some_probes(run.settings.depth), None, None if lost else predictions,
        )  # fmt: skip
    return Study(stored_table(folder), Store(folder))


def test_curves_are_means_over_seeds_of_the_rate_chosen(study):
    panels = views.curves(study, "error")
    assert [panel.title for panel in panels] == ["depth 2", "depth 3"]
    assert [panel.chance for panel in panels] == [pytest.approx(83.33, abs=0.01)] * 2
    mine, yours = panels[1].lines
    assert (mine.label, mine.number, mine.seeds) == ("Mine <$x$>", 0, 2)
    np.testing.assert_array_equal(mine.x, [0, 10, 20])
    np.testing.assert_allclose(mine.y, [90, 40, 35])  # seeds: 33 and 37 at the end
    np.testing.assert_allclose(mine.spread, [0, 2, 2])  # their standard deviation, sqrt(8), over sqrt(2)
    np.testing.assert_allclose(mine.thin, [91, 41, 36])
    np.testing.assert_allclose(yours.y[-1], 45)
    np.testing.assert_allclose(views.curves(study, "loss")[0].lines[0].y, [9, 3.9, 3.4])


def test_values_over_axes(study):
    assert views.numeric_axes(study) == {
        "depth": {"2": 2.0, "3": 3.0},
        "learning_rate": {"0.3": 0.3, "0.1": 0.1, "0.01": 0.01},
    }
    (panel,), shown = views.values_over(study, "depth")
    assert (shown.value, shown.note) == ("test_error", "the settings chosen")
    assert [line.label for line in panel.lines] == ["Mine <$x$>", "Yours"]
    np.testing.assert_allclose(panel.lines[0].y, [34, 35])
    np.testing.assert_allclose(panel.lines[0].spread, [2, 2])
    panels, shown = views.values_over(study, "learning_rate")
    assert (shown.value, shown.note) == ("valid_error", "all settings")
    assert [panel.title for panel in panels] == ["depth 2", "depth 3"]
    mine, yours = panels[0].lines
    np.testing.assert_allclose(mine.x, [0.01, 0.1, 0.3])
    np.testing.assert_allclose(mine.y, [45, 35, 55])
    assert (mine.lost, yours.lost, list(yours.x)) == ((), (0.3,), [0.01, 0.1])


def test_heat_maps(study):
    maps, shown = views.heat_maps(study, "depth", "learning_rate")
    assert shown.value == "valid_error"
    assert [one.title for one in maps] == ["Mine <$x$>", "Yours"]
    assert (maps[0].rows, maps[0].columns) == (["2", "3"], ["0.01", "0.1", "0.3"])
    np.testing.assert_allclose(maps[0].values, [[45, 35, 55], [46, 36, 56]])
    assert maps[1].marks[0][2] == "diverged"
    assert math.isnan(maps[1].values[0, 2])


def test_inside_networks(study):
    place = study.places[0][1]
    seen = views.layers(study, place, "activation")
    assert (seen.title, seen.values["std"].shape) == ("Mine <$x$>, depth 3", (3, 3))
    probes = views.probes_of(study, place)
    wanted = probes[(probes["quantity"] == "activation") & (probes["layer"] == 2)]["p98"]
    np.testing.assert_allclose(seen.values["p98"][1], wanted)
    assert views.layers(study, place, "jacobian").first == 2
    assert views.moments(study, place) == [0, 50, 100]
    found = views.histograms(study, place, "gradient", 50)
    np.testing.assert_allclose((found.densities * np.diff(found.edges, axis=1)).sum(axis=1), 1)


def test_mistakes(study):
    place = study.places[0][0]
    np.testing.assert_array_equal(views.confusion(study, place).counts, 2 * np.array([[1, 0, 0], [0, 0, 1], [0, 1, 1]]))
    assert list(views.mistakes(study, place, 10)) == [2, 1]  # the highest loss first
    assert list(views.mistakes(study, place, 1)) == [2]


@pytest.mark.slow
def test_files(study, tmp_path, monkeypatch):
    """All that there is something for is drawn, twice in the same bytes, and what is old goes."""
    monkeypatch.setattr(figures, "inside", lambda *arguments: iter(()))
    monkeypatch.setattr(
        figures, "MAKERS", (figures.over_updates, figures.over_values, figures.maps, figures.confusions)
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "curves-error-2.svg").touch()
    (tmp_path / "a" / "mine.svg").touch()
    first, second = (figures.draw(study, tmp_path / name, NOWHERE, NOWHERE)[0] for name in "ab")
    assert {path.stem for path in first} == {
        "curves-error", "curves-loss", "over-depth", "over-learning_rate", "map-depth-learning_rate", "confusion",
        "contact-sheet",
    }  # fmt: skip
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert "Mine &lt;$x$&gt;" in (tmp_path / "a" / "curves-error.svg").read_text()
    assert {path.name for path in (tmp_path / "a").iterdir()} == {path.name for path in first} | {"mine.svg"}


def test_only_old_figures_are_removed(study, tmp_path, monkeypatch):
    """What the user calls alike stays, as does what has the name of an axis that there never was."""
    monkeypatch.setattr(figures, "MAKERS", ())
    old = {
        "curves-error.png", "curves-loss-12.pdf", "over-depth.svg", "over-learning_rate-2.png", "map-depth-width.pdf",
        "confusion.png", "mistakes-2.svg", "data.pdf", "weights.png", "layers-weight-gradient.svg",
        "histograms-weight-gradient-3.png",
    }  # fmt: skip
    own = {
        "data-flow.pdf", "database.png", "data-2.png", "weights-old.png", "mistakes-of-mine.svg", "confusions.png",
        "over-view.pdf", "map-of-results.png", "layers-cake.svg", "curves-error.txt", "curves-error.tex", "curves.png",
    }  # fmt: skip
    for name in old | own:
        (tmp_path / name).touch()
    (tmp_path / "weights.svg").mkdir()
    assert figures.draw(study, tmp_path, NOWHERE, NOWHERE) == ([], [])
    assert {path.name for path in tmp_path.iterdir()} == own | {"weights.svg"}


@pytest.mark.slow
def test_whatever_is_drawn_can_be_removed(study, tmp_path, monkeypatch):
    for make in figures.MAKERS:
        for drawn in make(study, NOWHERE, NOWHERE, []):
            (tmp_path / f"{drawn.name}.png").touch()
    assert len(list(tmp_path.iterdir())) > 10
    monkeypatch.setattr(figures, "MAKERS", ())
    figures.draw(study, tmp_path, NOWHERE, NOWHERE)
    assert not list(tmp_path.iterdir())


def test_what_there_is_nothing_for_is_told(study, tmp_path):
    """Results of before predictions, histories and probes; no data, no saved states."""
    bare = Store(tmp_path / "bare")
    sweep = config.parse(SWEEP, "x.yaml")
    bare.write_sweep(written.dump(sweep))
    run = expand(sweep)[0]
    bare.write_run({**settings_of(run), "status": "done", "test_error": 1.0, "valid_error": 1.0}, {}, [])
    notes = []
    made = [
        list(make(Study(stored_table(bare.folder), bare), NOWHERE, NOWHERE, notes))
        for make in (figures.over_updates, figures.confusions, figures.mistakes, figures.first_weights, figures.inside)
    ]
    assert made == [[]] * 5
    assert [note.partition(":")[0] for note in notes] == [
        "error over updates", "loss over updates", "mistakes", "first-layer weights", "inside networks",
    ]  # fmt: skip


def test_a_history_that_is_gone_is_told(study, tmp_path):
    """Figures and the page are made from the others."""
    assert views.without_history(study) == ""
    shutil.copytree(study.store.folder, tmp_path / "study")
    store = Store(tmp_path / "study")
    first, *_, last = (place for line in study.places for place in line)
    for run in (first.cell.shown[1], *last.cell.shown):
        store.history_path(run.run_id).unlink()
    found = Study(stored_table(store.folder), store)
    assert views.without_history(found) == "Mine <$x$>, depth 2 (1 of 2 runs), Yours, depth 3 (2 of 2 runs)"
    notes = []
    assert len(list(figures.over_updates(found, NOWHERE, NOWHERE, notes))) == 2
    lacking = "over updates: no history of Mine <$x$>, depth 2 (1 of 2 runs), Yours, depth 3 (2 of 2 runs)"
    assert notes == [f"error {lacking}", f"loss {lacking}"]
    assert page.written(found, [], "").count("no history of Mine &lt;$x$&gt;, depth 2 (1 of 2 runs), Yours") == 4


def test_long_labels_keep_both_ends():
    assert plots.short("abcdefghij", 6) == "abc…ij"


@pytest.mark.parametrize("what", ["confusions", "heat maps", "lines"])
def test_titles_side_by_side_do_not_touch(what):
    """As far as letters are of a usual width."""
    titles = [f"A method with a long name, depth {depth}" for depth in (1, 3, 5)]
    counts = np.eye(10, dtype=np.int64)
    line = views.Line("A method with a long name", 0, np.arange(3.0), np.arange(3.0))
    figure = {
        "confusions": lambda: plots.confusions([views.Confusion(one, counts) for one in titles], [], "", ""),
        "heat maps": lambda: plots.heat_maps(
            [views.HeatMap(one, ["1"], ["2"], np.ones((1, 1)), [[""]]) for one in titles], "", "", "x", "y", "z"
        ),
        "lines": lambda: plots.lines([views.Panel(one, [line]) for one in titles], "", "", "x", "y"),
    }[what]()
    boxes = [axes.title.get_window_extent() for axes in figure.axes[:3]]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


def test_a_density_of_a_narrow_range_has_two_named_powers():
    one = views.Histogram("update 0", np.array([[0.0, 1, 2]]), np.array([[0.4, 0.6]]))
    (axes,) = plots.histograms([("Tanh", [one])], "", "", "x").axes
    assert axes.get_ylim() == (0.1, 1)
    assert axes.get_title() == "Tanh\nupdate 0"
