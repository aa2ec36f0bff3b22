"""What a claim of the paper is, what became of it, and the stored runs and tests that decide.

Every rule is a pure function of runs or numbers to a ``Verdict``. Runs are chosen by their settings, whatever sweep
they are of. What a run shorter than the paper's cannot show is "not measured", not "not held".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from glorot.datasets import DATASETS
from glorot.reporting.significance import mcnemar_exact, two_proportions
from glorot.results.stored import StoredRun

if TYPE_CHECKING:
    import pandas as pd

    from glorot.training.inspection import Inspection

HELD, NOT_HELD, NOT_MEASURED = "held", "not held", "not measured"

SIGNIFICANT = 0.005  # the paper's p
PAPERS_UPDATES, PAPERS_WIDTH = 5_000_000, 1000
MOST_TEST_EXAMPLES = 10_000  # of every data set; a run may name more than there are
CHANCE = {"shapeset": 250 / 3, "mnist": 88.65, "cifar10": 90.0, "small_imagenet": 90.0}  # % wrong: always one class

# Runs that may be compared agree in these columns; each then has the learning rate that suits it best.
ALIKE = ("hidden", "batch_size", "updates", "test_examples")


@dataclass(frozen=True)
class Verdict:
    """What became of a claim. kind: HELD, NOT_HELD or NOT_MEASURED. ours: our numbers.

    rule: what decides, with its thresholds. why: why it is not measured. runs: what the numbers are of: nothing may
    pass for the paper's size.
    """

    kind: str
    ours: str
    rule: str
    why: str = ""
    runs: str = ""


@dataclass(frozen=True)
class Evidence:
    """What there is to judge by. start: initializer -> the paper's tanh network before training, when asked for."""

    runs: Sequence[StoredRun]
    start: "Callable[[str], Inspection]"

    @cached_property
    def finished(self) -> list[StoredRun]:
        """The runs that did not diverge."""
        return [run for run in self.runs if run["status"] == "done"]


@dataclass(frozen=True)
class Claim:
    """A claim, where the paper makes it, its number there, and the function that judges it."""

    text: str
    where: str
    paper: str
    judge: Callable[[Evidence], Verdict]


def decided(condition: bool, ours: str, rule: str) -> Verdict:
    return Verdict(HELD if condition else NOT_HELD, ours, rule)


def not_measured(why: str, rule: str, ours: str = "") -> Verdict:
    return Verdict(NOT_MEASURED, ours, rule, why)


def lacking(what: str, rule: str, sweep: str = "figures") -> Verdict:
    """Not measured for want of runs. what: the runs it needs. sweep: a shipped one that has them."""
    return not_measured(f"needs {what}; glorot run {sweep}", rule)


def sized(verdict: Verdict, *runs: StoredRun) -> Verdict:
    """The verdict with the runs it is of."""
    return replace(verdict, runs=described(*runs))


def sweep_of(dataset: str) -> str:
    """The shipped sweep that has runs on a data set."""
    return "table1" if dataset == "small_imagenet" else "figures"


# Choosing runs -------------------------------------------------------------------------------------


def comparable(
    runs: Iterable[StoredRun], *wanted: Mapping[str, Any], alike: Sequence[str] = ALIKE, probed: bool = False
) -> list[StoredRun] | None:
    """A run for each of the descriptions, all alike in the columns named; None where there are none such.

    wanted: columns of runs.csv, or attributes of StoredRun, and the value each is to have; or a predicate of it.
    Data sets that are built here must have one content, too. Of several sets the one with the most updates, then the
    most units, then the lowest validation error; of several runs for one description that
    with the lowest validation error, then the lowest seed: what `select` in a sweep does.
    """
    groups: dict[tuple[str, ...], list[StoredRun]] = {}
    for run in runs:
        key = tuple(str(run.row.get(column) or "") for column in (*alike, "data"))
        groups.setdefault(key, []).append(run)
    found = []
    for group in groups.values():
        chosen = [_best(group, one, probed) for one in wanted]
        if all(chosen):
            found.append([run for run in chosen if run])

    def rank(some: list[StoredRun]) -> tuple[int, int, float]:
        return int(some[0]["updates"]), sum(some[0].hidden), -min(float(run["valid_error"]) for run in some)

    return max(found, key=rank, default=None)


def _best(runs: Iterable[StoredRun], wanted: Mapping[str, Any], probed: bool) -> StoredRun | None:
    fitting = [run for run in runs if _fits(run, wanted) and not (probed and run.probes.empty)]
    return min(fitting, key=lambda run: (float(run["valid_error"]), int(run["seed"])), default=None)


def _fits(run: StoredRun, wanted: Mapping[str, Any]) -> bool:
    for key, value in wanted.items():
        found = getattr(run, key) if key in ("method", "hidden") else run[key]
        if not (value(found) if callable(value) else found == value):
            return False
    return True


def level(hidden: tuple[int, ...]) -> bool:
    """Whether all layers have one size."""
    return len(set(hidden)) == 1


def described(*runs: StoredRun) -> str:
    """ "60,000 updates, 5 x 200, learning rate 0.05 and 0.01, seed 0"."""

    def several(column: str) -> str:
        return " and ".join(dict.fromkeys(f"{run[column]:g}" for run in runs))

    updates = " and ".join(dict.fromkeys(f"{int(run['updates']):,}" for run in runs))
    layers = " and ".join(
        dict.fromkeys(
            f"{len(run.hidden)} x {run.hidden[0]}" if level(run.hidden) else "-".join(map(str, run.hidden))
            for run in runs
        )
    )
    data = "".join(f"; {about}" for about in dict.fromkeys(run.row.get("data") for run in runs) if about)
    return f"{updates} updates, {layers}, learning rate {several('learning_rate')}, seed {several('seed')}{data}"


def full_size(*runs: StoredRun) -> bool:
    """Whether runs are as long and wide as the paper's, or more so."""
    return all(int(run["updates"]) >= PAPERS_UPDATES and min(run.hidden) >= PAPERS_WIDTH for run in runs)


def label(dataset: str) -> str:
    return DATASETS[dataset].label


# Significance --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """Of two runs' test errors, in percent. p: two-sided p-value that there is none. test: how it was found."""

    error_a: float
    error_b: float
    p: float
    test: str

    def __str__(self) -> str:
        p = f"p = {self.p:.1g}" if self.p >= 1e-6 else "p < 1e-06"
        return f"{self.error_a:.2f} % against {self.error_b:.2f} % ({p}, {self.test})"


def difference(a: StoredRun, b: StoredRun) -> Difference:
    """McNemar's exact test where both runs tell which of the same examples they got right; else two proportions."""
    right_a, right_b = a.correct, b.correct
    same = a["dataset"] == b["dataset"] and a.row.get("data") == b.row.get("data")
    if same and right_a is not None and right_b is not None and len(right_a) == len(right_b):
        p, test = mcnemar_exact(right_a, right_b), "McNemar"
    else:
        p, test = two_proportions(*_wrong(a), *_wrong(b)), "two proportions"
    return Difference(float(a["test_error"]), float(b["test_error"]), p, test)


def _wrong(run: StoredRun) -> tuple[int, int]:
    """(how many test examples were wrong, of how many)."""
    n = tested(run)
    return round(float(run["test_error"]) * n / 100), n


def tested(run: StoredRun) -> int:
    """How many test examples a run's error is of."""
    return min(int(run["test_examples"]), MOST_TEST_EXAMPLES) if run.correct is None else len(run.correct)


def below_chance(error: float, n: int, dataset: str) -> bool:
    """Whether an error (%) on n examples is significantly less than always answering one class gives (one-sided)."""
    chance = CHANCE[dataset] / 100
    z = (chance - error / 100) / (chance * (1 - chance) / n) ** 0.5
    return z > 2.576  # p = 0.005


def learned(run: StoredRun) -> bool:
    """Whether a run's test error is below chance."""
    return below_chance(float(run["test_error"]), tested(run), run["dataset"])


def left_chance(run: StoredRun) -> int | None:
    """The first evaluation from which on the validation error is below chance; None where it is not at the end."""
    n = min(int(run["valid_examples"]), MOST_TEST_EXAMPLES)
    moment = None
    for update, error in zip(run.history["update"], run.history["valid_error"], strict=True):
        if not below_chance(float(error), n, run["dataset"]):
            moment = None
        elif moment is None:
            moment = int(update)
    return moment


def series(run: StoredRun, quantity: str, column: str) -> "pd.DataFrame":
    """What was seen inside a run's network: a row an update, a column a hidden layer (1, 2, ...)."""
    rows = run.probes[run.probes["quantity"] == quantity]
    table = rows.pivot(index="update", columns="layer", values=column).astype(float).sort_index()
    return table[[layer for layer in table.columns if layer <= len(run.hidden)]]
