"""The stored runs of one or more sweeps together: what figures and the scorecard read."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorot.errors import ResultsError
from glorot.models.architectures import method_of
from glorot.results.store import Store
from glorot.sweeps.fields import ABOUT, idle_value

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def text_of(value: Any) -> str:
    """A value of runs.csv as text; empty where there is none."""
    return "" if value is None or str(value) in ("nan", "<NA>") else str(value)


@dataclass(frozen=True, eq=False)
class StoredRun:
    """One finished run. row: its line of runs.csv by column (rows.RUN_COLUMNS); missing numbers are NaN or NA.

    rates: the learning rates among which its sweep's `select` chose, where that was asked for (selected.py). tried: how
    many settings these were, also where they differ in something else.
    """

    folder: Path
    row: dict[str, Any]
    rates: tuple[float, ...] = ()
    tried: int = 0

    def __getitem__(self, column: str) -> Any:
        """What it has in a column; of a field that its model has no use for, the idle value."""
        value = self.row[column]
        return idle_value(column) if column in ABOUT and text_of(value) == "" and ABOUT[column].is_old else value

    @property
    def run_id(self) -> str:
        return str(self.row["run_id"])

    @property
    def method(self) -> str:
        """The paper's name, whatever label the sweep gave: "Tanh", "Tanh N"."""
        model = text_of(self.row.get("model")) or ABOUT["model"].older
        return method_of(model, self.hidden, self["activation"], self["initializer"])

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of each hidden layer; none of a model without layers."""
        return tuple(map(int, filter(None, text_of(self.row["hidden"]).split("-"))))

    @cached_property
    def history(self) -> "pd.DataFrame":
        """Its evaluations: rows.HISTORY_COLUMNS."""
        return Store(self.folder).read_history(self.run_id)

    @cached_property
    def probes(self) -> "pd.DataFrame":
        """What was seen inside its network: the fields of probes.ProbeRow; empty if it was not probed."""
        return Store(self.folder).read_probes(self.run_id)

    @cached_property
    def correct(self) -> "np.ndarray | None":
        """Whether each test example was classified correctly at the end, (n,) bool, if that is stored."""
        return Store(self.folder).read_correct(self.run_id)

    @cached_property
    def predictions(self) -> "np.ndarray | None":
        """Class, class predicted and loss of each test example at the end, if that is stored."""
        return Store(self.folder).read_predictions(self.run_id)


def gather(folders: Iterable[Path]) -> list[StoredRun]:
    """The finished runs (done or diverged) of all folders, each run_id once. Raises ResultsError."""
    runs: dict[str, StoredRun] = {}
    for folder in map(Path, folders):
        if not (folder / "runs.csv").is_file():
            raise ResultsError(f"expected {folder / 'runs.csv'}, found no such file; run the sweep first")
        for row in Store(folder).read_runs().to_dict("records"):
            if row["status"] in ("done", "diverged"):
                runs.setdefault(str(row["run_id"]), StoredRun(folder, {str(key): value for key, value in row.items()}))
    return list(runs.values())
