"""Sweeps of many runs: planned in seconds and little memory; each run stored as quickly as the first."""

import os
import random
import resource
import subprocess
import sys

import pytest

from glorot.sweeps import config
from glorot.sweeps.runs import expand, run_id
from glorot.sweeps.settings import Settings, combined

HUNDRED = ", ".join(map(str, range(1, 101)))


def sweep_of(*axes: str) -> str:
    lines = "".join(f"  {axis}: [{HUNDRED}]\n" for axis in axes)
    return f"base: {{dataset: shapeset, learning_rate: 0.1, updates: 9, activation: tanh}}\ngrid:\n{lines}"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units elsewhere")
def test_a_sweep_of_a_hundred_thousand_runs_is_planned_in_seconds(tmp_path, environment):
    """4 KB of YAML. Seconds of the processor: others may use it, too."""
    (tmp_path / "large.yaml").write_text(
        sweep_of("updates", "seed") + "  test_examples: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
    )
    (tmp_path / "larger.yaml").write_text(sweep_of("updates", "seed", "batch_size"))
    command = [sys.executable, "-m", "glorot", "run", "-n"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    large = subprocess.run([*command, "large.yaml"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert large.returncode == 0, large.stderr
    assert large.stdout.count("to do") == 100_000
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5 * SLOWER
    larger = subprocess.run([*command, "larger.yaml"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (larger.returncode, larger.stdout) == (2, "")
    assert "expected at most 100000 runs" in larger.stderr


SLOWER = float(os.environ.get("GLOROT_SLOWER", 2))  # than an idle machine of today: others' work shows in caches too


def test_the_run_ids_of_many_runs_are_those_of_each(tmp_path):
    """They are made from what cells have in common."""
    text = sweep_of("batch_size", "seed") + (
        "  learning_rate: [0.1, 1e-7]\n  method: {A: {activation: sigmoid}, B: {activation: relu, hidden: [7, 8]}}\n"
    )
    text = text.replace(HUNDRED, "1, 2, 30")
    sweep = config.parse(text, "x.yaml")
    runs = expand(sweep)
    assert len({run.run_id for run in runs}) == len(runs) > 30
    for run in random.Random(0).sample(runs, 20):
        choices = [next(c for c in sweep.grid[axis] if c.label == label) for axis, label in run.labels.items()]
        settings = Settings(**combined(sweep.base, *(choice.fields for choice in choices)))
        assert run.settings == settings
        assert run.run_id == run_id(settings, "cpu")
