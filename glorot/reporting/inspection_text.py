"""What is seen of a network before training, as a document: tables, and plain words."""

import math
import textwrap
from collections.abc import Callable, Sequence

from glorot.models.activations import ACTIVATIONS
from glorot.registry import without_mark
from glorot.reporting import terminal
from glorot.reporting.document import Block, Document, Grid, Heading, Paragraph, Records, Value
from glorot.sweeps.about import sizes_text
from glorot.sweeps.values import dataset_text
from glorot.training.seen import Inspection, LayerSeen, Pair, ratio
from glorot.training.theory import near_zero

LEVEL = 0.1  # a factor a layer within 10 % of 1 is called level
NONE = "-"
FLOAT32 = 4  # bytes


def document(ones: Sequence[Inspection]) -> Document:
    """Tables of what was measured beside the theory, and what it means; of several methods, a column for each."""
    heads = dict.fromkeys(line for one in ones for line in _head(one))
    blocks: list[Block] = [*map(Paragraph, heads), *(_tables(ones[0]) if len(ones) == 1 else _side_by_side(ones))]
    for one in ones:
        blocks.append(Heading("What it means" if len(ones) == 1 else one.method))
        blocks += map(Paragraph, sentences(one))
    rows = [row for one in ones for row in _records(one)]
    return Document("Before any training", blocks, Records(tuple(rows[0]), rows))


def text(seen: Inspection) -> str:
    """The same for a terminal, without its codes."""
    return terminal.written(document([seen]), color=False)


def _tables(seen: Inspection) -> list[Block]:
    quiet = "zero" if near_zero(seen.activation).gives_zero else "saturated"
    weighted = Grid(
        ["layer", "units", "n Var[W]", "Var[z]", "theory", "SD[z]"],
        [[one.name, str(one.units), _short(one.gain), *_texts(one.z), _deviation(one.z)] for one in seen.hidden],
    )
    forward = Grid(
        ["layer", "Var[a]", "theory", "ratio to below", quiet],
        [
            [one.name, *_texts(one.activation), step, _percent(one.saturation if one.zero is None else one.zero)]
            for one, step in zip(seen.hidden, _steps(seen, "activation", -1), strict=True)
        ],
    )
    backward = Grid(
        ["layer", "Var[dC/dz]", "theory", "ratio to above"],
        [
            [_name(one, seen.layers), *_texts(one.gradient), step]
            for one, step in zip(seen.layers, _steps(seen, "gradient", 1), strict=True)
        ],
    )
    jacobians = any(one.jacobian for one in seen.layers)
    weights = Grid(
        ["layer", "Var[dC/dW]", "theory", *(["Jacobian", "theory"] if jacobians else [])],
        [
            [_name(one, seen.layers), *_texts(one.weight_gradient), *(_texts(one.jacobian) if jacobians else [])]
            for one in seen.layers
        ],
    )
    about_jacobian = ", and mean singular values of each layer's Jacobian" if jacobians else ""
    about_z = f"z = W a of the layer below; activations a = f(z) (eq. 5; E[x^2] = {_short(seen.input_square)})."
    return [
        Heading("Forward"),
        Paragraph(f"{about_z} Ratios have the theory's in brackets."),
        weighted,
        forward,
        Heading("Backward"),
        Paragraph("Gradients (eq. 6), from what the cost gives the output."),
        backward,
        Paragraph(f"Weight gradients of one example (eq. 14){about_jacobian}."),
        weights,
    ]


def _head(seen: Inspection) -> list[str]:
    sizes = sizes_text(tuple(one.units for one in seen.hidden))
    examples = f"{seen.examples} test example{'s' * (seen.examples > 1)}"
    label = f"{seen.model_label}: " * bool(seen.model_label) + ACTIVATIONS[seen.activation].label
    return [
        f"{label}, {without_mark(seen.initializer)} initialization, hidden layers {sizes}",
        f"{seen.parameters:,} parameters, {_bytes(seen.parameters * FLOAT32)} in float32",
        f"{dataset_text(seen.dataset)} ({seen.inputs} inputs), {examples}, {seen.loss}, seed {seen.seed}",
        *([seen.note] if seen.note else []),
    ]


def _side_by_side(ones: Sequence[Inspection]) -> list[Block]:
    """What was measured."""
    quantities: dict[str, Callable[[LayerSeen], str]] = {
        "Forward: Var[a]": lambda layer: _texts(layer.activation)[0],
        "Saturated; of units such as ReLU: zero": lambda layer: _percent(
            layer.saturation if layer.zero is None else layer.zero
        ),
        "Backward: Var[dC/dz]": lambda layer: _texts(layer.gradient)[0],
        "Weight gradients of one example: Var[dC/dW]": lambda layer: _texts(layer.weight_gradient)[0],
    }
    blocks: list[Block] = []
    for title, cell in quantities.items():
        rows = [
            [_name(layers[0], ones[0].layers), *map(cell, layers)]
            for layers in zip(*(one.layers for one in ones), strict=True)
        ]
        grid = Grid(["layer", *(one.method for one in ones)], [row for row in rows if set(row[1:]) != {NONE}])
        blocks += [Heading(title), grid]
    return blocks


def _records(seen: Inspection) -> list[dict[str, Value]]:
    """A row for each layer, numbers exact."""
    rows = []
    for one in seen.layers:
        row: dict[str, Value] = {"method": seen.method, "layer": one.layer, "fan_in": one.fan_in, "units": one.units}
        for name in ("z", "activation", "gradient", "weight_gradient", "jacobian"):
            pair: Pair | None = getattr(one, name)
            row |= {name: pair and pair.measured, f"{name}_theory": pair and pair.theory}
        rows.append(row | {"saturation": one.saturation, "zero": one.zero})
    return rows


def meaning(seen: Inspection) -> str:
    """One or two sentences in plain words, a line or more each."""
    return "\n".join(textwrap.fill(sentence, 100) for sentence in sentences(seen))


def sentences(seen: Inspection) -> list[str]:
    """One or two sentences in plain words."""
    if len(seen.hidden) == 1:
        return ["One hidden layer: there is nothing for signals to shrink over."]
    n, words = len(seen.hidden), []
    for name, plural, where in [("gradient", "Gradients", "first"), ("activation", "Activations", "last")]:
        factor, theory = seen.factors(name)
        other = "last" if where == "first" else "first"
        if not (math.isfinite(factor) and factor > 0):
            words.append(f"{plural}: nothing measurable arrives, or it overflows.")
            continue
        away = factor ** (n - 1)
        share = f"{_short(away)} times" if away > 1 else f"1/{_short(1 / away)} of"
        if abs(factor - 1) <= LEVEL:
            words.append(f"{plural} stay level: a factor {_short(factor)} a layer (variance).")
            continue
        verb, towards = ("shrink" if factor < 1 else "grow"), ("input" if where == "first" else "output")
        words.append(
            f"{plural} {verb} by a factor {_short(factor)} a layer (variance, towards the {towards}"
            f"{_said(factor, theory)}): the {where} of {n} layers sees {share} the variance of the {other}."
        )
    return [*words, *_instead(seen)]


def _instead(seen: Inspection) -> list[str]:
    """What another initialization would do, in theory, where this one does not keep gradients level: He's for units
    that are 0 on one side, else the normalized one."""
    now = seen.factors("gradient").theory
    regime = near_zero(seen.activation)
    other, name = ("he_normal", "He") if regime.gives_zero else ("normalized", "normalized")
    would = [factor.gradient for factor in seen.laws(other)[1 : len(seen.hidden)]]
    a_layer = math.prod(would) ** (1 / len(would))
    if now is None or abs(a_layer - now) < LEVEL * max(now, a_layer):
        return []
    if abs(a_layer - 1) <= LEVEL:
        return [f"The {name} initialization would keep gradients level, in theory: {_short(a_layer)} a layer."]
    return [f"With the {name} initialization, theory says {_short(a_layer)} a layer."]


def _steps(seen: Inspection, quantity: str, towards: int) -> list[str]:
    """Each layer's ratio to its neighbour, with theory's in brackets."""
    every = [one.activation if quantity == "activation" else one.gradient for one in seen.layers]
    pairs = [pair for pair in every if pair]
    steps = []
    for position, pair in enumerate(pairs):
        if not 0 <= position + towards < len(pairs):
            steps.append(NONE)
            continue
        below = pairs[position + towards]
        theory = [f"({_short(ratio(pair[1], below[1]))})"] if below[1] is not None else []
        steps.append(" ".join([_short(ratio(pair[0], below[0])), *theory]))
    return steps


def _deviation(pair: Pair | None) -> str:
    return NONE if pair is None else _short(math.sqrt(pair.measured))


def _bytes(number: int) -> str:
    """ "16.1 MB"."""
    size, unit = next((10**k, name) for k, name in ((9, "GB"), (6, "MB"), (3, "kB"), (0, "bytes")) if number >= 10**k)
    return f"{number / size:.4g} {unit}"


def _short(number: float | None) -> str:
    return NONE if number is None else f"{number:,.0f}" if 1000 <= number < 1e6 else f"{number:.3g}"


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f} %"


def _texts(pair: Pair | None) -> list[str]:
    return [NONE, NONE] if pair is None else [_short(pair.measured), _short(pair.theory)]


def _name(one: LayerSeen, layers: Sequence[LayerSeen]) -> str:
    return "output" if one is layers[-1] else one.name


def _said(factor: float, theory: float | None) -> str:
    """Theory's factor, where it is another."""
    if theory is None or abs(factor - theory) <= LEVEL * factor:
        return ""
    return f"; theory, near z = 0: {_short(theory)}"
