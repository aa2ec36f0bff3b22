"""The paper's claims about the inside of a network in training (figures 2, 3, 4, 9 and 10), from stored probes."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot.paper.claims import (
    LATEST,
    PAPERS_UPDATES,
    REVISED,
    Evidence,
    Judge,
    Rule,
    Verdict,
    comparable,
    decided,
    lacking,
    level,
    not_measured,
    series,
    sized,
)
from glorot.paper.differences import learned
from glorot.paper.repeats import Repeats
from glorot.results.stored import StoredRun

if TYPE_CHECKING:
    import pandas as pd

AT_ZERO, ABOVE_ZERO = 0.1, 0.25  # mean of a sigmoid layer that is, or is not, saturated at 0
SOON = 100_000  # updates in which the top sigmoid layer should be seen to go to 0: 5 of the paper's epochs
SATURATES = 0.9  # 98th percentile of a tanh layer at which it counts as saturated
DRIFTS = 1.5  # times the spread at the start
FEWEST = 3  # probes after update 0
AHEAD = 0.9  # share of the probes at which layers are nearer to each other
AT_ENDS = 2  # layers that gather at -1 and 1

TOP_FIRST = Rule(
    f"The top layer's mean activation is the first to fall below {AT_ZERO}; the other layers' are then above "
    f"{ABOVE_ZERO}. Not held: another layer is first, or none falls in {SOON:,} updates."
)
ONE_BY_ONE = Rule(
    f"The 98th percentile of a reaches {SATURATES} in layer 1, then in layer 2, and so on, in at least two layers and "
    "not at once. Not held: another order, or all layers at one probe later than the first."
)
TOGETHER = Rule(
    "The 98th percentile of a rises in every layer, and the smallest of all layers is nearer to the largest (as a "
    f"ratio) than for Tanh at {100 * AHEAD:g} % of the probes after update 0. Not held: at half of them or fewer; from "
    f"{PAPERS_UPDATES:,} updates on also between the two; or not all layers rise. Both networks are below chance.",
    LATEST,
)
ENDS = Rule(
    "In every hidden layer the fullest tenth of |a| is the last (it gathers at -1 and 1) or the first (at 0): the last "
    f"in at least {AT_ENDS} layers, the first in at least one. Not held: anything else from {PAPERS_UPDATES:,} updates "
    "on.",
    REVISED,
)
KNEES = Rule(
    "In most hidden layers the fullest tenth of |a| lies between .6 and .8. Not held: anything else from "
    f"{PAPERS_UPDATES:,} updates on."
)
_SPREAD = (
    "The largest standard deviation of a hidden layer's weight gradients is divided by the smallest: after update 0 "
    f"(geometric mean over the probes) this ratio is {{}} {DRIFTS} times what it was at update 0."
)
APART, STAY = Rule(_SPREAD.format("at least")), Rule(_SPREAD.format("below"))
SOONER = Rule(
    f"In each of the layers 2 to 5 the 98th percentile of a reaches {SATURATES} at an earlier probe than Tanh's, and "
    "at the end more units are saturated. Not held: in one of these layers Tanh is earlier, or has more. Both networks "
    "are below chance.",
    REVISED,
)


# Rules: series -> verdict. A series is a table with a row an update and a column a hidden layer. ----


def top_first(means: "pd.DataFrame") -> Verdict:
    """means: mean activations of a sigmoid net."""
    top, last = means.columns[-1], int(means.index.max())
    down = means[(means < AT_ZERO).any(axis=1)]
    if down.empty:
        ours = f"lowest mean of layer {top}: {means[top].min():.2f}"
        if last < SOON:
            return not_measured(f"no layer at 0 after {last:,} updates", ours)
        return decided(False, ours)
    update, first = down.index.min(), down.iloc[0]
    ours = f"at update {update:,}: {', '.join(f'{mean:.2f}' for mean in first)} (layers 1 to {top})"
    return decided(first[top] < AT_ZERO and bool((first.drop(top) > ABOVE_ZERO).all()), ours)


def one_by_one(p98: "pd.DataFrame") -> Verdict:
    """p98: 98th percentiles of the activations of a tanh net."""
    reached = {layer: _first(p98[layer] >= SATURATES) for layer in p98.columns}
    moments = [float("inf") if update is None else update for update in reached.values()]
    seen = [update for update in reached.values() if update is not None]
    ours = f"update {', '.join('not yet' if update is None else f'{update:,}' for update in reached.values())}"
    if any(a > b for a, b in pairwise(moments)):
        return decided(False, ours)
    if len(seen) < 2:
        why = f"{len(seen)} of {len(moments)} layers saturated after {p98.index.max():,} updates"
        return not_measured(why, ours)
    if len(set(seen)) == 1 and (len(seen) < len(moments) or seen[0] <= p98.index[p98.index > 0].min()):
        return not_measured("probes too far apart to tell the layers' order", ours)
    return decided(len(set(seen)) > 1, ours)


def together(p98: "pd.DataFrame", tanh: "pd.DataFrame") -> Verdict:
    """p98, tanh: 98th percentiles of the activations of a net, and of the tanh net it is compared with."""
    ratios = [table.min(axis=1) / table.max(axis=1) for table in (p98, tanh)]
    moments = [moment for moment in ratios[0].index.intersection(ratios[1].index) if moment > 0]
    nearer = sum(ratios[0][moment] > ratios[1][moment] for moment in moments)
    rises = bool((p98.iloc[-1] > p98.iloc[0]).all())
    means = " against ".join(f"{ratio[moments].mean():.2f}" for ratio in ratios)
    ours = (
        f"nearer at {nearer} of {len(moments)} probes; smallest / largest {means} on average; "
        f"{'all layers rise' if rises else 'not all layers rise'}"
    )
    if not moments:
        return not_measured("no probes of both after the same updates")
    if rises and len(moments) / 2 < nearer < AHEAD * len(moments) and moments[-1] < PAPERS_UPDATES:
        return not_measured(f"mixed in {moments[-1]:,} updates", ours)
    return decided(rises and nearer >= AHEAD * len(moments), ours)


def mass_at_ends(layers: Sequence[np.ndarray], update: int) -> Verdict:
    """layers: for each hidden layer (10,) shares of |a| in 0 to .1, .1 to .2, ..."""
    fullest = [int(np.argmax(tenths)) for tenths in layers]
    gathered = set(fullest) == {0, 9} and fullest.count(9) >= AT_ENDS
    return _from_the_end(gathered, update, _fullest(fullest))


def mass_at_knees(layers: Sequence[np.ndarray], update: int) -> Verdict:
    """layers: for each hidden layer (10,) shares of |a| in 0 to .1, .1 to .2, ..."""
    fullest = [int(np.argmax(tenths)) for tenths in layers]
    return _from_the_end(sum(tenth in (6, 7) for tenth in fullest) > len(layers) / 2, update, _fullest(fullest))


def _fullest(tenths: Sequence[int]) -> str:
    texts = [f"{tenth / 10:.1f} to {(tenth + 1) / 10:.1f}" for tenth in tenths]
    return f"fullest: {', '.join(texts)} (layers 1 to {len(tenths)})"


def drift(stds: "pd.DataFrame", stays: bool) -> Verdict:
    """stds: standard deviations of the weight gradients. stays: whether the layers are to stay together."""
    spread = stds.max(axis=1) / stds.min(axis=1)
    if 0 not in stds.index or len(stds) <= FEWEST:
        return not_measured(f"needs a probe at update 0 and {FEWEST} later ones")
    start, later = float(spread[0]), float(np.exp(np.log(spread[spread.index > 0]).mean()))
    if not (np.isfinite(start) and np.isfinite(later)):
        return not_measured("a layer's gradients vanished")
    ours = f"{start:.2f} at the start, then {later:.2f}: {later / start:.1f} times"
    return decided((later / start < DRIFTS) == stays, ours)


def sooner(p98: Sequence["pd.DataFrame"], saturation: Sequence["pd.DataFrame"]) -> Verdict:
    """Of two networks, the one that saturates sooner first: 98th percentiles and shares of saturated units."""
    never = float("inf")
    upper = list(p98[0].columns[1:])
    moments = [[_first(table[layer] >= SATURATES) for layer in upper] for table in p98]
    shares = [[float(table[layer].iloc[-1]) for layer in upper] for table in saturation]
    pairs = [tuple(never if moment is None else moment for moment in pair) for pair in zip(*moments, strict=True)]
    texts = [", ".join("not yet" if moment is None else f"{moment:,}" for moment in line) for line in moments]
    percents = [", ".join(f"{100 * share:.0f}" for share in line) for line in shares]
    ours = f"layers 2 to {upper[-1]}: update {' against '.join(texts)}; saturated {' % against '.join(percents)} %"
    if any(a > b for a, b in pairs) or any(a < b for a, b in zip(*shares, strict=True)):
        return decided(False, ours)
    if all(a < b for a, b in pairs) and all(a > b for a, b in zip(*shares, strict=True)):
        return decided(True, ours)
    return not_measured("probes too far apart, or not saturated yet", ours)


def _first(reached: "pd.Series") -> int | None:
    return reached.index[reached].min() if reached.any() else None


def _from_the_end(condition: bool, update: int, ours: str) -> Verdict:
    """A claim about the end of training: a shorter run may confirm it, but not refute it."""
    if condition or update >= PAPERS_UPDATES:
        return decided(condition, ours)
    return not_measured(f"not so yet after {update:,} updates", ours)


def tenths_of(run: StoredRun) -> list[np.ndarray]:
    """Shares of |a| in tenths, (10,), of each hidden layer at the end: from a histogram over -1 to 1."""
    rows = run.probes[(run.probes["quantity"] == "activation") & (run.probes["update"] == run.probes["update"].max())]
    found = []
    for counts in rows.sort_values("layer")["counts"]:
        half = len(counts) // 2
        both = np.array(counts[half:], float) + np.array(counts[:half][::-1], float)
        found.append(both.reshape(10, -1).sum(axis=1) / both.sum())
    return found


# Judges: evidence -> probed runs -> verdict --------------------------------------------------------


def _wanted(method: str, depth: int = 5) -> dict[str, Any]:
    return {"method": method, "dataset": "shapeset", "depth": depth, "hidden": level}


def of_run(rule: Callable[[StoredRun], Verdict], method: str, depth: int = 5, only_learned: bool = False) -> Judge:
    """A rule about one probed run. only_learned: not of a run at chance."""

    def of_one(found: Sequence[Repeats]) -> Verdict:
        return rule(found[0].runs[0])

    return _of_probed(of_one, [(method, depth)], only_learned)


def of_two(quantities: Sequence[str], rule: Callable[..., Verdict], method: str, other: str) -> Judge:
    """A rule about the activations of two methods below chance, alike but in their method. quantities: columns."""

    def of_both(found: Sequence[Repeats]) -> Verdict:
        return rule(*([series(one, "activation", column) for one in found] for column in quantities))

    return _of_probed(of_both, [(method, 5), (other, 5)], True)


def _of_probed(
    rule: Callable[[Sequence[Repeats]], Verdict], wanted: Sequence[tuple[str, int]], only_learned: bool
) -> Judge:
    methods, alike = " and ".join(method for method, _ in wanted), ", alike" * (len(wanted) > 1)

    def judge(evidence: Evidence) -> Verdict:
        found = comparable(
            evidence.repeats, *(_wanted(*one) for one in wanted), varies=("activation", "initializer"), probed=True
        )
        if not found:
            return lacking(f"{methods}, {wanted[0][1]} layers{alike}, with probes, on Shapeset")
        probed = [one.probed or one for one in found]
        if only_learned and not all(map(learned, found)):
            return sized(not_measured(f"at chance after {found[0].updates:,} updates"), *probed)
        return sized(rule(probed), *probed)

    return judge


def _of_series(quantity: str, column: str, rule: Callable[["pd.DataFrame"], Verdict]) -> Callable[[StoredRun], Verdict]:
    return lambda run: rule(series(Repeats((run,)), quantity, column))


def _apart(stds: "pd.DataFrame") -> Verdict:
    return drift(stds, False)


def _stay(stds: "pd.DataFrame") -> Verdict:
    return drift(stds, True)


def _both(p98: Sequence["pd.DataFrame"]) -> Verdict:
    return together(*p98)


JUDGES: dict[str, Judge] = {
    "top sigmoid layer": of_run(_of_series("activation", "mean", top_first), "Sigmoid", 4),
    "tanh one by one": of_run(_of_series("activation", "p98", one_by_one), "Tanh"),
    "softsign together": of_two(["p98"], _both, "Softsign", "Tanh"),
    "normalized together": of_two(["p98"], _both, "Tanh N", "Tanh"),
    "normalized sooner": of_two(["p98", "saturation"], sooner, "Tanh N", "Tanh"),
    "tanh modes": of_run(lambda run: mass_at_ends(tenths_of(run), int(run["updates"])), "Tanh"),
    "softsign modes": of_run(lambda run: mass_at_knees(tenths_of(run), int(run["updates"])), "Softsign"),
    "standard drifts": of_run(_of_series("weight_gradient", "std", _apart), "Tanh", 5, True),
    "normalized stays": of_run(_of_series("weight_gradient", "std", _stay), "Tanh N", 5, True),
}
