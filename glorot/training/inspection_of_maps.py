"""As ``inspection.py``, of networks of maps, whose weights are shared (``models/layers.py``).

The theory is the same, with the fans of each layer; it takes all units of a layer, and all places of a map, to be
independent. P: the places of a map.

    forward    Var[z] = fan_in Var[W] E[a^2] below; a pooling layer, z = c * (sum of 4 units) + b, has fan_in 4
    backward   Var[dC/dz] below = connections Var[W] / units below * Var[dC/dz]; a unit at the edge of a map has fewer
    weights    Var[dC/dW] of one example = P E[a^2] Var[dC/dz], as each weight stands at P places; of a pooling layer,
               where a is the sum of 4 units, 4 times that

Neighbours in a map are alike: so a sum of 4 varies up to 4 times, and a weight gradient up to P times as much.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from glorot import kernels
from glorot.datasets import Examples
from glorot.datasets.inputs import inputs_misfit, levels_of
from glorot.datasets.loading import load
from glorot.datasets.local import AnyData, info
from glorot.errors import GlorotError
from glorot.models.architectures import MODELS, Convolutional
from glorot.models.initializers import INITIALIZERS, Scheme
from glorot.models.layers import Convolution, Dense, Description, Pooling, Rbf, initial_layers, trainable
from glorot.models.losses import LOSSES
from glorot.sweeps.settings import unfit_network
from glorot.training.inspection import weight_gradient
from glorot.training.probes import Network, ProbeRow, measure
from glorot.training.seen import InspectionOfMaps, LayerOfMaps, Pair
from glorot.training.theory import backward_theory, factors_of, forward_theory, near_zero, places


def inspect(
    model: str,
    dataset: AnyData,
    activation: str,
    initializer: str,
    loss: str = "cross_entropy",
    examples: int = 300,
    seed: int = 0,
    data_folder: Path = Path(),
    inputs: str | None = None,
) -> InspectionOfMaps:
    """As ``inspection.inspect``. model: a key of MODELS, of a convolutional network. Raises DataError, GlorotError."""
    chosen = MODELS[model]
    assert isinstance(chosen, Convolutional)
    inputs = inputs or chosen.inputs
    problem = unfit_network(model, dataset, loss, "sgd") or INITIALIZERS[initializer].problem(model, None)
    if problem := problem or inputs_misfit(inputs, dataset):
        raise GlorotError(problem)
    data = load(dataset, data_folder)
    try:
        layers = chosen.layers(data.n_classes, LOSSES[loss].rbf)
    except ValueError as error:
        raise GlorotError(f"the model {model} on {data.name}: {error}") from None
    height, width = info(dataset).image_shape
    levels, some = levels_of(inputs, data), data.test.first(examples)
    network = kernels.create_convolutional(layers, (height, width), activation, loss, 10, 0.1, 1, levels)
    network.parameters = initial_layers(layers, initializer, seed)
    images = seen_images(network, some, (height, width), layers[0].inputs)
    found = layers_seen(network, some, images, activation, INITIALIZERS[initializer], layers)
    square = float(np.square(images, dtype=np.float64).mean())
    return InspectionOfMaps(
        activation, initializer, loss, str(dataset), inputs, len(some), seed, square, found, model, data.n_classes
    )  # fmt: skip


def seen_images(
    network: Network, examples: Examples, image: tuple[int, int], shape: tuple[int, ...]
) -> np.ndarray:  # fmt: skip
    """What a network sees: (n, maps, height, width) float32, images in the middle. image: their height and width.
    shape: of the network's input."""
    seen = np.full((len(examples), *shape), network.levels[0], np.float32)
    top, left = ((have - need) // 2 for have, need in zip(shape[1:], image, strict=True))
    seen[:, 0, top : top + image[0], left : left + image[1]] = network.levels[examples.pixels].reshape(-1, *image)
    return seen


def layers_seen(
    network: Network, examples: Examples, images: np.ndarray, activation: str, initializer: Scheme,
    layers: Sequence[Description],
) -> list[LayerOfMaps]:  # fmt: skip
    """Every layer, from the first hidden one to the output. images: as `seen_images` makes them."""
    with np.errstate(over="ignore", invalid="ignore"):  # of networks that overflow
        rows = {(row.quantity, row.layer): row for row in measure(network, examples, activation)}
        activations, deltas, *_ = network.probe(examples)
        below_each = [images, *activations]
        shared = _shared_gradients(network, examples, layers)
        z_variances = _z_variances(network, below_each, layers)
    regime, weighted = near_zero(activation), [one for one in layers if trainable(one)]
    laws = factors_of(weighted, initializer, regime)
    squares_seen = [_square(rows["gradient", l]) for l in range(1, len(layers) + 1)]
    gradients: list[float | None] = [*backward_theory(squares_seen[len(laws) - 1], laws)]
    gradients += [None] * (len(layers) - len(laws))  # of RBF units, which have no weights of chance
    variances, squares = forward_theory(_arriving(images, layers[0]), laws[: len(layers) - 1], regime)
    below = [_arriving(images, layers[0]), *squares]
    found = []
    for l, (one, name) in enumerate(zip(layers, names(layers), strict=True)):
        fans, probed, is_hidden = one.rows(), rows.get(("activation", l + 1)), l < len(layers) - 1
        weights = None
        if l < len(laws):
            adds = places(one) * (4 if isinstance(one, Pooling) else 1)
            at_one_place = weight_gradient(deltas[l], below_each[l].reshape(len(examples), -1))
            weights = Pair(shared.get(l, at_one_place), adds * below[l] * gradients[l])  # type: ignore[operator]
        found.append(
            LayerOfMaps(
                layer=l + 1,
                fan_in=float(np.mean([row.fan_in for row in fans])) if fans else one.inputs[0],
                fan_out=float(np.mean([row.fan_out for row in fans])) if fans else one.outputs[0],
                gain=laws[l].forward if l < len(laws) else math.nan,
                activation=Pair(probed.std**2, variances[l]) if probed and is_hidden else None,
                gradient=Pair(squares_seen[l], gradients[l]),
                weight_gradient=weights,
                jacobian=None,
                saturation=probed.saturation if probed and not regime.gives_zero else None,
                zero=float((activations[l] == 0).mean()) if is_hidden and regime.gives_zero else None,
                z=Pair(z_variances[l], below[l] * laws[l].forward) if l < len(laws) else None,
                kind=name,
                shape=one.outputs,
                trainable=trainable(one),
            )
        )
    return found


def names(layers: Sequence[Description]) -> list[str]:
    """As LeCun et al. (1998) call them: C1, S2, ..., F6, and the output."""
    letters = {Convolution: "C", Pooling: "S", Dense: "F", Rbf: "RBF"}
    hidden = [f"{letters[type(one)]}{l}" for l, one in enumerate(layers[:-1], 1)]
    return [*hidden, "output"]


def preactivations(layer: Description, W: np.ndarray, b: np.ndarray, a: np.ndarray) -> np.ndarray:
    """z of a layer with weights, (n, *outputs), of what it gets: a, n times the layer's inputs."""
    maps = a.reshape(len(a), *layer.inputs)
    if isinstance(layer, Dense):
        return maps @ W.T + b
    if isinstance(layer, Pooling):
        four = sum(maps[:, :, y::2, x::2] for y, x in itertools.product((0, 1), (0, 1)))
        return W[:, None, None] * four + b[:, None, None]
    assert isinstance(layer, Convolution)
    windows = np.lib.stride_tricks.sliding_window_view(maps, (layer.side, layer.side), axis=(2, 3))
    kernels_of = np.split(W, np.cumsum([len(row) for row in layer.table])[:-1])
    each = [
        np.tensordot(windows[:, list(row)], some, axes=([1, 4, 5], [0, 1, 2]))
        for row, some in zip(layer.table, kernels_of, strict=True)
    ]
    return np.stack(each, axis=1) + b[:, None, None]


def _z_variances(network: Network, below: Sequence[np.ndarray], layers: Sequence[Description]) -> list[float]:
    """Var[z] over units and examples, of each layer with weights. below: what each gets, (n, units)."""
    with threadpool_limits(1):
        return [
            float(preactivations(layer, W, b, a).var(dtype=np.float64))
            for layer, (W, b), a in zip(layers, network.parameters, below, strict=False)
        ]


def _shared_gradients(
    network: Network, examples: Examples, layers: Sequence[Description]
) -> dict[int, float]:  # fmt: skip
    """Mean square of one example's dC/dW, over weights and examples, of the layers, from 0, whose weights stand at
    several places."""
    shared = [l for l, one in enumerate(layers) if places(one) > 1]
    sums = dict.fromkeys(shared, 0.0)
    for e in range(len(examples)):
        gradients = network.probe(Examples(examples.pixels[e : e + 1], examples.labels[e : e + 1])).gradients
        assert gradients is not None
        for l in shared:
            sums[l] += float(np.square(gradients[l].W, dtype=np.float64).mean())
    return {l: total / len(examples) for l, total in sums.items()}


def _arriving(images: np.ndarray, layer: Description) -> float:
    """E[x^2] over what the units of the first layer get: pixels at the edge go to fewer of them."""
    if not isinstance(layer, Convolution):
        return float(np.square(images, dtype=np.float64).mean())
    _, height, width = layer.outputs
    squares, offsets = np.square(images, dtype=np.float64), itertools.product(range(layer.side), repeat=2)
    return float(np.mean([squares[:, :, v : v + height, u : u + width].mean() for v, u in offsets]))


def _square(row: ProbeRow) -> float:
    return row.std**2 + row.mean**2
