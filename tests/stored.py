"""Made-up results in a folder, and tables compared with golden files, for the tests of reports."""

import os
import re
from pathlib import Path

from glorot.reporting import report
from glorot.results.store import Store, settings_of
from glorot.sweeps import config
from glorot.sweeps.runs import expand

GOLDEN = Path(__file__).parent / "golden"


def store_runs(folder, runs, outcomes):
    """Stores a run for each outcome: labels (in the order of the axes) -> status, or the columns that differ."""
    store = Store(folder, [run.run_id for run in runs])
    for run in runs:
        outcome = outcomes.get(tuple(run.labels.values()))
        if outcome is None:
            continue
        columns = {"status": outcome} if isinstance(outcome, str) else {"status": "done", **outcome}
        store.write_run({**settings_of(run), **columns}, {}, [])
    return store.records()


def table_rows(markdown):
    """The rows of tables in markdown, as lists of plain cells."""
    rows = [line.strip("| ").split("|") for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip(" *") for cell in row] for row in rows]


def table_of(folder, text, outcomes, value=None):
    sweep = config.parse(text, "x.yaml")
    runs = expand(sweep)
    return report.table(store_runs(folder, runs, outcomes), sweep, runs, value)


def texts(table):
    return {row: [cell.text(table.value) for cell in cells] for row, cells in zip(table.rows, table.cells, strict=True)}


def close(text):
    """The text with its numbers to ten digits: the last ones of a p-value are SciPy's, another version has others."""
    return re.sub(r"-?\d+\.\d{10,}(?:e-?\d+)?", lambda found: f"{float(found[0]):.10g}", text)


def check_golden(name, table):
    for suffix, text in [("md", table.markdown()), ("csv", table.csv())]:
        path = GOLDEN / f"{name}.{suffix}"
        if os.environ.get("GLOROT_GOLDEN") == "write":
            path.write_bytes(text.encode())
        assert close(text) == close(path.read_bytes().decode()), f"{path} differs; see the head of this file"


def error(percent, **more):
    return {"test_error": percent, "valid_error": percent - 1, **more}


def a_record(run_id="a", **changes):
    record = {
        "run_id": run_id, "method": "Tanh N", "dataset": "shapeset", "activation": "tanh",
        "initializer": "normalized", "depth": 2, "width": 30, "hidden": "30-30", "loss": "cross_entropy",
        "batch_size": 10, "learning_rate": 0.03, "seed": 0, "updates": 100, "evaluate_every": 50,
        "valid_examples": 1000, "test_examples": 2000, "device": "cpu", "status": "done", "updates_done": 100,
        "train_loss": 1.25, "valid_loss": 1.5, "valid_error": 65.25, "test_loss": 1.75, "test_error": 66.6,
    }  # fmt: skip
    return record | changes


def a_provenance(**changes):
    return {
        "started": "2026-01-02T03:04:05+00:00", "seconds": 1.5, "threads": 2, "hardware": "a CPU, 2 cores",
        "glorot": "0.1", "python": "3.10.1", "numpy": "2.0", "numba": "0.60",
    } | changes  # fmt: skip
