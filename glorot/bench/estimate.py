"""How long a sweep would take on this machine, from the speed of each kind of network in it."""

import math
from collections.abc import Sequence

from glorot.bench import convolutional
from glorot.bench.contest import evaluation, updates
from glorot.bench.convolutional import LenetSetting
from glorot.bench.setting import Setting
from glorot.datasets.local import info
from glorot.models.architectures import MODELS, Convolutional
from glorot.reporting.document import Block, Document, Grid, Paragraph, Records
from glorot.sweeps.runs import Run
from glorot.sweeps.settings import Settings


def setting_of(one: Settings, threads: int) -> Setting | LenetSetting:
    """What decides the speed of a run."""
    data = info(one.dataset)
    if isinstance(MODELS[one.model], Convolutional):
        side = max(data.image_shape)
        return LenetSetting(one.batch_size, one.activation, threads, side, data.n_classes, one.optimizer)
    return Setting(
        one.hidden, one.batch_size, one.activation, threads, math.prod(data.image_shape), data.n_classes,
        optimizer=one.optimizer,
    )  # fmt: skip


def timed(setting: Setting | LenetSetting) -> tuple[float, float]:
    """Seconds of an update, and of an example that is evaluated."""
    if isinstance(setting, LenetSetting):
        turns, looks = convolutional.turns(setting, None, 3)
        return turns.median("glorot"), looks.median("glorot")
    return updates(setting, rounds=3).median("glorot"), evaluation(setting, rounds=2, n=500).median("glorot")


def sweep_estimate(runs: Sequence[Run], jobs: int, threads: int, done: int = 0) -> dict:
    """How long these runs would take, `jobs` at a time with `threads` threads each. done: how many are finished.

    Each kind of network among them is timed, one at a time: its speed depends on its shape, minibatch and
    activation, not on the images or the initial weights. Several at a time share the memory, and take a little longer.
    """
    kinds: dict[Setting | LenetSetting, tuple[float, float]] = {}
    total = 0.0
    others = [run for run in runs if MODELS[run.settings.model].learner != "gradient_descent"]  # of no such updates
    trained = [run for run in runs if run not in others]
    for run in trained:
        one, setting = run.settings, setting_of(run.settings, threads)
        if setting not in kinds:
            kinds[setting] = timed(setting)
        update, example = kinds[setting]
        evaluations = -(-one.updates // one.evaluate_every) + 1
        total += one.updates * update + evaluations * (one.valid_examples + one.test_examples) * example
    return {
        "runs": len(runs),
        "done": done,
        "updates": sum(run.settings.updates for run in trained),
        "not_timed": len(others),
        "networks_timed": len(kinds),
        "jobs": jobs,
        "threads": threads,
        "seconds": total / jobs,
    }


def document(estimate: dict, name: str, stages: str) -> Document:
    """The same for people. stages: what there is to do, as lines."""
    hours = estimate["seconds"] / 3600
    minutes = max(1, round(hours * 60))
    length = (
        f"{hours / 24:.1f} days" if hours > 48 else f"{hours:.1f} hours" if hours > 2
        else f"{minutes} minute{'s' * (minutes > 1)}"
    )  # fmt: skip
    rows = [
        ["time on this machine", f"about {length}" if estimate["runs"] else "none: no run is to do"],
        *([["runs to do", f"{estimate['runs']:,}; {estimate['done']:,} are finished"]] if estimate["done"] else []),
        ["updates", f"{estimate['updates']:,}"],
        ["runs at a time", str(estimate["jobs"])],
        ["threads per run", str(estimate["threads"])],
        ["kinds of network that were timed", str(estimate["networks_timed"])],
    ]
    if estimate["not_timed"]:
        rows.append(["runs of other models, not counted", str(estimate["not_timed"])])
    blocks: list[Block] = [*map(Paragraph, stages.splitlines()), Grid(["quantity", "value"], rows)]
    return Document(f"How long {name} will take", blocks, Records(tuple(estimate), [estimate]))
