"""Results from Python: data frames, table, figures and the report of a sweep."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot.datasets.loading import data_folder
from glorot.errors import GlorotError, ResultsError
from glorot.places import expanded
from glorot.results.folders import find_folders
from glorot.results.store import Store
from glorot.sweeps.runs import stored_sweep
from glorot.training.checkpoint import checkpoint_folder

if TYPE_CHECKING:
    import pandas as pd

    from glorot.reporting.document import Document
    from glorot.reporting.figures import Drawn
    from glorot.reporting.report import Table


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
        write_bytes(expanded(path), self._rendered(form))

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
        return f"<glorot results of {self.folder}: {len(self.runs)} run{'s' * (len(self.runs) != 1)}>"

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
    """The stored results of one sweep: `load("results/quickstart")`.

    It has the pandas DataFrames `runs`, `history`, `probes` and `predictions`, and `table()`, `figures()` and `html()`.
    value: what tables and figures show instead of the sweep's own, such as "valid_error".

    Raises ResultsError where there are no results, or where they cannot be read.
    """
    path = expanded(folder)
    for place in (path, Path("results") / path):
        if (place / "runs.csv").is_file() and (place / "sweep.yaml").is_file():
            return Results(place, value)
    inside = [str(one) for one in find_folders(path)] if path.is_dir() else []
    more = f"; there are some in {', '.join(inside[:5])}" if inside else "; run the sweep first: glorot.run(SWEEP)"
    raise ResultsError(f"expected results in {path}, found none{more}")
