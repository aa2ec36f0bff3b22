"""Small networks as documents: an update step by step, chains of single units, and networks built by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields

import numpy as np

from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.reporting.document import Block, Document, Grid, Heading, Matrices, Paragraph, Records, Value
from glorot.training.by_hand import BuiltByHand
from glorot.training.chain import INPUT, Chain
from glorot.training.small_networks import text_of
from glorot.training.steps import Steps
from glorot.training.theory import steepest

# Step by step --------------------------------------------------------------------------------------

NUMBERS = ("step", "quantity", "row", "column", "value")


def steps(worked: Steps) -> Document:
    """All steps in matrix form, a column for each example."""
    network, n = worked.network, len(worked.network.inputs)
    label, formula = ACTIVATIONS[network.activation].label, LOSSES[network.loss].formula
    rate = f"{network.learning_rate:g}"
    cost = ", ".join(map(_number, worked.costs)) + (f"; mean {_number(worked.costs.mean())}" if n > 1 else "")
    before, after = worked.costs.mean(), worked.new_costs.mean()
    went = "smaller" if after < before else "larger: the learning rate is too large" if after > before else "the same"
    mean = ", mean over the examples" if n > 1 else ""
    blocks: list[Block] = [
        Paragraph(f"{text_of(network)}; {label}; cost C = {formula}"),
        Paragraph(f"{n} example{'s, a column for each' if n > 1 else ''}; learning rate {rate}"),
    ]
    rows: list[Mapping[str, Value]] = []

    def step(name: str, about: str, layers: Sequence[tuple[int, Mapping[str, np.ndarray]]]) -> None:
        blocks.extend([Heading(name), Paragraph(about)])
        for layer, arrays in layers:
            parts = [(quantity, [[_number(value) for value in row] for row in one]) for quantity, one in arrays.items()]
            blocks.append(Matrices(f"layer {layer}", parts))
            rows.extend(
                dict(zip(NUMBERS, (name, quantity, i + 1, j + 1, float(value)), strict=True))
                for quantity, one in arrays.items()
                for (i, j), value in np.ndenumerate(one)
            )

    every = list(enumerate(worked.layers, 1))
    step("Forward", "z = W a + b with a of the layer below, a = f(z)", [(l, _forward(worked, l)) for l, _ in every])
    blocks += [Heading("Cost"), Paragraph(f"C = {cost}")]
    step(
        "Backward",
        "delta = dC/dz, of the last layer from the cost, of others (W' delta above) * f'(z)",
        [(l, _backward(worked, l)) for l, _ in reversed(every)],
    )
    step(
        "Gradients",
        f"dC/dW = delta a' with a of the layer below, dC/db = delta{mean}; beside them (C(w + h) - C(w - h)) / 2h",
        [(l, {f"dC/dW{l}": one.dW, f"numerical W{l}": one.numerical_dW, f"dC/db{l}": one.db[:, None],
              f"numerical b{l}": one.numerical_db[:, None]}) for l, one in every],
    )  # fmt: skip
    blocks.append(Paragraph(f"Largest difference: {worked.difference:.1g}"))
    step(
        "Update",
        f"W - {rate} dC/dW, b - {rate} dC/db",
        [(l, {f"new W{l}": one.new_W, f"new b{l}": one.new_b[:, None]}) for l, one in every],
    )
    blocks.append(Paragraph(f"The cost goes from {_number(before)} to {_number(after)}: {went}."))
    for name, found in (("Cost", worked.costs), ("Update", worked.new_costs)):
        rows += [dict(zip(NUMBERS, (name, "C", 1, j, float(value)), strict=True)) for j, value in enumerate(found, 1)]
    return Document("One update, step by step", blocks, Records(NUMBERS, rows))


def _forward(worked: Steps, l: int) -> dict[str, np.ndarray]:
    one, last = worked.layers[l - 1], l == len(worked.layers)
    return {
        f"W{l}": one.W, "x" if l == 1 else f"a{l - 1}": one.below.T, f"b{l}": one.b[:, None], f"z{l}": one.z.T,
        "output" if last else f"a{l}": one.a.T,
    }  # fmt: skip


def _backward(worked: Steps, l: int) -> dict[str, np.ndarray]:
    one = worked.layers[l - 1]
    if one.slope is None:
        return {"target": worked.network.targets.T, "output": one.a.T, f"delta{l}": one.delta.T}
    above = worked.layers[l]
    return {
        f"W{l + 1}'": above.W.T, f"delta{l + 1}": above.delta.T, f"f'(z{l})": one.slope.T, f"delta{l}": one.delta.T,
    }  # fmt: skip


def _number(value: float) -> str:
    return f"{value + 0.0:.5g}"  # + 0.0: no minus at a zero


# Chains --------------------------------------------------------------------------------------------

FACTORS = ("chain", "factor", "value", "bound", "product", "bounds")


def chains(found: Sequence[Chain]) -> Document:
    """Of each: the factors, their product and its bound, and what they mean. All have one activation and one length."""
    label, n = ACTIVATIONS[found[0].activation].label, len(found[0].weights)
    one = "A chain" if len(found) == 1 else "Chains"
    title = f"{one} of {n} {label} unit{'s' * (n > 1)}"
    blocks: list[Block] = [Paragraph(f"x = {INPUT:g}, and dC/da = 1 of the last unit")]
    for each in found:
        blocks += _chain(each)
    rows: list[Mapping[str, Value]] = [
        dict(zip(FACTORS, (number, *factor), strict=True))
        for number, each in enumerate(found, 1)
        for factor in each.factors
    ]
    return Document(title, blocks, Records(FACTORS, rows))


def _chain(one: Chain) -> list[Block]:
    label, (largest, there), n = ACTIVATIONS[one.activation].label, steepest(one.activation), len(one.weights)
    biases = f"biases such that every z is {there:.3g}, where the slope is largest" if one.steep else "biases 0"
    weights = one.weights[:1] if len(set(one.weights)) == 1 else one.weights
    rows = [
        [factor.name, *(f"{value:.4g}" for value in (factor.value, factor.bound, factor.product, factor.bounds))]
        for factor in one.factors
    ]
    end = f"dC/db1 = {one.gradient:.4g}. The largest slope of {label} is {largest:.4g}."
    if n > 1 and one.gradient == 0:
        end += " Nothing arrives."
    elif n > 1:
        per_unit = (abs(one.gradient) / one.factors[0].value) ** (1 / (n - 1))
        how = "vanish" if per_unit < 1 else "explode" if per_unit > 1 else "stay level"
        end += f" A factor {per_unit:.3g} for each unit more: gradients {how}."
    return [
        Heading(f"Weights {', '.join(f'{w:g}' for w in weights)}; {biases}"),
        Paragraph(f"dC/db1 = {' '.join(factor.name for factor in one.factors)}"),
        Grid(["factor", "value", "at most", "product so far", "at most"], rows),
        Paragraph(end),
    ]


# By hand -------------------------------------------------------------------------------------------


def by_hand(found: Sequence[BuiltByHand]) -> Document:
    """What networks built by hand for parity are made of, their errors and margins."""
    rows = [
        [one.name, str(one.bits), f"{one.units:,}", f"{one.parameters:,}", str(one.layers), f"{one.error:.2f} %",
         f"{one.margin:.3f}"]
        for one in found
    ]  # fmt: skip
    blocks: list[Block] = [
        Paragraph("Margin: how far the output stays from 1/2, as a probability, over all rows of the truth table."),
        Grid(["network", "inputs", "units", "parameters", "layers", "error", "margin"], rows),
    ]
    names = tuple(field.name for field in fields(BuiltByHand))
    return Document("Parity by hand", blocks, Records(names, list(map(asdict, found))))
