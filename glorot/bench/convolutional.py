"""How fast LeNet-5 is: an update and an evaluation of ours, and of the same network in PyTorch, in turns."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glorot import kernels
from glorot.bench.contest import Contest, contest, timings
from glorot.bench.peers import torch_with, twin
from glorot.compiled.cache import cpu_target
from glorot.datasets import Examples
from glorot.datasets.inputs import UNIT
from glorot.errors import GlorotError
from glorot.models import lenet5
from glorot.models.layers import Convolution, Pooling, initial_layers
from glorot.reporting.document import Document

if TYPE_CHECKING:
    from glorot.kernels.protocol import Kernels

BATCHES = 64  # minibatches that are made once and used again
EVALUATED = 1000


@dataclass(frozen=True)
class LenetSetting:
    """LeNet-5 with a softmax layer. side: of the images."""

    batch_size: int = 10
    activation: str = "tanh"
    threads: int = 1
    side: int = 28
    n_classes: int = 10
    optimizer: str = "sgd"


def make_examples(setting: LenetSetting, n: int) -> Examples:
    """Random images: the time does not depend on what they show."""
    random, size = np.random.default_rng(0), setting.side**2
    return Examples(random.integers(0, 256, (n, size), np.uint8), random.integers(0, setting.n_classes, n, np.uint8))


def our_kernels(setting: LenetSetting) -> "Kernels":
    """At the paper's normalized initialization."""
    layers, size = lenet5.layers(setting.n_classes), (setting.side, setting.side)
    network = kernels.create_convolutional(
        layers, size, setting.activation, "cross_entropy", setting.batch_size, 0.01, setting.threads, UNIT,
        setting.optimizer,
    )  # fmt: skip
    network.parameters = initial_layers(layers, "normalized", 0)
    return network


def turns(setting: LenetSetting, peer: str | None, rounds: int) -> tuple[Contest, Contest]:
    """Seconds an update, and seconds an evaluated example: ours and the peer's."""
    theirs = TorchLenet(setting) if peer else None
    network = our_kernels(setting)
    examples, looked_at = make_examples(setting, BATCHES * setting.batch_size), make_examples(setting, EVALUATED)

    def update(n: int) -> None:
        while n > 0:
            network.train(examples.first(min(n, BATCHES) * setting.batch_size))
            n -= BATCHES

    def evaluate(n: int) -> None:
        for _ in range(n // EVALUATED):
            network.evaluate(looked_at)

    updating: dict[str, Callable[[int], None]] = {"glorot": update}
    evaluating: dict[str, Callable[[int], None]] = {"glorot": evaluate}
    if theirs:
        updating["PyTorch"], evaluating["PyTorch"] = theirs.updates(examples), theirs.evaluation(looked_at)
    return contest(updating, rounds), contest(evaluating, max(3, rounds // 3), unit=EVALUATED)


class TorchLenet:
    """The same network as a user of PyTorch writes it: dense kernels, held at 0 where C3 has no connection."""

    def __init__(self, setting: LenetSetting) -> None:
        """Raises GlorotError where PyTorch is not installed, or the optimizer is another one."""
        self.torch, self.setting = torch_with(setting.threads), setting
        if setting.optimizer != "sgd":
            raise GlorotError(f"--peer torch with lenet5: expected the optimizer sgd, found {setting.optimizer}")
        self.f, self.layers = twin(self.torch, setting.activation).module, lenet5.layers(setting.n_classes)
        layers = initial_layers(self.layers, "normalized", 0)
        self.leaves = [
            (self._full(one, W) if isinstance(one, Convolution) else self.torch.tensor(W), self.torch.tensor(b))
            for one, (W, b) in zip(self.layers, layers, strict=True)
        ]
        for leaf in (leaf for pair in self.leaves for leaf in pair):
            leaf.requires_grad_()
        self.masks = [
            self._full(one, np.ones(one.weights, np.float32))
            if isinstance(one, Convolution) and len(one.pairs) < one.maps * one.inputs[0]
            else None
            for one in self.layers
        ]

    def _full(self, layer: Convolution, W: np.ndarray) -> Any:
        whole = np.zeros((layer.maps, layer.inputs[0], layer.side, layer.side), np.float32)
        for (o, i), kernel in zip(layer.pairs, W, strict=True):
            whole[o, i] = kernel
        return self.torch.tensor(whole)

    def logits(self, a: Any) -> Any:
        functional, z = self.torch.nn.functional, a
        for l, (layer, mask, (W, b)) in enumerate(zip(self.layers, self.masks, self.leaves, strict=True)):
            if isinstance(layer, Convolution):
                z = functional.conv2d(a, W if mask is None else W * mask, b)
            elif isinstance(layer, Pooling):
                z = functional.avg_pool2d(a, 2) * (4 * W[:, None, None]) + b[:, None, None]
            else:
                z = functional.linear(a.flatten(1), W, b)
            a = self.f(z) if l + 1 < len(self.layers) else z
        return z

    def _images(self, examples: Examples) -> Any:
        """Ready-made float32 images with their border."""
        side, border = self.setting.side, (lenet5.SIDE - self.setting.side) // 2
        images = UNIT[examples.pixels].reshape(-1, 1, side, side)
        return self.torch.tensor(np.pad(images, ((0, 0), (0, 0), (border, border), (border, border))))

    def updates(self, examples: Examples) -> Callable[[int], None]:
        torch, n = self.torch, self.setting.batch_size
        x, y = self._images(examples).split(n), torch.tensor(examples.labels.astype(np.int64)).split(n)
        optimizer = torch.optim.SGD([leaf for pair in self.leaves for leaf in pair], lr=0.01)

        def update(count: int) -> None:
            for i in range(count):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(self.logits(x[i % len(x)]), y[i % len(x)]).backward()
                optimizer.step()

        return update

    def evaluation(self, examples: Examples) -> Callable[[int], None]:
        x = self._images(examples)

        def evaluate(count: int) -> None:
            with self.torch.no_grad():
                for _ in range(count // len(x)):
                    self.logits(x)

        return evaluate


def results(setting: LenetSetting, peer: str | None = None, rounds: int = 11) -> dict[str, Any]:
    """Everything `glorot bench --model lenet5` measures, in plain numbers (--json)."""
    updates, looks = turns(setting, peer, rounds)
    seconds = updates.median("glorot")
    measured: dict[str, Any] = {
        "setting": {"model": "lenet5", **asdict(setting)},
        "processor": f"a CPU, compiled for {cpu_target()[0]}",
        "ms_per_update": 1e3 * seconds,
        "updates_per_second": 1 / seconds,
        "seconds_per_50000_examples": 50_000 / setting.batch_size * seconds,
        "us_per_evaluated_example": 1e6 * looks.median("glorot"),
    }
    if peer:
        measured["peers"] = {
            "PyTorch": {"ms_per_update": 1e3 * updates.median("PyTorch"), "ratio": updates.ratio("PyTorch"),
                        "rounds": rounds}
        }  # fmt: skip
        measured["evaluation_peers"] = {
            "PyTorch": {"us_per_example": 1e6 * looks.median("PyTorch"), "ratio": looks.ratio("PyTorch")}
        }
    return measured


def document(measured: dict[str, Any]) -> Document:
    """The same for people."""
    setting, peers = measured["setting"], []
    rows = [
        ["update", f"{measured['ms_per_update']:.3f} ms", f"{measured['updates_per_second']:,.0f} per second"],
        ["50,000 examples", f"{measured['seconds_per_50000_examples']:.1f} s", ""],
        ["evaluation", f"{measured['us_per_evaluated_example']:.2f} us", "per example"],
    ]
    if "peers" in measured:
        peer, looks = measured["peers"]["PyTorch"], measured["evaluation_peers"]["PyTorch"]
        peers = [
            ["PyTorch", f"{peer['ms_per_update']:.3f} ms", f"{peer['ratio']:.2f}"],
            ["PyTorch, evaluation", f"{looks['us_per_example']:.2f} us", f"{looks['ratio']:.2f}"],
        ]
    title = (
        f"LeNet-5, {setting['activation']}, minibatch {setting['batch_size']}, {setting['threads']} "
        f"{'thread' if setting['threads'] == 1 else 'threads'}"
    )
    return timings(title, measured["processor"], rows, peers)
