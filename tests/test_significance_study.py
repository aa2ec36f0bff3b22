"""The tests over seeds on data of known truth, and on networks: the tables of docs/significance.md, and what it says.

The tables are compared as text; after a change that is meant, make them anew with

    GLOROT_GOLDEN=write python -m pytest tests/test_significance_study.py
"""

import itertools
import os
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from glorot.reporting.significance import SIGNIFICANT, blocks, paired, pooled, welch
from glorot.results.store import Store
from glorot.sweeps.sweep import DEFAULT_TEST

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "significance.md"
CASES = 20_000  # simulated columns of each kind: rates near 0.5 % are known to 0.05 %
SEEDS = (2, 3, 5)
APART = 4.0  # mean spreads of the two cells compared, where there is a difference

# Spread of each of a column's five cells, of which the first two are compared; and how much a seed adds to all of them.
COLUMNS = {
    "one spread": ((1, 1, 1, 1, 1), 0.0),
    "one spread, and a seed adds as much to all": ((1, 1, 1, 1, 1), 1.0),
    "spreads of 1 and 2": ((1, 2, 1, 2, 1), 0.0),
    "a compared cell has 6, all others 1": ((6, 1, 1, 1, 1), 0.0),
    "the compared cells have 1, all others 6": ((1, 1, 6, 6, 6), 0.0),
}
TESTS = {
    "welch": ("Welch", lambda x: welch(x[:, 0], x[:, 1])),
    "pooled": ("Student", lambda x: pooled(x[:, 0], x[:, 1])),
    "paired": ("paired", lambda x: paired(x[:, 0], x[:, 1])),
    "blocks": ("blocks", lambda x: blocks(x, 0, 1)),
}

Rates = dict[str, float]  # test -> percent of cases that it calls significant


def rates(values):
    """values: (cases, cells, seeds); of the first two cells."""
    return {name: 100 * float((test(values).p < SIGNIFICANT).mean()) for name, (_, test) in TESTS.items()}


def columns(kind, seeds):
    """(CASES, 5, seeds) errors, all cells equally good; and the mean spread of the two that are compared."""
    spreads, shared = COLUMNS[kind]
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence((seeds, list(COLUMNS).index(kind)))))
    values = random.normal(size=(CASES, 5, seeds)) * np.array(spreads)[:, None]
    values += shared * random.normal(size=(CASES, 1, seeds))
    return values, np.sqrt((spreads[0] ** 2 + spreads[1] ** 2) / 2 + shared**2)


@cache
def false_alarms() -> dict[tuple[int, str], Rates]:
    return {(seeds, kind): rates(columns(kind, seeds)[0]) for seeds in SEEDS for kind in COLUMNS}


@cache
def power() -> dict[tuple[int, str], Rates]:
    found = {}
    for seeds, kind in itertools.product(SEEDS, COLUMNS):
        values, spread = columns(kind, seeds)
        values[:, 0] += APART * spread
        found[seeds, kind] = rates(values)
    return found


@cache
def bold_lost() -> dict[int, Rates]:
    """In percent of columns of five equally good cells of one spread: not all are bold."""
    found = {}
    for seeds in SEEDS:
        values = columns("one spread", seeds)[0]
        order = np.argsort(values.mean(axis=2), axis=1)
        values = np.take_along_axis(values, order[:, :, None], axis=1)  # the lowest first
        others = [values[:, [0, i, *(j for j in range(1, 5) if j != i)]] for i in range(1, 5)]
        found[seeds] = {
            name: 100 * float((np.min([test(one).p for one in others], axis=0) < SIGNIFICANT).mean())
            for name, (_, test) in TESTS.items()
        }
    return found


# Networks. -----------------------------------------------------------------------------------------


@cache
def networks():
    """Method -> test errors of seeds 0, 1, ... (20,) each."""
    runs = Store(ROOT / "results" / "examples" / "seeds").read_runs().sort_values(["method", "seed"])
    return {str(method): group["test_error"].to_numpy() for method, group in runs.groupby("method", sort=False)}


def chosen(cases, count, of, salt):
    """(cases, count) different numbers below `of`."""
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence((count, of, salt))))
    return np.argsort(random.random((cases, of)), axis=1)[:, :count]


@cache
def networks_alarms() -> dict[int, Rates]:
    """One method against itself with as many other seeds; no pairs, and so no tests of pairs."""
    found = {}
    for seeds in SEEDS:
        alarms = {"welch": 0.0, "pooled": 0.0}
        for salt, errors in enumerate(networks().values()):
            picked = errors[chosen(CASES // 5, 2 * seeds, len(errors), salt)].reshape(-1, 2, seeds)
            for name in alarms:
                alarms[name] += 100 * float((TESTS[name][1](picked).p < SIGNIFICANT).mean()) / len(networks())
        found[seeds] = alarms
    return found


PAIRS = (("ReLU (He normal)", "Softsign"), ("Tanh N", "Tanh"), ("ReLU (He normal)", "Tanh"))


@cache
def networks_power() -> dict[tuple[int, tuple[str, str]], Rates]:
    """Two methods with the same few of the twenty seeds, beside the other three methods."""
    found = {}
    for seeds, pair in itertools.product(SEEDS, PAIRS):
        order = [*pair, *(method for method in networks() if method not in pair)]
        every = np.array([networks()[method] for method in order])
        picked = every[:, chosen(CASES, seeds, every.shape[1], 99)].transpose(1, 0, 2)
        found[seeds, pair] = rates(picked)
    return found


def correlations():
    """Of two methods' errors over the seeds, for each pair of methods."""
    every = np.array(list(networks().values()))
    return np.corrcoef(every)[np.triu_indices(len(every), 1)]


# The document. -------------------------------------------------------------------------------------


def a_table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shares(found, decimals):
    return [f"{found[name]:.{decimals}f}" if name in found else "-" for name in TESTS]


NAMES = [name for name, _ in TESTS.values()]


def tables():
    """Name -> text, as they stand in the document."""
    spreads = [[method, f"{errors.mean():.2f}", f"{errors.std(ddof=1):.2f}"] for method, errors in networks().items()]
    together = correlations()
    spreads.append(["correlation of two methods over seeds", f"{together.min():.2f} to {together.max():.2f}", ""])
    return {
        "false alarms": a_table(
            ["seeds", "spreads", *NAMES],
            [[str(seeds), kind, *shares(found, 1)] for (seeds, kind), found in false_alarms().items()],
        ),
        "power": a_table(
            ["seeds", "spreads", *NAMES],
            [[str(seeds), kind, *shares(found, 0)] for (seeds, kind), found in power().items()],
        ),
        "bold lost": a_table(
            ["seeds", *NAMES], [[str(seeds), *shares(found, 1)] for seeds, found in bold_lost().items()]
        ),
        "networks": a_table(["method", "test error (%), mean", "standard deviation over seeds"], spreads),
        "networks' false alarms": a_table(
            ["seeds", *NAMES[:2]], [[str(seeds), *shares(found, 1)[:2]] for seeds, found in networks_alarms().items()]
        ),
        "networks' power": a_table(
            ["seeds", "methods", *NAMES],
            [[str(seeds), " and ".join(pair), *shares(found, 0)] for (seeds, pair), found in networks_power().items()],
        ),
    }


def test_the_document_has_these_tables():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in tables().items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        if os.environ.get("GLOROT_GOLDEN") == "write":
            text = block.sub(lambda found, table=table: found[1] + table + found[2], text)
            DOCUMENT.write_text(text, encoding="utf-8")
        assert block.search(text)[0] == f"<!-- {name} -->\n{table}\n<!-- end -->", name


# What the document says of them. -------------------------------------------------------------------


def test_the_default_raises_few_false_alarms_whatever_the_spreads():
    assert max(found[DEFAULT_TEST] for found in false_alarms().values()) < 2.2
    assert max(found["welch"] for found in false_alarms().values()) < 1.1
    assert all(abs(found["paired"] - 0.5) < 0.2 for found in false_alarms().values())
    assert all(found[DEFAULT_TEST] < 1.0 for found in networks_alarms().values())


@pytest.mark.parametrize("kind", COLUMNS)
def test_with_few_seeds_the_default_shows_more_than_welch_s(kind):
    for seeds in (2, 3):
        assert power()[seeds, kind]["pooled"] > 1.4 * power()[seeds, kind]["welch"]


def test_with_five_seeds_welch_s_shows_as_much_where_spreads_are_alike():
    assert power()[5, "one spread"]["pooled"] < 1.05 * power()[5, "one spread"]["welch"]
    unlike = power()[5, "a compared cell has 6, all others 1"]
    assert unlike["pooled"] > 1.2 * unlike["welch"]


def test_pairs_of_three_seeds_show_less_than_welch_s():
    assert all(power()[3, kind]["paired"] < power()[3, kind]["welch"] for kind in COLUMNS)


def test_one_spread_for_the_column_is_not_for_every_column():
    """Where one cell's seeds differ most, it raises false alarms; where the others' do, it sees nothing."""
    assert all(false_alarms()[seeds, "a compared cell has 6, all others 1"]["blocks"] > 5 for seeds in SEEDS)
    assert all(power()[seeds, "the compared cells have 1, all others 6"]["blocks"] < 3 for seeds in SEEDS)
    for kind in ("one spread", "one spread, and a seed adds as much to all", "spreads of 1 and 2"):
        assert all(false_alarms()[seeds, kind]["blocks"] < 1.3 for seeds in SEEDS)
        assert all(power()[3, kind]["blocks"] > 1.5 * power()[3, kind][test] for test in ("welch", "pooled", "paired"))


def test_a_seed_does_partly_the_same_to_all_methods():
    assert correlations().min() > 0
    assert correlations().mean() > 0.3
