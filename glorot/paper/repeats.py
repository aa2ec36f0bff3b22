"""Stored runs, compared: which are alike, and which are repeats of each other, with other seeds."""

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from glorot.reporting.significance import MOST_EXAMPLES, Sample
from glorot.results.stored import StoredRun, text_of
from glorot.sweeps.about import Role
from glorot.sweeps.fields import ABOUT

if TYPE_CHECKING:
    import pandas as pd

DECIDING = tuple(name for name, about in ABOUT.items() if about.role in (Role.DECIDES, Role.MEASURES))


def settings_key(run: StoredRun, varies: Collection[str] = ()) -> tuple[str, ...]:
    """All that decides a run's result, but the fields of Settings named, and what its data were made from."""
    return (*(text_of(run.row.get(name)) for name in DECIDING if name not in varies), text_of(run.row.get("data")))


def alike(runs: Iterable[StoredRun], varies: Collection[str] = ()) -> bool:
    """Whether runs may be compared: nothing that decides their results differs, but the fields of Settings named."""
    return len({settings_key(run, varies) for run in runs}) <= 1


def mean_curve(
    histories: "Sequence[pd.DataFrame | Mapping[str, Sequence[float]]]", column: str = "test_error"
) -> dict[int, float]:
    """Update -> mean over several runs' evaluations, at those after update 0 that all of them have, in order."""
    curves = [dict(zip(map(int, one["update"]), map(float, one[column]), strict=True)) for one in histories]
    moments = set.intersection(*(set(curve) for curve in curves))
    return {moment: statistics.fmean(curve[moment] for curve in curves) for moment in sorted(moments) if moment > 0}


@dataclass(frozen=True, eq=False)
class Repeats:
    """Finished runs of one setting, which differ in nothing but their seed, in its order.

    rates: the learning rates of which theirs was chosen; none where it was simply given. tried: of how many settings
    they were chosen, also where these differ in something else.
    """

    runs: tuple[StoredRun, ...]
    rates: tuple[float, ...] = ()
    tried: int = 0

    def __getitem__(self, column: str) -> Any:
        """What all of them have in a column: not for seeds and outcomes."""
        return self.runs[0][column]

    @property
    def method(self) -> str:
        return self.runs[0].method

    @property
    def hidden(self) -> tuple[int, ...]:
        return self.runs[0].hidden

    @property
    def updates(self) -> int:
        return int(text_of(self["updates"]) or 0)

    @property
    def seeds(self) -> list[int]:
        return [int(run["seed"]) for run in self.runs]

    def mean(self, column: str) -> float:
        return statistics.fmean(float(run[column]) for run in self.runs)

    @property
    def error(self) -> float:
        """Test error in percent, mean over seeds."""
        return self.mean("test_error")

    @property
    def tested(self) -> int:
        """How many test examples each run's error is of."""
        right = self.runs[0].correct
        return min(int(self["test_examples"]), MOST_EXAMPLES) if right is None else len(right)

    @cached_property
    def sample(self) -> Sample:
        """As statistical tests see it, in tables and here alike."""
        tested_on = (self["dataset"], text_of(self.runs[0].row.get("data")))
        right = self.runs[0].correct if len(self.runs) == 1 else None
        return Sample([float(run["test_error"]) for run in self.runs], self.tested, tested_on, right, tuple(self.seeds))

    def curve(self, column: str = "test_error") -> dict[int, float]:
        """Update -> mean over seeds, at the evaluations after update 0 that all runs have, in order."""
        return mean_curve([run.history for run in self.runs], column)

    @property
    def probed(self) -> "Repeats | None":
        """The first of the runs that was probed, alone."""
        run = next((run for run in self.runs if len(run.probes)), None)
        return replace(self, runs=(run,)) if run else None


def repeats(runs: Iterable[StoredRun]) -> list[Repeats]:
    """Runs by their setting. A setting of which a seed diverged is left out: the others' mean would flatter it.

    Of several runs with one seed (on another device, or watched otherwise) one with an outcome, then one that was
    probed, then one on a CPU, then the one of the lowest run_id.
    """

    def preference(run: StoredRun) -> tuple[bool, bool, str, str]:
        unfinished, probed = run["status"] not in ("done", "diverged"), bool(text_of(run.row.get("probes")))
        return unfinished, not probed, text_of(run.row.get("device")), run.run_id

    settings: dict[tuple[str, ...], dict[int, StoredRun]] = {}
    for run in sorted(runs, key=preference):
        settings.setdefault(settings_key(run, {"seed"}), {}).setdefault(int(run["seed"]), run)
    return [
        Repeats(
            tuple(of_setting[seed] for seed in sorted(of_setting)),
            tuple(sorted({rate for run in of_setting.values() for rate in run.rates})),
            max(run.tried for run in of_setting.values()),
        )
        for of_setting in settings.values()
        if all(run["status"] == "done" for run in of_setting.values())
    ]
