"""What a claim of the paper is, the rule that judges it, what became of it, and the stored runs that decide.

Every judge is a pure function of evidence to a ``Verdict``. Runs are chosen by their settings, whatever sweep they are
of. What a run shorter than the paper's cannot show is "not measured", not "not held".
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from glorot.datasets.catalogue import DATASETS
from glorot.paper.repeats import Repeats, repeats, settings_key
from glorot.results.stored import StoredRun, text_of
from glorot.sweeps.about import Paper, label_of
from glorot.sweeps.fields import ABOUT

if TYPE_CHECKING:
    import pandas as pd

    from glorot.training.inspection import Inspection

HELD, NOT_HELD, NOT_MEASURED = "held", "not held", "not measured"

PAPERS_UPDATES, PAPERS_WIDTH = ABOUT["updates"].paper, ABOUT["hidden"].paper[0]
SIZE = f"{PAPERS_UPDATES:,} updates x {PAPERS_WIDTH} units"

# When rules were written or changed: see the notes of scorecard.NOTES.
FIRST, REVISED, LATEST = "2026-11-23", "2026-11-25", "2026-11-28"

CHOSEN = frozenset({"learning_rate", "seed"})  # every method has the rate that suits it best, and seeds are repeats


@dataclass(frozen=True)
class Rule:
    """What decides, with its thresholds, in plain English, and the day on which it was written or last changed."""

    text: str
    written: str = FIRST


@dataclass(frozen=True)
class Verdict:
    """What became of a claim. kind: HELD, NOT_HELD or NOT_MEASURED. ours: our numbers.

    why: why it is not measured. runs: what the numbers are of: nothing may pass for the paper's size.
    """

    kind: str
    ours: str
    why: str = ""
    runs: str = ""


@dataclass(frozen=True)
class Evidence:
    """What there is to judge by.

    runs: those that count (selected.py). start: initializer -> the paper's tanh network before training.
    """

    runs: Sequence[StoredRun]
    start: "Callable[[str], Inspection]"

    @cached_property
    def repeats(self) -> list[Repeats]:
        """The runs by setting; none of a setting of which a seed diverged."""
        return repeats(self.runs)


Judge = Callable[[Evidence], Verdict]


@dataclass(frozen=True)
class Claim:
    """A claim, where the paper makes it, its number there, the rule, and the function that judges by it."""

    text: str
    where: str
    paper: str
    rule: Rule
    judge: Judge


def decided(condition: bool, ours: str) -> Verdict:
    return Verdict(HELD if condition else NOT_HELD, ours)


def not_measured(why: str, ours: str = "") -> Verdict:
    return Verdict(NOT_MEASURED, ours, why)


def lacking(what: str, sweep: str = "figures") -> Verdict:
    """Not measured for want of runs. what: the runs it needs. sweep: a shipped one that has them, if any has."""
    return not_measured(f"needs {what}" + (f"; glorot run {sweep}" if sweep else ""))


def sized(verdict: Verdict, *runs: Repeats) -> Verdict:
    """The verdict with the runs it is of."""
    return replace(verdict, runs=described(*runs))


def sweep_of(dataset: str) -> str:
    """The shipped sweep that has runs on a data set."""
    return "table1" if dataset == "small_imagenet" else "figures"


# Choosing runs -------------------------------------------------------------------------------------


def comparable(
    runs: Iterable[Repeats],
    *wanted: Mapping[str, Any],
    varies: Collection[str],
    same: Sequence[str] = (),
    probed: bool = False,
    seeds: int = 1,
) -> list[Repeats] | None:
    """Runs for each of the descriptions, alike in all settings but those that vary; None where there are none such.

    wanted: columns of runs.csv, or attributes of Repeats, and the value each is to have; or a predicate of it. Fields
    that a description does not name are of the paper's protocol (`About.departs`): who trains on 20 examples, or with
    another optimizer, has not trained as Table 1 says. varies: fields of Settings, besides the
    CHOSEN. same: further columns to agree in. seeds: at least so many.
    Of several sets those of the paper's width, then with the most updates, then with the most units; of several
    settings for one description that with the lowest validation error: what `select` in a sweep does.
    """
    groups: dict[tuple[str, ...], list[Repeats]] = {}
    for one in runs:
        if len(one.runs) >= seeds and not (probed and one.probed is None):
            key = (*settings_key(one.runs[0], {*varies, *CHOSEN}), *(text_of(one[column]) for column in same))
            groups.setdefault(key, []).append(one)
    complete = []
    for group in groups.values():
        chosen = [_best(group, description) for description in wanted]
        if all(chosen):
            complete.append([one for one in chosen if one])
    return max(complete, key=_rank, default=None)


def _rank(found: Sequence[Repeats]) -> tuple[bool, int, int, float]:
    units = min(sum(one.hidden) for one in found)
    wide = all(sum(one.hidden) >= PAPERS_WIDTH * len(one.hidden) for one in found)
    return wide, min(one.updates for one in found), units, -min(one.mean("valid_error") for one in found)


def _best(group: Iterable[Repeats], wanted: Mapping[str, Any]) -> Repeats | None:
    fitting = [one for one in group if _fits(one, wanted)]
    best = min(fitting, key=lambda one: (one.mean("valid_error"), one.seeds), default=None)
    rates = {rate for one in fitting for rate in (*one.rates, float(one["learning_rate"]))}
    return best and replace(best, rates=tuple(sorted(rates)))


def _fits(one: Repeats, wanted: Mapping[str, Any]) -> bool:
    for key, value in wanted.items():
        found = getattr(one, key) if key in ("method", "hidden") else one.runs[0].row.get(key)
        if not (value(found) if callable(value) else found == value):
            return False
    named = {*wanted, *(("activation", "initializer") if "method" in wanted else ())}
    return not unusual(one.runs[0], named)


def unusual(run: StoredRun, known: Collection[str] = ()) -> dict[str, str]:
    """The settings of a run, besides those known, that depart from the paper's protocol: train_examples -> "20"."""
    texts = {name: text_of(run.row.get(name)) for name in ABOUT if name not in known}
    return {
        name: text for name, text in texts.items() if text and text != label_of(ABOUT[name].paper) and _departs(name)
    }


def _departs(name: str) -> bool:
    """Whether any value of a field but the paper's departs from its protocol."""
    return ABOUT[name].departs(...)


def level(hidden: tuple[int, ...]) -> bool:
    """Whether all layers have one size."""
    return len(set(hidden)) == 1


def full_size(*runs: Repeats) -> bool:
    """Whether runs are as long and wide as the paper's, or more so."""
    return all(one.updates >= PAPERS_UPDATES and min(one.hidden, default=0) >= PAPERS_WIDTH for one in runs)


def series(run: Repeats, quantity: str, column: str) -> "pd.DataFrame":
    """What was seen inside a probed run's network: a row an update, a column a hidden layer (1, 2, ...)."""
    probes = run.runs[0].probes
    rows = probes[probes["quantity"] == quantity]
    table = rows.pivot(index="update", columns="layer", values=column).astype(float).sort_index()
    return table[[layer for layer in table.columns if layer <= len(run.hidden)]]


# Text ----------------------------------------------------------------------------------------------


def described(*runs: Repeats) -> str:
    """ "60,000 updates, 5 x 200, learning rate 0.05 (Tanh) and 0.1 (Sigmoid), each of 4 tried, seeds 0, 1, 2"."""
    trained = [one for one in runs if text_of(one.runs[0].row.get("learning_rate"))]  # an SVM has no updates
    updates = _listed(f"{one.updates:,}" for one in trained)
    of_some = f" ({', '.join(one.method for one in trained)})" if 0 < len(trained) < len(runs) else ""
    layers = _listed(
        f"{len(one.hidden)} x {one.hidden[0]}" if level(one.hidden) else "-".join(map(str, one.hidden)) for one in runs
    )
    several = "s" if any(len(one.runs) > 1 for one in runs) else ""
    seeds = f"seed{several} {_listed(', '.join(map(str, one.seeds)) for one in runs)}"
    values = [_told(runs, name) for name in ABOUT]
    data = _listed(re.sub("^version", "data set version", text_of(one.runs[0].row.get("data"))) for one in runs)
    steps = [f"{updates} updates{of_some}", layers, _rates(trained)] if trained else []
    parts = [*steps, seeds, *values]
    return ", ".join(filter(None, parts)) + (f"; {data}" if data else "")


def _told(runs: Sequence[Repeats], name: str) -> str:
    """ "training examples 20 and all": a field in which a run departs, or about which the paper is silent."""
    about, texts = ABOUT[name], [text_of(one.runs[0].row.get(name)) for one in runs]
    silent = about.paper is Paper.SILENT and any(text not in ("", label_of(about.older)) for text in texts)
    if not silent and not any(name in unusual(one.runs[0]) for one in runs):
        return ""
    words = f"{about.title.lower()} {_listed(map(about.shown, texts))}"
    if name != "model":
        return words
    chosen = {one.method: one.tried for one in runs if one.tried > 1 and not text_of(one.runs[0].row["learning_rate"])}
    counts = [f", {(method + ' ') * (len(runs) > 1)}of {tried} tried" for method, tried in chosen.items()]
    return words + "".join(counts)


def _rates(runs: Sequence[Repeats]) -> str:
    """ "learning rate 0.1", "learning rate 0.05 (Tanh) and 0.1 (Sigmoid), each of 4 tried"."""
    names: dict[str, dict[str, None]] = {}
    for one in runs:
        names.setdefault(f"{float(one['learning_rate']):g}", {})[one.method] = None
    told = len(names) > 1 and sum(map(len, names.values())) == len({one.method for one in runs})
    rates = _listed(rate + f" ({', '.join(methods)})" * told for rate, methods in names.items())
    tried = sorted({max(1, len(one.rates)) for one in runs})
    counts = " to ".join(map(str, dict.fromkeys([tried[0], tried[-1]])))
    return f"learning rate {rates}" + f", {'each ' * (len(runs) > 1)}of {counts} tried" * (tried[-1] > 1)


def _listed(texts: Iterable[str]) -> str:
    return " and ".join(one for one in dict.fromkeys(texts) if one)


def label(dataset: str) -> str:
    return DATASETS[dataset].label
