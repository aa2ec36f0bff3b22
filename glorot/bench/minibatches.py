"""Updates and examples a second over the size of the minibatch: why larger ones are "more parallel"."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from glorot.bench.contest import updates
from glorot.bench.setting import Setting
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


def text(speeds: list[Speed]) -> str:
    """For people."""
    lines = [f"{'minibatch':>9} {'updates/s':>11} {'examples/s':>11}"]
    lines += [f"{n:9} {one:11,.0f} {examples:11,.0f}" for n, one, examples in speeds]
    return "\n".join(lines) + "\n"


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
        threads = f"{setting.threads} thread{'s' if setting.threads > 1 else ''}"
        figure.suptitle(f"{'-'.join(map(str, setting.sizes))} ({setting.activation}, {threads})")
    write_bytes(file, pictures.rendered(figure, file.suffix[1:].lower(), {}))
