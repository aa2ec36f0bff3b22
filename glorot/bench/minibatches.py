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
    times_cpu: float | None = None  # how many times as fast as this machine's CPU; of a GPU


def measure(setting: Setting, sizes: tuple[int, ...] = SIZES, rounds: int = 3) -> list[Speed]:
    """One minibatch size after another; on a GPU, the CPU after each."""

    def per_second(setting: Setting) -> float:
        return 1 / updates(setting, rounds=rounds).median("glorot")

    speeds = []
    for n in sizes:
        one = replace(setting, batch_size=n)
        each = per_second(one)
        times = None if one.device == "cpu" else each / per_second(replace(one, device="cpu"))
        speeds.append(Speed(n, each, n * each, times))
    return speeds


def document(setting: Setting, speeds: list[Speed]) -> Document:
    """For people."""
    columns = 4 if speeds[0].times_cpu is not None else 3
    header = ["minibatch", "updates per second", "examples per second", "times as fast as the CPU"][:columns]
    forms = ["{:d}", "{:,.0f}", "{:,.0f}", "{:.2f}"][:columns]
    rows = [[form.format(value) for form, value in zip(forms, one, strict=False)] for one in speeds]
    return Document(_network(setting), [Grid(header, rows)], Records(Speed._fields[:columns], records(speeds)))


def records(speeds: list[Speed]) -> list[dict[str, float]]:
    """The same as plain numbers."""
    return [{name: value for name, value in one._asdict().items() if value is not None} for one in speeds]


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
