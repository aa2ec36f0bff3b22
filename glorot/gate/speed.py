"""Speed against a baseline -> verdicts, for ``glorot check --bench``.

Compared is a ratio: the time of an update to that of a loop of the same reading, writing and arithmetic, in the same
process and taking turns, so that another machine, or a busy one, changes both.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from glorot.bench.setting import Setting
from glorot.errors import ResultsError
from glorot.gate import baselines
from glorot.gate.verdicts import NONE, Verdict, beyond, checked_factor
from glorot.reporting.significance import SIGNIFICANT
from glorot.results.rows import cells_of, frame_of, records_of

# Of a ratio of times. Its median varies by 3 % on an idle machine, 15 % on a busy one, 30 % between processors.
FACTOR = 1.5

Row = dict[str, Any]

COLUMNS: dict[str, type] = {
    "activation": str, "hidden": str, "batch_size": int, "threads": int,
    "ratio": float, "milliseconds": float, "hardware": str,
}  # fmt: skip
TIMED = ("activation", "hidden", "batch_size", "threads")  # what tells the settings apart
BATCHES = 64  # minibatches that are timed together


@dataclass(frozen=True)
class Speed:
    """How long an update takes: in milliseconds, and round by round as a multiple of the reference loop."""

    setting: Setting
    milliseconds: float
    ratios: list[float] = field(repr=False)

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def name(self) -> str:
        return _name(self.key)

    @property
    def key(self) -> tuple:
        fields = {**asdict(self.setting), "hidden": "-".join(map(str, self.setting.hidden))}
        return tuple(fields[column] for column in TIMED)


def settings() -> list[Setting]:
    """What is timed: the paper's network, the quickstart's, one of the gate's size, and large minibatches."""
    return [
        Setting(),
        Setting(hidden=(300,) * 5),
        Setting(hidden=(70, 50), activation="sigmoid"),
        Setting(hidden=(300,) * 5, batch_size=100, activation="softsign"),
    ]


def measure(setting: Setting, rounds: int = 15) -> Speed:
    """Time updates of a network, and the reference loop, in turns."""
    from glorot.bench import contest as bench

    network = bench.our_kernels(setting)
    examples = bench.make_examples(setting, BATCHES * setting.batch_size)

    def ours(n: int) -> None:
        for _ in range(n // BATCHES):
            network.train(examples)

    timed = bench.contest({"ours": ours, "reference": _reference(setting)}, rounds, unit=BATCHES)
    ratios = [a / b for a, b in zip(timed.seconds["ours"], timed.seconds["reference"], strict=True)]
    return Speed(setting, 1e3 * timed.median("ours"), ratios)


def _reference(setting: Setting) -> Callable[[int], None]:
    """What an update cannot do without, one after the other: read the weights, read and write them, multiply."""
    import numpy as np

    from glorot.bench import floor
    from glorot.kernels.simd import LANES

    group = 8 * LANES
    weights = np.ones(-(-setting.weights // group) * group, np.float32)
    rounds = sum(setting.flops) // (2 * LANES * floor.ACCUMULATORS)

    def work(n: int) -> None:
        floor.read(weights, 0, len(weights), n)
        floor.read_and_write(weights, 0, len(weights), np.float32(1), n)
        floor.multiply_add(n * rounds)

    return work


def read_baseline(path: Path) -> tuple[list[Row], bool]:
    """Its rows, and whether it says how many they are. Raises ResultsError: not there, torn, empty, foreign."""
    cells, counted = baselines.read(path, COLUMNS, "glorot check --bench")
    rows = records_of(frame_of(cells, COLUMNS))
    if not all(row["ratio"] and 0 < row["ratio"] < math.inf for row in rows):
        raise ResultsError(f"{path}: expected rows with ratios above 0, found others; make a new one with --update")
    if len({_key(row) for row in rows}) < len(rows):
        raise ResultsError(f"{path}: expected each setting once, found one twice; make a new one with --update")
    return rows, counted


def _key(row: Row) -> tuple:
    return tuple(row[column] for column in TIMED)


def write_baseline(path: Path, speeds: Sequence[Speed]) -> None:
    """Make these the baseline. Milliseconds and hardware are for people; nothing is compared with them."""
    from glorot.training.cell import now, provenance

    hardware = provenance(now(), None, None)["hardware"]
    rows = [
        dict(zip(COLUMNS, (*one.key, round(one.ratio, 3), round(one.milliseconds, 4), hardware), strict=True))
        for one in speeds
    ]
    baselines.write(path, [cells_of(row, COLUMNS) for row in rows], list(COLUMNS))


def compare(
    speeds: Sequence[Speed], baseline: Sequence[Row], factor: float | None = None, counted: bool = True
) -> list[Verdict]:
    """A verdict for each setting: worse (or better) only if the median ratio is beyond the factor and a sign test
    over the rounds says that it is no chance. counted: whether the baseline says how many rows it has."""
    factor = checked_factor(factor, FACTOR)
    old = {_key(row): row for row in baseline}
    new = {one.key: one for one in speeds}
    return [_verdict(key, old.get(key), new.get(key), factor, counted) for key in dict.fromkeys([*old, *new])]


def _name(key: tuple) -> str:
    activation, hidden, batch_size, threads = key
    return f"{activation}, {hidden}, minibatch {batch_size}, {threads} thread{'s' if threads > 1 else ''}"


def _verdict(key: tuple, old: Row | None, new: Speed | None, factor: float, counted: bool) -> Verdict:
    name = _name(key)
    before = f"{old['ratio']:.2f}" if old else NONE
    if new is None:
        return Verdict("missing", name, before, NONE, "not measured")
    now, timed = f"{new.ratio:.2f} x reference", f"{new.milliseconds:.3f} ms an update"
    if not all(0 < ratio < math.inf for ratio in new.ratios):
        return Verdict("missing", name, before, now, f"{timed}: nothing was measured")
    if old is None and not counted:
        return Verdict("missing", name, before, now, f"{timed}; {baselines.NOT_COUNTED}")
    if old is None:
        return Verdict("new", name, before, now, f"{timed}; not in the baseline")
    slower = sum(ratio > old["ratio"] for ratio in new.ratios)
    p = sign_test(slower, len(new.ratios))
    kind = beyond(old["ratio"], new.ratio, factor) if p < SIGNIFICANT else None
    return Verdict(kind or "same", name, before, now, f"{timed}, slower in {slower} of {len(new.ratios)} rounds")


def sign_test(k: int, n: int) -> float:
    """Two-sided p-value of k of n signs, each as likely as not."""
    tail = sum(math.comb(n, i) for i in range(max(k, n - k), n + 1))
    return min(1.0, 2 * tail / 2**n)
