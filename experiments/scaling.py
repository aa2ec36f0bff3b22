"""Is it the scaling of the inputs? Tanh N on Shapeset with pixels in [0, 1], [-1, 1], and standardized.

    python experiments/scaling.py results/calibration/scaling.csv          # some 20 minutes on one core
    python experiments/scaling.py /tmp/scaling.csv --updates 200 --width 50   # seconds

The paper does not say how it scaled them. The kernels know [0, 1] only, so this is plain NumPy, five times as slow;
its rows of [0, 1] are, up to rounding, what `glorot run` gives with the same settings.
"""

import csv
import io
import time
from pathlib import Path

import click
import numpy as np

from glorot import datasets
from glorot.models.network import initial_parameters
from glorot.results.store import write_text

COLUMNS = ("scaling", "mean", "std", "learning_rate", "updates", "valid_error", "test_error", "seconds")
BATCH = 10


def scalings(pixels: np.ndarray) -> dict[str, tuple[float, float]]:
    """Name -> offset and factor."""
    x = pixels / 255
    return {"[0, 1]": (0.0, 1.0), "[-1, 1]": (0.5, 2.0), "standardized": (float(x.mean()), 1 / float(x.std()))}


def scaled(pixels: np.ndarray, scaling: tuple[float, float]) -> np.ndarray:
    """The network's inputs."""
    offset, factor = np.array(scaling, np.float32)
    return (pixels.astype(np.float32) / np.float32(255) - offset) * factor


def forward(x: np.ndarray, layers: list) -> list[np.ndarray]:
    """Activations of the inputs, the hidden layers, and the class scores."""
    a = [x]
    for l, (W, b) in enumerate(layers):
        z = a[-1] @ W.T + b
        a.append(z if l == len(layers) - 1 else np.tanh(z))
    return a


def update(x: np.ndarray, labels: np.ndarray, layers: list, learning_rate: float) -> None:
    """One step of SGD down the mean cross-entropy, in place."""
    *a, scores = forward(x, layers)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    delta = e / e.sum(axis=1, keepdims=True)
    delta[np.arange(len(labels)), labels] -= 1
    delta *= np.float32(learning_rate / len(labels))
    for (W, b), below in zip(reversed(layers), reversed(a), strict=True):
        back = (delta @ W) * (1 - below**2)  # of no use below the first layer
        W -= delta.T @ below
        b -= delta.sum(axis=0)
        delta = back


def error_of(x: np.ndarray, labels: np.ndarray, layers: list) -> float:
    return 100 * float((forward(x, layers)[-1].argmax(axis=1) != labels).mean())


def trained(data, scaling: tuple[float, float], learning_rate: float, updates: int, width: int, seed: int = 0):
    """Validation and test error in percent of a network of five layers."""
    layers = initial_parameters((data.n_inputs, *[width] * 5, data.n_classes), "normalized", seed)
    chunk = 1000
    for start in range(0, updates, chunk):
        count = min(chunk, updates - start) * BATCH
        examples = data.train(seed, start * BATCH, count)
        x = scaled(examples.pixels, scaling)
        for i in range(0, count, BATCH):
            update(x[i : i + BATCH], examples.labels[i : i + BATCH], layers, learning_rate)
    return tuple(
        round(error_of(scaled(part.pixels, scaling), part.labels, layers), 4) for part in (data.valid, data.test)
    )


@click.command()
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--updates", type=click.IntRange(1), default=30_000, show_default=True)
@click.option("--width", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--rate", "rates", type=float, multiple=True, default=(0.03, 0.01), show_default=True)
def main(output: Path, updates: int, width: int, rates: tuple[float, ...]) -> None:
    """Write the errors with each scaling to OUTPUT (CSV)."""
    data, rows = datasets.load("shapeset", Path()), []
    for name, scaling in scalings(data.valid.pixels).items():
        x = scaled(data.valid.pixels, scaling)
        for rate in rates:
            began = time.perf_counter()
            valid_error, test_error = trained(data, scaling, rate, updates, width)
            seconds = round(time.perf_counter() - began)
            mean, std = round(float(x.mean()), 4), round(float(x.std()), 4)
            rows.append(
                dict(zip(COLUMNS, (name, mean, std, rate, updates, valid_error, test_error, seconds), strict=True))
            )
            text = io.StringIO()
            writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_text(output, text.getvalue())
            click.echo(f"{name}, learning rate {rate}: test error {test_error:.2f} %")


if __name__ == "__main__":
    main()
