"""Initial weights: one law of variance, many names; and functions that draw weights in any other way.

Every scheme of the law has weights of mean 0 and

    Var[W] = scale / n,    n = fan_in, (fan_in + fan_out) / 2, max(fan_in, fan_out), fan_in^2, or 1,

drawn independently, uniformly or normally; only the orthogonal one's depend on each other.
What no law describes is a function of (shape, fan_in, fan_out, generator, parameters), in a `Drawn`. A data-dependent
one says how many examples it needs; ``training/start.py`` then scales what was drawn.
To add one: a line in INITIALIZERS at the bottom.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from glorot.errors import PluginError
from glorot.registry import Family, Number, Numbers, OneOf, Registry


class Scheme:
    """How weights are drawn: what `Initializer` and `Drawn` have in common.

    suffix: what a table's row label gets behind the activation's ("N" makes "Tanh N").
    source: where the scheme is from. examples: on how many training examples each layer is scaled after it is drawn
    (``training/start.py``); 0: on none.
    """

    suffix: str
    formula: str
    source: str
    distribution: str
    examples: int = 0

    def of_layer(self, l: int) -> "Scheme":
        """That of layer l, from 0."""
        return self

    def problem(self, model: str, layers: int | None) -> str | None:
        """Why it does not go with a model of so many layers with weights, and what to do; None where it does.
        layers: None where they do not stand one after the other."""
        if not self.examples or model == "mlp":
            return None
        return f"expected model: mlp, as only its layers can be scaled on examples, found {model}; choose another one"

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Var[W] of one weight."""
        raise NotImplementedError

    def draw(self, shape: tuple[int, int], fan_in: int, fan_out: int, generator: "np.random.Generator") -> np.ndarray:
        """Weights of some units, (units, weights of each) float32."""
        raise NotImplementedError

    def sample(self, fan_in: int, fan_out: int, generator: "np.random.Generator") -> np.ndarray:
        """Weights of one fully connected layer, (fan_out, fan_in) float32."""
        return self.draw((fan_out, fan_in), fan_in, fan_out, generator)


@dataclass(frozen=True)
class Initializer(Scheme):
    """One case of the law.

    suffix: what a table's row label gets behind the activation's ("N" makes "Tanh N").
    source: where the scheme is from.
    """

    suffix: str
    formula: str
    source: str
    scale: float
    fan: Literal["in", "average", "larger", "in squared", "one"]
    distribution: Literal["uniform", "normal", "orthogonal", "given"]
    examples: int = 0

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Var[W] of one weight."""
        average, larger = (fan_in + fan_out) / 2, max(fan_in, fan_out)
        n = {"in": fan_in, "average": average, "larger": larger, "in squared": fan_in**2, "one": 1}[self.fan]
        return self.scale / n

    def draw(self, shape: tuple[int, int], fan_in: int, fan_out: int, generator: "np.random.Generator") -> np.ndarray:
        """Weights of some units, (units, weights of each) float32. A weight that is shared stands there once, so its
        unit may have more inputs than weights; then an orthogonal row is shorter by as much."""
        if self.distribution == "orthogonal":
            return _orthogonal(shape[1], shape[0], generator) * np.float32(np.sqrt(shape[1] / fan_in))
        std = np.sqrt(self.variance(fan_in, fan_out))
        if self.distribution == "normal":
            return (std * generator.standard_normal(shape)).astype(np.float32)
        limit = np.sqrt(3) * std
        return generator.uniform(-limit, limit, shape).astype(np.float32)


@dataclass(frozen=True)
class Layered(Scheme):
    """Another scheme for each layer, from the first hidden one to the output."""

    suffix: str
    formula: str
    source: str
    layers: tuple[Initializer, ...]

    @property
    def distribution(self) -> str:  # type: ignore[override]
        return self.layers[0].distribution

    def of_layer(self, l: int) -> Scheme:
        return self.layers[l]

    def problem(self, model: str, layers: int | None) -> str | None:
        if layers is None:
            return "expected one gain, as this model has no layers one after the other; found a list"
        if layers == len(self.layers):
            return None
        return (
            f"expected one gain, or {layers}, one for each layer with weights (the last one gives the outputs); found "
            f"{len(self.layers)}"
        )


@dataclass(frozen=True)
class Drawn(Scheme):
    """Weights that a function draws: of the shape (units, weights of each), the fans, and a generator that is the only
    source of chance; and of parameters by name. It may return float64.

    distribution: "orthogonal" where all singular values are one and the same.
    """

    suffix: str
    formula: str
    source: str
    function: Callable[..., np.ndarray]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    distribution: str = "drawn"

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Mean square of one sample: a function has no other law."""
        return float(np.square(self.sample(fan_in, fan_out, np.random.default_rng(0)), dtype=np.float64).mean())

    def draw(self, shape: tuple[int, int], fan_in: int, fan_out: int, generator: "np.random.Generator") -> np.ndarray:
        return np.asarray(self.function(shape, fan_in, fan_out, generator, **self.parameters)).astype(np.float32)


def truncated_normal(shape, fan_in, fan_out, generator, scale):
    """Normal, drawn again beyond two standard deviations; Var[W] = scale / fan_in as it then is."""
    values = generator.standard_normal(shape)
    while (far := np.abs(values) > 2).any():
        values[far] = generator.standard_normal(int(far.sum()))
    return values * np.sqrt(scale / fan_in) / SD_WITHIN_TWO


SD_WITHIN_TWO = 0.8796256610342398  # of a standard normal number that lies within -2 and 2


def sparse(shape, fan_in, fan_out, generator, connections):
    """Each unit has so many inputs with weights from N(0, 1), and none from others."""
    units, inputs = shape
    W = np.zeros(shape)
    for unit in range(units):
        chosen = generator.permutation(inputs)[: int(connections)]
        W[unit, chosen] = generator.standard_normal(len(chosen))
    return W


def identity(shape, fan_in, fan_out, generator, gain):
    """Each unit passes on one unit below; those that have none below get nothing."""
    return gain * np.eye(*shape)


def scaled(gain: float | tuple[float, ...], fan: str, distribution: str) -> Initializer | Layered:
    """The law itself: Var[W] = gain^2 / n; gain: of all layers, or of each."""
    n = {"in": "fan_in", "average": "(fan_in + fan_out) / 2", "larger": "max(fan_in, fan_out)", "one": "1"}[fan]
    if isinstance(gain, tuple):
        layers = tuple(Initializer("", "", "", one**2, fan, distribution) for one in gain)  # type: ignore[arg-type]
        label = f"({distribution}, gains {' '.join(f'{one:g}' for one in gain)})"
        return Layered(label, f"Var[W] = gain^2 / {n}, a gain for each layer", "the law itself", layers)
    label = f"({distribution}, {gain:g}^2/{n})" if gain != 1 else f"({distribution}, 1/{n})"
    return Initializer(label, f"Var[W] = gain^2 / {n}", "the law itself", gain**2, fan, distribution)  # type: ignore[arg-type]


def lsuv(examples: int) -> Initializer:
    label = "(LSUV)" if examples == 100 else f"(LSUV, {examples})"
    formula = f"orthogonal, then each layer scaled so that its z have variance 1 on {examples} training examples"
    return Initializer(label, formula, "Mishkin & Matas 2016", 1, "larger", "orthogonal", examples)


def stand_in(suffix: str) -> Drawn:
    """For one from a plug-in that is not there: it has a label, and draws nothing."""
    return Drawn(suffix, "from a plug-in that is not loaded", "-", _not_there)


def _not_there(*arguments):
    raise PluginError("expected the plug-in that this initializer is from, found none loaded; add --plugin FILE")


def _orthogonal(columns: int, rows: int, generator: "np.random.Generator") -> np.ndarray:
    """Uniformly random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al. 2013)."""
    from threadpoolctl import threadpool_limits

    shape = max(columns, rows), min(columns, rows)
    with threadpool_limits(1):  # LAPACK's rounding may depend on the number of its threads
        q, r = np.linalg.qr(generator.standard_normal(shape))
    q = q * np.where(np.diagonal(r) < 0, -1, 1)  # makes the distribution uniform (Mezzadri 2007)
    return np.ascontiguousarray(q if rows >= columns else q.T, np.float32)


INITIALIZERS: Registry[Scheme] = Registry(
    "initializer",
    {
        "standard": Initializer(
            "", "U(-1/sqrt(fan_in), 1/sqrt(fan_in))", "eq. 1, Glorot & Bengio 2010", 1 / 3, "in", "uniform"
        ),
        "normalized": Initializer(
            "N", "U(-sqrt(6/(fan_in + fan_out)), ...)", "eq. 16, Glorot & Bengio 2010", 1, "average", "uniform"
        ),
        "standard_normal": Initializer("(normal, 1)", "N(0, 1)", "lecture", 1, "one", "normal"),
        "scaled_normal": Initializer(
            "(normal, 1/sqrt(fan_in))", "N(0, sd 1/sqrt(fan_in))", "lecture", 1, "in", "normal"
        ),
        "normalized_normal": Initializer(
            "N (normal)", "N(0, sd sqrt(2/(fan_in + fan_out)))", "lecture", 1, "average", "normal"
        ),
        "lecun_uniform": Initializer(
            "(LeCun uniform)", "U(-sqrt(3/fan_in), ...)", "LeCun et al. 1998", 1, "in", "uniform"
        ),
        "lecun_normal": Initializer(
            "(LeCun normal)", "N(0, sd 1/sqrt(fan_in))", "LeCun et al. 1998", 1, "in", "normal"
        ),
        "lenet_uniform": Initializer(
            "(1998)",
            "U(-2.4/fan_in, 2.4/fan_in)",
            "LeCun et al. 1998, appendix A",
            1.92,
            "in squared",
            "uniform",
        ),
        "he_uniform": Initializer("(He uniform)", "U(-sqrt(6/fan_in), ...)", "He et al. 2015", 2, "in", "uniform"),
        "he_normal": Initializer("(He normal)", "N(0, sd sqrt(2/fan_in))", "He et al. 2015", 2, "in", "normal"),
        "exact": Initializer(
            "(exact)", "weights by hand, of models that have such", "constructions", 0, "one", "given"
        ),
        "orthogonal": Initializer(
            "(orthogonal)", "random orthonormal rows or columns", "Saxe et al. 2013", 1, "larger", "orthogonal"
        ),
        "lsuv": Family(lsuv, {"examples": Number(100, 2, 10_000, whole=True)}),
        "scaled": Family(
            scaled,
            {
                "gain": Numbers(1, 0, 1e3, low_open=True),
                "fan": OneOf("in", ("in", "average", "larger", "one")),
                "distribution": OneOf("uniform", ("uniform", "normal")),
            },
        ),
        "truncated_normal": Family(
            lambda scale: Drawn(
                f"(truncated normal, {scale:g}/fan_in)",
                "N(0, scale/fan_in) within two standard deviations",
                "as TensorFlow's VarianceScaling",
                truncated_normal,
                {"scale": scale},
            ),
            {"scale": Number(1, 0, 1e6, low_open=True)},
        ),
        "sparse": Family(
            lambda connections: Drawn(
                f"(sparse, {connections:g})",
                "N(0, 1) from so many inputs of each unit, else 0",
                "Martens 2010",
                sparse,
                {"connections": connections},
            ),
            {"connections": Number(15, 1, 1e6, whole=True)},
        ),
        "identity": Family(
            lambda gain: Drawn(
                "(identity)" if gain == 1 else f"({gain:g} identity)",
                "gain on the diagonal, else 0",
                "Le et al. 2015",
                identity,
                {"gain": gain},
                "orthogonal",
            ),
            {"gain": Number(1, 0, 1e3, low_open=True)},
        ),
    },
    label=lambda scheme: scheme.suffix,
    stand_in=stand_in,
)
DRAWN = tuple(name for name, one in INITIALIZERS.items() if one.distribution != "given")
