"""Updates and examples a second over the size of the minibatch: why larger ones are "more parallel"."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from glorot.bench.contest import updates
from glorot.bench.setting import Setting
from glorot.reporting.document import Document, Grid, Records
from glorot.results.store import write_bytes

SIZES = (1, 2, 4, 8, 10, 16, 32, 64, 128, 256, 512)


class Speed(NamedTuple):
    batch_size: int
    updates: float  # per second
    examples: float  # per second


def measure(setting: Setting, sizes: tuple[int, ...] = SIZES, rounds: int = 3) -> list[Speed]:
    """One minibatch size after another."""
    speeds = []
    for n in sizes:
        each = 1 / updates(replace(setting, batch_size=n), rounds=rounds).median("glorot")
        speeds.append(Speed(n, each, n * each))
    return speeds


def document(setting: Setting, speeds: list[Speed]) -> Document:
    """For people."""
    rows = [[str(n), f"{one:,.0f}", f"{examples:,.0f}"] for n, one, examples in speeds]
    grid = Grid(["minibatch", "updates per second", "examples per second"], rows)
    return Document(_network(setting), [grid], Records(Speed._fields, [one._asdict() for one in speeds]))


def _network(setting: Setting) -> str:
    threads = f"{setting.threads} thread{'s' if setting.threads > 1 else ''}"
    return f"{'-'.join(map(str, setting.sizes))} ({setting.activation}, {threads})"


def draw(setting: Setting, speeds: list[Speed], file: Path) -> None:
    """Two panels with the minibatch on both axes below: updates a second fall, examples a second rise."""
    from glorot.reporting import pictures

    sizes = [one.batch_size for one in speeds]
    with pictures.shipped({}):
        figure = pictures.new(figsize=(7, 3.6), dpi=150, layout="constrained")
        for axes, name, values in zip(
            figure.subplots(1, 2), ("updates", "examples"), ([s.updates for s in speeds], [s.examples for s in speeds]),
            strict=True,
        ):  # fmt: skip
            axes.loglog(sizes, values, marker="o", color="#0072B2")
            axes.set_xlabel("examples per minibatch")
            axes.set_ylabel(f"{name} per second")
        figure.suptitle(_network(setting))
    write_bytes(file, pictures.rendered(figure, file.suffix[1:].lower(), {}))
