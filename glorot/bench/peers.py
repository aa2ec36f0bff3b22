"""The network of `glorot bench` in PyTorch: as a user writes it, and by hand without autograd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glorot.bench.setting import Setting
from glorot.datasets import Examples
from glorot.datasets.inputs import UNIT
from glorot.errors import GlorotError
from glorot.models.network import Layer, initial_parameters


def torch_peer(setting: Setting) -> TorchPeer:
    """Raises GlorotError where PyTorch is not installed."""
    try:
        import torch
    except ImportError:
        raise GlorotError(
            "--peer torch: expected PyTorch to be installed, found none; try: pip install torch"
        ) from None
    torch.set_num_threads(setting.threads)
    if setting.device == "cuda" and not torch.cuda.is_available():
        raise GlorotError("--peer torch: expected PyTorch built for CUDA, found one that sees no GPU")
    return TorchPeer(setting, torch)


class TorchPeer:
    """The same network in PyTorch: as a user writes it, and by hand without autograd."""

    def __init__(self, setting: Setting, torch) -> None:
        self.torch, self.setting = torch, setting
        self.layers: list[Layer] = initial_parameters(setting.sizes, "normalized", 0)
        functional = torch.nn.functional
        # Value, and slope as a function of the activation, as in-place as PyTorch has it.
        self.activation = {
            "tanh": (torch.nn.Tanh, torch.tanh, lambda a: 1 - a * a),
            "sigmoid": (torch.nn.Sigmoid, torch.sigmoid, lambda a: a * (1 - a)),
            "softsign": (torch.nn.Softsign, functional.softsign, lambda a: (1 - a.abs()).square_()),
            "relu": (torch.nn.ReLU, torch.relu, lambda a: (a > 0).float()),
            "softplus": (torch.nn.Softplus, functional.softplus, lambda a: 1 - torch.exp(-a)),
            "linear": (torch.nn.Identity, lambda z: z, torch.ones_like),
        }[setting.activation]

    def _sequential(self):
        torch, modules = self.torch, []
        for l, layer in enumerate(self.layers):
            linear = torch.nn.Linear(*layer.W.shape[::-1])
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(layer.W))
                linear.bias.zero_()
            modules += [linear] if l == len(self.layers) - 1 else [linear, self.activation[0]()]
        return torch.nn.Sequential(*modules).to(self.setting.device)

    def _batches(self, examples: Examples):
        """Minibatches as PyTorch has them ready: float32 in [0, 1], int64 labels."""
        n = self.setting.batch_size
        x, y = UNIT[examples.pixels], examples.labels.astype(np.int64)
        return tuple(self.torch.from_numpy(part).to(self.setting.device).split(n) for part in (x, y))

    def updates(self, examples: Examples) -> dict[str, Callable[[int], None]]:
        torch = self.torch
        x, y = self._batches(examples)
        network = self._sequential()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        cross_entropy = torch.nn.functional.cross_entropy

        def sequential(n: int) -> None:
            for i in range(n):
                optimizer.zero_grad()
                cross_entropy(network(x[i % len(x)]), y[i % len(x)]).backward()
                optimizer.step()
            if self.setting.device == "cuda":
                torch.cuda.synchronize()

        if self.setting.device == "cuda":
            return {"nn.Sequential": sequential, "CUDA graph": self._graph(x, y)}
        weights = [torch.from_numpy(layer.W.T.copy()) for layer in self.layers]  # (fan_in, fan_out)
        biases = [torch.zeros(layer.W.shape[0]) for layer in self.layers]
        _, value, slope = self.activation
        step = -0.01 / self.setting.batch_size

        @torch.no_grad()
        def by_hand(n: int) -> None:
            for i in range(n):
                a = [x[i % len(x)]]
                for W, b in zip(weights[:-1], biases[:-1], strict=True):
                    a.append(value(torch.addmm(b, a[-1], W)))
                delta = torch.softmax(torch.addmm(biases[-1], a[-1], weights[-1]), 1)
                delta[torch.arange(len(delta)), y[i % len(x)]] -= 1
                for l in range(len(weights) - 1, -1, -1):
                    below = delta @ weights[l].T * slope(a[l]) if l > 0 else None
                    weights[l].addmm_(a[l].T, delta, alpha=step)
                    biases[l].add_(delta.sum(0), alpha=step)
                    delta = below

        return {"nn.Sequential": sequential, "addmm_ by hand": by_hand}

    def _graph(self, x, y) -> Callable[[int], None]:
        """The same updates as `sequential`, recorded once and replayed: the least that launches can cost PyTorch."""
        torch, network = self.torch, self._sequential()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        cross_entropy = torch.nn.functional.cross_entropy
        images, labels = x[0].clone(), y[0].clone()

        def update() -> None:
            optimizer.zero_grad(set_to_none=False)
            cross_entropy(network(images), labels).backward()
            optimizer.step()

        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                update()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            update()

        def replay(n: int) -> None:
            for i in range(n):
                images.copy_(x[i % len(x)])
                labels.copy_(y[i % len(y)])
                graph.replay()
            torch.cuda.synchronize()

        return replay

    def evaluation(self, examples: Examples) -> dict[str, Callable[[int], None]]:
        torch, network = self.torch, self._sequential()
        x = torch.from_numpy(UNIT[examples.pixels]).to(self.setting.device)

        @torch.no_grad()
        def forward(count: int) -> None:
            for _ in range(count // len(examples)):
                network(x)
            if self.setting.device == "cuda":
                torch.cuda.synchronize()

        return {"nn.Sequential": forward}
