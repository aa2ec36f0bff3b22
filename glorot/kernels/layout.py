"""Where parameters, activations and deltas lie in the flat arrays of the CPU: see the picture in ``cpu.py``."""

import numpy as np

from glorot.kernels.simd import LANES
from glorot.kernels.views import BELOW, FAN_IN, FAN_OUT, STRIDE_IN, W, above_of
from glorot.models.network import Layer


def aligned(n: int) -> np.ndarray:
    """n float32 zeros that begin at a cache line."""
    raw = np.zeros(n + LANES, np.float32)
    offset = -raw.ctypes.data // 4 % LANES
    return raw[offset : offset + n]


def padded(n: int) -> int:
    return -(-n // LANES) * LANES


class Layout:
    """Where everything lies in the flat arrays, for minibatches of a given number of examples."""

    def __init__(self, sizes: tuple[int, ...], examples: int):
        strides = [padded(size + 1) for size in sizes[:-1]] + [padded(sizes[-1])]
        weights = np.cumsum([0] + [out * stride for out, stride in zip(sizes[1:], strides[:-1], strict=True)])
        rows = np.cumsum([0] + [examples * stride for stride in strides])
        self.layers = np.array(
            [
                (sizes[l], sizes[l + 1], strides[l], strides[l + 1], weights[l], rows[l], rows[l + 1])
                for l in range(len(sizes) - 1)
            ],
            np.int64,
        )
        self.n_parameters = int(weights[-1])
        self.n_activations = int(rows[-1])
        self.examples = examples

    def workspace(self, keeps_z: bool) -> np.ndarray:
        """Room for activations, with the constant 1 behind the units of each layer but the last; and for as many z."""
        a = aligned((1 + keeps_z) * self.n_activations)
        for layer in self.layers:
            rows = a[layer[BELOW] : layer[BELOW] + self.examples * layer[STRIDE_IN]]
            rows.reshape(self.examples, layer[STRIDE_IN])[:, layer[FAN_IN]] = 1
        return a

    def read(self, parameters: np.ndarray) -> list[Layer]:
        """A copy of flat parameters, layer by layer."""
        layers = []
        for l, (fan_in, *_) in enumerate(self.layers):
            weights = self.weights(parameters, l)
            layers.append(Layer(weights[:, :fan_in].copy(), weights[:, fan_in].copy()))
        return layers

    def write(self, layers: list[Layer], parameters: np.ndarray) -> None:
        """Set flat parameters; their padding to 0, where a diverged update may have left NaN."""
        parameters[:] = 0
        for l, (fan_in, *_) in enumerate(self.layers):
            weights = self.weights(parameters, l)
            weights[:, :fan_in], weights[:, fan_in] = layers[l]

    def weights(self, parameters: np.ndarray, l: int) -> np.ndarray:
        """Layer l's (fan_out, stride) part of the flat parameters, biases in column fan_in, as a view."""
        layer = self.layers[l]
        flat = parameters[layer[W] : layer[W] + layer[FAN_OUT] * layer[STRIDE_IN]]
        return flat.reshape(layer[FAN_OUT], layer[STRIDE_IN])

    def above(self, values: np.ndarray, l: int, examples: int) -> np.ndarray:
        """Layer l's units in the flat activations or deltas of some examples: (examples, fan_out), as a view."""
        layer = self.layers[l]
        return above_of(layer, values, examples)[:, : layer[FAN_OUT]]
