"""Variances of a network before any training, layer by layer, beside the theory of Glorot & Bengio (2010), section 4.2.

The paper takes units to be in their linear regime, f(z) = z, and weights to be independent with mean 0. Then, with
n Var[W] of each layer from the law in ``initializers.py``,

    forward    eq. 5    Var[a^l] = E[x^2] * prod over layers k <= l of fan_in_k Var[W_k]
    backward   eq. 6    Var[dC/dz^l] = Var[dC/dz^out] * prod over layers k > l of fan_out_k Var[W_k]
    weights    eq. 14   Var[dC/dW^l] = E[(a^(l-1))^2] * Var[dC/dz^l], of one example: the product of the two above
    Jacobian            mean singular value 8 / (3 pi) * sqrt(n Var[W]) of a square layer (quarter circle law)

The paper writes Var[x], for inputs of mean 0. Pixels have a mean, in [0, 1] as in [-1, 1]: with weights of mean 0 it is
the mean square E[x^2] = Var[x] + mean^2 that arrives in the next layer, so E[x^2], over the pixels of the examples
probed, is taken.

Units that are other than f(z) = z near 0 enter with their slopes on both sides of 0 and their value at 0: sigmoid
with slope 1/4 and value 1/2, ReLU with half of the squares (He et al. 2015). That extends the paper's equations and
leaves them as they are for tanh, softsign and linear units. Variances of dC/dz are mean squares: those of hidden
layers have mean 0, and where the cost gives the output a mean (the quadratic one does), it is passed down like the
rest. Layers that are not square have the mean of the Marchenko-Pastur law, of which the quarter circle is the square
case. Theory is of z about 0: where units leave their linear regime, measured and theory part, and that is worth
seeing.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from glorot import kernels
from glorot.datasets import Examples, FiniteDataset
from glorot.datasets.inputs import as_seen, inputs_misfit, levels_of
from glorot.datasets.loading import load
from glorot.datasets.local import AnyData, info
from glorot.errors import GlorotError
from glorot.models.initializers import INITIALIZERS, Initializer, Layered, Scheme
from glorot.models.losses import LOSSES
from glorot.models.network import layer_sizes
from glorot.training.probes import Network, measure
from glorot.training.seen import Inspection as Inspection
from glorot.training.seen import LayerSeen as LayerSeen
from glorot.training.seen import Pair as Pair
from glorot.training.start import begin, inputs_of
from glorot.training.theory import backward_theory, factors, forward_theory, near_zero, singular_value_theory


def ones(number: int) -> FiniteDataset:
    """One example: so many inputs, each 1 (with the inputs called unit)."""
    example = Examples(np.full((1, number), 255, np.uint8), np.zeros(1, np.uint8))
    return FiniteDataset(f"{number:,} inputs of 1", 10, example, example, example)


def inspect(
    dataset: AnyData | FiniteDataset,
    activation: str,
    initializer: str,
    hidden: Sequence[int],
    loss: str = "cross_entropy",
    examples: int = 300,
    seed: int = 0,
    data_folder: Path = Path(),
    inputs: str | None = None,
) -> Inspection:
    """Make a network, pass the first test examples through it, and tell what is seen. Names: keys of the registries.
    dataset: one of Settings, or examples that are there already (`ones`). inputs: None for the data set's own.

    Raises DataError where the data set is not there, GlorotError where the network does not fit into memory.
    """
    if LOSSES[loss].rbf:
        raise GlorotError(f"the loss {loss} is of RBF units, which only lenet5 has; use that model, or another loss")
    if isinstance(dataset, FiniteDataset):
        data, label, inputs = dataset, dataset.name, inputs or "unit"
    else:
        inputs = inputs or info(dataset).inputs
        if problem := inputs_misfit(inputs, dataset):
            raise GlorotError(problem)
        data, label = as_seen(load(dataset, data_folder), inputs, info(dataset).columns), str(dataset)  # type: ignore[assignment]
    some = data.test.first(examples)
    sizes = layer_sizes(data.n_inputs, tuple(hidden), data.n_classes)
    try:
        network = kernels.create("cpu", sizes, activation, loss, 10, 0.1, 1, levels_of(inputs, data))
        begin(network, sizes, initializer, seed, data)
        seen = layers_seen(network, some, activation, INITIALIZERS[initializer], sizes)
        square = _input_square(network, some)
    except MemoryError as error:
        raise GlorotError(
            f"expected a network that fits into memory, found hidden layers {'-'.join(map(str, hidden))}; "
            "choose fewer or narrower ones"
        ) from error
    return Inspection(activation, initializer, loss, label, inputs, len(some), seed, square, seen)


def layers_seen(
    network: Network, examples: Examples, activation: str, initializer: Scheme, sizes: Sequence[int]
) -> list[LayerSeen]:
    """Every layer of a network, from the first hidden one to the output. sizes: from the inputs to the outputs."""
    with np.errstate(over="ignore", invalid="ignore"):  # of networks that overflow
        rows = {(row.quantity, row.layer): row for row in measure(network, examples, activation)}
        activations, deltas, *_ = network.probe(examples)
        below_each = [inputs_of(network, examples), *activations]
        weights = [weight_gradient(*each) for each in zip(deltas, below_each, strict=True)]
        z_variances = _z_variances(network, below_each)
    regime, initializer = near_zero(activation), as_drawn(initializer, network)
    laws = factors(sizes, initializer, regime)
    squares_seen = [rows["gradient", l].std ** 2 + rows["gradient", l].mean ** 2 for l in range(1, len(sizes))]
    input_square = _input_square(network, examples)
    variances, squares = forward_theory(input_square, laws[:-1], regime)
    gradients = backward_theory(squares_seen[-1], laws)
    below = [input_square, *squares]
    found = []
    for position, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        l, is_hidden, law = position + 1, position < len(laws) - 1, laws[position]
        seen, jacobian = rows.get(("activation", l)), rows.get(("jacobian", l))
        theory = singular_value_theory(fan_in, fan_out, initializer.of_layer(position), regime)
        found.append(
            LayerSeen(
                layer=l,
                fan_in=fan_in,
                fan_out=fan_out,
                gain=law.forward,
                activation=Pair(seen.std**2, variances[position]) if seen and is_hidden else None,
                gradient=Pair(squares_seen[position], gradients[position]),
                weight_gradient=Pair(weights[position], below[position] * gradients[position]),
                jacobian=Pair(jacobian.mean, theory) if jacobian else None,
                saturation=seen.saturation if seen and not regime.gives_zero else None,
                zero=float((activations[position] == 0).mean()) if is_hidden and regime.gives_zero else None,
                z=Pair(z_variances[position], below[position] * law.forward),
            )
        )
    return found


def as_drawn(initializer: Scheme, network: Network) -> Scheme:
    """The law of a network's weights: the initializer's, or that of the weights themselves where it was scaled on
    examples."""
    if not initializer.examples:
        return initializer
    squares = [float(np.square(W, dtype=np.float64).mean()) for W, _ in network.parameters]
    layers = tuple(Initializer("", "", "", square, "one", initializer.distribution) for square in squares)  # type: ignore[arg-type]
    return Layered(initializer.suffix, initializer.formula, initializer.source, layers)


def weight_gradient(delta: np.ndarray, below: np.ndarray) -> float:
    """Mean square of one example's dC/dW = delta a', over weights and examples, of one layer.

    Of one example and not of a minibatch's mean, in which examples of one network are not independent and eq. 14,
    as a level, does not hold; its ratios do.
    """

    def squares(values: np.ndarray) -> np.ndarray:
        return np.square(values, dtype=np.float64).mean(axis=1)

    return float((squares(delta) * squares(below)).mean())


def _z_variances(network: Network, below: Sequence[np.ndarray]) -> list[float]:
    """Var[z] over units and examples, of each layer. below: what it gets, (n, fan_in)."""
    with threadpool_limits(1):
        return [float((a @ W.T + b).var(dtype=np.float64)) for a, (W, b) in zip(below, network.parameters, strict=True)]


def _input_square(network: Network, examples: Examples) -> float:
    if examples.pixels.dtype == np.float32:
        return float(np.square(examples.pixels, dtype=np.float64).mean())
    return float(np.square(network.levels.astype(np.float64))[examples.pixels].mean())
