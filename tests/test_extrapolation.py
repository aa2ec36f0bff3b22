"""`glorot report --extrapolate`: power laws through learning curves."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from stored import a_record

from glorot.cli.main import cli
from glorot.errors import ResultsError
from glorot.reporting.extrapolation import document, power_law
from glorot.reporting.writers import FORMS
from glorot.results.stored import StoredRun

ROOT = Path(__file__).resolve().parent.parent


def test_a_learning_curve_s_power_law_is_found():
    updates = np.arange(1, 20) * 1000.0
    assert power_law(updates, 300 * updates**-0.2) == pytest.approx((300, 0.2))


def test_the_committed_learning_curves():
    folder = ROOT / "results" / "examples" / "figures-quick"
    told = CliRunner().invoke(cli, ["report", str(folder), "--extrapolate", "160000", "--format", "csv"])
    row = next(row for row in csv.DictReader(told.output.splitlines()) if row["method"] == "Tanh N")
    with open(folder / "table.csv") as file:
        mean = next(float(one["mean"]) for one in csv.DictReader(file) if one["row"] == "Tanh N")
    ours = {name: float(row[name]) for name in ("updates", "test_error", "exponent", "extrapolated")}
    assert (ours["updates"], ours["test_error"]) == (80_000, mean)
    assert 0 < ours["exponent"] < 1
    assert 0.5 * mean < ours["extrapolated"] < 1.1 * mean
    both = CliRunner().invoke(cli, ["report", str(folder), "--extrapolate", "5", "--paper"])
    assert both.exit_code == 2
    with pytest.raises(ResultsError, match="expected more than the 80,000 updates that were made, found 80,000"):
        CliRunner().invoke(cli, ["report", str(folder), "--extrapolate", "80000"], catch_exceptions=False)


def a_run(method, stop=60, status="done", updates=60, last=1.0):
    """A run whose error falls as 300 updates^-0.2, until it stops."""
    run = StoredRun(Path(), a_record(method, activation=method, updates=updates, status=status, test_error=last))
    errors = 300 * np.arange(1.0, stop + 1) ** -0.2
    errors[-1] *= last
    run.__dict__["history"] = pd.DataFrame({"update": range(stop + 1), "test_error": [90.0, *errors]})
    return run


def test_runs_that_diverged_have_no_future():
    """However far they came: without a point in the second half, with a few, with nearly all."""
    lost = [a_run("sigmoid", stop, "diverged") for stop in (20, 31, 59)]
    lost += [a_run("relu", 90, "diverged", 90)]  # it would have been the longest
    with pytest.raises(ResultsError, match=r"Left out \(diverged\): Sigmoid N, shapeset \(3 runs\); ReLU N, shapeset"):
        document(lost, 120)
    rest = [a_run("tanh"), a_run("softsign", 5), a_run("softsign", 30, updates=30), a_run("elu", last=0.0)]
    found = document([*lost, *rest], 120)
    assert [row["method"] for row in found.records.rows] == ["Tanh N"]
    text = FORMS["markdown"](found)
    for note in (
        "Left out (diverged): Sigmoid N, shapeset (3 runs); ReLU N, shapeset",
        "Left out (too few evaluations): Softsign N, shapeset",
        "Left out (other than 60 updates): Softsign N, shapeset",
        "Left out (an error of 0, which no power law has): ELU",
    ):
        assert f"- {note}" in text
