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
    SEED_TESTS,
    WELCH,
    Contrast,
    Mark,
    Sample,
    blocks,
    compare,
    contrast,
    least_significant,
    marks,
    mcnemar_exact,
    moves,
    p_text,
    paired,
    pooled,
    two_proportions,
    welch,
)
from glorot.sweeps.sweep import DEFAULT_TEST, TESTS

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
    """Its first two columns tested with a table of z: 15.60 against 16.06 is a tie."""
    assert two_proportions(1560, 10_000, 1606, 10_000) > 0.005
    assert two_proportions(1560, 10_000, 2715, 10_000) < 0.005
    assert two_proportions(164, 10_000, 176, 10_000) > 0.005
    assert two_proportions(164, 10_000, 221, 10_000) < 0.005


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0234, "p = 0.02"), (0.0046, "p = 0.0046"), (0.00497, "p = 0.00497"), (0.005, "p = 0.005"),
        (0.0054, "p = 0.005"), (1e-7, "p < 1e-06"), (1.0, "p = 1"),
    ],
)  # fmt: skip
def test_a_p_value_is_written_on_its_side_of_the_limit(p, text):
    """One digit, and more only where one would tell of another verdict."""
    assert p_text(p) == text


@pytest.mark.parametrize(("k_1", "n_1"), [(1, 0), (math.nan, 10), (11, 10), (-1, 10)])
def test_no_p_value_of_what_cannot_be(k_1, n_1):
    """A p-value of NaN would count as no difference."""
    with pytest.raises(ValueError, match="expected counts"):
        two_proportions(k_1, n_1, 5, 10)


@given(errors, errors)
def test_welch_and_student(first, second):
    for test, equal in [(welch, False), (pooled, True)]:
        seen = test(first, second)
        assert 0 <= seen.p <= 1
        assert seen.p == pytest.approx(test(second, first).p)
        if min(np.std(first), np.std(second)) > 1e-6:
            assert seen.p == pytest.approx(stats.ttest_ind(first, second, equal_var=equal).pvalue, rel=1e-6, abs=1e-12)


@given(st.integers(2, 5).flatmap(lambda n: st.tuples(*[st.lists(st.floats(0, 100), min_size=n, max_size=n)] * 2)))
def test_paired(pair):
    first, second = pair
    seen = paired(first, second)
    assert 0 <= seen.p <= 1
    if np.std(np.subtract(first, second)) > 1e-6:
        assert seen.p == pytest.approx(stats.ttest_rel(first, second).pvalue, rel=1e-6, abs=1e-12)
        both = blocks([first, second], 0, 1)
        assert (both.p, both.degrees) == (pytest.approx(seen.p, rel=1e-6, abs=1e-12), seen.degrees)


def test_blocks_by_hand():
    """Cells 1 2 3, 2 4 6, 6 6 9 by seeds 1 to 3: what is left beside cells and seeds, and its square sum."""
    column = [[1, 2, 3], [2, 4, 6], [6, 6, 9]]
    left = np.subtract(column, [[2], [4], [7]]) - np.array([[3, 4, 6]]) + 13 / 3
    variance = np.square(left).sum() / 4
    seen = blocks(column, 0, 2)
    assert seen == pytest.approx((-5, variance * 2 / 3, 4))
    assert seen.p == pytest.approx(2 * stats.t.sf(5 / math.sqrt(variance * 2 / 3), 4))


def test_tests_over_seeds_take_many_at_once():
    """Arrays of several cases, as the simulation in test_significance_study.py gives them."""
    values = np.random.default_rng(0).normal(size=(7, 4, 3))
    for test in (welch, pooled, paired):
        together = test(values[:, 0], values[:, 1]).p
        np.testing.assert_allclose(together, [test(case[0], case[1]).p for case in values])
    np.testing.assert_allclose(blocks(values, 0, 1).p, [blocks(case, 0, 1).p for case in values])


@pytest.mark.parametrize("test", [welch, pooled, paired])
def test_what_has_no_spread_and_what_is_tiny(test):
    assert test([5, 5], [5, 5]).p == 1
    assert test([5, 5], [6, 6]).p == 0
    assert test([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]).p == 1
    assert test([0.1, 0.1, 0.1], [0.3, 0.3, 0.3]).p == 0  # means are rounded, which is no spread
    assert 0.3 < test([0, 0], [0, 3.5e-132]).p < 0.7
    assert blocks([[5, 5], [6, 6], [9, 9]], 0, 1).p == 0


@pytest.mark.parametrize("bad", [[1.0], [1.0, math.nan], [math.inf, 1.0]])
def test_what_cannot_be_tested_is_refused(bad):
    """A p-value of NaN would count as no difference."""
    for test in (welch, pooled):
        with pytest.raises(ValueError, match="at least two finite numbers"):
            test(bad, [1.0, 2.0])


@pytest.mark.parametrize("test", [welch, pooled, paired])
def test_the_least_significant_difference(test):
    """At just that difference, p is just what is significant."""
    first, second = [5.0, 5.3, 5.1], [5.2, 5.0, 5.9]
    seen = test(first, second)
    away = np.add(second, seen.difference + seen.least)
    assert test(first, away).p == pytest.approx(0.005)


def test_welch_by_hand():
    """Means 2 and 6, variances 1 and 4, 3 each: t = 4 / sqrt(5 / 3), 25 / 9 / ((1 + 16) / 18) = 2.94 degrees."""
    t, degrees = 4 / math.sqrt(5 / 3), (25 / 9) / ((1 / 9 + 16 / 9) / 2)
    assert welch([1, 2, 3], [4, 6, 8]).p == pytest.approx(2 * stats.t.sf(t, degrees))


def test_moves():
    """A steady descent counts for nothing; of steps 1, -2, 1 the standard deviation is sqrt(3), of two moments each."""
    assert moves([9, 8, 7, 6, 5]) == 0
    assert moves([5, 6, 4, 5]) == pytest.approx(math.sqrt(3 / 2))
    assert moves([50, 20, *[3, 3, 3, 3, 3, 3, 3, 3, 3, 3]]) == 0  # the last ten
    assert moves([5, 6, 4]) is None
    assert moves([5, math.inf, 4, 3, 2]) is None
    noise = np.random.default_rng(0).normal(20, 0.7, 400)
    assert np.mean([moves(noise[i : i + 10]) for i in range(0, 400, 10)]) == pytest.approx(0.7, rel=0.1)


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


def with_seeds(values, seeds=(0, 1, 2)):
    return Sample(values, 10_000, "mnist", None, seeds)


A, B, C = ([10.0, 12.0, 11.0], [11.0, 13.1, 12.3], [10.9, 12.0, 13.0])


def test_several_seeds_each_by_the_test_asked_for():
    a, b = with_seeds(A), with_seeds(B)
    assert tuple(SEED_TESTS) == TESTS
    for name, test in [("welch", welch), ("pooled", pooled), ("paired", paired)]:
        assert compare(a, b, name) == (SEED_TESTS[name], test(A, B).p)
    assert compare(a, b) == compare(a, b, DEFAULT_TEST)
    assert contrast(a, b, "blocks", [b, with_seeds(C), a]) == (SEED_TESTS["blocks"], blocks([A, B, C], 0, 1))


@pytest.mark.parametrize("other", [with_seeds(B, (0, 1, 3)), with_seeds(B[:2], (0, 1)), Sample(B, 10_000, "mnist")])
def test_pairs_take_the_same_seeds(other):
    """Else it is Welch's test, and the notes say so."""
    for name in ("paired", "blocks"):
        assert compare(with_seeds(A), other, name) == (WELCH, welch(A, other.values).p)
    assert contrast(with_seeds(A), with_seeds(C), "blocks", [other])[1] == blocks([A, C], 0, 1)


def test_the_least_significant_difference_of_a_column():
    """Of two cells of one spread it is the test's own; more cells of that spread change nothing but blocks' degrees."""
    a, b, c = (with_seeds(np.add([1.0, 2.0, 3.0], shift)) for shift in (0, 1, 2))
    assert least_significant([a, b, c], "welch") == pytest.approx(welch(a.values, b.values).least)
    assert least_significant([a, b, c], "pooled") == pytest.approx(pooled(a.values, b.values).least)
    a, b, c = map(with_seeds, (A, B, C))
    assert least_significant([a, b], "paired") == pytest.approx(paired(A, B).least)
    assert least_significant([a, b, c], "blocks") == pytest.approx(blocks([A, B, C], 0, 1).least)
    assert least_significant([a, Sample([3.0])], "welch") is None


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1.0], [2.0, 3.0])])
def test_a_loss_or_an_unknown_number_of_examples_takes_several_seeds(a, b):
    assert compare(Sample(a), Sample(b)) is None
    assert compare(Sample([1.0, 1.5]), Sample([2.0, 2.5]), "welch")[0] == WELCH


def test_seeds_that_vary_are_not_told_apart_by_many_examples():
    """Why Welch: pooled over three seeds of 10,000 examples, chance between seeds is called significant."""
    a, b = [5.0, 7.0, 6.0], [6.5, 8.5, 7.5]
    assert two_proportions(sum(a) * 100, 30_000, sum(b) * 100, 30_000) < 1e-10
    assert min(welch(a, b).p, pooled(a, b).p) > 0.1


def test_seeds_keep_the_level_where_their_examples_do_not():
    random = np.random.default_rng(0)
    by_seeds = by_examples = 0
    for _ in range(400):
        a, b = (20 + random.normal(0, 1, 3) for _ in range(2))
        by_seeds += pooled(a, b).p < 0.005
        by_examples += two_proportions(a.sum() * 100, 30_000, b.sum() * 100, 30_000) < 0.005
    assert by_seeds <= 8
    assert by_examples > 100


# A column. -----------------------------------------------------------------------------------------


def test_marks_of_a_column():
    tied, worse = one([0, 1, 2]), one(range(4, 20))
    found = marks([worse, one([5, 6]), None, tied])
    assert found[1] == Mark(True)
    assert (found[3].best, found[3].test) == (True, MCNEMAR)
    assert (found[0].best, found[0].test) == (False, MCNEMAR)
    assert found[0].p == pytest.approx(mcnemar_exact(correct(20, range(4, 20)), correct(20, [5, 6])))
    assert found[2] == Mark()


def test_marks_over_seeds():
    found = marks([with_seeds(A), None, with_seeds(np.add(B, 30))], "paired")
    assert found[0] == Mark(True)
    assert (found[2].best, found[2].test) == (False, SEED_TESTS["paired"])
    assert (found[2].p, found[2].least) == pytest.approx((paired(A, np.add(B, 30)).p, paired(A, B).least))


def test_without_a_difference_it_is_no_significant_one():
    assert Contrast(0.0, 0.0, 2).p == 1
    assert marks([with_seeds([3.0, 3.0, 3.0]), with_seeds([3.0, 3.0, 3.0])])[1].best


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
