"""Which stored runs a figure shows: one setting for each of its curves or panels, as far as there are alike ones.

Runs are alike if nothing differs that decides their results, but what the figure compares: its methods, each with the
learning rate that suits it, and seeds. The fields of ``Settings`` say what decides; a new one needs no line here.
"""

import math
import statistics
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glorot.datasets.catalogue import DATASETS
from glorot.errors import ResultsError
from glorot.paper.repeats import settings_key
from glorot.results.stored import StoredRun, text_of
from glorot.sweeps.about import Paper, Role, label_of
from glorot.sweeps.fields import ABOUT
from glorot.sweeps.settings import Settings

COMPARED = {name for name, about in ABOUT.items() if about.role is Role.DECIDES and about.paper is Paper.VARIES}
LOOKS = {name for name, about in ABOUT.items() if about.role is not Role.DECIDES}  # how runs are seen
COLUMNS = (*(name for name, about in ABOUT.items() if about.role is not Role.SERVES), "data", "device")


class NotDrawn(ResultsError):
    """A figure, or a part of one, for which something is not there: what it needs and how to get it."""


def how_to_get(dataset: str = "shapeset") -> str:
    return "glorot run figures (or figures-quick)" if dataset == "shapeset" else "glorot run figures"


@dataclass(frozen=True, eq=False)
class Shown:
    """Stored runs of one setting, which differ in nothing but their seed, in its order.

    runs: those that did not diverge; where all did, these. diverged: how many did.
    """

    runs: tuple[StoredRun, ...]
    diverged: int = 0

    @property
    def method(self) -> str:
        return self.runs[0].method

    @property
    def hidden(self) -> tuple[int, ...]:
        return self.runs[0].hidden

    @property
    def learning_rate(self) -> float:
        return float(self.runs[0]["learning_rate"])

    @property
    def done(self) -> bool:
        return self.runs[0]["status"] == "done"

    @property
    def valid_error(self) -> float:
        """In percent, mean over seeds; infinite where there is none."""
        errors = [float(run["valid_error"]) for run in self.runs]
        return statistics.fmean(errors) if all(map(math.isfinite, errors)) else math.inf

    @property
    def size(self) -> int:
        """Units times updates."""
        return sum(self.hidden) * int(self.runs[0]["updates"])

    def __getitem__(self, column: str) -> str:
        """What these runs have in one of the COLUMNS, as text."""
        if column == "device":
            return " and ".join(sorted({text_of(run[column]) for run in self.runs}))
        return text_of(self.runs[0].row.get(column)) or _as_before(column)


def _as_before(column: str) -> str:
    """What runs of before a field have of it, as text."""
    older = None if column not in ABOUT or ABOUT[column].is_old else ABOUT[column].older
    return "" if older is None else label_of(older)


def level(run: StoredRun) -> bool:
    """Whether all hidden layers have one size, as in the paper's figures."""
    return len(set(run.hidden)) == 1


def settings_of(runs: Iterable[StoredRun]) -> list[Shown]:
    """Runs by setting. runs: those that their sweeps' `select` chose.

    Of several runs with one seed (on another device, or looked at otherwise) one that is done, then one on a CPU, then
    the one of the lowest run_id.
    """
    by_setting: dict[tuple[str, ...], dict[int, StoredRun]] = {}
    for run in sorted(runs, key=lambda run: (run["status"] != "done", text_of(run["device"]), run.run_id)):
        by_setting.setdefault(settings_key(run, LOOKS | {"seed"}), {}).setdefault(int(run["seed"]), run)
    found = []
    for seeds in by_setting.values():
        ordered = [seeds[seed] for seed in sorted(seeds)]
        done = [run for run in ordered if run["status"] == "done"]
        found.append(Shown(tuple(done or ordered), len(ordered) - len(done)))
    return found


@dataclass(frozen=True, eq=False)
class Selection:
    """by_label: what is shown, by its label. unlike: the labels of what differs from the others in more than length."""

    by_label: dict[str, Shown]
    unlike: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Shown]:
        return iter(self.by_label.values())

    def __bool__(self) -> bool:
        return bool(self.by_label)

    @property
    def width(self) -> int:
        """Units of the first hidden layer of what is shown."""
        return next(iter(self)).hidden[0]

    @property
    def size(self) -> int:
        """How much was trained, where the most was: units times updates."""
        return max(one.size for one in self)

    def renamed(self, names: Mapping[str, str]) -> "Selection":
        return Selection({names[label]: one for label, one in self.by_label.items()})


def select(
    found: Iterable[Shown],
    label: Callable[[Shown], str] = lambda one: one.method,
    compared: Collection[str] = (),
    together: Collection[str] = (),
) -> Selection:
    """One setting for each label.

    compared: columns, beside the COMPARED, in which what is shown together may differ. together: labels that a figure
    is nothing without; alike settings that have all of them come before others.
    First come settings that are alike: those closest to the defaults, which are the paper's; then those that have the
    most of the labels; then the largest. Of several alike ones for a label: the longest; then the one with the lowest
    validation error. A label that has none of these gets one of the next best; one that diverged if there is no other.
    """
    kinds: dict[tuple[str, ...], list[Shown]] = {}
    for one in found:
        kinds.setdefault(_kind(one, compared), []).append(one)

    def rank(key: tuple[str, ...]) -> tuple[Any, ...]:
        labels = {label(one) for one in kinds[key] if one.done} or set(map(label, kinds[key]))
        return not labels.issuperset(together), *_rank(kinds[key], compared, len(labels)), key

    ordered = sorted(kinds, key=rank)
    shown: dict[str, Shown] = {}
    unlike = set()
    for done in (True, False):
        for key in ordered:
            for one in sorted(kinds[key], key=_preference):
                if one.done == done and label(one) not in shown:
                    shown[label(one)] = one
                    if key != ordered[0]:
                        unlike.add(label(one))
    return Selection(shown, frozenset(unlike))


def same_kind(one: Shown, other: Shown, compared: Collection[str] = ()) -> bool:
    """Whether two settings are alike, but for the COMPARED and these columns, and their length."""
    return _kind(one, compared) == _kind(other, compared)


def _kind(one: Shown, compared: Collection[str]) -> tuple[str, ...]:
    return tuple(one[name] for name in COLUMNS if name not in COMPARED | LOOKS | {"updates", "device", *compared})


def _rank(kind: Sequence[Shown], compared: Collection[str], labels: int) -> tuple[bool, int, int, int]:
    """Least first. labels: how many of a figure's it has."""
    usual = usual_settings(kind[0]["dataset"])
    unusual = sum(kind[0][name] != usual[name] for name in usual.keys() - (COMPARED | LOOKS | {"updates", *compared}))
    return not any(one.done for one in kind), unusual, -labels, -max(one.size for one in kind)


def _preference(one: Shown) -> tuple[int, float, str]:
    return -int(one.runs[0]["updates"]), one.valid_error, one.runs[0].run_id


def usual_settings(dataset: str) -> dict[str, str]:
    """What a sweep that says no more than it must gives, as text: the paper's network on a data set of DATASETS."""
    settings = Settings(dataset=dataset, activation="tanh", learning_rate=1.0, updates=1)
    values = {name: getattr(settings, name) for name in COLUMNS if name in Settings.model_fields}
    version = DATASETS[dataset].version
    texts = {name: "" if value is None else label_of(value) for name, value in values.items()}
    return texts | {"data": f"version {version}" if version > 1 else ""}


# In words. -----------------------------------------------------------------------------------------


def described(selection: Selection, said: Collection[str] = ()) -> str:
    """In what settings the runs shown were made: "hidden layers 5 x 1000 (5 x 100: Tanh); 60,000 updates".

    Sizes and length always, anything else where it is not the default or differs. said: columns that the figure itself
    shows.
    """
    usual = usual_settings(next(iter(selection))["dataset"])
    parts = []
    for name in COLUMNS:
        if name in (COMPARED - {"learning_rate"}) | set(said):
            continue
        values = {label: one[name] for label, one in selection.by_label.items()}
        same = len(set(values.values())) == 1
        always = name in ALWAYS
        expected = name in LOOKS or name not in usual or set(values.values()) == {usual[name]}
        if always or not (same and expected):
            parts.append(_fact(name, values))
    return "; ".join(parts)


def _fact(name: str, values: Mapping[str, str]) -> str:
    """ "60,000 updates (20,000: Tanh, Softsign)": what most have, and who has something else."""
    title = ABOUT[name].title.lower() if name in ABOUT else WORDS[name][0]
    shape = ABOUT[name].shown if name in ABOUT else WORDS[name][1]
    return f"{title} {with_exceptions({label: shape(value) for label, value in values.items()})}"


def with_exceptions(values: Mapping[str, str]) -> str:
    """Label -> value in words, the commonest first: "3 (1: Sigmoid)". Labels with a comma stand in quotes."""
    common = statistics.mode(values.values())
    others: dict[str, list[str]] = {}
    for label, value in values.items():
        if value != common:
            others.setdefault(value, []).append(f'"{label}"' if "," in label else label)
    exceptions = "; ".join(f"{value}: {', '.join(labels)}" for value, labels in others.items())
    return common + (f" ({exceptions})" if exceptions else "")


# Columns of runs.csv that are no field: how they are called, and written.
WORDS: dict[str, tuple[str, Callable[[str], str]]] = {
    "data": ("data set", lambda about: about or "version 1"),
    "device": ("device", str),
}
ALWAYS = {"learning_rate", *(name for name, about in ABOUT.items() if about.scaled)}
