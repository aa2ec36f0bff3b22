"""How hard is our Shapeset? An RBF-kernel SVM on 10,000 and 30,000 of its images, for the paper's 59.47 % at 100,000.

    pip install 'glorot[svm]'
    python experiments/svm.py results/calibration/svm.csv            # half an hour or more on one core
    python experiments/svm.py /tmp/svm.csv --examples 1000 --examples 2000   # a minute

For each number of training images C and gamma are chosen on 2,000 validation images; then the test error on 10,000 is
taken. A line through log(error) over log(examples) of the last two says what 100,000 would give.
"""

import math
import sys
import time
from pathlib import Path

import click
import numpy as np

from glorot import datasets
from glorot.datasets.inputs import INPUTS
from glorot.results.store import write_text

PAPER = {100_000: 59.47}  # test error in percent, section 2 of the paper
COLUMNS = ("examples", "C", "gamma", "valid_error", "test_error", "support_vectors", "seconds")


def features(pixels: np.ndarray) -> np.ndarray:
    return INPUTS[datasets.DATASETS["shapeset"].inputs].levels(None)[pixels].astype(np.float64)


def error_of(model, examples) -> float:
    return 100 * float((model.predict(features(examples.pixels)) != examples.labels).mean())


def calibrate(count: int, data, Cs, gammas) -> dict:
    """The best of a grid by validation error, and its test error. gammas: in units of 1 / (n_inputs Var[x])."""
    from sklearn.svm import SVC

    train, valid = data.train(0, 0, count), data.valid.first(2_000)
    x = features(train.pixels)
    unit = 1 / (x.shape[1] * x.var())
    start, found = time.perf_counter(), []
    for C in Cs:
        for gamma in gammas:
            model = SVC(C=C, gamma=gamma * unit, cache_size=2000).fit(x, train.labels)
            found.append((error_of(model, valid), C, gamma, model))
            click.echo(f"{count:,} examples, C {C}, gamma {gamma}: valid error {found[-1][0]:.2f} %", err=True)
    valid_error, C, gamma, model = min(found, key=lambda one: one[0])
    row = dict.fromkeys(COLUMNS)
    row |= {"examples": count, "C": C, "gamma": gamma, "valid_error": valid_error}
    row["test_error"] = error_of(model, data.test)
    row["support_vectors"] = int(model.n_support_.sum())
    row["seconds"] = round(time.perf_counter() - start)
    return row


def extrapolated(rows: list[dict], examples: int) -> float:
    """Test error where the line through the last two points in log-log coordinates arrives."""
    (n1, e1), (n2, e2) = ((row["examples"], row["test_error"]) for row in rows[-2:])
    slope = math.log(e2 / e1) / math.log(n2 / n1)
    return e2 * (examples / n2) ** slope


@click.command()
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--examples", "counts", type=click.IntRange(100), multiple=True, default=(10_000, 30_000), show_default=True
)
@click.option("--c", "Cs", type=float, multiple=True, default=(1.0, 10.0, 100.0), show_default=True)
@click.option("--gamma", "gammas", type=float, multiple=True, default=(0.3, 1.0, 3.0), show_default=True)
def main(output: Path, counts: tuple[int, ...], Cs: tuple[float, ...], gammas: tuple[float, ...]) -> None:
    """Write the SVM's errors to OUTPUT (CSV) and print what they extrapolate to."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        sys.exit("expected scikit-learn, found none; install it with: pip install 'glorot[svm]'")
    data, rows = datasets.load("shapeset", Path()), []
    for count in sorted(counts):
        chosen = rows[-1] if rows else None  # the grid once, on the smallest; then only its best
        grid = ((chosen["C"],), (chosen["gamma"],)) if chosen else (Cs, gammas)
        rows.append(calibrate(count, data, *grid))
        lines = [",".join(COLUMNS), *(",".join(str(row[name]) for name in COLUMNS) for row in rows)]
        write_text(output, "\n".join(lines) + "\n")
        click.echo(f"{count:,} examples: test error {rows[-1]['test_error']:.2f} %")
    if len(rows) > 1:
        for examples, paper in PAPER.items():
            click.echo(
                f"{examples:,} examples: {extrapolated(rows, examples):.2f} % by extrapolation; the paper: {paper} %"
            )


if __name__ == "__main__":
    main()
