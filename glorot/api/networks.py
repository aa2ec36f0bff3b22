"""Networks from Python: one before training, and the weights of a stored run."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot.datasets.loading import data_folder
from glorot.datasets.local import info
from glorot.errors import DataError, GlorotError, ResultsError
from glorot.models.architectures import MODELS
from glorot.places import expanded
from glorot.results.folders import find_folders
from glorot.results.store import Store
from glorot.sweeps import search
from glorot.sweeps.runs import Run, expand, stored_sweep
from glorot.training.checkpoint import checkpoint_folder, kept_layers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from glorot.training.seen import Inspection


@dataclass(frozen=True, eq=False)
class NetworkView:
    """A network before training, layer by layer. seen: all numbers, measured and in theory."""

    seen: "Inspection"

    def __repr__(self) -> str:
        from glorot.reporting.inspection_text import text

        return text(self.seen)

    def _repr_html_(self) -> str:
        from glorot.reporting import html
        from glorot.reporting.inspection_text import document

        return html.fragment(document([self.seen]))

    @property
    def meaning(self) -> str:
        """What the numbers mean, in plain words."""
        from glorot.reporting.inspection_text import meaning

        return meaning(self.seen)

    @property
    def frame(self) -> "pd.DataFrame":
        """One row per layer: its size, and the variances of activations, gradients and weight gradients, each measured
        and (with "_theory") in theory; NaN where there is none."""
        import pandas as pd

        rows = []
        for one in self.seen.layers:
            row: dict[str, Any] = {"layer": one.layer, "fan_in": one.fan_in, "fan_out": one.fan_out}
            for name in ("activation", "gradient", "weight_gradient", "jacobian"):
                pair = vars(one)[name]
                row |= {name: pair.measured if pair else None, f"{name}_theory": pair.theory if pair else None}
            rows.append(row)
        return pd.DataFrame(rows)


def inspect(
    activation: str,
    initializer: str,
    hidden: Sequence[int] = (1000,) * 5,
    *,
    model: str = "mlp",
    dataset: str = "shapeset",
    loss: str = "cross_entropy",
    examples: int = 300,
    seed: int = 0,
    inputs: str | None = None,
    data: Path | str | None = None,
) -> NetworkView:
    """Look into a network before training, as `glorot inspect` does.

    hidden: units of each hidden layer. model: "mlp", or "lenet5", which has sizes of its own. The result prints as the
    command's tables. It has `frame`, a pandas DataFrame with one row per layer, `meaning`, what that means in words,
    and `seen`, all numbers. Raises GlorotError.
    """
    from glorot.sweeps.fields import check_field
    from glorot.training import inspection, inspection_of_maps

    if model not in ("mlp", "lenet5"):
        raise GlorotError(f"expected a model that can be inspected, mlp or lenet5; found {model!r}")
    try:
        names = {"activation": activation, "initializer": initializer, "dataset": dataset, "loss": loss}
        checked = {name: check_field(name, value) for name, value in names.items()}
        sizes = check_field("hidden", list(hidden))
    except ValueError as error:
        raise GlorotError(str(error)) from None
    given: dict[str, Any] = {
        **checked, "examples": examples, "seed": seed, "data_folder": data_folder(data), "inputs": inputs
    }  # fmt: skip
    if model != "mlp":
        return NetworkView(inspection_of_maps.inspect(model, **given))
    return NetworkView(inspection.inspect(hidden=sizes, **given))


def weights(
    run: str, results: Path | str = "results", *, data: Path | str | None = None, train: bool = True
) -> "dict[str, np.ndarray]":
    """The final weights of a stored run, float32, by the names that torch.nn.Sequential gives them.

    run: its run_id, or the first digits of it. "0.weight": (units, inputs) and "0.bias": (units,) of the first layer,
    "2.weight" of the second, and so on: activations stand between them. They are taken from the run's last saved state
    in the cache. Where that is not kept any more, the run is trained again, with the same result; train=False refuses
    that. Raises ResultsError where there is no such run, DataError where its data is not there or is another one now,
    PluginError where it needs a plug-in that is not loaded.
    """
    folder, found, row = _find(run, expanded(results))
    if row["status"] != "done":
        raise ResultsError(
            f"expected a run that is done, found {run} in {folder}, which is {row['status']}; name another"
        )
    if MODELS[found.settings.model].learner != "gradient_descent":
        raise ResultsError(
            f"expected a run that gradient descent trains, found {run}, of the model {found.settings.model}, of which "
            "no state is saved; name another"
        )
    states = checkpoint_folder()
    layers = kept_layers(states, found)
    if layers is None and not train:
        raise ResultsError(f"the weights of {run} are not kept any more; train=True trains it again")
    if layers is None:
        layers = _trained_again(found, row, states, data_folder(data))
    named: dict[str, np.ndarray] = {}
    for number, layer in enumerate(layers):
        named |= {f"{2 * number}.weight": layer.W, f"{2 * number}.bias": layer.b}
    return named


def _find(run_id: str, results: Path) -> tuple[Path, Run, dict[str, str]]:
    """The folder of a stored run, the run, and its row. run_id: its first digits do, where they are no other's."""
    folders = find_folders(results)
    found = {
        (name, folder): row
        for folder in folders
        for name, row in Store(folder).rows().items()
        if name.startswith(run_id)
    }
    names = sorted({name for name, _ in found})
    if len(names) != 1 or not run_id:
        what = f"{len(names)} that begin so: {', '.join(names[:5])}" if names and run_id else "none"
        raise ResultsError(f"expected a stored run {run_id!r} below {results}, found {what}; runs.csv has all run_ids")
    for (name, folder), row in found.items():
        sweep = stored_sweep(folder)
        runs = expand(sweep, row["device"])
        for run in [*search.flat(search.short_runs(sweep, runs)), *runs]:
            if run.run_id == name:
                return folder, run, row
    raise ResultsError(
        f"expected the settings of run {names[0]} in the sweep.yaml beside it, found others: the sweep has changed "
        "since; name another run"
    )


def _trained_again(run: Run, row: dict[str, str], states: Path, data: Path) -> Any:
    """The last weights of a run, which has the same result as before. Raises GlorotError."""
    from glorot.machine import cores
    from glorot.plugins.trial import try_choices
    from glorot.training.cell import run_cell

    today = info(run.settings.dataset).version
    if run.version != today:
        raise DataError(
            f"run {run.run_id}: expected data of version {today} of {run.settings.dataset}, the only one that this "
            f"glorot can make; found version {run.version}; name another run"
        )
    try_choices(run.choices)
    outcome = run_cell(run.settings, run.device, cores(), data, states)
    if repr(outcome.result.get("test_error")) != row["test_error"]:
        raise DataError(
            f"run {run.run_id} gives a test error of {outcome.result.get('test_error')}, not {row['test_error']} as "
            "stored: its data or glorot changed; run its sweep again with --rerun"
        )
    layers = kept_layers(states, run)
    if layers is None:
        raise ResultsError(f"cannot save a state in {states}; name another folder with GLOROT_CACHE")
    return layers


def weights_file(named: "Mapping[str, np.ndarray]", suffix: str) -> bytes:
    """The bytes of a .npz or .safetensors file with these arrays. Raises GlorotError: another suffix."""
    if suffix == ".npz":
        import io

        import numpy as np

        buffer = io.BytesIO()
        np.savez(buffer, **dict(named))  # type: ignore[arg-type]
        return buffer.getvalue()
    if suffix != ".safetensors":
        raise GlorotError(f"expected a file name that ends with .npz or .safetensors; found {suffix or 'none'}")
    header, parts, end = {}, [], 0
    for name, array in named.items():
        data = array.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [end, end + len(data)]}
        parts.append(data)
        end += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)
