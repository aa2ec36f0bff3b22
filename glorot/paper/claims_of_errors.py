"""The paper's claims about Table 1: which method is better, by how much, and which are the best of a column."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from glorot.paper.claims import (
    PAPERS_UPDATES,
    REVISED,
    SIZE,
    Evidence,
    Judge,
    Rule,
    Verdict,
    comparable,
    decided,
    described,
    full_size,
    label,
    lacking,
    level,
    not_measured,
    sized,
    sweep_of,
)
from glorot.paper.differences import CHANCE, LAST, away_from_chance, difference, learned, upper_limit, variance
from glorot.paper.repeats import Repeats
from glorot.paper.table1 import ROWS, TABLE_1
from glorot.reporting.significance import SIGNIFICANT, Sample, Z, marks

PAPERS_EXAMPLES = 10_000  # test examples of every column
MARGIN = 1.0  # points by which a method that is no worse may be worse
METHODS = ("activation", "initializer")

CLEARLY = (
    f"Clearly: the difference is significant at the end (p < {SIGNIFICANT}), and there at each of the last {LAST} "
    "evaluations."
)

LOWER = Rule(f"Its test error is clearly lower. Not held: clearly higher, or neither at {SIZE}.", REVISED)
NO_WORSE = Rule(
    f"Its test error is less than {MARGIN:g} point above the other's: the upper 99.5 % limit of the difference at the "
    f"end, and the mean difference over the last {LAST} evaluations. Both are below chance. Not held: it is clearly "
    "higher.",
    REVISED,
)
GAP = Rule(
    f"The distance between the two test errors is the paper's, within {Z} standard errors (ours and the paper's). Only "
    f"at {SIZE}."
)
WORST = Rule(
    "Its test error is clearly above every other method's. Not held: it is clearly below one of them. Not measured: it "
    "is at chance, where the paper's is not; or there is no clear difference from every other method.",
    REVISED,
)
AT_CHANCE = Rule(
    f"Its test error is not significantly below chance (p < {SIGNIFICANT}) after {PAPERS_UPDATES:,} updates, or after "
    "as many as let 4 layers leave chance; Tanh's is below chance. Not held: its error is below chance.",
    REVISED,
)
PATTERN = Rule(
    "The best methods are the same as in the paper's column: the one with the lowest error, and those that do not "
    f"differ from it significantly (p >= {SIGNIFICANT}; for the paper by a two-proportion test). Ours, too, are of "
    f"{PAPERS_EXAMPLES:,} test examples. Not held: one of the paper's best is clearly above our lowest error; or any "
    f"other set at {SIZE}.",
    REVISED,
)
LESS_SENSITIVE = Rule(
    "The two initializations' test errors differ by less for Softsign than for Tanh: at the end by more than "
    f"{Z} standard errors, and in the means of the last {LAST} evaluations. All are below chance. Not held: the "
    f"reverse, or neither at {SIZE}.",
    REVISED,
)


# Rules: repeats -> verdict -------------------------------------------------------------------------


def lower(a: Repeats, b: Repeats) -> Verdict:
    """a has the lower test error."""
    found = difference(a, b)
    ours = str(found)
    if found.lower or found.higher:
        if not full_size(a, b) and not (learned(a) or learned(b)):
            return not_measured(f"both at chance after {a.updates:,} updates", ours)
        return decided(found.lower, ours)
    if full_size(a, b):
        return decided(False, ours)
    if not (learned(a) or learned(b)):
        return not_measured(f"both at chance after {a.updates:,} updates", ours)
    return not_measured(f"no clear difference after {a.updates:,} updates", ours)


def no_worse(a: Repeats, b: Repeats) -> Verdict:
    """a's test error is not above b's by as much as MARGIN."""
    found, limit = difference(a, b), upper_limit(a, b)
    ours = f"{found}; upper limit {limit_text(limit)} points"
    if not (learned(a) and learned(b)):
        return not_measured(f"at chance after {a.updates:,} updates", ours)
    if found.higher:
        return decided(False, ours)
    if limit < MARGIN and not found.late[0] - found.late[1] >= MARGIN:
        return decided(True, ours)
    return not_measured("the difference is not known closely enough", ours)


def limit_text(points: float) -> str:
    """Two decimals, or as many as show on which side of 0 and of MARGIN it is."""
    decimals = 2
    while decimals < 9 and any((points < bound) != (round(points, decimals) < bound) for bound in (0, MARGIN)):
        decimals += 1
    return f"{points:+.{decimals}f}"


def gap(a: Repeats, b: Repeats) -> Verdict:
    """b's test error is above a's by as much as in Table 1."""
    papers = TABLE_1[b["dataset"]][b.method] - TABLE_1[a["dataset"]][a.method]
    ours = f"{b.error - a.error:.2f} points"
    if not full_size(a, b):
        return not_measured(f"needs {SIZE}", ours)
    rates = [TABLE_1[one["dataset"]][one.method] / 100 for one in (a, b)]
    papers_variance = sum(100**2 * rate * (1 - rate) / PAPERS_EXAMPLES for rate in rates)
    standard_error = (variance(a) + variance(b) + papers_variance) ** 0.5
    return decided(abs(b.error - a.error - papers) <= Z * standard_error, ours)


def worst(one: Repeats, others: Sequence[Repeats]) -> Verdict:
    """one has the highest test error of all, clearly above every other."""
    ours = ", ".join(f"{other.method} {other.error:.2f}" for other in (one, *others)) + " %"
    against = [difference(one, other) for other in others]
    if not learned(one):
        return not_measured(f"{one.method} is at chance after {one.updates:,} updates, the paper's is not", ours)
    if any(found.lower for found in against):
        return decided(False, ours)
    near = [other.method for other, found in zip(others, against, strict=True) if not found.higher]
    return not_measured(f"not clearly above {' and '.join(near)}", ours) if near else decided(True, ours)


def at_chance(five: Repeats, other: Repeats, four: Repeats | None) -> Verdict:
    """A network of 5 layers is at chance where another method is below. four: the same method with 4 layers."""
    errors = f"{five.error:.2f} %, {other.method} {other.error:.2f} %"
    away = away_from_chance(four) if four else []
    ours = f"{errors} (chance {CHANCE[five['dataset']]:.2f} %)"
    if away:
        ours += f"; 4 layers left at update {away[0][0]:,}"
    if learned(five):
        return decided(False, ours)
    if not learned(other):
        return not_measured(f"{other.method} is at chance as well after {five.updates:,} updates", ours)
    if five.updates >= PAPERS_UPDATES or away:
        return decided(True, ours)
    return not_measured(f"may leave after more than {five.updates:,} updates, as 4 layers do in the paper", ours)


def papers_best(dataset: str, methods: Sequence[str] = tuple(ROWS)) -> set[str]:
    """Those of the methods whose error does not differ significantly from their lowest, by the paper's numbers."""
    samples = [Sample([TABLE_1[dataset][method]], PAPERS_EXAMPLES, dataset) for method in methods]
    return {method for method, mark in zip(methods, marks(samples), strict=True) if mark.best}


def pattern(column: Sequence[Repeats]) -> Verdict:
    """The best of a column are the paper's. column: every method of Table 1."""
    papers = papers_best(column[0]["dataset"])
    found = marks([one.sample for one in column])
    best = [one.method for one, mark in zip(column, found, strict=True) if mark.best]
    errors = ", ".join(f"{one.method} {one.error:.2f}" for one in sorted(column, key=lambda one: one.error))
    ours = f"{', '.join(best)} ({errors} %)"
    lowest, tested = min(column, key=lambda one: one.error), min(one.tested for one in column)
    if tested < PAPERS_EXAMPLES:
        return not_measured(f"{tested:,} test examples show fewer differences", ours)
    if set(best) == papers:
        return decided(True, ours)
    if full_size(*column) or any(difference(one, lowest).higher for one in column if one.method in papers):
        return decided(False, ours)
    return not_measured(f"not so after {lowest.updates:,} updates", ours)


def less_sensitive(one: tuple[Repeats, Repeats], other: tuple[Repeats, Repeats]) -> Verdict:
    """Each: a method with the one initialization and with the other."""
    gaps, late, ours = _gaps(one, other)
    if not all(map(learned, (*one, *other))):
        return not_measured(f"at chance after {one[0].updates:,} updates", ours)
    z = (gaps[1] - gaps[0]) / sum(map(variance, (*one, *other))) ** 0.5
    if z > Z and not late[0] >= late[1]:
        return decided(True, ours)
    if full_size(*one, *other) or (z < -Z and not late[0] <= late[1]):
        return decided(False, ours)
    return not_measured(f"no clear difference after {one[0].updates:,} updates", ours)


def _gaps(one: tuple[Repeats, Repeats], other: tuple[Repeats, Repeats]) -> tuple[list[float], list[float], str]:
    """The distance between the two of each, in points: at the end, over the last evaluations, and in words."""
    found = difference(*one), difference(*other)
    gaps = [abs(each.a - each.b) for each in found]
    late = [abs(each.late[0] - each.late[1]) for each in found]
    means = f"means of the last {found[0].evaluations}: {late[0]:.2f} against {late[1]:.2f}"
    return gaps, late, f"{gaps[0]:.2f} points against {gaps[1]:.2f}; {means}"


def _gaps_of_four(found: Sequence[Repeats]) -> str:
    standard_error = sum(map(variance, found)) ** 0.5
    return f"{_gaps((found[0], found[1]), (found[2], found[3]))[2]}; standard error {standard_error:.2f} points"


# Judges: evidence -> the runs a rule needs -> verdict ---------------------------------------------


def of_table_1(method: str, dataset: str) -> dict[str, Any]:
    """How a run of Table 1 is found: five hidden layers of one size."""
    return {"method": method, "dataset": dataset, "hidden": lambda hidden: level(hidden) and len(hidden) == 5}


def pair(rule: Callable[[Repeats, Repeats], Verdict], a: str, b: str, dataset: str) -> Judge:
    """A rule about two methods on a data set, at depth 5."""

    def judge(evidence: Evidence) -> Verdict:
        wanted = of_table_1(a, dataset), of_table_1(b, dataset)
        found = comparable(evidence.repeats, *wanted, varies=METHODS)
        if not found:
            return lacking(f"{a} and {b}, 5 layers, alike, on {label(dataset)}", sweep_of(dataset))
        verdict = sized(rule(*found), *found)
        return (
            _with_seeds(verdict, lambda seeds: str(difference(*seeds)), evidence, found) if rule in SEEDED else verdict
        )

    return judge


SEEDED = (lower, no_worse)  # rules whose verdict on one long run has shorter runs with several seeds beside it


def _with_seeds(
    verdict: Verdict, told: Callable[[Sequence[Repeats]], str], evidence: Evidence, found: Sequence[Repeats]
) -> Verdict:
    """A verdict on single runs, with what runs of the same layers say that are shorter and have several seeds."""
    if len(found[0].runs) > 1:
        return verdict
    wanted = [of_table_1(one.method, one["dataset"]) | {"hidden": found[0].hidden} for one in found]
    seeds = comparable(evidence.repeats, *wanted, varies=METHODS, seeds=2)
    if not seeds:
        return verdict
    more = f"{told(seeds)}, after {seeds[0].updates:,} updates"
    return replace(verdict, ours=f"{verdict.ours}. Seeds: {more}", runs=f"{verdict.runs}. Seeds: {described(*seeds)}")


def _of_column(evidence: Evidence, dataset: str, methods: Sequence[str]) -> list[Repeats] | None:
    wanted = [of_table_1(method, dataset) for method in methods]
    return comparable(evidence.repeats, *wanted, varies=METHODS)


def sigmoid_is_worst(dataset: str) -> Judge:
    """Against Tanh and Tanh N, and against what else of Table 1 was run alike."""

    def judge(evidence: Evidence) -> Verdict:
        for more in (("Softsign", "Softsign N"), ("Softsign",), ("Softsign N",), ()):
            found = _of_column(evidence, dataset, ("Sigmoid", "Tanh", "Tanh N", *more))
            if found:
                return sized(worst(found[0], found[1:]), *found)
        return lacking(f"Sigmoid, Tanh and Tanh N, 5 layers, alike, on {label(dataset)}", sweep_of(dataset))

    return judge


def sigmoid_at_chance(evidence: Evidence) -> Verdict:
    found = _of_column(evidence, "shapeset", ("Sigmoid", "Tanh"))
    if not found:
        return lacking("Sigmoid and Tanh, 5 layers, alike, on Shapeset")
    four = [one for one in evidence.repeats if len(one.hidden) == 4 and one["width"] == found[0]["width"]]
    wanted = of_table_1("Sigmoid", "shapeset")
    shallow = comparable(
        [found[0], *four], wanted, wanted | {"hidden": lambda hidden: len(hidden) == 4}, varies=("hidden",)
    )
    return sized(at_chance(found[0], found[1], shallow[1] if shallow else None), *found, *(shallow or [])[1:])


def same_best(dataset: str) -> Judge:
    def judge(evidence: Evidence) -> Verdict:
        found = _of_column(evidence, dataset, list(ROWS))
        if not found:
            return lacking(f"all five methods, 5 layers, alike, on {label(dataset)}", sweep_of(dataset))
        return sized(pattern(found), *found)

    return judge


def softsign_is_less_sensitive(dataset: str) -> Judge:
    def judge(evidence: Evidence) -> Verdict:
        found = _of_column(evidence, dataset, ("Softsign", "Softsign N", "Tanh", "Tanh N"))
        if not found:
            return lacking(f"Softsign, Softsign N, Tanh and Tanh N, 5 layers, alike, on {label(dataset)}")
        verdict = sized(less_sensitive((found[0], found[1]), (found[2], found[3])), *found)
        return _with_seeds(verdict, _gaps_of_four, evidence, found)

    return judge
