"""`glorot inspect`: a network before training, a small one step by step, or a chain of single units."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glorot.cli.shared import (
    Names,
    activation_names,
    data_option,
    epilog,
    file_type,
    format_option,
    initializer_names,
    input_names,
    loss_names,
    plugin_option,
    printed,
    say,
    show,
    sweep_type,
)

if TYPE_CHECKING:
    from glorot.training.seen import Inspection

MOST_METHODS, MOST_BITS = 6, 16


def layer_sizes(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """ "1200,1000" -> (1200, 1000)."""
    from glorot.sweeps.fields import check_field

    try:
        return None if text is None else check_field("hidden", [int(size) for size in text.split(",")])
    except ValueError:
        raise click.BadParameter(f"expected sizes such as 1200,1000,800; found {text!r}") from None


def units(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """ "1,1,1,1" -> 4."""
    sizes = layer_sizes(ctx, param, text)
    if sizes and set(sizes) != {1}:
        raise click.BadParameter(f"expected single units, such as 1,1,1,1; found {text!r}")
    return len(sizes) if sizes else None


def numbers(ctx: click.Context, param: click.Parameter, texts: Sequence[str]) -> list[tuple[float, ...]]:
    """ "0.5" -> (0.5,); "2,0.5" -> (2.0, 0.5); of each time the option is given."""
    from glorot.sweeps.yaml_nodes import scalar

    found = []
    for text in texts:
        try:
            values = [scalar(part.strip()) for part in text.split(",")]
        except ValueError:
            values = [None]
        if not all(type(value) in (int, float) and abs(value) <= 1e6 for value in values):  # type: ignore[arg-type]
            raise click.BadParameter(f"expected a number, or numbers such as 2,0.5,0.5; found {text!r}")
        found.append(tuple(float(value) for value in values))  # type: ignore[arg-type]
    return found


def picture(ctx: click.Context, param: click.Parameter, file: Path | None) -> Path | None:
    if file and file.suffix.lower() not in (".png", ".svg"):
        raise click.BadParameter(f"expected a file name that ends in .png or .svg, found {file.name!r}")
    return file


def choice_of_data(ctx: click.Context, param: click.Parameter, text: str) -> Any:
    """A name, a folder, or what a sweep file has: {folder: PATH, size: [32, 32]}."""
    from glorot.errors import SweepError
    from glorot.places import expanded
    from glorot.sweeps import config, yaml_nodes
    from glorot.sweeps.fields import check_field

    try:
        node = yaml_nodes.parse(text, "--dataset", numbered=False)
        if isinstance(node.value, str) and expanded(node.value).is_dir():
            node = yaml_nodes.Node({"folder": node}, node.where)
        return check_field("dataset", config.rooted(node, Path()).plain())
    except (ValueError, SweepError) as error:
        raise click.BadParameter(str(error)) from None


@click.command(epilog=epilog("glorot inspect --activation tanh --initializer standard\n"
                           "glorot inspect --activation relu --initializer he_normal --hidden 300,200\n"
                           "glorot inspect --activation tanh --initializer standard --initializer normalized "
                           "--figure both.png\n"
                           "glorot inspect --model lenet5 --activation tanh --initializer normalized\n"
                           "glorot inspect two-layers --steps\n"
                           "glorot inspect --chain 1,1,1,1 --weights 0.5 --activation sigmoid\n"
                           "glorot inspect --constructions 2,4,8"))  # fmt: skip
@click.argument("network", type=sweep_type, required=False, metavar="[NETWORK.yaml]")
@click.option("--activation", "activations", type=Names(activation_names), multiple=True,
              help="Activation of the hidden layers. Given twice: two methods side by side.")  # fmt: skip
@click.option("--initializer", "initializers", type=Names(initializer_names, without=("exact",)), multiple=True,
              help="How the weights are drawn. Given twice: two methods side by side.")  # fmt: skip
@click.option("--model", type=click.Choice(("mlp", "lenet5")), default="mlp", show_default=True,
              help="The network; lenet5 has layers of its own.")  # fmt: skip
@click.option("--depth", type=click.IntRange(1, 1000), help="Number of hidden layers.  [default: 5]")
@click.option("--width", type=click.IntRange(1, 10**6), help="Units per hidden layer.  [default: 1000]")
@click.option(
    "--hidden", callback=layer_sizes, metavar="N,N,...", help="Sizes of all hidden layers, instead of depth and width."
)
@click.option("--dataset", callback=choice_of_data, default="shapeset", show_default=True, metavar="NAME|FOLDER|{...}",
              help="Whose test examples: a name, a folder of class folders, or as in a sweep.")  # fmt: skip
@click.option(
    "--ones", type=click.IntRange(1, 10**6), metavar="N", help="Instead of a data set: one example of N inputs of 1."
)
@click.option("--inputs", type=Names(input_names), help="Scale of the pixels.  [default: that of the data set]")
@click.option(
    "--examples", type=click.IntRange(1, 100_000), default=300, show_default=True, help="Number of test examples."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Seed of the weights.")
@click.option(
    "--loss",
    type=Names(loss_names),
    default="cross_entropy",
    show_default=True,
    help="The cost whose gradients are shown.",
)
@click.option("--steps", is_flag=True, help="Show one update of NETWORK.yaml step by step, with all numbers.")
@click.option(
    "--chain", callback=units, metavar="1,1,...", help="Show the gradient of a chain of single units, factor by factor."
)
@click.option("--weights", callback=numbers, multiple=True, metavar="W[,W,...]",
              help="Of the chain: one for all units, or one for each. Twice: two chains.  [default: 0.5]")  # fmt: skip
@click.option(
    "--steepest", is_flag=True, help="For --chain: choose the biases so that each unit is where its slope is largest."
)
@click.option("--constructions", callback=layer_sizes, metavar="N,N,...",
              help="Show networks built by hand for parity of N inputs: their sizes, errors and margins.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@format_option
@click.option("--figure", type=file_type, callback=picture, metavar="FILE.png|svg",
              help="Also draw it: over the layers, or over the depth of the chain.")  # fmt: skip
@data_option
@plugin_option
def inspect(
    network: Path | None, activations: tuple[str, ...], initializers: tuple[str, ...], model: str, depth: int | None,
    width: int | None, hidden: tuple[int, ...] | None, dataset: Any, ones: int | None, inputs: str | None,
    examples: int, seed: int, loss: str, steps: bool, chain: int | None, weights: list[tuple[float, ...]],
    steepest: bool, constructions: tuple[int, ...] | None, as_json: bool, form: str | None,
    figure: Path | None, data: Path | None,
) -> None:  # fmt: skip
    """See how signals spread through a network before training.

    Prints the variance of activations, gradients and weight gradients in each layer, and the mean singular value of
    its Jacobian, beside the theory of Glorot & Bengio (2010, eq. 5 to 14). Nothing is trained: it takes seconds.

    With --steps: one update of a small network with the weights of a file, with every number, and with each gradient
    beside a numerical derivative. With --chain: the factors of dC/db1 in a chain of single units. With
    --constructions: networks built by hand that compute parity.
    """
    from glorot.sweeps.fields import BESIDE_HIDDEN
    from glorot.sweeps.values import DEFAULT_DEPTH, DEFAULT_WIDTH

    if steps or network:
        return _steps(network, steps, as_json, form, figure)
    if constructions:
        return _constructions(constructions, as_json, form, figure)
    if chain:
        if len(activations) != 1:
            raise click.UsageError("--chain needs one --activation")
        return _chain(activations[0], chain, weights, steepest, as_json, form, figure)
    for name, given in (("--activation", activations), ("--initializer", initializers)):
        if not given:
            raise click.UsageError(f"Missing option '{name}'")
    if weights or steepest:
        raise click.UsageError("--weights and --steepest are of a chain: add --chain 1,1,1,1")
    if hidden and (depth or width):
        raise click.UsageError(BESIDE_HIDDEN)
    if model != "mlp" and (hidden or depth or width or ones):
        raise click.UsageError(
            f"the model {model} has sizes of its own; leave out --hidden, --depth, --width and --ones"
        )
    methods = list(itertools.product(dict.fromkeys(activations), dict.fromkeys(initializers)))
    if len(methods) > MOST_METHODS:
        raise click.UsageError(f"expected at most {MOST_METHODS} methods, found {len(methods)}")
    sizes = hidden or (width or DEFAULT_WIDTH,) * (depth or DEFAULT_DEPTH)
    _networks(methods, model, sizes, dataset, ones, loss, examples, seed, inputs, data, as_json, form, figure)


def _networks(
    methods: Sequence[tuple[str, str]], model: str, sizes: tuple[int, ...], dataset: Any, ones: int | None, loss: str,
    examples: int, seed: int, inputs: str | None, data: Path | None, as_json: bool, form: str | None,
    figure: Path | None,
) -> None:  # fmt: skip
    """Networks before training, a method each."""
    from glorot.datasets.loading import data_folder, pinned
    from glorot.reporting import inspection_text
    from glorot.training import inspection, inspection_of_maps

    folder = data_folder(data)
    pinned_set = pinned(dataset, folder, build=True) if not ones else dataset
    what = inspection.ones(ones) if ones else pinned_set
    seen: list[Inspection] = []
    for a, i in methods:
        if model == "mlp":
            seen.append(inspection.inspect(what, a, i, sizes, loss, examples, seed, folder, inputs))
        else:
            seen.append(inspection_of_maps.inspect(model, pinned_set, a, i, loss, examples, seed, folder, inputs))
    if as_json:
        show(seen[0].json() if len(seen) == 1 else _listed(seen))
    else:
        show(printed(inspection_text.document(seen), form))
    if figure:
        from glorot.reporting.inspection_figures import draw_inspections

        draw_inspections(seen, figure)
        say(f"drawn: {figure}")


def _constructions(bits: tuple[int, ...], as_json: bool, form: str | None, figure: Path | None) -> None:
    """Networks built by hand for parity."""
    import json

    from glorot.reporting import lessons
    from glorot.training import by_hand

    if figure:
        raise click.UsageError("--constructions has no --figure")
    if max(bits) > MOST_BITS:
        raise click.UsageError(f"--constructions: expected up to {MOST_BITS} inputs, found {max(bits)}")
    found = by_hand.parity(bits)
    show(json.dumps(list(map(asdict, found)), indent=2) + "\n" if as_json else printed(lessons.by_hand(found), form))


def _listed(seen: "Sequence[Inspection]") -> str:
    return "[\n" + ",\n".join(one.json().rstrip() for one in seen) + "\n]\n"


def _steps(network: Path | None, steps: bool, as_json: bool, form: str | None, figure: Path | None) -> None:
    """One update of a small network."""
    from glorot.reporting import lessons
    from glorot.sweeps.shipped import resolve_network
    from glorot.training import small_networks
    from glorot.training import steps as working

    if not (network and steps):
        raise click.UsageError("--steps and NETWORK.yaml belong together: glorot inspect two-layers --steps")
    if figure:
        raise click.UsageError("--steps has no --figure")
    worked = working.work(small_networks.load(resolve_network(network)))
    show(working.as_json(worked) if as_json else printed(lessons.steps(worked), form))


def _chain(
    activation: str, length: int, weights: Sequence[tuple[float, ...]], steep: bool, as_json: bool, form: str | None,
    figure: Path | None,
) -> None:  # fmt: skip
    """The factors of the gradient in chains of single units."""
    from glorot.reporting import lessons
    from glorot.training import chain

    found = []
    for given in weights or [(0.5,)]:
        if len(given) not in (1, length):
            raise click.UsageError(
                f"--weights: expected one number, or {length}, one for each unit; found {len(given)}"
            )
        found.append(chain.chain(activation, given * length if len(given) == 1 else given, steep))
    show(chain.as_json(found) if as_json else printed(lessons.chains(found), form))
    if figure:
        from glorot.reporting.inspection_figures import draw_chains

        draw_chains(found, figure)
        say(f"drawn: {figure}")
