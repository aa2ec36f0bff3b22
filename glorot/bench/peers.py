"""The network of `glorot bench` in PyTorch: as a user writes it, and by hand without autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from glorot.bench.setting import Setting
from glorot.datasets import Examples
from glorot.datasets.inputs import UNIT
from glorot.errors import GlorotError
from glorot.models.activations import ACTIVATIONS
from glorot.models.network import Layer, initial_parameters
from glorot.registry import parsed


def torch_with(threads: int) -> Any:
    """PyTorch, set to so many threads. Raises GlorotError where it is not installed."""
    try:
        import torch
    except ImportError:
        raise GlorotError(
            "--peer torch: expected PyTorch to be installed, found none; try: pip install torch"
        ) from None
    torch.set_num_threads(threads)
    return torch


def torch_peer(setting: Setting) -> TorchPeer:
    """Raises GlorotError where PyTorch is not installed, or sees no GPU that it should use."""
    torch = torch_with(setting.threads)
    if setting.device == "cuda" and not torch.cuda.is_available():
        raise GlorotError("--peer torch: expected PyTorch built for CUDA, found one that sees no GPU")
    return TorchPeer(setting, torch)


class Twin(NamedTuple):
    """An activation in PyTorch. module: as a user has it. slope: of a or of z, as ours takes it."""

    module: Any
    slope: Callable


def _sine(torch):
    class Sine(torch.nn.Module):  # type: ignore[name-defined]
        def forward(self, z):
            return torch.sin(z)

    return Sine()


def _scaled_tanh(torch, a, b):
    class ScaledTanh(torch.nn.Module):  # type: ignore[name-defined]
        def forward(self, z):
            return a * torch.tanh(b * z)

    return ScaledTanh()


def _slope_by_autograd(torch, module) -> Callable:
    def slope(z):
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            return torch.autograd.grad(module(z).sum(), z)[0]

    return slope


SELU_SCALE, SELU_LIMIT = 1.0507009873554805, 1.7580993408473766

# By name of the activation: a function of torch and of the activation's parameters.
TWINS: dict[str, Callable[..., Twin]] = {
    "sigmoid": lambda torch: Twin(torch.nn.Sigmoid(), lambda a: a * (1 - a)),
    "tanh": lambda torch: Twin(torch.nn.Tanh(), lambda a: 1 - a * a),
    "softsign": lambda torch: Twin(torch.nn.Softsign(), lambda a: (1 - a.abs()).square_()),
    "relu": lambda torch: Twin(torch.nn.ReLU(), lambda a: (a > 0).float()),
    "softplus": lambda torch: Twin(torch.nn.Softplus(), lambda a: 1 - torch.exp(-a)),
    "leaky_relu": lambda torch, slope: Twin(torch.nn.LeakyReLU(slope), lambda a: torch.where(a > 0, 1.0, slope)),
    "elu": lambda torch, alpha: Twin(torch.nn.ELU(alpha), lambda a: torch.where(a > 0, 1.0, a + alpha)),
    "selu": lambda torch: Twin(torch.nn.SELU(), lambda a: torch.where(a > 0, SELU_SCALE, a + SELU_LIMIT)),
    "gelu": lambda torch: Twin(torch.nn.GELU(), _slope_by_autograd(torch, torch.nn.GELU())),
    "silu": lambda torch: Twin(torch.nn.SiLU(), _slope_by_autograd(torch, torch.nn.SiLU())),
    "mish": lambda torch: Twin(torch.nn.Mish(), _slope_by_autograd(torch, torch.nn.Mish())),
    "hard_tanh": lambda torch: Twin(torch.nn.Hardtanh(), lambda a: (a.abs() < 1).float()),
    "sine": lambda torch: Twin(_sine(torch), torch.cos),
    "scaled_tanh": lambda torch, a, b: Twin(_scaled_tanh(torch, a, b), lambda y: a * b * (1 - (y / a) ** 2)),
    "linear": lambda torch: Twin(torch.nn.Identity(), torch.ones_like),
}


def twin(torch, activation: str) -> Twin:
    """activation: a choice of ACTIVATIONS. Raises GlorotError where PyTorch has none such."""
    name, parameters = parsed(ACTIVATIONS.canonical(activation))
    if name not in TWINS:
        known = ", ".join(TWINS)
        raise GlorotError(f"--peer torch: PyTorch has no {name} here, only {known}; leave out --peer")
    return TWINS[name](torch, **parameters)


FUSED = "nn.Sequential, fused optimizer"


class TorchPeer:
    """The same network in PyTorch: as a user writes it, and by hand without autograd."""

    def __init__(self, setting: Setting, torch) -> None:
        self.torch, self.setting = torch, setting
        self.layers: list[Layer] = initial_parameters(setting.sizes, "normalized", 0)
        self.twin = twin(torch, setting.activation)
        self.keeps_z = ACTIVATIONS[setting.activation].keeps_z

    def _sequential(self):
        torch, modules = self.torch, []
        for l, layer in enumerate(self.layers):
            linear = torch.nn.Linear(*layer.W.shape[::-1])
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(layer.W))
                linear.bias.zero_()
            modules += [linear] if l == len(self.layers) - 1 else [linear, self.twin.module]
        return torch.nn.Sequential(*modules).to(self.setting.device)

    def _batches(self, examples: Examples):
        """Minibatches as PyTorch has them ready: float32 in [0, 1], int64 labels."""
        n = self.setting.batch_size
        x, y = UNIT[examples.pixels], examples.labels.astype(np.int64)
        return tuple(self.torch.from_numpy(part).to(self.setting.device).split(n) for part in (x, y))

    def _optimizer(self, parameters, **options):
        """PyTorch's own. Raises GlorotError where it has none."""
        name, given = parsed(self.setting.optimizer)
        if name == "adam":
            betas = given["beta1"], given["beta2"]
            return self.torch.optim.Adam(parameters, lr=0.001, betas=betas, eps=given["epsilon"], **options)
        if name not in ("sgd", "momentum"):
            raise GlorotError(f"--peer torch: expected an optimizer that PyTorch has, found {name}; leave out --peer")
        return self.torch.optim.SGD(parameters, lr=0.001, **given, **options)

    def updates(self, examples: Examples) -> dict[str, Callable[[int], None]]:
        torch = self.torch
        x, y = self._batches(examples)
        cross_entropy = torch.nn.functional.cross_entropy

        def sequential(**options) -> Callable[[int], None]:
            network = self._sequential()
            optimizer = self._optimizer(network.parameters(), **options)

            def run(n: int) -> None:
                for i in range(n):
                    optimizer.zero_grad()
                    cross_entropy(network(x[i % len(x)]), y[i % len(x)]).backward()
                    optimizer.step()
                if self.setting.device == "cuda":
                    torch.cuda.synchronize()

            return run

        # PyTorch's default, and on a CPU its fastest, which a user has to ask for.
        if self.setting.optimizer != "sgd":
            return {"nn.Sequential": sequential(), FUSED: sequential(fused=True)}
        if self.setting.device == "cuda":
            return {"nn.Sequential": sequential(), "CUDA graph": self._graph(x, y)}
        weights = [torch.from_numpy(layer.W.T.copy()) for layer in self.layers]  # (fan_in, fan_out)
        biases = [torch.zeros(layer.W.shape[0]) for layer in self.layers]
        value, slope = self.twin.module, self.twin.slope
        step = -0.01 / self.setting.batch_size

        @torch.no_grad()
        def by_hand(n: int) -> None:
            for i in range(n):
                a = [x[i % len(x)]]
                arguments = [a[0]]  # of slope
                for W, b in zip(weights[:-1], biases[:-1], strict=True):
                    z = torch.addmm(b, a[-1], W)
                    a.append(value(z))
                    arguments.append(z if self.keeps_z else a[-1])
                delta = torch.softmax(torch.addmm(biases[-1], a[-1], weights[-1]), 1)
                delta[torch.arange(len(delta)), y[i % len(x)]] -= 1
                for l in range(len(weights) - 1, -1, -1):
                    below = delta @ weights[l].T * slope(arguments[l]) if l > 0 else None
                    weights[l].addmm_(a[l].T, delta, alpha=step)
                    biases[l].add_(delta.sum(0), alpha=step)
                    delta = below

        return {"nn.Sequential": sequential(), "addmm_ by hand": by_hand, FUSED: sequential(fused=True)}

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
