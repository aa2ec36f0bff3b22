"""A small network that a file gives with its weights, a few examples and targets: what ``steps.py`` works through.

    activation: sigmoid
    loss: quadratic
    learning_rate: 1
    layers:
      - weights: [[2, -1], [1, -1]]    # a row for each unit
        biases: [0, 1]
      - weights: [[2, -4]]
        biases: [1]
    examples:
      - inputs: [1, 2]
        targets: [1]

The last layer gives the logits; what is done with them is the loss's, as in ``models/losses.py``. Targets are from 0 to
1; with softmax they are probabilities.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glorot.errors import SweepError, nearest
from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.registry import Registry
from glorot.sweeps import yaml_nodes
from glorot.sweeps.yaml_nodes import Node, shown

MOST = {"layers": 10, "units": 12, "examples": 5}  # what can still be read when it is printed
KEYS = ("activation", "loss", "learning_rate", "layers", "examples")


@dataclass(frozen=True, eq=False)
class SmallNetwork:
    """weights: of each layer, (fan_out, fan_in) float64. biases: (fan_out,). inputs: (n, n_inputs). targets: (n, units
    of the last layer). activation, loss: keys of the registries."""

    activation: str
    loss: str
    learning_rate: float
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    inputs: np.ndarray
    targets: np.ndarray


def load(path: Path) -> SmallNetwork:
    """Read one. Raises SweepError with file, line, what was expected and what was found."""
    top = yaml_nodes.parse(yaml_nodes.read_text(path), str(path))
    found = _mapping(top, "", KEYS, KEYS[3:])
    weights: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    layers = _listed(found["layers"], "layers", MOST["layers"])
    for number, layer in enumerate(layers, 1):
        key = f"layer {number}"
        parts = _mapping(layer, key, ("weights", "biases"), ("weights",))
        wide = len(weights[-1]) if weights else None
        weights.append(_matrix(parts["weights"], f"{key}: weights", wide, f"the units of layer {number - 1}"))
        units = len(weights[-1])
        given = parts.get("biases")
        biases.append(_row(given, f"{key}: biases", units, "the units of the layer") if given else np.zeros(units))
    loss = _choice(found.get("loss"), "loss", LOSSES, "quadratic")
    inputs, targets = [], []
    for number, example in enumerate(_listed(found["examples"], "examples", MOST["examples"]), 1):
        key = f"example {number}"
        parts = _mapping(example, key, ("inputs", "targets"), ("inputs", "targets"))
        inputs.append(_row(parts["inputs"], f"{key}: inputs", weights[0].shape[1], "the columns of layer 1's weights"))
        targets.append(_targets(parts["targets"], f"{key}: targets", len(weights[-1]), loss))
    return SmallNetwork(
        _choice(found.get("activation"), "activation", ACTIVATIONS, "sigmoid"),
        loss,
        _rate(found.get("learning_rate")),
        weights,
        biases,
        np.array(inputs),
        np.array(targets),
    )


def _wrong(node: Node, key: str, text: str) -> SweepError:
    return SweepError(": ".join(part for part in (node.where, key, text) if part))


def _mapping(node: Node, key: str, allowed: tuple[str, ...], needed: tuple[str, ...]) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise _wrong(node, key, f"expected a mapping with keys of {', '.join(allowed)}; found {shown(node.value)}")
    for name, entry in node.value.items():
        if name not in allowed:
            text = f"unknown key {shown(name)}; allowed: {', '.join(allowed)}{nearest(name, allowed)}"
            raise _wrong(entry, key, text)
    for name in needed:
        if name not in node.value:
            raise _wrong(node, key, f"expected the key {name}, found only {', '.join(node.value) or 'nothing'}")
    return node.value


def _listed(node: Node, key: str, most: int) -> list[Node]:
    if isinstance(node.value, list) and 1 <= len(node.value) <= most:
        return node.value
    found = f"a list of {len(node.value)}" if isinstance(node.value, list) else shown(node.value)
    raise _wrong(node, key, f"expected a list of 1 to {most}, found {found}")


def _choice(node: Node | None, key: str, choices: Registry, default: str) -> str:
    try:
        return choices.canonical(default if node is None else node.plain())
    except ValueError as error:
        assert node is not None
        raise _wrong(node, key, str(error)) from None


def _rate(node: Node | None) -> float:
    if node is None:
        return 1.0
    if type(node.value) in (int, float) and 0 < node.value <= 1e6:
        return float(node.value)
    raise _wrong(node, "learning_rate", f"expected a number above 0 and up to 1000000, found {shown(node.value)}")


def _row(node: Node, key: str, length: int | None, of_what: str) -> np.ndarray:
    """A list of numbers; of a length that is known where it is not None."""
    values = node.plain() if isinstance(node.value, list) else None
    numbers = values is not None and all(type(one) in (int, float) and abs(one) <= 1e6 for one in values)
    wanted = f"{length} number{'s' * (length != 1)}" if length else f"1 to {MOST['units']} numbers"
    if not numbers or not values:
        raise _wrong(node, key, f"expected a list of {wanted} from -1000000 to 1000000, found {shown(node.value)}")
    if length is not None and len(values) != length:
        raise _wrong(node, key, f"expected {wanted}, as many as {of_what}; found {len(values)}")
    if len(values) > MOST["units"]:
        raise _wrong(node, key, f"expected {wanted}, found {len(values)}")
    return np.array(values, np.float64)


def _matrix(node: Node, key: str, wide: int | None, of_what: str) -> np.ndarray:
    rows: list[np.ndarray] = []
    for number, row in enumerate(_listed(node, key, MOST["units"]), 1):
        others = of_what if wide else "row 1"
        rows.append(_row(row, f"{key}: row {number}", wide or (len(rows[0]) if rows else None), others))
    return np.array(rows)


def _targets(node: Node, key: str, length: int, loss: str) -> np.ndarray:
    values = _row(node, key, length, "the units of the last layer")
    if values.min() < 0 or values.max() > 1:
        raise _wrong(node, key, f"expected numbers from 0 to 1, found {shown(node.value)}")
    if loss == "cross_entropy" and abs(values.sum() - 1) > 1e-6:
        raise _wrong(
            node, key, f"expected probabilities with the sum 1, as softmax gives them, found the sum {values.sum():g}"
        )
    return values


def text_of(network: SmallNetwork) -> Any:
    """ "2 inputs, layers of 2 and 1 units"."""
    sizes = [str(len(one)) for one in network.weights]
    listed = " and ".join([", ".join(sizes[:-1]), sizes[-1]] if len(sizes) > 1 else sizes)
    n = network.inputs.shape[1]
    return f"{n} input{'s' * (n != 1)}, layer{'s' * (len(sizes) > 1)} of {listed} unit{'s' * (sizes != ['1'])}"
