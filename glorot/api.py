"""glorot from Python: what ``glorot.load``, ``run``, ``inspect`` and ``weights`` do. Everything else is private."""

import contextlib
import json
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot.datasets import data_folder, pinned
from glorot.errors import DataError, GlorotError, ResultsError
from glorot.results.store import Store, find_folders
from glorot.sweeps import config, search
from glorot.sweeps.runs import Run, expand, stored_sweep, with_data
from glorot.sweeps.shipped import resolve
from glorot.sweeps.sweep import Sweep
from glorot.training.checkpoint import Checkpoints, checkpoint_folder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from glorot.reporting.document import Document
    from glorot.reporting.figures import Drawn
    from glorot.reporting.report import Table
    from glorot.training.inspection import Inspection

# Results -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class TableView:
    """A table that a notebook shows as HTML, and print() as text."""

    document: "Document"

    def _repr_html_(self) -> str:
        from glorot.reporting.html import fragment

        return fragment(self.document)

    def __repr__(self) -> str:
        return self.write("markdown")

    def write(self, form: str) -> str:
        """The table as "markdown", "latex", "html", "csv", "json" or "terminal"."""
        from glorot.reporting.writers import FORMS

        if form not in FORMS:
            raise GlorotError(f"expected a format of {', '.join(FORMS)}; found {form!r}")
        return FORMS[form](self.document)

    @property
    def frame(self) -> "pd.DataFrame":
        """One row per cell: row, column, mean, standard_error, n, p, ..."""
        import pandas as pd

        records = self.document.records
        return pd.DataFrame([dict(row) for row in records.rows], columns=list(records.columns))


@dataclass(frozen=True, eq=False)
class FigureView:
    """A figure that a notebook shows. `figure`: matplotlib's, to change it."""

    name: str
    figure: Any

    def _repr_png_(self) -> bytes:
        return self._rendered("png")

    def save(self, path: Path | str) -> None:
        """Write it as .png, .svg or .pdf. Raises GlorotError."""
        from glorot.results.store import write_bytes

        form = Path(path).suffix[1:].lower()
        if form not in ("png", "svg", "pdf"):
            raise GlorotError(f"expected a file name that ends with .png, .svg or .pdf; found {str(path)!r}")
        write_bytes(path, self._rendered(form))

    def _rendered(self, form: str) -> bytes:
        from glorot.reporting import pictures
        from glorot.reporting.style import STYLE

        return pictures.rendered(self.figure, form, STYLE)


@dataclass(frozen=True, eq=False)
class Results:
    """The stored results of one sweep. Nothing is read before it is asked for, and then kept.

    The data frames begin with run_id, the axes of the sweep (as labels) and method, so that they can be merged and
    grouped by what a reader knows.
    """

    folder: Path
    value: str | None = None

    def __repr__(self) -> str:
        return f"<glorot results of {self.folder}: {len(self.runs)} runs>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @cached_property
    def runs(self) -> "pd.DataFrame":
        """One row per run: its settings, status, losses and errors (in percent), and the seconds it took."""
        stored = self._store.read_runs()
        seconds = self._store.read_provenance().set_index("run_id")["seconds"]
        stored["seconds"] = [seconds.get(run_id) for run_id in stored["run_id"]]
        first = [name for name in self._keys if name in stored]
        return stored[[*first, *(name for name in stored if name not in first)]]

    @cached_property
    def history(self) -> "pd.DataFrame":
        """One row per run and evaluation: update, examples, losses, errors in percent."""
        return self._joined(self._store.read_history)

    @cached_property
    def probes(self) -> "pd.DataFrame":
        """One row per run, moment, quantity and layer, of runs with `probes`; counts: of the histogram."""
        return self._joined(self._store.read_probes)

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """One row per run and test example: label, prediction, loss, correct."""
        return self._joined(self._predictions)

    def table(self, value: str | None = None) -> TableView:
        """The sweep's table. value: "test_error", "valid_error", "test_loss", ...; by default the sweep's own."""
        return TableView(self._table(value).document())

    def figures(self, *names: str, data: Path | str | None = None) -> dict[str, FigureView]:
        """The figures of the sweep by name, as `glorot report --figures` draws them. names: "curves" takes all whose
        name begins so; by default all. data: the folder of the data sets."""
        from glorot.reporting import figures

        notes: list[str] = []
        found: dict[str, FigureView] = {}
        for make in figures.MAKERS:
            drawn: Drawn
            for drawn in make(self._study(), data_folder(data), checkpoint_folder(), notes):
                if not names or drawn.name.startswith(names):
                    found[drawn.name] = FigureView(drawn.name, drawn.figure)
        return found

    def html(self) -> Path:
        """Write report.html, the whole report in one file, and return where it is."""
        from glorot.reporting.page import FILE, written
        from glorot.results.store import write_text

        command = f"glorot run {self.folder / 'sweep.yaml'}"
        text = written(self._study(), [command], (self.folder / "sweep.yaml").read_text("utf-8"))
        write_text(self.folder / FILE, text)
        return self.folder / FILE

    @property
    def _store(self) -> Store:
        return Store(self.folder)

    def _table(self, value: str | None = None) -> "Table":
        from glorot.reporting.report import stored_table

        return stored_table(self.folder, value=value or self.value)

    def _study(self) -> Any:
        from glorot.reporting.views import Study

        return Study(self._table(), self._store)

    @cached_property
    def _keys(self) -> list[str]:
        return ["run_id", *dict.fromkeys([*stored_sweep(self.folder).grid, "method"])]

    def _joined(self, read: Any) -> "pd.DataFrame":
        """The frames of all runs, one below the other, each with its keys."""
        import pandas as pd

        keys = [name for name in self._keys if name in self.runs]
        frames = []
        for row in self.runs[keys].to_dict("records"):
            frame = read(row["run_id"])
            if frame is not None and len(frame):
                frames.append(pd.concat([pd.DataFrame([row] * len(frame), index=frame.index), frame], axis=1))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=keys)

    def _predictions(self, run_id: str) -> "pd.DataFrame | None":
        import pandas as pd

        found = self._store.read_predictions(run_id)
        if found is None:
            return None
        columns = {name: found[name] for name in ("label", "prediction")}
        frame = pd.DataFrame({"example": range(len(found)), **columns, "loss": found["loss"].astype("f8").round(4)})
        return frame.assign(correct=found["label"] == found["prediction"])


def load(folder: Path | str, value: str | None = None) -> Results:
    """See ``glorot.load``."""
    path = Path(folder).expanduser()
    for place in (path, Path("results") / path):
        if (place / "runs.csv").is_file() and (place / "sweep.yaml").is_file():
            return Results(place, value)
    inside = [str(one) for one in find_folders(path)] if path.is_dir() else []
    more = f"; there are some in {', '.join(inside[:5])}" if inside else "; run the sweep first: glorot.run(SWEEP)"
    raise ResultsError(f"expected results in {path}, found none{more}")


# Running -------------------------------------------------------------------------------------------


def run(
    sweep: Path | str | Mapping[str, Any],
    output: Path | str = "results",
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    device: str = "auto",
    jobs: int | None = None,
    rerun: bool = False,
    retry_failed: bool = False,
    data: Path | str | None = None,
    quiet: bool = False,
) -> Results:
    """See ``glorot.run``."""
    from glorot.execution import plan as plans
    from glorot.execution.engine import Tasks
    from glorot.execution.execute import run_plan
    from glorot.execution.processes import Processes
    from glorot.kernels import choose_device, gpus

    folder = data_folder(data)
    loaded = with_data(_sweep(sweep, overrides), lambda one: pinned(one, folder, True))
    kind = choose_device(device).kind
    plan = plans.make_plan(plans.Request(loaded, kind, only, rerun, retry_failed), Path(output))
    plans.check_device(plan)
    plans.check_data(plan, folder)
    tasks = Tasks(folder, checkpoint_folder(), rerun)
    bar = Bar(plan.to_do, quiet)
    with _without_the_script():
        plan = run_plan(plan, Processes(tasks, jobs, gpus(kind)), tasks.checkpoint_folder, bar)
    results = Results(plan.store.folder)
    results._table().write(plan.store.folder)
    return results


def _sweep(sweep: Path | str | Mapping[str, Any], overrides: Sequence[str]) -> Sweep:
    """From a file, the name of one that ships, or a mapping as in a file."""
    if not isinstance(sweep, Mapping):
        return config.load(resolve(Path(sweep)), overrides)
    import yaml

    try:
        text = yaml.safe_dump(json.loads(json.dumps(dict(sweep), allow_nan=False)), sort_keys=False, allow_unicode=True)
    except (TypeError, ValueError) as error:
        raise GlorotError(f"expected a sweep of plain values, as in a YAML file; found another: {error}") from None
    return config.parse(text, "sweep.yaml", overrides)


@contextlib.contextmanager
def _without_the_script() -> Iterator[None]:
    """Processes started meanwhile do not run the user's script again: they need nothing of it."""
    main = sys.modules["__main__"]
    hidden = {name: vars(main)[name] for name in ("__file__", "__spec__") if vars(main).get(name) is not None}
    for name in hidden:
        setattr(main, name, None)
    try:
        yield
    finally:
        vars(main).update(hidden)


class Bar:
    """An execute.Observer: one bar in a notebook, one line per run elsewhere (on stderr)."""

    def __init__(self, runs: Sequence[Run], quiet: bool):
        self.total, self.ended, self.quiet = len(runs), 0, quiet
        self.updates = {run.run_id: 0 for run in runs}
        self.goal = sum(run.settings.updates for run in runs)
        self._handle = None if quiet or not runs else _display(self._html())

    def _html(self, last: str = "") -> str:
        from html import escape

        value = sum(self.updates.values())
        bar = f"<progress value='{value}' max='{max(1, self.goal)}'></progress>"
        return f"{bar} {self.ended} of {self.total} runs {escape(last)}"

    def _show(self, last: str = "") -> None:
        if self._handle is not None:
            self._handle.update(_Html(self._html(last)))
        elif last and not self.quiet:
            print(f"[{self.ended}/{self.total}] {last}", file=sys.stderr, flush=True)

    def started(self, run: Run) -> None:
        pass

    def progressed(self, run: Run, update: int, row: dict[str, float]) -> None:
        self.updates[run.run_id] = update
        if self._handle is not None:
            self._show()

    def finished(self, run: Run, outcome: Any) -> None:
        self.ended += 1
        self.updates[run.run_id] = run.settings.updates
        name = ", ".join(run.labels.values()) or run.method
        error = outcome.result.get("test_error")
        self._show(f"{name}: {outcome.status if error is None else f'test error {error:.2f} %'}")

    def planned(self, runs: Sequence[Run]) -> None:
        self.total = self.ended + len(runs)
        self.goal = sum(self.updates.values()) + sum(run.settings.updates for run in runs)

    def noted(self, text: str) -> None:
        self._show(text)

    def given_back(self, run: Run, reason: str) -> None:
        self.updates[run.run_id] = 0


class _Html:
    """What a notebook shows as it is."""

    def __init__(self, html: str):
        self.html = html

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return ""


def _display(html: str) -> Any:
    """A place in the notebook that this process is of, to be updated; None elsewhere."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    return display(_Html(html), display_id=True) if shell is not None and hasattr(shell, "kernel") else None


# Networks ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class NetworkView:
    """A network before training, layer by layer. seen: all numbers, measured and in theory."""

    seen: "Inspection"

    def __repr__(self) -> str:
        from glorot.training.inspection_text import text

        return text(self.seen)

    @property
    def meaning(self) -> str:
        """What the numbers mean, in plain words."""
        from glorot.training.inspection_text import meaning

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
    dataset: str = "shapeset",
    loss: str = "cross_entropy",
    examples: int = 300,
    seed: int = 0,
    inputs: str | None = None,
    data: Path | str | None = None,
) -> NetworkView:
    """See ``glorot.inspect``."""
    from glorot.sweeps.settings import check_field
    from glorot.training import inspection

    try:
        names = {"activation": activation, "initializer": initializer, "dataset": dataset, "loss": loss}
        checked = {name: check_field(name, value) for name, value in names.items()}
        sizes = check_field("hidden", list(hidden))
    except ValueError as error:
        raise GlorotError(str(error)) from None
    seen = inspection.inspect(
        checked["dataset"], checked["activation"], checked["initializer"], sizes, checked["loss"], examples, seed,
        data_folder(data), inputs,
    )  # fmt: skip
    return NetworkView(seen)


def weights(
    run: str, results: Path | str = "results", data: Path | str | None = None, train: bool = True
) -> "dict[str, np.ndarray]":
    """See ``glorot.weights``."""
    folder, found, row = _find(run, Path(results))
    if row["status"] != "done":
        raise ResultsError(f"expected a run that is done, found {run} in {folder}, which is {row['status']}")
    states = checkpoint_folder()
    kept = Checkpoints(states, found.settings, found.device)
    layers = kept.final()
    if layers is None and not train:
        raise ResultsError(f"the weights of {run} are not kept any more; with train=True it is trained again")
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
        f"the settings of run {names[0]} are not in the sweep.yaml beside it: it is of an earlier version"
    )


def _trained_again(run: Run, row: dict[str, str], states: Path, data: Path) -> Any:
    """The last weights of a run, which has the same result as before. Raises GlorotError."""
    from glorot.machine import cores
    from glorot.training.cell import run_cell

    outcome = run_cell(run.settings, run.device, cores(), data, states)
    if repr(outcome.result.get("test_error")) != row["test_error"]:
        raise DataError(
            f"run {run.run_id} gives a test error of {outcome.result.get('test_error')}, not {row['test_error']} as "
            "stored: its data or glorot changed"
        )
    layers = Checkpoints(states, run.settings, run.device).final()
    if layers is None:
        raise ResultsError(f"no state can be saved in {states}; GLOROT_CACHE names another folder")
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
