"""What is measured: a network, its minibatch and what it runs on; its work, and the least time it can take."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from glorot.models.network import layer_sizes
from glorot.models.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from glorot.bench.cuda_floor import GpuFloor
    from glorot.bench.floor import Floor


@dataclass(frozen=True)
class Setting:
    """The default is the paper's network."""

    hidden: tuple[int, ...] = (1000,) * 5
    batch_size: int = 10
    activation: str = "tanh"
    threads: int = 1
    n_inputs: int = 1024
    n_classes: int = 9
    device: str = "cpu"
    optimizer: str = "sgd"

    @property
    def sizes(self) -> tuple[int, ...]:
        return layer_sizes(self.n_inputs, self.hidden, self.n_classes)

    @property
    def weights(self) -> int:
        return sum(fan_in * fan_out for fan_in, fan_out in pairwise(self.sizes))

    @property
    def flops(self) -> tuple[int, int]:
        """Of one update, forward and backward. The first layer has no delta to pass down."""
        products = 2 * self.batch_size * self.weights
        return products, 2 * products - 2 * self.batch_size * self.sizes[0] * self.sizes[1]

    @property
    def working_bytes(self) -> int:
        """The weights, and what the optimizer keeps of them: what an update touches."""
        return 4 * self.weights * (1 + len(OPTIMIZERS[self.optimizer].keeps))

    @property
    def kept_bytes(self) -> int:
        """That an update moves beside the weights: what the optimizer keeps, read and written; statistics only read."""
        chosen = OPTIMIZERS[self.optimizer]
        return 4 * self.weights * len(chosen.keeps) * (1 if chosen.statistic else 2)

    @property
    def moved_bytes(self) -> int:
        """To and from the weights in an update, and what is kept of them."""
        return 3 * 4 * self.weights + self.kept_bytes

    def floor_seconds(self, floor: "Floor | GpuFloor") -> float:
        """The least time of an update: each weight is read forward, read and written backward, as is what its optimizer
        keeps, and no faster than the arithmetic goes (without the optimizer's); on a GPU there is a barrier behind each
        layer, forward and backward, and the weights may stay where they are used."""
        forward, backward = self.flops
        n_bytes = 0 if floor.weights_stay else 4 * self.weights
        waiting = 2 * (len(self.sizes) - 1) * floor.barrier
        return (
            waiting
            + max(n_bytes / floor.read, forward / floor.flops)
            + max((2 * n_bytes + self.kept_bytes) / floor.read_write, backward / floor.flops)
        )
