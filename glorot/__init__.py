"""glorot: why does this deep network not train?

Reproduces the tables and figures of Glorot & Bengio (2010), "Understanding the difficulty of
training deep feedforward neural networks", and runs such studies of your own.

From Python there are four functions: `load`, `run`, `inspect` and `weights`. Everything else is private and may change.

The walk through the code::

    experiments/*.yaml -> sweeps -> execution -> training -> datasets, kernels -> results -> reporting
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from glorot.api import NetworkView, Results

__version__ = "0.1.0"
__all__ = ["__version__", "inspect", "load", "run", "weights"]


def load(folder: Path | str, value: str | None = None) -> "Results":
    """The stored results of one sweep: `load("results/quickstart")`.

    It has the pandas DataFrames `runs`, `history`, `probes` and `predictions`, and `table()`, `figures()` and `html()`.
    value: what tables and figures show instead of the sweep's own, such as "valid_error".

    Raises ResultsError where there are no results, or where they cannot be read.
    """
    from glorot import api

    return api.load(folder, value)


def run(
    sweep: Path | str | Mapping[str, Any],
    output: Path | str = "results",
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    device: str = "auto",
    jobs: int | None = None,
    rerun: bool = False,
    retry_failed: bool = False,
    data: Path | str | None = None,
    quiet: bool = False,
) -> "Results":
    """Run a sweep as `glorot run` does, and return its results.

    sweep: a sweep file, the name of a shipped sweep, or a dict like a sweep file. output: the folder of all results.
    overrides, only: lists of "KEY=VALUE", as --set and --only. data: the folder of the data sets. Other options: as
    those of the command.

    Runs that are finished are skipped. Ctrl-C (in a notebook: interrupt) saves what is under way and raises
    KeyboardInterrupt; the same call goes on from there. Raises a GlorotError where the sweep or the data is not valid.
    A run that fails raises nothing, and has the status "failed".
    """
    from glorot import api

    return api.run(sweep, output, overrides, only, device, jobs, rerun, retry_failed, data, quiet)


def inspect(
    activation: str,
    initializer: str,
    hidden: Sequence[int] = (1000,) * 5,
    *,
    dataset: str = "shapeset",
    loss: str = "cross_entropy",
    examples: int = 300,
    seed: int = 0,
    inputs: str | None = None,
    data: Path | str | None = None,
) -> "NetworkView":
    """Look into a network before training, as `glorot inspect` does.

    hidden: units of each hidden layer. The result prints as the command's tables. It has `frame`, a pandas DataFrame
    with one row per layer, `meaning`, what that means in words, and `seen`, all numbers. Raises GlorotError.
    """
    from glorot import api

    return api.inspect(activation, initializer, hidden, dataset, loss, examples, seed, inputs, data)


def weights(
    run: str, results: Path | str = "results", *, data: Path | str | None = None, train: bool = True
) -> "dict[str, np.ndarray]":
    """The final weights of a stored run, float32, by the names that torch.nn.Sequential gives them.

    run: its run_id, or the first digits of it. "0.weight": (units, inputs) and "0.bias": (units,) of the first layer,
    "2.weight" of the second, and so on: activations stand between them. They are taken from the run's last saved state
    in the cache. Where that is not kept any more, the run is trained again, with the same result; train=False refuses
    that. Raises ResultsError where there is no such run, DataError where its data is not there or is another one now.
    """
    from glorot import api

    return api.weights(run, results, data, train)
