"""Tests of significance, against scipy and by hand; and which of them is used."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from glorot.reporting.significance import (
    MCNEMAR,
    PROPORTIONS,
    WELCH,
    Mark,
    Sample,
    compare,
    marks,
    mcnemar_exact,
    two_proportions,
    welch,
)

pairs_of_bits = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)
errors = st.lists(st.floats(0, 100), min_size=2, max_size=5)


def bits(pairs):
    both = np.array(pairs, bool).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def correct(n, wrong):
    """(n,) bool with these examples wrong."""
    found = np.ones(n, bool)
    found[list(wrong)] = False
    return found


# The tests. ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 5, 1.0), (0, 8, 2 / 2**8), (1, 9, 2 * (1 + 10) / 2**10), (10, 2, 158 / 2**12)],
)
def test_mcnemar_by_hand(only_a, only_b, p):
    """158 = 2 * (C(12, 0) + C(12, 1) + C(12, 2)). What both got right, or wrong, does not matter."""
    a = np.repeat([True, False, True, False], [only_a, only_b, 7, 9])
    b = np.repeat([False, True, True, False], [only_a, only_b, 7, 9])
    assert mcnemar_exact(a, b) == pytest.approx(p, rel=1e-12)


@given(pairs_of_bits)
def test_mcnemar(pairs):
    a, b = bits(pairs)
    p = mcnemar_exact(a, b)
    assert 0 <= p <= 1
    assert p == mcnemar_exact(b, a) == mcnemar_exact(~a, ~b) == mcnemar_exact(a.astype(np.uint8), b)
    assert mcnemar_exact(a, a) == 1
    k, n = int((a & ~b).sum()), int((a != b).sum())
    tail = sum(math.comb(n, i) for i in range(max(k, n - k), n + 1))
    assert p == pytest.approx(min(1, 2 * tail / 2**n))


def test_mcnemar_needs_the_same_examples():
    with pytest.raises(ValueError, match="the same examples, found 3 and 4"):
        mcnemar_exact(np.ones(3, bool), np.ones(4, bool))


counts = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, counts)
def test_two_proportions(first, second):
    """The square of z is the chi-square of the 2 x 2 table without Yates's correction."""
    p = two_proportions(*first, *second)
    assert 0 <= p <= 1
    assert p == pytest.approx(two_proportions(*second, *first))
    (k_1, n_1), (k_2, n_2) = first, second
    if 0 < k_1 + k_2 < n_1 + n_2:
        table = [[k_1, n_1 - k_1], [k_2, n_2 - k_2]]
        assert p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-6, abs=1e-12)
    else:
        assert p == 1


def test_the_paper_s_bold():
    """Its first two columns by this test, as shared/paper.md and a table of z have it: 15.60 against 16.06 is a tie."""
    assert two_proportions(1560, 10_000, 1606, 10_000) > 0.005
    assert two_proportions(1560, 10_000, 2715, 10_000) < 0.005
    assert two_proportions(164, 10_000, 176, 10_000) > 0.005
    assert two_proportions(164, 10_000, 221, 10_000) < 0.005


@given(errors, errors)
def test_welch(first, second):
    p = welch(first, second)
    assert 0 <= p <= 1
    assert p == pytest.approx(welch(second, first))


def test_welch_by_hand():
    """Means 2 and 6, variances 1 and 4, 3 each: t = 4 / sqrt(5 / 3), 25 / 9 / ((1 + 16) / 18) = 2.94 degrees."""
    t, degrees = 4 / math.sqrt(5 / 3), (25 / 9) / ((1 / 9 + 16 / 9) / 2)
    assert welch([1, 2, 3], [4, 6, 8]) == pytest.approx(2 * stats.t.sf(t, degrees))
    assert welch([5, 5], [5, 5, 5]) == 1
    assert welch([5, 5], [6, 6]) == 0


# Which one. ----------------------------------------------------------------------------------------


def one(wrong, on="mnist", n=20):
    found = correct(n, wrong)
    return Sample([100 * np.mean(~found)], n, on, found)


def test_one_run_each_on_the_same_examples_is_mcnemar_s():
    test, p = compare(one(range(10)), one(range(2, 5)))
    assert (test, p) == (MCNEMAR, mcnemar_exact(correct(20, range(10)), correct(20, range(2, 5))))


@pytest.mark.parametrize(
    "other",
    [
        one(range(3), "cifar10"),
        one(range(3), n=30),
        Sample([15.0], 20, "mnist"),
        Sample([10.0, 20.0], 20, "mnist"),
    ],
    ids=["other data", "fewer examples", "not stored", "two seeds"],
)
def test_else_it_is_two_proportions(other):
    """Several seeds against one run count as one proportion: more seeds are not more examples."""
    test, p = compare(one(range(10)), other)
    wrong = round(other.mean * other.examples / 100)
    assert (test, p) == (PROPORTIONS, pytest.approx(two_proportions(10, 20, wrong, other.examples)))


def test_several_seeds_each_are_welch_s():
    a, b = Sample([10.0, 12.0, 11.0], 10_000, "mnist"), Sample([13.0, 15.0], 10_000, "mnist")
    assert compare(a, b) == (WELCH, welch(a.values, b.values))


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1.0], [2.0, 3.0])])
def test_a_loss_or_an_unknown_number_of_examples_takes_several_seeds(a, b):
    assert compare(Sample(a), Sample(b)) is None
    assert compare(Sample([1.0, 1.5]), Sample([2.0, 2.5]))[0] == WELCH


def test_seeds_that_vary_are_not_told_apart_by_many_examples():
    """Why Welch: pooled over three seeds of 10,000 examples, chance between seeds is called significant."""
    a, b = [5.0, 7.0, 6.0], [6.5, 8.5, 7.5]
    assert two_proportions(sum(a) * 100, 30_000, sum(b) * 100, 30_000) < 1e-10
    assert welch(a, b) > 0.1


def test_welch_keeps_its_level_where_pooling_does_not():
    random = np.random.default_rng(0)
    welched = pooled = 0
    for _ in range(400):
        a, b = (20 + random.normal(0, 1, 3) for _ in range(2))
        welched += welch(a, b) < 0.005
        pooled += two_proportions(a.sum() * 100, 30_000, b.sum() * 100, 30_000) < 0.005
    assert welched <= 8
    assert pooled > 100


# A column. -----------------------------------------------------------------------------------------


def test_marks_of_a_column():
    tied, worse = one([0, 1, 2]), one(range(4, 20))
    found = marks([worse, one([5, 6]), None, tied])
    assert found[1] == Mark(True)
    assert (found[3].best, found[3].test) == (True, MCNEMAR)
    assert (found[0].best, found[0].test) == (False, MCNEMAR)
    assert found[0].p == pytest.approx(mcnemar_exact(correct(20, range(4, 20)), correct(20, [5, 6])))
    assert found[2] == Mark()


def test_nothing_is_marked_where_nothing_is_compared():
    assert marks([None, one([1]), None]) == [Mark()] * 3
    assert marks([Sample([1.0]), Sample([2.0])]) == [Mark()] * 2
    assert marks([]) == []
    assert marks([Sample([math.inf]), one([1])]) == [Mark()] * 2


@given(st.lists(st.none() | st.builds(lambda k: Sample([k / 10], 1000, "x"), st.integers(0, 1000)), max_size=6))
def test_marks(column):
    found = marks(column)
    means = [sample.mean for sample in column if sample]
    for sample, mark in zip(column, found, strict=True):
        assert mark.p is None or 0 <= mark.p <= 1
        if sample and len(means) > 1 and sample.mean == min(means):
            assert mark.best  # so do all ties
        if sample is None:
            assert mark == Mark()
