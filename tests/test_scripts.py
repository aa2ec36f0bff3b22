"""The scripts beside the sweeps in experiments/: their arithmetic, and each of them for real, small."""

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_svm_s_extrapolation_continues_a_power_law():
    rows = [{"examples": n, "test_error": 300 * n**-0.2} for n in (10_000, 30_000)]
    assert script("svm").extrapolated(rows, 100_000) == pytest.approx(300 * 100_000**-0.2)


def test_a_tiny_svm(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'glorot[svm]'")
    output = tmp_path / "svm.csv"
    options = ["--examples", "150", "--examples", "300", "--c", "10", "--gamma", "1"]
    command = [sys.executable, ROOT / "experiments" / "svm.py", output, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    header, *rows = output.read_text().splitlines()
    assert header.startswith("examples,C,gamma,valid_error,test_error")
    assert [row.split(",")[0] for row in rows] == ["150", "300"]
    assert all(50 < float(row.split(",")[4]) < 90 for row in rows)
    assert "by extrapolation; the paper: 59.47 %" in done.stdout


def test_a_learning_curve_s_power_law_is_found():
    updates = np.arange(1, 20) * 1000.0
    assert script("extrapolate").power_law(updates, 300 * updates**-0.2) == pytest.approx((300, 0.2))


def test_the_committed_learning_curves():
    options = [str(ROOT / "results" / "examples" / "figures-quick"), "--to", "160_000"]
    result = CliRunner().invoke(script("extrapolate").main, options, catch_exceptions=False)
    assert result.output.startswith("| method | data set |")
    assert "at 160,000 updates" in result.output
    with open(ROOT / "results" / "examples" / "figures-quick" / "table.csv") as file:
        mean = next(float(row["mean"]) for row in csv.DictReader(file) if row["row"] == "Tanh N")
    assert f"| Tanh N | shapeset | 80,000 | {mean:.2f} |" in result.output
