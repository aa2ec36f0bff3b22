"""The SVM calibration of Shapeset: its arithmetic, and a tiny one for real where scikit-learn is."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "experiments" / "svm.py"


def test_extrapolation_continues_a_power_law():
    spec = importlib.util.spec_from_file_location("svm", SCRIPT)
    svm = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(svm)
    rows = [{"examples": n, "test_error": 300 * n**-0.2} for n in (10_000, 30_000)]
    assert svm.extrapolated(rows, 100_000) == pytest.approx(300 * 100_000**-0.2)


def test_a_tiny_calibration(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'glorot[svm]'")
    output = tmp_path / "svm.csv"
    options = ["--examples", "150", "--examples", "300", "--c", "10", "--gamma", "1"]
    done = subprocess.run([sys.executable, SCRIPT, output, *options], capture_output=True, text=True, check=True)
    header, *rows = output.read_text().splitlines()
    assert header.startswith("examples,C,gamma,valid_error,test_error")
    assert [row.split(",")[0] for row in rows] == ["150", "300"]
    assert all(50 < float(row.split(",")[4]) < 90 for row in rows)
    assert "by extrapolation; the paper: 59.47 %" in done.stdout
