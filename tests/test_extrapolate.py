"""The extrapolation of learning curves: it finds a power law that is there, and runs on the committed results."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def extrapolate():
    spec = importlib.util.spec_from_file_location("extrapolate", ROOT / "experiments" / "extrapolate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_power_law_is_found(extrapolate):
    updates = np.arange(1, 20) * 1000.0
    assert extrapolate.power_law(updates, 300 * updates**-0.2) == pytest.approx((300, 0.2))


def test_of_the_committed_results(extrapolate):
    folder = ROOT / "results" / "figures-quick"
    result = CliRunner().invoke(extrapolate.main, [str(folder), "--to", "160_000"], catch_exceptions=False)
    assert result.output.startswith("| method | data set |")
    assert "at 160,000 updates" in result.output
    assert "| Tanh N | shapeset | 80,000 | 62.32 |" in result.output
