"""The paper's claims about errors: Table 1, depth, plateaus, layers of unequal size, curves (figures 2, 5, 11, 12)."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from glorot.paper.claims import (
    CHANCE,
    PAPERS_UPDATES,
    PAPERS_WIDTH,
    SIGNIFICANT,
    Evidence,
    Verdict,
    comparable,
    decided,
    difference,
    full_size,
    label,
    lacking,
    learned,
    left_chance,
    level,
    not_measured,
    sized,
    sweep_of,
    tested,
)
from glorot.paper.table1 import TABLE_1
from glorot.results.stored import StoredRun

Z = 2.807  # two-sided p = 0.005
AHEAD, FEWEST = 0.9, 5  # share of evaluations to be ahead at, and how many there must be
SIZE = f"{PAPERS_UPDATES:,} updates x {PAPERS_WIDTH} units"

LOWER = (
    f"significantly lower test error (p < {SIGNIFICANT}); not held: significantly higher, or no difference at {SIZE}"
)
NO_WORSE = f"both below chance, and its test error not significantly higher (p < {SIGNIFICANT})"
GAP = f"only at {SIZE}: gap within {Z} standard errors (ours and the paper's) of the paper's"
WORST = (
    f"highest test error of all, significantly above the lowest (p < {SIGNIFICANT}); not held: another's is "
    f"significantly above it; not told apart: not held at {SIZE}, else not measured"
)
AT_CHANCE = f"test error not significantly below chance (p < {SIGNIFICANT}) where Tanh's is"
LEAVES = (
    f"4 layers get significantly below chance (p < {SIGNIFICANT}) after their first evaluation, and 5 layers, trained "
    "as long, later or not; not held: 5 layers no later"
)
FASTER = (
    f"lower test error at {100 * AHEAD:g} % of the evaluations after update 0, of at least {FEWEST}; not held: at half "
    f"or fewer; between: not held at {SIZE}, else not measured"
)
PLATEAU = (
    "its validation error gets below chance at an earlier evaluation, or, at the same one, it ends significantly "
    f"lower (p < {SIGNIFICANT}); not held: the reverse"
)

Judge = Callable[[Evidence], Verdict]


# Rules: runs -> verdict ----------------------------------------------------------------------------


def lower(a: StoredRun, b: StoredRun) -> Verdict:
    """a has the lower test error."""
    found = difference(a, b)
    ours = str(found)
    if not full_size(a, b) and not (learned(a) or learned(b)):
        return not_measured(f"both at chance after {int(a['updates']):,} updates", LOWER, ours)
    if not full_size(a, b) and found.p >= SIGNIFICANT:
        return not_measured(f"not told apart after {int(a['updates']):,} updates", LOWER, ours)
    return decided(found.p < SIGNIFICANT and found.error_a < found.error_b, ours, LOWER)


def no_worse(a: StoredRun, b: StoredRun) -> Verdict:
    """a's test error is not above b's."""
    found = difference(a, b)
    ours = str(found)
    if not (learned(a) and learned(b)):
        return not_measured(f"at chance after {int(a['updates']):,} updates", NO_WORSE, ours)
    return decided(found.p >= SIGNIFICANT or found.error_a < found.error_b, ours, NO_WORSE)


def gap(a: StoredRun, b: StoredRun) -> Verdict:
    """b's test error is above a's by as much as in Table 1."""
    papers = TABLE_1[b["dataset"]][b.method] - TABLE_1[a["dataset"]][a.method]
    error = float(b["test_error"]) - float(a["test_error"])
    ours = f"{error:.2f} points"
    if a["dataset"] == "small_imagenet":
        return not_measured("the paper's images were never published", GAP, ours)
    if not full_size(a, b):
        return not_measured(f"needs {SIZE}", GAP, ours)
    rates = [(float(run["test_error"]) / 100, tested(run)) for run in (a, b)]
    rates += [(TABLE_1[run["dataset"]][run.method] / 100, 10_000) for run in (a, b)]
    standard_error = 100 * sum(rate * (1 - rate) / n for rate, n in rates) ** 0.5
    return decided(abs(error - papers) <= Z * standard_error, ours, GAP)


def worst(one: StoredRun, others: list[StoredRun]) -> Verdict:
    """one has the highest test error."""
    errors = ", ".join(f"{run.method} {float(run['test_error']):.2f}" for run in [one, *others])
    ours = f"{errors} %"
    against = [difference(one, other) for other in others]
    highest = all(found.error_a >= found.error_b for found in against)
    if any(found.p < SIGNIFICANT and found.error_a < found.error_b for found in against):
        return decided(False, ours, WORST)
    lowest = min(against, key=lambda found: found.error_b)
    if highest and lowest.p < SIGNIFICANT:
        return decided(True, ours, WORST)
    if full_size(one, *others):
        return decided(False, ours, WORST)
    return not_measured(f"not told apart after {int(one['updates']):,} updates", WORST, ours)


def at_chance(one: StoredRun, other: StoredRun) -> Verdict:
    """one is at chance where the other is below."""
    errors = f"{float(one['test_error']):.2f} %, {other.method} {float(other['test_error']):.2f} %"
    ours = f"{errors} (chance {CHANCE[one['dataset']]:.2f} %)"
    if not learned(one) and not learned(other):
        return not_measured(
            f"{other.method} is at chance as well after {int(one['updates']):,} updates", AT_CHANCE, ours
        )
    return decided(not learned(one), ours, AT_CHANCE)


def leaves_chance(four: StoredRun, five: StoredRun) -> Verdict:
    """The shallower net gets off the plateau at some time, the deeper one later or never."""
    moments = [left_chance(run) for run in (four, five)]
    texts = ["never" if moment is None else f"update {moment:,}" for moment in moments]
    ours = f"4 layers: {texts[0]}, 5 layers: {texts[1]}"
    if moments == [None, None]:
        return not_measured(f"both at chance after {int(four['updates']):,} updates", LEAVES, ours)
    if moments[0] is None:
        return decided(False, ours, LEAVES)
    evaluated = [int(update) for update in four.history["update"] if update > 0]
    if moments[0] <= evaluated[0]:
        return not_measured("4 layers left before the second evaluation: no plateau was seen", LEAVES, ours)
    return decided(moments[1] is None or moments[1] > moments[0], ours, LEAVES)


def faster(a: StoredRun, b: StoredRun) -> Verdict:
    """a is ahead of b during training."""
    curves = [{int(u): float(e) for u, e in zip(run.history["update"], run.history["test_error"], strict=True)}
              for run in (a, b)]  # fmt: skip
    moments = sorted(update for update in curves[0].keys() & curves[1].keys() if update > 0)
    ahead = sum(curves[0][update] < curves[1][update] for update in moments)
    ours = f"at {ahead} of {len(moments)} evaluations"
    if len(moments) < FEWEST:
        return not_measured(f"needs {FEWEST} evaluations", FASTER, ours)
    if not learned(a) and not learned(b):
        return not_measured(f"both at chance after {int(a['updates']):,} updates", FASTER, ours)
    if len(moments) / 2 < ahead < AHEAD * len(moments) and not full_size(a, b):
        return not_measured(f"mixed in {int(a['updates']):,} updates", FASTER, ours)
    return decided(ahead >= AHEAD * len(moments), ours, FASTER)


def shorter_plateau(a: StoredRun, b: StoredRun) -> Verdict:
    """a leaves chance before b, or ends lower."""
    moments = [left_chance(run) for run in (a, b)]
    texts = ["never" if moment is None else f"update {moment:,}" for moment in moments]
    found = difference(a, b)
    ours = f"below chance from: {texts[0]} against {texts[1]}; {found}"
    first, second = (float("inf") if moment is None else moment for moment in moments)
    if first != second:
        return decided(first < second, ours, PLATEAU)
    if first == float("inf") or found.p >= SIGNIFICANT:
        return not_measured(f"not told apart after {int(a['updates']):,} updates", PLATEAU, ours)
    return decided(found.error_a < found.error_b, ours, PLATEAU)


# Judges: evidence -> the runs a rule needs -> verdict ---------------------------------------------


def _of_table_1(method: str, dataset: str) -> dict[str, Any]:
    """How a run of Table 1 is found: five hidden layers of one size."""
    five = {"hidden": lambda hidden: level(hidden) and len(hidden) == 5}
    return {"method": method, "dataset": dataset, "loss": "cross_entropy", **five}


def pair(rule: Callable[[StoredRun, StoredRun], Verdict], text: str, a: str, b: str, dataset: str) -> Judge:
    """A rule about two methods on a data set, at depth 5. text: the rule's, where there are no runs."""

    def judge(evidence: Evidence) -> Verdict:
        found = comparable(evidence.finished, _of_table_1(a, dataset), _of_table_1(b, dataset))
        sweep = sweep_of(dataset)
        needed = f"{a} and {b}, 5 layers, alike, on {label(dataset)}"
        return sized(rule(*found), *found) if found else lacking(needed, text, sweep)

    return judge


def sigmoid_is_worst(dataset: str) -> Judge:
    """Against Tanh and Tanh N, and against what else of Table 1 was run alike."""

    def judge(evidence: Evidence) -> Verdict:
        needed = [_of_table_1(method, dataset) for method in ("Sigmoid", "Tanh", "Tanh N")]
        more = [_of_table_1(method, dataset) for method in ("Softsign", "Softsign N")]
        for further in (more, more[:1], more[1:], []):
            found = comparable(evidence.finished, *needed, *further)
            if found:
                return sized(worst(found[0], found[1:]), *found)
        return lacking(f"Sigmoid, Tanh and Tanh N, 5 layers, alike, on {label(dataset)}", WORST, sweep_of(dataset))

    return judge


def sigmoid_depth(rule: Callable[[StoredRun, StoredRun], Verdict], text: str) -> Judge:
    """A rule about sigmoid networks of 4 and 5 hidden layers on Shapeset."""

    def judge(evidence: Evidence) -> Verdict:
        wanted = [
            {"method": "Sigmoid", "dataset": "shapeset", "loss": "cross_entropy", "depth": depth, "hidden": level}
            for depth in (4, 5)
        ]
        found = comparable(evidence.finished, *wanted, alike=("width", "batch_size", "updates", "test_examples"))
        needed = "Sigmoid, 4 and 5 layers, alike, on Shapeset"
        return sized(rule(*found), *found) if found else lacking(needed, text)

    return judge


def of_losses(evidence: Evidence) -> Verdict:
    """Tanh with both costs from the same start: same seed, weights and examples."""
    found = None
    tanh = [run for run in evidence.finished if run["activation"] == "tanh" and run["dataset"] == "shapeset"]
    for initializer in ("standard", "normalized"):
        runs = [run for run in tanh if run["initializer"] == initializer]
        wanted = [{"loss": "cross_entropy"}, {"loss": "quadratic"}]
        found = found or comparable(
            runs, *wanted, alike=("hidden", "batch_size", "updates", "test_examples", "seed", "learning_rate")
        )
    needed = "Tanh with both losses, alike to the seed, on Shapeset"
    return sized(shorter_plateau(*found), *found) if found else lacking(needed, PLATEAU)


def of_sizes(shape: str) -> Judge:
    """Tanh N against Tanh where layers get narrower ("shrink") or wider ("grow") from the first to the last."""

    def monotone(hidden: tuple[int, ...]) -> bool:
        return len(hidden) > 1 and all((a > b) if shape == "shrink" else (a < b) for a, b in pairwise(hidden))

    def judge(evidence: Evidence) -> Verdict:
        wanted = [
            {"method": method, "dataset": "shapeset", "loss": "cross_entropy", "hidden": monotone}
            for method in ("Tanh N", "Tanh")
        ]
        found = comparable(evidence.finished, *wanted)
        needed = f"Tanh N and Tanh, layers that {shape}, alike, on Shapeset"
        return sized(lower(*found), *found) if found else lacking(needed, LOWER)

    return judge
