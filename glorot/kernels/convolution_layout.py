"""Where everything of a convolutional network lies: maps, deltas and parameters, for ``convolution.py``."""

from typing import NamedTuple

import numpy as np

from glorot.kernels.layout import Layout, aligned, padded
from glorot.kernels.simd import LANES
from glorot.kernels.views import FAN_IN, FAN_OUT, above_of, weights_of
from glorot.models.layers import Convolution, Dense, Description, Pooling, Rbf
from glorot.models.network import Layer

SIDE = 5  # of the kernels
TAPS = SIDE * SIDE

# Columns of ``pairs``. In its example's block of a, input map i begins at IN + i * IN_MAP, the units of map m at
# OUT + m * OUT_MAP and its pooled units at POOL + m * POOL_MAP; in its block of delta, theirs begin at
# DELTA + m * DELTA_MAP and POOL_DELTA + m * POOL_MAP. Rows are IN_ROW, OUT_ROW and POOL_ROW apart. The COUNT kernels
# from number FIRST of ``kernels`` on have their weights at WEIGHTS, behind them at BIASES b of all maps, then c, then
# b of the pooled maps. SUMS: what these three get from one example, in its block of delta.
(
    IN, IN_ROW, IN_MAP, IN_HEIGHT, IN_WIDTH, MAPS, HEIGHT, WIDTH, OUT, OUT_ROW, OUT_MAP, DELTA, DELTA_MAP, POOL,
    POOL_ROW, POOL_MAP, POOL_DELTA, FIRST, COUNT, WEIGHTS, BIASES, SUMS, MAPS_IN,
) = range(23)  # fmt: skip


class Network(NamedTuple):
    """Where everything lies. pairs: (pairs, 23) int64. kernels: (n, 2) int64, map and input map of each, by map.
    image: (4,) int64, height and width of an image and where it begins in a block, and where the next row does.
    dense: as in ``cpu.py``, of the parameters from `first_dense` on. patterns: (inputs, classes) float32 of RBF units,
    or (0, 0)."""

    pairs: np.ndarray
    kernels: np.ndarray
    image: np.ndarray
    dense: np.ndarray
    first_dense: int
    patterns: np.ndarray


class Room(NamedTuple):
    """Activations and deltas of some examples. a, delta: (examples, block) float32 of the maps, each its own blocks.
    dense_a, dense_delta: flat, as in ``cpu.py``. kept, dense_kept: what slopes take: a itself, or as much for z.
    logits, logit_delta: (examples, classes). cost: (examples,) float32."""

    a: np.ndarray
    delta: np.ndarray
    kept: np.ndarray
    dense_a: np.ndarray
    dense_delta: np.ndarray
    dense_kept: np.ndarray
    logits: np.ndarray
    logit_delta: np.ndarray
    cost: np.ndarray


def unsupported(layers: tuple[Description, ...]) -> str:
    """Why these kernels cannot run a network; empty where they can."""
    position = 0
    while position + 1 < len(layers):
        one, behind = layers[position], layers[position + 1]
        if not isinstance(one, Convolution) or one.outputs[1:] == (1, 1):
            break
        if one.side != SIDE:
            return f"expected kernels of {SIDE} x {SIDE}, found {one.side} x {one.side}"
        if not isinstance(behind, Pooling):
            return f"expected a pooling layer behind each convolution, found {behind}"
        if one.outputs[1] % 2 or one.outputs[2] % 2:
            return f"expected maps of even height and width before pooling, found {one.outputs}"
        position += 2
    if not position:
        return f"expected a convolution first, found {layers[0]}"
    rest = layers[position:]
    if rest and isinstance(rest[-1], Rbf):
        rest = rest[:-1]
    for one in rest:
        full = isinstance(one, Convolution) and one.outputs[1:] == (1, 1) and len(one.pairs) == one.inputs[0] * one.maps
        if not (full or isinstance(one, Dense)):
            return f"expected fully connected layers behind the pooling layers, found {one}"
    return "" if rest else "expected a fully connected layer behind the pooling layers, found none"


class Plan:
    """Where everything lies: the tables of a network, and room for examples."""

    def __init__(self, layers: tuple[Description, ...], image: tuple[int, int]):
        """image: height and width of the images, at most the input's. Raises ValueError."""
        reason = unsupported(layers)
        if reason:
            raise ValueError(reason)
        self.layers = layers
        n = next(l for l, one in enumerate(layers) if not isinstance(one, Convolution | Pooling) or (l % 2 == 0
                 and one.outputs[1:] == (1, 1)))  # fmt: skip
        convolutions, rest = layers[:n:2], layers[n:]
        patterns = np.empty((0, 0), np.float32)
        if isinstance(rest[-1], Rbf):
            patterns, rest = np.array(rest[-1].patterns, np.float32).T.copy(), rest[:-1]
        self.sizes = (int(np.prod(rest[0].inputs)), *(one.outputs[0] for one in rest))
        self.n_classes = patterns.shape[1] or self.sizes[-1]
        pairs = self._pairs([one for one in convolutions if isinstance(one, Convolution)])
        kernels = np.array([pair for one in convolutions for pair in one.pairs], np.int64)  # type: ignore[union-attr]
        _, height, width = layers[0].inputs
        begin = (height - image[0]) // 2 * padded(width) + (width - image[1]) // 2
        self.first_dense = self.n_parameters
        dense = Layout(self.sizes, 1)
        self.n_parameters += dense.n_parameters
        place = np.array([*image, begin, padded(width)], np.int64)
        self.network = Network(pairs, kernels, place, dense.layers, self.first_dense, patterns)

    def _pairs(self, convolutions: list[Convolution]) -> np.ndarray:
        """The table of pairs; also sizes of blocks and of the parameters."""
        (maps, height, width), rows = convolutions[0].inputs, []
        source, row, block, delta_block, parameters, first = 0, padded(width), 0, 0, 0, 0
        source_map = height * row
        block = maps * source_map + LANES
        for l, one in enumerate(convolutions):
            m, h, w = one.outputs
            last = l + 1 == len(convolutions)
            out, out_row = block, padded(w + SIDE - 1)
            delta = delta_block + SIDE * out_row
            pool = out + m * h * out_row + LANES
            pool_row = w // 2 if last else padded(w // 2)
            pool_map = h // 2 * pool_row
            pool_delta = delta + m * (h + SIDE - 1) * out_row + LANES
            sums = pool_delta + padded(m * pool_map) + LANES
            biases = parameters + padded(TAPS * len(one.pairs))
            rows.append((
                source, row, source_map, height, width, m, h, w, out, out_row, h * out_row, delta,
                (h + SIDE - 1) * out_row, pool, pool_row, pool_map, pool_delta, first, len(one.pairs), parameters,
                biases, sums, maps,
            ))  # fmt: skip
            block = pool + padded(m * pool_map) + LANES
            delta_block = sums + padded(3 * m)
            parameters = biases + padded(3 * m)
            first += len(one.pairs)
            source, row, source_map, (maps, height, width) = pool, pool_row, pool_map, (m, h // 2, w // 2)
        self.block, self.delta_block, self.n_parameters = block, delta_block, parameters
        return np.array(rows, np.int64)

    def room(self, examples: int, background: float, keeps_z: bool) -> tuple[Network, Room]:
        """Room for some examples, with the background around their images."""
        dense = Layout(self.sizes, examples)
        a, delta = (aligned(examples * block).reshape(examples, block) for block in (self.block, self.delta_block))
        maps, height, width = self.layers[0].inputs
        for block in a:
            block[: maps * height * padded(width)].reshape(-1, padded(width))[:, :width] = background
        logits = np.zeros((2, examples, self.n_classes), np.float32)
        cost = np.zeros(examples, np.float32)
        dense_a, dense_delta = dense.workspace(False), aligned(dense.n_activations)
        kept, dense_kept = (np.zeros_like(a), np.zeros_like(dense_a)) if keeps_z else (a, dense_a)
        room = Room(a, delta, kept, dense_a, dense_delta, dense_kept, logits[0], logits[1], cost)
        return self.network._replace(dense=dense.layers), room

    def parts(self, flat: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each layer's W and b in the flat parameters, as views in the shapes of ``models/layers.py``."""
        found = []
        for l, pair in enumerate(self.network.pairs):
            one, _pooling = self.layers[2 * l : 2 * l + 2]
            biases = flat[pair[BIASES] : pair[BIASES] + 3 * pair[MAPS]].reshape(3, -1)
            weights = flat[pair[WEIGHTS] : pair[WEIGHTS] + TAPS * pair[COUNT]]
            found += [(weights.reshape(one.weights), biases[0]), (biases[1], biases[2])]
        for layer in self.network.dense:
            W = weights_of(layer, flat[self.first_dense :])
            found.append((W[:, : layer[FAN_IN]], W[:, layer[FAN_IN]]))
        return found

    def read(self, flat: np.ndarray) -> list[Layer]:
        """A copy of flat parameters, layer by layer, in the shapes of ``models/layers.py``."""
        layers = [one for one in self.layers if not isinstance(one, Rbf)]
        return [
            Layer(W.reshape(one.weights).copy(), b.copy()) for one, (W, b) in zip(layers, self.parts(flat), strict=True)
        ]

    def write(self, layers: list[Layer], flat: np.ndarray) -> None:
        """Set flat parameters; their padding to 0, where a diverged update may have left NaN."""
        flat[:] = 0
        for (W, b), layer in zip(self.parts(flat), layers, strict=True):
            W[:], b[:] = layer.W.reshape(W.shape), layer.b

    def seen(self, network: Network, room: Room) -> list[np.ndarray]:
        """Of the room's examples, (n, units): activations of each hidden layer, what their slopes take, deltas of each
        and of the logits."""
        n, found = len(room.a), []
        for maps, dense in ((room.a, room.dense_a), (room.kept, room.dense_kept), (room.delta, room.dense_delta)):
            of_delta = maps is room.delta
            for pair in network.pairs:
                height, width = pair[HEIGHT], pair[WIDTH]
                out, out_map = (pair[DELTA], pair[DELTA_MAP]) if of_delta else (pair[OUT], pair[OUT_MAP])
                pool = pair[POOL_DELTA] if of_delta else pair[POOL]
                found.append(units(maps[:, out:], pair[MAPS], out_map, pair[OUT_ROW], height, width))
                found.append(units(maps[:, pool:], pair[MAPS], pair[POOL_MAP], pair[POOL_ROW], height // 2, width // 2))
            for layer in network.dense if len(network.patterns) else network.dense[:-1]:
                found.append(above_of(layer, dense, n)[:, : layer[FAN_OUT]].copy())
        return [*found, room.logit_delta]


def units(values: np.ndarray, maps: int, map_size: int, row: int, height: int, width: int) -> np.ndarray:
    """The units of some maps without what lies between their rows: (n, maps * height * width)."""
    rows = np.add.outer(np.arange(maps) * map_size, np.arange(height) * row)
    return values[:, np.add.outer(rows, np.arange(width)).reshape(-1)]
