"""Convolutional networks on the CPU, as the package sees them: the kernels of ``convolution.py`` at work."""

import numpy as np

from glorot.compiled.cache import compiling
from glorot.compiled.elementary import ZERO
from glorot.datasets import Examples
from glorot.datasets.inputs import UNIT
from glorot.kernels.convolution import EVALUATION_CHUNK, kernels
from glorot.kernels.convolution_layout import SIDE, Network, Plan, Room
from glorot.kernels.formulas import own_of, parts_of
from glorot.kernels.host import OnCpu
from glorot.kernels.layout import aligned
from glorot.kernels.products import share
from glorot.kernels.protocol import Probed
from glorot.models.activations import ACTIVATIONS
from glorot.models.layers import Convolution, Dense, Description, Pooling, full_table


class ConvolutionKernels(OnCpu):
    """One convolutional network on the CPU: as `cpu.CpuKernels`.

    parameters: one Layer for each layer but RBF units, in the shapes of ``models/layers.py``.
    """

    def __init__(
        self,
        layers: tuple[Description, ...],
        image: tuple[int, int],
        activation: str,
        loss: str,
        batch_size: int,
        learning_rate: float,
        threads: int = 1,
        levels: np.ndarray = UNIT,
        optimizer: str = "sgd",
    ):
        """image: height and width of the images, which stand in the middle of the input; the border is like byte 0.
        levels: (256,) float32, what the network sees of each byte. Raises ValueError of layers that do not fit."""
        self._plan = Plan(layers, image)
        super().__init__(self._plan, batch_size, learning_rate, threads, optimizer)
        self.levels, self._gradient = levels, aligned(self._plan.n_parameters)
        self._keeps_z = ACTIVATIONS[activation].keeps_z
        self._network, self._room = self._room_for(batch_size)
        self._evaluation = [self._room_for(EVALUATION_CHUNK) for _ in range(threads)]
        self._kernels, self._own = kernels(), own_of(activation, loss, optimizer)

    def train(self, examples: Examples) -> np.ndarray:
        """Updates on consecutive minibatches; with plain SGD theta -= learning_rate * mean gradient.

        examples: a multiple of batch_size of them. Returns the (updates,) float64 mean losses of the minibatches,
        each before its update; where one is not finite it is the last, and its update was not made.
        """
        return self.updates(
            len(examples) // self.batch_size,
            lambda rates, losses, barrier, thread: self._kernels.run_updates(
                self._own, self._network, self._parameters, self._memory, self._gradient, self._room, self.levels,
                examples.pixels, examples.labels, rates, losses, barrier, thread, self.threads,
            ),
        )  # fmt: skip

    def evaluate(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        """Losses (n,) float32 and predicted classes (n,) uint8 of some examples."""
        losses, predictions = np.empty(len(examples), np.float32), np.empty(len(examples), np.uint8)

        def work(thread: int) -> None:
            network, room = self._evaluation[thread]
            start, stop = share(len(examples), EVALUATION_CHUNK, thread, self.threads)
            self._kernels.evaluate_examples(
                self._own, network, self._parameters, room, self.levels, examples.pixels, examples.labels, start, stop,
                losses, predictions,
            )  # fmt: skip

        self.on_each_thread(work)
        return losses, predictions

    def probe(self, examples: Examples) -> Probed:
        """As the protocol has it; units map by map."""
        total, gradient = np.zeros(self._plan.n_parameters), np.zeros_like(self._gradient)
        chunks: list[list[np.ndarray]] = []
        own = self._own._replace(least=ZERO)
        for first in range(0, len(examples), EVALUATION_CHUNK):
            part = slice(first, first + EVALUATION_CHUNK)
            pixels, labels = examples.pixels[part], examples.labels[part]
            network, room = self._room_for(len(labels))
            self._kernels.probe_examples(own, network, self._parameters, gradient, room, self.levels, pixels, labels)
            total += gradient
            chunks.append(self._plan.seen(network, room))
        whole = [np.concatenate(parts) for parts in zip(*chunks, strict=True)]
        hidden = len(whole) // 3  # layers; the logits have deltas only
        mean = self._plan.read((total / len(examples)).astype(np.float32))
        return Probed(whole[:hidden], whole[2 * hidden :], whole[hidden : 2 * hidden], mean)

    def _room_for(self, examples: int) -> tuple[Network, Room]:
        return self._plan.room(examples, self.levels[0], self._keeps_z)


def prepare(activation: str, loss: str, optimizer: str = "sgd") -> None:
    """Compile the kernels of such networks, or load them from the cache, before any thread waits for another."""
    parts = parts_of(activation, loss, optimizer).values()
    with compiling(kernels().run_updates, *(part.compiled for part in parts)):
        layers = (Convolution((1, 6, 6), SIDE, full_table(1, 1)), Pooling((1, 2, 2)), Dense(1, 2))
        network = ConvolutionKernels(layers, (6, 6), activation, loss, 1, 0.1, optimizer=optimizer)
        examples = Examples(np.zeros((1, 36), np.uint8), np.zeros(1, np.uint8))
        network.train(examples)
        network.evaluate(examples)
