"""`glorot report --extrapolate`: power laws through learning curves."""

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from glorot.cli.main import cli
from glorot.reporting.extrapolation import power_law

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
