"""How fast the kernels are: absolute, against this machine's floor, and against PyTorch in the same run.

Machines drift and are shared, so only ratios within one run mean much: the contestants take turns (A B A B ...), each
round gives a ratio, and the median of the ratios is what counts.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot import kernels
from glorot.bench.floor import Floor, measure
from glorot.bench.peers import torch_peer
from glorot.bench.setting import Setting
from glorot.compiled.cache import cpu_target
from glorot.datasets import Examples
from glorot.models.network import initial_parameters
from glorot.reporting.document import Block, Document, Grid, Heading, Paragraph, Records
from glorot.results.store import write_bytes

if TYPE_CHECKING:
    from glorot.bench.cuda_floor import GpuFloor
    from glorot.kernels.protocol import Kernels

ROUND_SECONDS = 0.25  # how long each contestant runs in a round
MOST_UNITS = 1000  # in a round
RATE = 0.001  # of all contestants
PAUSE_SECONDS = 0.02  # lets the threads of the contestant before go to sleep


@dataclass(frozen=True)
class Contest:
    """Seconds an update (or an example) of each contestant, round by round. The first one is ours."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, name: str) -> float:
        """How many times as long as ours: the median over the rounds."""
        ours = next(iter(self.seconds.values()))
        return statistics.median(theirs / own for theirs, own in zip(self.seconds[name], ours, strict=True))


def contest(contestants: Mapping[str, Callable[[int], None]], rounds: int, unit: int = 1) -> Contest:
    """Let the contestants take turns. Each is called with a number of units of work (updates, say)."""
    counts = {}
    for name, work in contestants.items():
        work(unit)  # compile, warm up
        counts[name] = _count_of_a_round(work, unit)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            time.sleep(PAUSE_SECONDS)
            began = time.perf_counter()
            work(counts[name])
            seconds[name].append((time.perf_counter() - began) / counts[name])
    return Contest(seconds)


def _count_of_a_round(work: Callable[[int], None], unit: int) -> int:
    """How much work takes ROUND_SECONDS, in whole units. On a GPU a call with few of them does not measure an update:
    the start of a launch takes most of it."""
    n = 1
    while True:
        began = time.perf_counter()
        work(n * unit)
        seconds = time.perf_counter() - began
        if seconds > ROUND_SECONDS / 10 or n == MOST_UNITS:
            return unit * max(1, min(MOST_UNITS, round(n * ROUND_SECONDS / seconds)))
        n = min(MOST_UNITS, 10 * n)


def make_examples(setting: Setting, n: int) -> Examples:
    """Random images: the time does not depend on what they show."""
    random = np.random.default_rng(0)
    return Examples(
        random.integers(0, 256, (n, setting.n_inputs), np.uint8), random.integers(0, setting.n_classes, n, np.uint8)
    )


def our_kernels(setting: Setting) -> "Kernels":
    """A network of this setting, at the paper's normalized initialization."""
    kernels.prepare(setting.device, setting.activation, "cross_entropy", setting.optimizer)
    network = kernels.create(
        setting.device, setting.sizes, setting.activation, "cross_entropy", setting.batch_size, RATE, setting.threads,
        optimizer=setting.optimizer,
    )  # fmt: skip
    network.parameters = initial_parameters(setting.sizes, "normalized", 0)
    return network


SGD = "glorot, sgd"


def updates(setting: Setting, peer: str | None = None, rounds: int = 11) -> Contest:
    """Seconds an update, ours and the peer's; with another optimizer than plain SGD, also that of ours with SGD."""
    network = our_kernels(setting)
    batches = 64 if setting.device == "cpu" else MOST_UNITS
    examples = make_examples(setting, batches * setting.batch_size)
    staged = network.staging.stage(examples) if network.staging else None  # as PyTorch has them: on the device

    def ours(n: int, network: "Kernels" = network) -> None:
        while n > 0:
            whole = staged is not None and n >= batches
            network.train(staged if whole else examples.first(min(n, batches) * setting.batch_size))
            n -= batches

    contestants: dict[str, Callable[[int], None]] = {"glorot": ours}
    if setting.optimizer != "sgd":
        contestants[SGD] = partial(ours, network=our_kernels(replace(setting, optimizer="sgd")))
    if peer:
        contestants |= torch_peer(setting).updates(examples)
    return contest(contestants, rounds)


def evaluation(setting: Setting, peer: str | None = None, rounds: int = 5, n: int = 10_000) -> Contest:
    """Seconds an example of a forward pass over n examples, ours and the peer's."""
    network = our_kernels(setting)
    examples = make_examples(setting, n)

    def ours(count: int) -> None:
        for _ in range(count // n):
            network.evaluate(examples)

    contestants = {"glorot": ours}
    if peer:
        contestants |= torch_peer(setting).evaluation(examples)
    return contest(contestants, rounds, unit=n)


def probe_seconds(setting: Setting, n: int = 300) -> float | None:
    """Of one look at all layers with n examples, as `probes` in a sweep takes it: the best of three, after one that
    makes ready. None on a GPU, and of a network without hidden layers."""
    from glorot.training import probes

    if setting.device != "cpu" or not setting.hidden:
        return None
    network, examples, seconds = our_kernels(setting), make_examples(setting, n), []
    for _ in range(4):
        began = time.perf_counter()
        probes.measure(network, examples, setting.activation)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def floor(setting: Setting) -> "Floor | GpuFloor":
    """This machine's rates at the size of what the setting's update touches."""
    if setting.device == "cuda":
        from glorot.bench import cuda_floor

        network: Any = our_kernels(setting)
        return cuda_floor.measure(4 * setting.weights, network.blocks, network.resident)
    return measure(setting.working_bytes, setting.threads)


# What `glorot bench` says. -----------------------------------------------------------------------------------------


def results(setting: Setting, peer: str | None = None, rounds: int = 11) -> dict:
    """Everything `glorot bench` measures of one setting, in plain numbers (--json)."""
    rates, turns = floor(setting), updates(setting, peer, rounds)
    seconds = turns.median("glorot")
    looks = evaluation(setting, peer, max(3, rounds // 3))
    measured = {
        "setting": asdict(setting),
        "processor": kernels.hardware(setting.device) or f"a CPU, compiled for {cpu_target()[0]}",
        "ms_per_update": 1e3 * seconds,
        "updates_per_second": 1 / seconds,
        "gflops": sum(setting.flops) / seconds / 1e9,
        "weight_gb_per_second": setting.moved_bytes / seconds / 1e9,
        "floor": {
            "read_gb_per_second": rates.read / 1e9,
            "read_write_gb_per_second": rates.read_write / 1e9,
            "gflops": rates.flops / 1e9,
            "ms_per_update": 1e3 * setting.floor_seconds(rates),
            "barrier_us": 1e6 * rates.barrier,
            "weights_stay": rates.weights_stay,
        },
        "share_of_floor": setting.floor_seconds(rates) / seconds,
        "us_per_evaluated_example": 1e6 * looks.median("glorot"),
        "probe_seconds": probe_seconds(setting),
    }
    if SGD in turns.seconds:
        measured["times_sgd"] = {
            "ours": 1 / turns.ratio(SGD),
            "bytes": setting.moved_bytes / replace(setting, optimizer="sgd").moved_bytes,
        }
    if peer:
        measured["peers"] = {
            name: {"ms_per_update": 1e3 * turns.median(name), "ratio": turns.ratio(name), "rounds": rounds}
            for name in turns.seconds
            if name not in ("glorot", SGD)
        }
        measured["evaluation_peers"] = {
            name: {"us_per_example": 1e6 * looks.median(name), "ratio": looks.ratio(name)}
            for name in looks.seconds
            if name != "glorot"
        }
    return measured


def document(measured: dict) -> Document:
    """The same for people."""
    setting, rates = Setting(**measured["setting"]), measured["floor"]
    optimizer = "" if setting.optimizer == "sgd" else f"{setting.optimizer}, "
    barrier = f", a barrier takes {rates['barrier_us']:.2f} us" if rates["barrier_us"] else ""
    stay = ", the weights stay in shared memory" if rates["weights_stay"] else ""
    machine = (
        f"this machine reads {rates['read_gb_per_second']:.0f} GB/s, reads and writes "
        f"{rates['read_write_gb_per_second']:.0f} GB/s, computes {rates['gflops']:.0f} GFLOP/s{barrier}{stay}"
    )
    rows = [
        ["update", f"{measured['ms_per_update']:.3f} ms", f"{measured['updates_per_second']:,.0f} per second"],
        ["arithmetic", f"{measured['gflops']:.1f} GFLOP/s", ""],
        ["weight traffic", f"{measured['weight_gb_per_second']:.1f} GB/s", ""],
        ["floor of an update", f"{rates['ms_per_update']:.3f} ms", machine],
        ["share of the floor", f"{100 * measured['share_of_floor']:.1f} %", ""],
        ["evaluation", f"{measured['us_per_evaluated_example']:.2f} us", "per example"],
    ]
    if measured.get("probe_seconds") is not None:
        rows.append(["a probe", f"{1e3 * measured['probe_seconds']:.1f} ms", "of 300 examples"])
    if "times_sgd" in measured:
        ours, moved = (measured["times_sgd"][name] for name in ("ours", "bytes"))
        rows.append(["beside sgd", f"{ours:.2f} times", f"as long, in turns; it moves {moved:.2f} times the bytes"])
    peers = [
        [name, f"{one['ms_per_update']:.3f} ms", f"{one['ratio']:.2f}"]
        for name, one in measured.get("peers", {}).items()
    ] + [
        [f"{name}, evaluation", f"{one['us_per_example']:.2f} us", f"{one['ratio']:.2f}"]
        for name, one in measured.get("evaluation_peers", {}).items()
    ]
    title = (
        f"{'-'.join(map(str, setting.sizes))}, {setting.activation}, {optimizer}minibatch {setting.batch_size}, "
        f"{setting.threads} {'thread' if setting.threads == 1 else 'threads'}"
    )
    return timings(title, measured["processor"], rows, peers)


def timings(title: str, processor: str, rows: list[list[str]], peers: list[list[str]]) -> Document:
    """rows: quantity, value, remark. peers: name, time, and how many times as long as ours."""
    blocks: list[Block] = [Paragraph(f"On {processor}."), Grid(["quantity", "value", "remark"], rows, right=False)]
    if peers:
        blocks += [Heading("In turns with ours"), Grid(["peer", "time", "times ours"], peers)]
    records = [dict(zip(TIMINGS, row, strict=True)) for row in [*rows, *peers]]
    return Document(title, blocks, Records(TIMINGS, records))


TIMINGS = ("quantity", "value", "remark")


BATCH_SIZES = (1, 2, 5, 10, 20, 32, 64, 128)


def draw_roofline(setting: Setting, file: Path, peer: str | None = None, rounds: int = 5) -> None:
    """Speed of an update over arithmetic intensity, one point a minibatch size, under this machine's two limits.

    Intensity: operations a byte of weight traffic (each weight read forward, read and written backward).
    """
    from glorot.reporting import pictures

    rates = floor(setting)
    intensities: list[float] = []
    speeds: dict[str, list[float]] = {}
    for batch_size in BATCH_SIZES:
        one = replace(setting, batch_size=batch_size)
        turns = updates(one, peer, rounds)
        intensities.append(sum(one.flops) / (3 * 4 * one.weights))
        for name in turns.seconds:
            speeds.setdefault(name, []).append(sum(one.flops) / turns.median(name) / 1e9)
    with pictures.shipped({}):
        figure = pictures.new(figsize=(7, 4.5), dpi=150, layout="constrained")
        axes = figure.subplots()
        x = np.geomspace(intensities[0] / 2, intensities[-1] * 2, 200)
        traffic = 3 / (1 / rates.read + 2 / rates.read_write)  # bytes/s of one part reading, two parts read and written
        axes.loglog(x, np.minimum(x * traffic, rates.flops) / 1e9, color="black", label="this machine's limits")
        for (name, values), marker, color in zip(
            speeds.items(), "osD^", ("#0072B2", "#E69F00", "#009E73", "#CC79A7"), strict=False
        ):
            axes.loglog(intensities, values, marker=marker, color=color, label=name)
        for batch_size, intensity, speed in zip(BATCH_SIZES, intensities, speeds["glorot"], strict=True):
            axes.annotate(str(batch_size), (intensity, speed), xytext=(0, 6), textcoords="offset points", ha="center")
        axes.set_xlabel("operations a byte of weight traffic (FLOP/B); numbers: minibatch size")
        axes.set_ylabel("GFLOP/s")
        threads = f"{setting.threads} thread{'s' if setting.threads > 1 else ''}"
        axes.set_title(f"An update of {'-'.join(map(str, setting.sizes))} ({setting.activation}, {threads})")
        axes.legend(loc="lower right")
    write_bytes(file, pictures.rendered(figure, file.suffix[1:].lower(), {}))
