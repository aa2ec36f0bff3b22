"""The scorecard: each rule on data that satisfies the claim, violates it, or cannot tell; and the whole text.

tests/golden/scorecard.md is compared as whole text; after a change that is meant, make it anew with

    GLOROT_GOLDEN=write python -m pytest tests/test_scorecard.py

and read the difference in git.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glorot.paper import claims, claims_at_start, claims_inside, claims_of_errors, scorecard
from glorot.paper.claims import HELD, NOT_HELD, NOT_MEASURED, Evidence
from glorot.reporting.significance import mcnemar_exact, two_proportions
from glorot.results.store import Store, settings_of
from glorot.results.stored import StoredRun, gather
from glorot.sweeps import config
from glorot.sweeps.runs import expand
from glorot.training.inspection import Inspection, LayerSeen, Pair

GOLDEN = Path(__file__).parent / "golden" / "scorecard.md"
FULL = {"updates": 5_000_000, "hidden": "1000-1000-1000-1000-1000"}
SETTINGS = {"Tanh": ("tanh", "standard"), "Tanh N": ("tanh", "normalized"), "Sigmoid": ("sigmoid", "standard"),
            "Softsign": ("softsign", "standard"), "Softsign N": ("softsign", "normalized")}  # fmt: skip


def a_run(method="Tanh", test_error=60.0, curve=(), probes=None, correct=None, **columns):
    """A finished run. curve: validation (and test) error at updates 0, 1000, 2000, ..."""
    activation, initializer = SETTINGS[method]
    row = {
        "run_id": f"{method}-{test_error}", "status": "done", "dataset": "shapeset", "activation": activation,
        "initializer": initializer, "loss": "cross_entropy", "hidden": "200-200-200-200-200", "batch_size": 10,
        "learning_rate": 0.1, "seed": 0, "updates": 60_000, "test_examples": 10_000, "valid_examples": 10_000,
        "valid_error": test_error, "test_error": test_error,
    } | columns  # fmt: skip
    sizes = str(row["hidden"]).split("-")
    row |= {"depth": len(sizes), "width": int(sizes[0]) if len(set(sizes)) == 1 else pd.NA}
    run = StoredRun(Path("nowhere"), row)
    updates = [1000 * number for number in range(len(curve))]
    errors = [float(error) for error in curve]
    history = pd.DataFrame({"update": updates, "valid_error": errors, "test_error": errors})
    run.__dict__.update(history=history, probes=pd.DataFrame() if probes is None else probes, correct=correct)
    return run


def kind(verdict):
    return verdict.kind


# Statistics and help of all rules. -----------------------------------------------------------------


def test_mcnemar_worked_by_hand():
    a = np.array([True] * 6 + [False] * 4)
    b = np.array([True] * 1 + [False] * 9)
    assert mcnemar_exact(a, b) == pytest.approx(2 / 2**5)  # five times a alone is right, never b alone
    assert mcnemar_exact(a, a) == 1


def test_two_proportion_worked_by_hand():
    assert two_proportions(164, 10_000, 221, 10_000) == pytest.approx(0.0034, abs=1e-4)
    assert two_proportions(0, 10, 0, 10) == 1


def test_a_difference_uses_the_answers_to_the_same_examples_where_it_can():
    right = np.arange(10_000) >= 6000
    better = np.arange(10_000) >= 5950
    a, b = a_run(correct=better, test_error=59.5), a_run(correct=right)
    assert claims.difference(a, b).test == "McNemar"
    assert claims.difference(a, b).p < 1e-10
    assert claims.difference(a, a_run()).test == "two proportions"
    assert claims.difference(a, a_run()).p > 0.4
    assert claims.difference(a, a_run(correct=right[:9000])).test == "two proportions"


def test_chance():
    assert not claims.below_chance(82.61, 10_000, "shapeset")  # the paper's Sigmoid
    assert claims.below_chance(82.0, 10_000, "shapeset")
    assert not claims.below_chance(82.0, 500, "shapeset")


def test_leaving_chance_is_for_good():
    assert claims.left_chance(a_run(curve=[83, 83, 70, 83, 75, 60])) == 4000
    assert claims.left_chance(a_run(curve=[83, 70, 83])) is None


def test_comparable_runs_are_alike_long_and_well_tuned():
    short = [a_run("Tanh", 50), a_run("Tanh N", 40)]
    long = [
        a_run("Tanh", 30, updates=90_000),
        a_run("Tanh", 20, updates=90_000, learning_rate=0.01),
        a_run("Tanh N", 25, updates=90_000),
    ]
    wanted = [{"method": "Tanh"}, {"method": "Tanh N"}]
    assert claims.comparable([*short, *long], *wanted) == [long[1], long[2]]
    assert claims.comparable([short[0], long[2]], *wanted) is None
    assert claims.comparable(short, *wanted, probed=True) is None
    others = [a_run("Tanh", data="one"), a_run("Tanh N", data="another")]
    assert claims.comparable(others, *wanted) is None


def test_what_runs_are_called():
    uneven = a_run(hidden="300-200", learning_rate=0.01, data="stand-in: of something")
    assert claims.described(a_run(), uneven) == (
        "60,000 updates, 5 x 200 and 300-200, learning rate 0.1 and 0.01, seed 0; stand-in: of something"
    )


# Errors. -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "columns", "wanted"),
    [
        (60, 65, {}, HELD),
        (65, 60, {}, NOT_HELD),
        (60, 60.5, {}, NOT_MEASURED),
        (60, 60.5, FULL, NOT_HELD),
        (83.5, 90, {}, NOT_MEASURED),  # neither has learned anything
    ],
)
def test_lower(a, b, columns, wanted):
    assert kind(claims_of_errors.lower(a_run("Tanh N", a, **columns), a_run("Tanh", b, **columns))) == wanted


@pytest.mark.parametrize(
    ("a", "b", "wanted"), [(60, 60.5, HELD), (60.5, 60, HELD), (65, 60, NOT_HELD), (65, 84, NOT_MEASURED)]
)
def test_no_worse(a, b, wanted):
    assert kind(claims_of_errors.no_worse(a_run("Softsign", a), a_run("Tanh", b))) == wanted


@pytest.mark.parametrize(
    ("a", "b", "columns", "wanted"),
    [(15, 27, FULL, HELD), (15, 20, FULL, NOT_HELD), (15, 40, FULL, NOT_HELD), (15, 27, {}, NOT_MEASURED)],
)
def test_gap(a, b, columns, wanted):
    assert kind(claims_of_errors.gap(a_run("Tanh N", a, **columns), a_run("Tanh", b, **columns))) == wanted


def test_a_gap_on_other_images_says_nothing():
    runs = [a_run(name, error, dataset="small_imagenet", **FULL) for name, error in (("Tanh N", 68), ("Tanh", 70))]
    assert kind(claims_of_errors.gap(*runs)) == NOT_MEASURED


@pytest.mark.parametrize(
    ("errors", "columns", "wanted"),
    [
        ((83, 60, 65), {}, HELD),
        ((66, 65.5, 60), {}, HELD),  # as in the paper's last column: one other is near
        ((60, 65, 62), {}, NOT_HELD),
        ((60.2, 60, 60.1), {}, NOT_MEASURED),
        ((60.2, 60, 60.1), FULL, NOT_HELD),
    ],
)
def test_worst(errors, columns, wanted):
    runs = [a_run(name, error, **columns) for name, error in zip(("Sigmoid", "Tanh", "Tanh N"), errors, strict=True)]
    assert kind(claims_of_errors.worst(runs[0], runs[1:])) == wanted


@pytest.mark.parametrize(
    ("sigmoid", "tanh", "wanted"), [(83.5, 67, HELD), (82.61, 27, HELD), (75, 67, NOT_HELD), (83.5, 83.4, NOT_MEASURED)]
)
def test_at_chance(sigmoid, tanh, wanted):
    assert kind(claims_of_errors.at_chance(a_run("Sigmoid", sigmoid), a_run("Tanh", tanh))) == wanted


STUCK, LEFT, SOON = [83.4] * 6, [83.4, 83.4, 83.4, 80, 70, 60], [83.4, 80, 70, 60, 60, 60]


@pytest.mark.parametrize(
    ("four", "five", "wanted"),
    [
        (LEFT, STUCK, HELD),
        (LEFT, [83.4] * 5 + [70], HELD),
        (LEFT, LEFT, NOT_HELD),
        (STUCK, LEFT, NOT_HELD),
        (STUCK, STUCK, NOT_MEASURED),
        (SOON, STUCK, NOT_MEASURED),
    ],
)
def test_leaves_chance(four, five, wanted):
    runs = [a_run("Sigmoid", curve[-1], curve) for curve in (four, five)]
    assert kind(claims_of_errors.leaves_chance(*runs)) == wanted


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ([90, 70, 65, 60, 58, 55], [90, 80, 75, 70, 68, 65], HELD),
        ([90, 70, 65, 60, 58, 55], [90, 60, 64, 55, 68, 65], NOT_HELD),
        ([90, 70, 65, 60, 58, 55], [90, 60, 75, 55, 68, 65], NOT_MEASURED),
        ([90, 70, 65], [90, 80, 75], NOT_MEASURED),
        (STUCK, STUCK, NOT_MEASURED),
    ],
)
def test_faster(a, b, wanted):
    assert kind(claims_of_errors.faster(a_run("Tanh N", a[-1], a), a_run("Tanh", b[-1], b))) == wanted


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (SOON, LEFT, HELD),
        (LEFT, STUCK, HELD),
        (LEFT, SOON, NOT_HELD),
        (SOON, [*SOON[:-1], 70], HELD),
        ([*SOON[:-1], 70], SOON, NOT_HELD),
        (SOON, SOON, NOT_MEASURED),
        (STUCK, STUCK, NOT_MEASURED),
    ],
)
def test_shorter_plateau(a, b, wanted):
    runs = [a_run("Tanh", curve[-1], curve, loss=loss) for curve, loss in ((a, "cross_entropy"), (b, "quadratic"))]
    assert kind(claims_of_errors.shorter_plateau(*runs)) == wanted
    assert kind(claims_of_errors.of_losses(Evidence(runs, None))) == wanted


@pytest.mark.parametrize(("shape", "hidden"), [("shrink", "1200-1100-1000-900-800"), ("grow", "800-900-1000")])
def test_of_sizes(shape, hidden):
    judge = claims_of_errors.of_sizes(shape)
    level = [a_run("Tanh", 60), a_run("Tanh N", 50)]
    uneven = [a_run("Tanh", 60, hidden=hidden), a_run("Tanh N", 50, hidden=hidden)]
    turned = [a_run(run.method, run["test_error"], hidden="-".join(hidden.split("-")[::-1])) for run in uneven]
    assert kind(judge(Evidence(uneven, None))) == HELD
    assert kind(judge(Evidence([*level, *turned], None))) == NOT_MEASURED


# Inside the network. -------------------------------------------------------------------------------


def table(*rows, every=1000):
    """A series: a row an update, a column a layer."""
    values = np.array(rows, float)
    return pd.DataFrame(values, index=np.arange(len(values)) * every, columns=range(1, values.shape[1] + 1))


@pytest.mark.parametrize(
    ("means", "wanted"),
    [
        (table([0.5] * 4, [0.51, 0.53, 0.65, 0.08]), HELD),
        (table([0.5] * 4, [0.08, 0.5, 0.5, 0.5], [0.08, 0.5, 0.5, 0.05]), NOT_HELD),
        (table([0.5] * 4, [0.05, 0.05, 0.05, 0.05]), NOT_HELD),
        (table([0.5] * 4, [0.5, 0.5, 0.5, 0.3]), NOT_MEASURED),
        (table([0.5] * 4, [0.5, 0.5, 0.5, 0.3], every=100_000), NOT_HELD),
    ],
)
def test_top_first(means, wanted):
    assert kind(claims_inside.top_first(means)) == wanted


@pytest.mark.parametrize(
    ("p98", "wanted"),
    [
        (table([0.6, 0.4, 0.2], [0.95, 0.5, 0.3], [0.99, 0.95, 0.4]), HELD),
        (table([0.6, 0.4, 0.2], [0.5, 0.5, 0.95], [0.99, 0.95, 0.95]), NOT_HELD),
        (table([0.6, 0.4, 0.2], [0.7, 0.5, 0.4], [0.95, 0.95, 0.95]), NOT_HELD),  # all at once
        (table([0.6, 0.4, 0.2], [0.95, 0.95, 0.95]), NOT_MEASURED),  # at the first look
        (table([0.6, 0.4, 0.2], [0.95, 0.5, 0.3]), NOT_MEASURED),
        (table([0.6, 0.4, 0.2], [0.8, 0.5, 0.3]), NOT_MEASURED),
    ],
)
def test_one_by_one(p98, wanted):
    assert kind(claims_inside.one_by_one(p98)) == wanted


@pytest.mark.parametrize(
    ("end", "wanted"), [([0.8, 0.7, 0.6], HELD), ([0.9, 0.3, 0.2], NOT_HELD), ([0.8, 0.7, 0.05], NOT_HELD)]
)
def test_together(end, wanted):
    tanh = table([0.6, 0.4, 0.2], [1.0, 0.8, 0.4])
    assert kind(claims_inside.together(table([0.4, 0.2, 0.1], end), tanh)) == wanted


def tenths(**shares):
    """Ten shares, equal but for those given: _9=3 makes the last one three times as large."""
    found = np.full(10, 1.0)
    for name, share in shares.items():
        found[int(name[1:])] = share
    return found / found.sum()


@pytest.mark.parametrize(
    ("shares", "update", "wanted"),
    [
        (tenths(_0=3, _9=3), 1000, HELD),
        (tenths(_0=3), 1000, NOT_MEASURED),
        (tenths(_9=3), 5_000_000, NOT_HELD),
    ],
)
def test_mass_at_ends(shares, update, wanted):
    assert kind(claims_inside.mass_at_ends(shares, update)) == wanted


@pytest.mark.parametrize(
    ("peaks", "update", "wanted"),
    [((6, 7, 0), 1000, HELD), ((6, 1, 0), 1000, NOT_MEASURED), ((9, 9, 6), 5_000_000, NOT_HELD)],
)
def test_mass_at_knees(peaks, update, wanted):
    layers = [tenths(**{f"_{peak}": 3}) for peak in peaks]
    assert kind(claims_inside.mass_at_knees(layers, update)) == wanted


@pytest.mark.parametrize(
    ("stds", "stays", "wanted"),
    [
        (table([1, 1.1], [1, 3], [1, 4], [1, 0.3]), False, HELD),
        (table([1, 1.1], [1, 3], [1, 4], [1, 0.3]), True, NOT_HELD),
        (table([1, 1.1], [1, 1.2], [1, 0.9], [1, 1.1]), True, HELD),
        (table([1, 1.1], [1, 1.2], [1, 0.9], [1, 1.1]), False, NOT_HELD),
        (table([1, 1.1], [1, 3]), False, NOT_MEASURED),
        (table([1, 0], [1, 3], [1, 3], [1, 3]), False, NOT_MEASURED),
    ],
)
def test_drift(stds, stays, wanted):
    assert kind(claims_inside.drift(stds, stays)) == wanted


def probes_of(series):
    """A run's probes of series by (quantity, column); a histogram that is full at both ends and in the middle."""
    rows = []
    counts = (9, *[1] * 48, 5, 5, *[1] * 48, 9)
    for (quantity, column), values in series.items():
        for update, line in values.iterrows():
            rows += [
                {"update": int(update), "quantity": quantity, "layer": layer, "mean": 0.0, "std": 1.0, "p98": 0.5,
                 "low": -1.0, "high": 1.0, "counts": counts, column: value}
                for layer, value in line.items()
            ]  # fmt: skip
    return rows


def test_tenths_of_a_histogram():
    run = a_run(probes=pd.DataFrame(probes_of({("activation", "p98"): table([0.1] * 5, [0.2] * 5)})))
    found = claims_inside.tenths_of(run)
    assert len(found) == 5
    assert found[0] == pytest.approx(np.array([18, 10, 10, 10, 10, 10, 10, 10, 10, 26]) / 124)


# Before training. ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "wanted"), [(0.33, HELD), (0.29, HELD), (0.5, NOT_HELD), (1.0, NOT_HELD)])
def test_shrinks(factor, wanted):
    assert kind(claims_at_start.shrinks(factor, [factor])) == wanted


@pytest.mark.parametrize(("factor", "wanted"), [(1.0, HELD), (0.8, HELD), (0.5, NOT_HELD), (2.0, NOT_HELD)])
def test_keeps(factor, wanted):
    assert kind(claims_at_start.keeps(factor, [factor])) == wanted


def test_same_and_singular():
    assert kind(claims_at_start.same([1, 1.5, 1.2])) == HELD
    assert kind(claims_at_start.same([1, 3, 9])) == NOT_HELD
    assert kind(claims_at_start.singular([0.48, 0.5], 0.5)) == HELD
    assert kind(claims_at_start.singular([0.48, 0.5], 0.8)) == NOT_HELD


def seen(step):
    """A network before training in which variances change by a factor a layer."""
    layers = [
        LayerSeen(l, 9, 9, step, Pair(step**l, None), Pair(step ** (6 - l), None), Pair(1.0, None),
                  Pair(0.849 * step**0.5, None) if l > 1 else None, 0.0)
        for l in range(1, 6)
    ]  # fmt: skip
    output = LayerSeen(6, 9, 9, step, None, Pair(1.0, None), Pair(1.0, None), None, None)
    return Inspection("tanh", "x", "cross_entropy", "shapeset", 300, 0, 0.3, [*layers, output])


START = {"standard": seen(1 / 3), "normalized": seen(0.9)}


def test_claims_before_training_need_no_run():
    found = scorecard.judge(Evidence([], START.get))
    assert [verdict.kind for _, verdict in found[:8]] == [HELD] * 8
    assert {verdict.kind for _, verdict in found[8:]} == {NOT_MEASURED}
    assert all("needs" in verdict.why and "glorot run" in verdict.why for _, verdict in found[8:])
    swapped = Evidence([], {"standard": START["normalized"], "normalized": START["standard"]}.get)
    kinds = [verdict.kind for _, verdict in scorecard.judge(swapped)[:8]]
    assert kinds == [NOT_HELD] * 4 + [HELD] * 2 + [NOT_HELD] * 2


@pytest.mark.slow
def test_the_paper_s_network_before_training():
    found = scorecard.judge(scorecard.evidence([]))[:8]
    assert [verdict.kind for _, verdict in found] == [HELD] * 8


def test_diverged_runs_decide_nothing():
    runs = [a_run("Tanh", float("nan"), status="diverged"), a_run("Tanh N", 50)]
    judge = claims_of_errors.pair(claims_of_errors.lower, "", "Tanh N", "Tanh", "shapeset")
    assert kind(judge(Evidence(runs, None))) == NOT_MEASURED


# The whole. ----------------------------------------------------------------------------------------

SWEEP = """
name: made-up
base: {dataset: shapeset, width: 200, updates: 6000, evaluate_every: 1000, learning_rate: 0.1, probes: {every: 2000}}
grid:
  what:
    Tanh: {activation: tanh}
    Tanh N: {activation: tanh, initializer: normalized}
    Softsign: {activation: softsign}
    Sigmoid: {activation: sigmoid}
    Sigmoid 4: {activation: sigmoid, depth: 4}
    Quadratic: {activation: tanh, loss: quadratic}
    Tanh grows: {activation: tanh, hidden: [100, 200, 300]}
    Tanh N grows: {activation: tanh, initializer: normalized, hidden: [100, 200, 300]}
"""
ENDS = {"Tanh": 70, "Tanh N": 60, "Softsign": 69.9, "Sigmoid": 83.5, "Sigmoid 4": 83.4, "Quadratic": 75,
        "Tanh grows": 60, "Tanh N grows": 70}  # fmt: skip
P98 = table([0.6, 0.5, 0.4, 0.3, 0.2], [0.95, 0.6, 0.5, 0.4, 0.3], [0.97, 0.93, 0.6, 0.5, 0.4], [1, 1, 0.7, 0.5, 0.4],
            every=2000)  # fmt: skip
LEVEL = table([1.0] * 5, [1, 1, 1, 1, 1.1], [1, 1, 1, 1, 1.2], [1, 1, 1, 1, 1.1], every=2000)
SEEN = {
    "Tanh": {("activation", "p98"): P98, ("weight_gradient", "std"): LEVEL**9},
    "Tanh N": {("activation", "p98"): P98, ("weight_gradient", "std"): LEVEL},
    "Softsign": {("activation", "p98"): P98**0.5},
    "Sigmoid 4": {("activation", "mean"): table([0.5] * 4, [0.5, 0.5, 0.6, 0.05], every=2000)},
}


def store(folder):
    """Runs that satisfy some claims, violate others, and leave some open."""
    runs = expand(config.parse(SWEEP, "x.yaml"))
    stored = Store(folder, [run.run_id for run in runs])
    stored.write_sweep(SWEEP)
    for run in runs:
        name = run.labels["what"]
        end = float(ENDS[name])
        errors = [88.9, *np.linspace(84 if end > 80 else 80, end, 6)]
        history = [{"update": 1000 * n, "valid_error": error, "test_error": error} for n, error in enumerate(errors)]
        correct = np.arange(10_000) >= 100 * end
        outcome = {"status": "done", "updates_done": 6000, "test_error": end, "valid_error": end}
        stored.write_run({**settings_of(run), **outcome}, {}, history, probes_of(SEEN.get(name, {})), correct)
    return runs


def test_the_whole_text(tmp_path):
    store(tmp_path / "made-up")
    judged = scorecard.judge(Evidence(gather([tmp_path / "made-up"]), START.get))
    assert {verdict.kind for _, verdict in judged} == {HELD, NOT_HELD, NOT_MEASURED}
    text = scorecard.markdown(judged)
    if os.environ.get("GLOROT_GOLDEN") == "write":
        GOLDEN.write_bytes(text.encode())
    assert text == GOLDEN.read_bytes().decode(), f"{GOLDEN} differs; see the head of this file"


def test_a_claim_with_a_pipe_ends_no_cell():
    judged = scorecard.judge(Evidence([], START.get))[:1]
    text = scorecard.markdown([(replace(judged[0][0], text="|a|"), judged[0][1])])
    assert r"\|a\|" in text


def test_command(tmp_path, glorot):
    store(tmp_path / "results" / "made-up")
    one = glorot("report", "made-up", "--scorecard")
    assert one.returncode == 0, one.stderr
    assert one.stdout.startswith("## Scorecard of Glorot & Bengio (2010): ")
    assert (tmp_path / "results" / "made-up" / "scorecard.md").read_text() == one.stdout
    every = glorot("report", "--scorecard")
    assert every.stdout == one.stdout
    assert (tmp_path / "results" / "scorecard.md").read_text() == one.stdout
    wrong = glorot("report", "made-up", "--scorecard", "--format", "csv")
    assert wrong.returncode == 2
    assert "give it without other options" in wrong.stderr
    missing = glorot("report", "maid-up", "--scorecard")
    assert missing.returncode == 2
    assert "did you mean made-up" in missing.stderr
