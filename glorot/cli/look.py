"""`glorot list` and `glorot bench`: they train nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from glorot.cli.shared import (
    Names,
    activation_names,
    epilog,
    file_type,
    format_option,
    output_option,
    plugin_option,
    printed,
    say,
    show,
    sweep_type,
)
from glorot.kernels import DEVICES

if TYPE_CHECKING:
    from glorot.registry import Registry


@click.command("list", epilog=epilog("glorot list"))
@plugin_option
def list_() -> None:
    """List the names that a sweep file can use.

    Shows activations, initializers, losses, optimizers, models, data sets and shipped sweeps, each with its formula or
    a short description. A sweep also has the number of its runs, the sum of their updates, and its data sets.
    """
    from glorot.datasets.catalogue import DATASETS
    from glorot.datasets.inputs import INPUTS
    from glorot.datasets.local import FORMS
    from glorot.models.activations import ACTIVATIONS
    from glorot.models.architectures import MODELS
    from glorot.models.initializers import INITIALIZERS
    from glorot.models.losses import LOSSES
    from glorot.models.optimizers import OPTIMIZERS
    from glorot.models.pretraining import PRETRAINING
    from glorot.sweeps.shipped import shipped

    sections = {
        "models": {name: one.formula for name, one in MODELS.items()},
        "activations": {name: f"{one.formula}{_origin(ACTIVATIONS, name)}" for name, one in ACTIVATIONS.items()},
        "initializers": {
            name: f"{one.formula}  [{one.source}]{_origin(INITIALIZERS, name)}" for name, one in INITIALIZERS.items()
        },
        "losses": {name: f"{one.formula}{_origin(LOSSES, name)}" for name, one in LOSSES.items()},
        "optimizers": {name: f"{one.formula}  [{one.source}]" for name, one in OPTIMIZERS.items()},
        "pretraining": {name: one.formula for name, one in PRETRAINING.items()},
        "inputs": {name: one.formula for name, one in INPUTS.items()},
        "datasets": {name: info.summary for name, info in DATASETS.items()},
        "datasets of your own": dict(FORMS.values()),
        "sweeps": shipped(),
    }
    width = max(len(name) for entries in sections.values() for name in entries)
    lines = []
    for section, entries in sections.items():
        lines += ["", section, *(f"  {name:{width}}  {text}" for name, text in entries.items())]
    show("\n".join(lines[1:]) + "\n")


def _origin(choices: "Registry", name: str) -> str:
    """ "  [my_units.py]" behind what is from a plug-in."""
    origin = choices.origin(name)
    return f"  [{origin.file}]" if origin else ""


def optimizer_text(ctx: click.Context, param: click.Parameter, text: str) -> str:
    """ "adam" or "{adam: {beta2: 0.99}}" -> its text of one form."""
    from glorot.errors import SweepError
    from glorot.sweeps import yaml_nodes
    from glorot.sweeps.fields import check_field

    try:
        return check_field("optimizer", yaml_nodes.parse(text, "--optimizer", numbered=False).plain())
    except (ValueError, SweepError) as error:
        raise click.BadParameter(str(error)) from None


@click.command(epilog=epilog("glorot bench --peer torch\n"
                           "glorot bench experiments/lecture.yaml\n"
                           "glorot bench --width 100 --batch-size 1 --json\n"
                           "glorot bench --model lenet5 --peer torch"))  # fmt: skip
@click.argument("sweep", type=sweep_type, required=False)
@output_option
@click.option("--peer", type=click.Choice(("torch",)), help="Also measure PyTorch, in turns with glorot.")
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of glorot, and of PyTorch."
)
@click.option("--batch-size", type=click.IntRange(1), default=10, show_default=True, help="Examples per update.")
@click.option("--width", type=click.IntRange(1), default=1000, show_default=True, help="Units per hidden layer.")
@click.option("--depth", type=click.IntRange(0), default=5, show_default=True, help="Number of hidden layers.")
@click.option("--inputs", type=click.IntRange(1), default=1024, show_default=True, help="Pixels per image.")
@click.option("--classes", type=click.IntRange(2, 256), default=9, show_default=True, help="Units of the last layer.")
@click.option("--activation", type=Names(activation_names), default="tanh", show_default=True,
              help="Activation of the hidden layers.")  # fmt: skip
@click.option("--optimizer", callback=optimizer_text, default="sgd", show_default=True,
              metavar="NAME|{NAME: {parameter: value}}", help="Optimizer: sgd, momentum, ...")  # fmt: skip
@click.option("--model", type=click.Choice(("mlp", "lenet5")), default="mlp", show_default=True,
              help="The network to measure; lenet5 has no width, no depth and no floor.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1), default=11, show_default=True, help="How many times to measure each.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Runs of SWEEP at a time.  [default: one per core]")
@click.option("--device", type=click.Choice(DEVICES[1:]), default="cpu", show_default=True,
              help="Where the networks run.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@format_option
@click.option("--start", is_flag=True, help="Measure the first line of commands, compiling, and memory, instead.")
@click.option("--minibatches", type=file_type, metavar="FILE.png|svg",
              help="Print updates and examples per second for minibatches of 1 to 512, and draw them.")  # fmt: skip
@plugin_option
@click.option("--roofline", type=file_type, metavar="FILE.png|svg",
              help="Draw the speed for minibatches of 1 to 128, and the limits of the machine.")  # fmt: skip
def bench(
    sweep: Path | None, output: Path, peer: str | None, threads: int, batch_size: int, width: int, depth: int,
    inputs: int, classes: int, activation: str, optimizer: str, model: str, rounds: int, jobs: int | None,
    device: str, as_json: bool, form: str | None, start: bool, minibatches: Path | None, roofline: Path | None,
) -> None:  # fmt: skip
    """Measure how fast the kernels are.

    Prints the time of an update of the paper's network (or another one), the floor (the shortest time that this
    machine's memory and arithmetic allow), and with --peer the time in PyTorch. With SWEEP: how long those of its runs
    take on the CPU that have no results of it in OUTPUT yet.
    """
    import json

    from glorot.bench import contest as measure
    from glorot.bench.setting import Setting
    from glorot.execution.processes import share_cores
    from glorot.kernels import choose_device, not_there
    from glorot.sweeps import config
    from glorot.sweeps.search import describe_stages, flat, short_runs
    from glorot.sweeps.shipped import resolve

    kind = choose_device(device).kind
    if kind != "cpu" and (sweep or roofline or start):
        raise click.UsageError("SWEEP, --start and --roofline are for the CPU; leave out --device")
    if sweep:
        from glorot.bench import estimate
        from glorot.execution.plan import FINISHED, Request, check_choices, make_plan, to_run

        loaded = to_run(config.load(resolve(sweep)))
        plan = make_plan(Request(loaded), output)
        check_choices(plan)
        runs, grid = [*plan.to_do, *plan.search.later], plan.grid
        jobs, threads_each = share_cores(len(runs), jobs)
        done = sum(plan.statuses.get(run.run_id) in FINISHED for run in plan.selected)
        found = estimate.sweep_estimate(runs, jobs, threads_each, done)
        if as_json:
            show(json.dumps(found) + "\n")
        else:
            stages = describe_stages(loaded, flat(short_runs(loaded, grid)), grid)
            show(printed(estimate.document(found, loaded.name, stages), form))
        return
    if model == "lenet5":
        from glorot.bench import convolutional

        if kind != "cpu" or roofline:
            raise click.UsageError("the model lenet5 is not on a GPU yet, and has no roofline; leave these options out")
        lenet = convolutional.LenetSetting(batch_size, activation, threads, optimizer=optimizer)
        seen = convolutional.results(lenet, peer, rounds)
        show(json.dumps(seen, indent=2) + "\n" if as_json else printed(convolutional.document(seen), form))
        return
    setting = Setting((width,) * depth, batch_size, activation, threads, inputs, classes, kind, optimizer)
    if reason := not_there(kind, optimizer):
        raise click.UsageError(reason)
    if roofline:
        measure.draw_roofline(setting, roofline, peer, rounds)
        say(f"drawn: {roofline}")
        return
    if minibatches:
        from glorot.bench import minibatches as over

        speeds = over.measure(setting)
        over.draw(setting, speeds, minibatches)
        show(
            json.dumps([list(one.values()) for one in over.records(speeds)]) + "\n"
            if as_json
            else printed(over.document(setting, speeds), form)
        )
        say(f"drawn: {minibatches}")
        return
    if start:
        from glorot.bench import start as starting

        begun = starting.measure(setting)
        show(json.dumps(begun._asdict(), indent=2) + "\n" if as_json else printed(starting.document(begun), form))
        return
    measured = measure.results(setting, peer, rounds)
    show(json.dumps(measured, indent=2) + "\n" if as_json else printed(measure.document(measured), form))
