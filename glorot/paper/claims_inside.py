"""The paper's claims about what happens inside a network in training (figures 2, 3, 4 and 9), from stored probes."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot.paper.claims import (
    PAPERS_UPDATES,
    Evidence,
    Verdict,
    comparable,
    decided,
    lacking,
    learned,
    level,
    not_measured,
    series,
    sized,
)
from glorot.results.stored import StoredRun

if TYPE_CHECKING:
    import pandas as pd

AT_ZERO, ABOVE_ZERO = 0.1, 0.25  # mean of a sigmoid layer that is, or is not, saturated at 0
SOON = 100_000  # updates in which the top sigmoid layer should be seen to go to 0: 5 of the paper's epochs
SATURATES = 0.9  # 98th percentile of a tanh layer at which it counts as saturated
DRIFTS = 1.5  # times the spread at the start
FEWEST = 3  # probes after update 0

TOP_FIRST = (
    f"the top layer's mean activation is the first below {AT_ZERO}, the others' then above {ABOVE_ZERO}; "
    f"not held: another first, or none in {SOON:,} updates"
)
ONE_BY_ONE = (
    f"98th percentile of a reaches {SATURATES} in layer 1, then in layer 2, and so on, in two layers at least and not "
    "at once; not held: another order, or all at one later probe than the first"
)
TOGETHER = (
    "98th percentile of a: rises in every layer, and the smallest over the largest of all layers is above Tanh's "
    "after as many updates; both below chance"
)
ENDS = (
    "all hidden layers' |a| in tenths: the last holds more than the one before (a mode at 1), the first more than "
    f"the second (a mode at 0); if not, not held from {PAPERS_UPDATES:,} updates on"
)
KNEES = (
    "in most hidden layers the fullest tenth of |a| lies in .6 to .8; if not, not held from "
    f"{PAPERS_UPDATES:,} updates on"
)
APART = (
    f"largest over smallest standard deviation of the hidden layers' weight gradients: geometric mean over the probes "
    f"after update 0 at least {DRIFTS} times that at update 0"
)
STAY = APART.replace("at least", "below")


# Rules: series -> verdict. A series is a table with a row an update and a column a hidden layer. ----


def top_first(means: "pd.DataFrame") -> Verdict:
    """means: mean activations of a sigmoid net."""
    top, last = means.columns[-1], int(means.index.max())
    down = means[(means < AT_ZERO).any(axis=1)]
    if down.empty:
        ours = f"lowest mean of layer {top}: {means[top].min():.2f}"
        if last < SOON:
            return not_measured(f"no layer at 0 after {last:,} updates", TOP_FIRST, ours)
        return decided(False, ours, TOP_FIRST)
    update, first = down.index.min(), down.iloc[0]
    ours = f"at update {update:,}: {', '.join(f'{mean:.2f}' for mean in first)} (layers 1 to {top})"
    return decided(first[top] < AT_ZERO and bool((first.drop(top) > ABOVE_ZERO).all()), ours, TOP_FIRST)


def one_by_one(p98: "pd.DataFrame") -> Verdict:
    """p98: 98th percentiles of the activations of a tanh net."""
    reached = {layer: _first(p98[layer] >= SATURATES) for layer in p98.columns}
    moments = [float("inf") if update is None else update for update in reached.values()]
    seen = [update for update in reached.values() if update is not None]
    ours = f"update {', '.join('not yet' if update is None else f'{update:,}' for update in reached.values())}"
    if any(a > b for a, b in pairwise(moments)):
        return decided(False, ours, ONE_BY_ONE)
    if len(seen) < 2:
        why = f"{len(seen)} of {len(moments)} layers saturated after {p98.index.max():,} updates"
        return not_measured(why, ONE_BY_ONE, ours)
    if len(set(seen)) == 1 and (len(seen) < len(moments) or seen[0] <= p98.index[p98.index > 0].min()):
        return not_measured("probes too far apart to tell the layers' order", ONE_BY_ONE, ours)
    return decided(len(set(seen)) > 1, ours, ONE_BY_ONE)


def together(p98: "pd.DataFrame", tanh: "pd.DataFrame") -> Verdict:
    """p98, tanh: 98th percentiles of the activations of a net, and of the tanh net it is compared with."""
    closest, other = (float(table.iloc[-1].min() / table.iloc[-1].max()) for table in (p98, tanh))
    rises = bool((p98.iloc[-1] > p98.iloc[0]).all())
    ours = (
        f"smallest / largest {closest:.2f}, Tanh {other:.2f}; {'all layers rise' if rises else 'not all layers rise'}"
    )
    return decided(rises and closest > other, ours, TOGETHER)


def mass_at_ends(tenths: np.ndarray, update: int) -> Verdict:
    """tenths: (10,) shares of |a| in 0 to .1, .1 to .2, ... over all hidden layers."""

    def share(tenth: int) -> str:
        return f"{100 * tenths[tenth]:.1f} %"

    ours = f".8 to .9: {share(8)}, .9 to 1: {share(9)}; 0 to .1: {share(0)}, .1 to .2: {share(1)}"
    return _from_the_end(bool(tenths[9] > tenths[8] and tenths[0] > tenths[1]), update, ours, ENDS)


def mass_at_knees(layers: Sequence[np.ndarray], update: int) -> Verdict:
    """layers: for each hidden layer (10,) shares of |a| in 0 to .1, .1 to .2, ..."""
    fullest = [int(np.argmax(tenths)) for tenths in layers]
    ours = "fullest: " + ", ".join(f"{tenth / 10:.1f}" for tenth in fullest) + f" (layers 1 to {len(layers)})"
    return _from_the_end(sum(tenth in (6, 7) for tenth in fullest) > len(layers) / 2, update, ours, KNEES)


def drift(stds: "pd.DataFrame", stays: bool) -> Verdict:
    """stds: standard deviations of the weight gradients. stays: whether the layers are to stay together."""
    rule = STAY if stays else APART
    spread = stds.max(axis=1) / stds.min(axis=1)
    if 0 not in stds.index or len(stds) <= FEWEST:
        return not_measured(f"needs a probe at update 0 and {FEWEST} later ones", rule)
    start, later = float(spread[0]), float(np.exp(np.log(spread[spread.index > 0]).mean()))
    if not (np.isfinite(start) and np.isfinite(later)):
        return not_measured("a layer's gradients vanished", rule)
    ours = f"{start:.2f} at the start, then {later:.2f}: {later / start:.1f} times"
    return decided((later / start < DRIFTS) == stays, ours, rule)


def _first(reached: "pd.Series") -> int | None:
    return reached.index[reached].min() if reached.any() else None


def _from_the_end(condition: bool, update: int, ours: str, rule: str) -> Verdict:
    """A claim about the end of training: a shorter run may confirm it, but not refute it."""
    if condition or update >= PAPERS_UPDATES:
        return decided(condition, ours, rule)
    return not_measured(f"not so yet after {update:,} updates", rule, ours)


def tenths_of(run: StoredRun) -> list[np.ndarray]:
    """Shares of |a| in tenths, (10,), of each hidden layer at the end: from a histogram over -1 to 1."""
    rows = run.probes[(run.probes["quantity"] == "activation") & (run.probes["update"] == run.probes["update"].max())]
    found = []
    for counts in rows.sort_values("layer")["counts"]:
        half = len(counts) // 2
        both = np.array(counts[half:], float) + np.array(counts[:half][::-1], float)
        found.append(both.reshape(10, -1).sum(axis=1) / both.sum())
    return found


# Judges: evidence -> a probed run -> verdict ------------------------------------------------------


def _wanted(method: str, depth: int = 5) -> dict[str, Any]:
    return {"method": method, "dataset": "shapeset", "loss": "cross_entropy", "depth": depth, "hidden": level}


def of_run(
    rule: Callable[[StoredRun], Verdict], text: str, method: str, depth: int = 5, only_learned: bool = False
) -> Callable[[Evidence], Verdict]:
    """A rule about one probed run. text: the rule's, where there is none. only_learned: not of a run at chance."""

    def judge(evidence: Evidence) -> Verdict:
        found = comparable(evidence.finished, _wanted(method, depth), probed=True)
        if not found:
            return lacking(f"{method}, {depth} layers, with probes, on Shapeset", text)
        if only_learned and not learned(found[0]):
            return sized(not_measured(f"at chance after {int(found[0]['updates']):,} updates", text), found[0])
        return sized(rule(found[0]), found[0])

    return judge


def softsign_together(evidence: Evidence) -> Verdict:
    found = comparable(evidence.finished, _wanted("Softsign"), _wanted("Tanh"), probed=True)
    if not found:
        return lacking("Softsign and Tanh, 5 layers, alike, with probes, on Shapeset", TOGETHER)
    if not all(map(learned, found)):
        why = f"at chance after {int(found[0]['updates']):,} updates"
        return sized(not_measured(why, TOGETHER), *found)
    return sized(together(*(series(run, "activation", "p98") for run in found)), *found)


JUDGES: dict[str, Callable[[Evidence], Verdict]] = {
    "top sigmoid layer": of_run(lambda run: top_first(series(run, "activation", "mean")), TOP_FIRST, "Sigmoid", 4),
    "tanh one by one": of_run(lambda run: one_by_one(series(run, "activation", "p98")), ONE_BY_ONE, "Tanh"),
    "softsign together": softsign_together,
    "tanh modes": of_run(lambda run: mass_at_ends(np.mean(tenths_of(run), axis=0), int(run["updates"])), ENDS, "Tanh"),
    "softsign modes": of_run(lambda run: mass_at_knees(tenths_of(run), int(run["updates"])), KNEES, "Softsign"),
    "standard drifts": of_run(lambda run: drift(series(run, "weight_gradient", "std"), False), APART, "Tanh", 5, True),
    "normalized stays": of_run(lambda run: drift(series(run, "weight_gradient", "std"), True), STAY, "Tanh N", 5, True),
}
