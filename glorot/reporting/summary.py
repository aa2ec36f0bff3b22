"""Stored runs -> the cells of a table: means over seeds, of the setting chosen, and which are a column's best."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from glorot.datasets.local import info
from glorot.reporting.document import Bold
from glorot.reporting.significance import DEFAULT_TEST, Mark, Sample, below_chance, marks, moves
from glorot.reporting.worsened import ROW, Worsened, worsened
from glorot.sweeps import search

if TYPE_CHECKING:
    import numpy as np

    from glorot.sweeps.runs import Run
    from glorot.sweeps.sweep import Sweep

VALUES = {
    "test_error": "Test error (%)",
    "valid_error": "Validation error (%)",
    "test_loss": "Test loss",
    "valid_loss": "Validation loss",
    "train_loss": "Training loss",
}

NOT_RUN = "\N{EN DASH}"

Correct = Callable[[str], "np.ndarray | None"]  # run_id -> whether each test example was classified correctly
History = Callable[[str], Mapping[str, Sequence[float]]]  # run_id -> its evaluations by column: HISTORY_COLUMNS


@dataclass(frozen=True)
class Cell:
    """The runs of one cell, which differ in nothing but their seed.

    mean, standard_error (of the mean): in the value's own unit; None where there are too few finished runs.
    done, diverged, failed, missing: how many runs each. chosen: axis -> label of the setting selected.
    unmeasured, tied, settings: of the settings to select from, how many gave no result, how many others are exactly as
        good as the one chosen, and how many there are.
    at_chance: whether none of the settings to select from gave an error significantly below chance; False where chance
        is not known.
    worsened: those of its runs that were better before than at the end, as far as that is known; of errors only.
    shown: the runs themselves; where nothing could be chosen, all that there are to choose from.
    sample: what tests see; None where there is no number, or where it leaves out a seed that diverged: such a mean
        flatters. mark: what they say.
    """

    mean: float | None
    standard_error: float | None
    done: int
    diverged: int
    failed: int
    missing: int
    chosen: dict[str, str] = field(default_factory=dict)
    unmeasured: int = 0
    tied: int = 0
    at_chance: bool = False
    settings: int = 1
    worsened: Sequence[Worsened] = ()
    shown: "Sequence[Run]" = ()
    sample: Sample | None = None
    mark: Mark = field(default_factory=Mark)

    @property
    def runs(self) -> int:
        return self.done + self.diverged + self.failed + self.missing

    @property
    def status(self) -> str:
        """What the cell shows: done (a number), diverged, failed, or missing."""
        return next((name for name in ("done", "diverged", "failed") if getattr(self, name)), "missing")

    def parts(self, value: str) -> tuple[str | Bold, ...]:
        """As in the table: "15.60 ± 0.12", "15.60" in bold, "15.60 (1 of 3 diverged)", "diverged", "–"."""
        return (*self.number(value), *([f" ({', '.join(self.counts())})"] if self.counts() else []))

    def text(self, value: str) -> str:
        """The same in one string, bold as "**15.60**"."""
        return "".join(f"**{part.text}**" if isinstance(part, Bold) else part for part in self.parts(value))

    def number(self, value: str) -> tuple[str | Bold, ...]:
        """The same without the counts."""
        if self.status != "done" or self.mean is None:
            return (NOT_RUN if self.status in ("done", "missing") else self.status,)
        shape = decimals(value, self.mean)
        mean = f"{self.mean:{shape}}"
        spread = () if self.standard_error is None else (f" ± {self.standard_error:{shape}}",)
        return (Bold(mean) if self.mark.best else mean, *spread)

    def counts(self) -> list[str]:
        """ "1 of 3 diverged", "2 of 3 seeds": how many runs are not in the number."""
        marks = [
            f"{count} of {self.runs} {name}"
            for name, count in [("diverged", self.diverged), ("failed", self.failed)]
            if 0 < count < self.runs and name != self.status
        ]
        if 0 < self.missing < self.runs:
            unit = "seeds" if self.chosen or self.settings == 1 else "runs"
            marks.append(f"{self.runs - self.missing} of {self.runs} {unit}")
        return marks


def decimals(value: str, mean: float) -> str:
    """The format of a number: errors with 2 decimals, losses with 4 significant digits."""
    if value.endswith("_error"):
        return ".2f"
    exponent = int(f"{mean:.3e}".partition("e")[2]) if math.isfinite(mean) else 0
    return f".{max(0, 3 - exponent)}f" if -5 < exponent < 7 else ".3e"


@dataclass(frozen=True, eq=False)
class Source:
    """What the cells of a sweep's table are made of. runs: all of it, on one device. value: what is shown."""

    sweep: "Sweep"
    runs: "Sequence[Run]"
    found: search.Found
    value: str
    correct: Correct
    history: "History | None" = None
    _histories: dict[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)

    @cached_property
    def short(self) -> search.Short:
        return search.short_runs(self.sweep, self.runs)

    @cached_property
    def decided(self) -> Mapping[search.Key, search.Key | None]:
        return search.decided(self.sweep, self.short, self.found) if self.short else {}

    @property
    def by(self) -> str:
        return self.sweep.select.by if self.sweep.select else self.value

    def examples(self, run: "Run", kind: str) -> int | None:
        """How many "test" or "valid" examples a run was measured on; None if that cannot be told."""
        if kind == "test" and (correct := self.correct(run.run_id)) is not None:
            return len(correct)
        asked: int = getattr(run.settings, f"{kind}_examples")
        there = info(run.settings.dataset).held_out
        return None if there is None else min(asked, there)

    def tested(self, run: "Run", kind: str) -> int:
        """How many "test" or "valid" examples a run was measured on, or else how many at most."""
        asked: int = getattr(run.settings, f"{kind}_examples")
        return self.examples(run, kind) or self.examples(run, "test") or asked

    def learned(self, run: "Run", kind: str, error: float, tries: int = 1) -> bool:
        """Whether an error is below chance, as far as that is known. tries: of how many it is the lowest."""
        chance = info(run.settings.dataset).chance
        # Of four examples, not even all right is significant; but who has none wrong has learned.
        return chance is None or not error or below_chance(error, self.tested(run, kind), chance, tries)

    def moves(self, run: "Run") -> float | None:
        """By how much the value moves from one of a run's late evaluations to the next; None if that is not known."""
        return moves(self._curve(run, self.value))

    def worsened(self, run: "Run") -> Worsened | None:
        """What became of a run that was better before than at the end; None if it was not, or if that is not known."""
        kind, _, unit = self.value.partition("_")
        if unit != "error" or run.settings.updates < 2 * ROW * run.settings.evaluate_every:
            return None
        return worsened(
            run.settings.seed, [int(update) for update in self._curve(run, "update")], self._curve(run, self.value),
            self._curve(run, "train_loss"), self.tested(run, kind), info(run.settings.dataset).chance,
        )  # fmt: skip

    def _curve(self, run: "Run", column: str) -> Sequence[float]:
        """One number an evaluation, from the first one after training began; none if that is not stored."""
        if not self.history:
            return []
        if run.run_id not in self._histories:
            self._histories[run.run_id] = self.history(run.run_id)
        stored = self._histories[run.run_id]
        return [value for update, value in zip(stored["update"], stored[column], strict=True) if update > 0]


def grouped(runs: "Iterable[Run]", names: Sequence[str]) -> "dict[tuple[str, ...], list[Run]]":
    """Runs by what they have on the axes named (or as their method, or in a field), all in grid order."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(run.value(name) for name in names), []).append(run)
    return groups


def cell_of(runs: "Sequence[Run]", source: Source) -> Cell:
    """The cell of these runs, which differ in their seed, and on the axes selected over."""
    found, value, select = source.found, source.value, source.sweep.select
    if not select or not runs:
        return _with_sample(summarized(runs, found, value), runs, source)
    settings = grouped(runs, select.over)
    if source.short:
        key = search.cell_of(source.sweep, runs[0])
        candidates, best = source.short[key], source.decided.get(key)
        # Never a number of a short run: only what became of them, once all have ended.
        ended = search.flat({key: candidates}) if key in source.decided else []
        undecided = summarized(ended or runs, found if ended else {}, source.by)
    else:
        candidates, best = settings, search.best(settings, found, source.by)
        undecided = summarized(runs, found, value)
    if best is None:
        return replace(undecided, settings=len(candidates), shown=runs)
    kept = settings.get(best, [])
    scores = {setting: summarized(group, found, source.by) for setting, group in candidates.items()}
    ranks = [(bool(score.diverged), score.mean) for score in scores.values()]
    return replace(
        _with_sample(summarized(kept, found, value), kept, source),
        chosen=dict(zip(select.over, best, strict=True)),
        unmeasured=sum(score.mean is None and not score.diverged for score in scores.values()),
        tied=ranks.count((bool(scores[best].diverged), scores[best].mean)) - 1,
        at_chance=_at_chance(search.flat({(): candidates}), source),
        settings=len(candidates),
    )


def with_runs(one: Cell, runs: "Sequence[Run]", source: Source) -> Cell:
    """The same choice, with other runs. source knows them."""
    whole = _with_sample(summarized(runs, source.found, source.value), runs, source)
    return replace(
        whole, chosen=one.chosen, unmeasured=one.unmeasured, tied=one.tied, at_chance=one.at_chance,
        settings=one.settings,
    )  # fmt: skip


def _at_chance(runs: "Sequence[Run]", source: Source) -> bool:
    """Whether none of these runs has learned anything yet, as far as their errors and the data set's chance tell."""
    kind = "test" if source.by.startswith("test") else "valid"
    errors = [(run, error) for run in runs for error in search.values([run], source.found, f"{kind}_error")]

    return bool(errors) and not any(source.learned(run, kind, error, len(errors)) for run, error in errors)


def summarized(runs: "Sequence[Run]", found: search.Found, value: str) -> Cell:
    """Mean and standard error over the finished runs. A finished run without this value counts as missing."""
    statuses = [found[run.run_id]["status"] if run.run_id in found else "missing" for run in runs]
    values = search.values(runs, found, value)
    several = len(values) > 1 and all(map(math.isfinite, values))
    diverged, failed = statuses.count("diverged"), statuses.count("failed")
    return Cell(
        mean=statistics.fmean(values) if values else None,
        standard_error=statistics.stdev(values) / math.sqrt(len(values)) if several else None,
        done=len(values),
        diverged=diverged,
        failed=failed,
        missing=len(runs) - len(values) - diverged - failed,
    )


# Which are best. -----------------------------------------------------------------------------------


def _with_sample(one: Cell, runs: "Sequence[Run]", source: Source) -> Cell:
    measured = [run for run in runs if search.values([run], source.found, source.value)]
    worse = list(filter(None, map(source.worsened, measured)))
    if not one.done or one.diverged:
        return replace(one, shown=runs, worsened=worse)
    values = [search.values([run], source.found, source.value)[0] for run in measured]
    kind, _, unit = source.value.partition("_")
    first, single, examples, correct = measured[0], len(measured) == 1, None, None
    if unit == "error":
        counts = {source.examples(run, kind) for run in measured}
        examples = counts.pop() if len(counts) == 1 else None
    if source.value == "test_error" and single:
        correct = source.correct(first.run_id)
    learned = single and unit == "error" and source.learned(first, kind, values[0])  # else it moves by chance alone
    sample = Sample(
        values, examples, (first.settings.dataset, first.version), correct,
        tuple(run.settings.seed for run in measured), source.moves(first) if learned else None,
    )  # fmt: skip
    return replace(one, shown=runs, sample=sample, worsened=worse)


def marked(cells: Sequence[Sequence[Cell]], over_seeds: str = DEFAULT_TEST) -> list[list[Cell]]:
    """The cells of a table (by row, then by column), each marked by what tests say of it within its column.

    over_seeds: the test where there are several, a key of SEED_TESTS.
    """
    columns = [marks([one.sample for one in column], over_seeds) for column in zip(*cells, strict=True)]
    return [
        [replace(one, mark=found[i]) for one, found in zip(line, columns, strict=True)] for i, line in enumerate(cells)
    ]
