"""Initial weights: one law of variance, many names. Biases start at 0.

Every scheme has weights of mean 0 and

    Var[W] = scale / n,    n = fan_in, (fan_in + fan_out) / 2, max(fan_in, fan_out), fan_in^2, or 1,

drawn independently, uniformly or normally; only the orthogonal one's depend on each other.
To add one: a line in INITIALIZERS at the bottom.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from glorot.registry import Registry


@dataclass(frozen=True)
class Initializer:
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

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Var[W] of one weight."""
        average, larger = (fan_in + fan_out) / 2, max(fan_in, fan_out)
        n = {"in": fan_in, "average": average, "larger": larger, "in squared": fan_in**2, "one": 1}[self.fan]
        return self.scale / n

    def sample(self, fan_in: int, fan_out: int, generator: np.random.Generator) -> np.ndarray:
        """Weights of one fully connected layer, (fan_out, fan_in) float32."""
        return self.draw((fan_out, fan_in), fan_in, fan_out, generator)

    def draw(self, shape: tuple[int, int], fan_in: int, fan_out: int, generator: np.random.Generator) -> np.ndarray:
        """Weights of some units, (units, weights of each) float32. A weight that is shared stands there once, so its
        unit may have more inputs than weights; then an orthogonal row is shorter by as much."""
        if self.distribution == "orthogonal":
            return _orthogonal(shape[1], shape[0], generator) * np.float32(np.sqrt(shape[1] / fan_in))
        std = np.sqrt(self.variance(fan_in, fan_out))
        if self.distribution == "normal":
            return (std * generator.standard_normal(shape)).astype(np.float32)
        limit = np.sqrt(3) * std
        return generator.uniform(-limit, limit, shape).astype(np.float32)


def _orthogonal(columns: int, rows: int, generator: np.random.Generator) -> np.ndarray:
    """Uniformly random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al. 2013)."""
    from threadpoolctl import threadpool_limits

    shape = max(columns, rows), min(columns, rows)
    with threadpool_limits(1):  # LAPACK's rounding may depend on the number of its threads
        q, r = np.linalg.qr(generator.standard_normal(shape))
    q = q * np.where(np.diagonal(r) < 0, -1, 1)  # makes the distribution uniform (Mezzadri 2007)
    return np.ascontiguousarray(q if rows >= columns else q.T, np.float32)


INITIALIZERS: Registry[Initializer] = Registry(
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
    },
)
DRAWN = tuple(name for name, one in INITIALIZERS.items() if one.distribution != "given")
