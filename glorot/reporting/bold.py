"""What bold means under a table: by which test, how large a difference it could show, and what it does not doubt."""

import math
from collections.abc import Mapping, Sequence

from glorot.reporting.significance import (
    LAST,
    MCNEMAR,
    PROPORTIONS,
    SEED_TESTS,
    SIGNIFICANT,
    Z,
    least_significant,
)
from glorot.reporting.summary import Cell

Columns = Mapping[str, Sequence[Cell]]  # label -> its cells


def bold_notes(columns: Columns, value: str, over_seeds: str, file: str) -> list[str]:
    """Items of a markdown list; none where nothing was compared.

    value: a key of VALUES. over_seeds: of SEED_TESTS. file: where the p-values are.
    """
    marks = [cell.mark for cells in columns.values() for cell in cells]
    tests = [test for test in (MCNEMAR, PROPORTIONS, *SEED_TESTS.values()) if any(mark.test == test for mark in marks)]
    if not tests:
        return []
    what, unit = ("error", " points") if value.endswith("_error") else ("loss", "")
    by = " or ".join(tests)
    return [
        f"Bold: the lowest {what} in the column, and every {what} that does not differ from it significantly "
        f"(p >= {SIGNIFICANT}, {by}; the p-values are in {file})",
        *_all_bold(columns, what),
        *_over_seeds(columns, over_seeds, unit),
        *_single_runs(columns, unit),
    ]


def _all_bold(columns: Columns, what: str) -> list[str]:
    """The columns in which bold says nothing."""
    names = [
        name
        for name, cells in columns.items()
        if any(cell.mark.test for cell in cells) and all(cell.mark.best for cell in cells if cell.mean is not None)
    ]
    if not names:
        return []
    where = "" if len(columns) == 1 else f" of {_and(names)}"
    return [f"Every {what}{where} is bold: no difference is significant. That does not mean that there is none"]


def _over_seeds(columns: Columns, over_seeds: str, unit: str) -> list[str]:
    """How large a difference the seeds could show."""
    texts = {}
    for name, cells in columns.items():
        pairs = sorted(cell.mark.least for cell in cells if cell.mark.least)
        usual = least_significant([cell.sample for cell in cells if cell.sample], over_seeds)
        if pairs and usual:
            single = f", for single pairs {_short(pairs[0])} to {_short(pairs[-1])}" * (pairs[-1] > 1.2 * pairs[0])
            texts[name] = f"{_short(usual)}{unit} at the mean spread of the seeds{single}"
    if not texts:
        return []
    counts = [len(cell.sample.values) for name in texts for cell in columns[name] if cell.sample]
    several = sorted(count for count in counts if count > 1)
    seeds = " to ".join(map(str, dict.fromkeys([several[0], several[-1]])))
    return [f"With {seeds} seeds, the smallest difference that counts as significant is {_named(texts, columns)}"]


def _single_runs(columns: Columns, unit: str) -> list[str]:
    """That a run's last evaluation is one moment of many, and how much that matters."""
    single = [
        name for name, cells in columns.items() if any(cell.mark.test in (MCNEMAR, PROPORTIONS) for cell in cells)
    ]
    if not single:
        return []
    spreads = {}
    for name in single:
        samples = [cell.sample for cell in columns[name] if cell.sample]
        moving = [sample.moves for sample in samples if sample.moves]  # at chance some stand still
        if moving:
            spreads[name] = math.sqrt(math.fsum(move**2 for move in moving) / len(moving))
    runs = "One run per cell" if len(single) == len(columns) else f"One run per cell ({_and(single)})"
    note = f"{runs}: p takes only the choice of test examples into account. "
    if not spreads:
        return [note + "A run's error also changes from one evaluation to the next, and from seed to seed"]
    sizes = _named({name: f"{_short(spread)}{unit}" for name, spread in spreads.items()}, columns)
    apart = _named({name: f"{_short(Z * math.sqrt(2) * spread)}{unit}" for name, spread in spreads.items()}, columns)
    return [
        f"{note}A run's error also changes from one evaluation to the next: its standard deviation over the last "
        f"{LAST} is {sizes}. At one moment in {1 / SIGNIFICANT:.0f}, two equally good runs differ by more than "
        f"{apart}, and other seeds add to that"
    ]


def _named(texts: Mapping[str, str], columns: Columns) -> str:
    """ "0.44 points (MNIST), 2.9 points (Shapeset)"; without names where there is one column."""
    if len(columns) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{text} ({name})" for name, text in texts.items())


def _short(number: float) -> str:
    """Two significant digits, and a decimal at least."""
    return f"{number:.{max(1, 1 - math.floor(math.log10(number)))}f}" if 1e-4 <= number < 1000 else f"{number:.1e}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
