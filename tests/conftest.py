"""Fixtures for the tests that start glorot as a user does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHAPING = ("GLOROT_DATA", "FORCE_COLOR", "NO_COLOR", "COLUMNS", "PYTHONIOENCODING")  # of what glorot says


@pytest.fixture
def environment(tmp_path):
    """The environment of a fresh user: no data sets. The cache of compiled kernels is the real one."""
    kept = {name: value for name, value in os.environ.items() if name not in SHAPING}
    return kept | {"GLOROT_DATA": str(tmp_path / "no data")}


@pytest.fixture
def glorot(tmp_path, environment):
    """glorot("run", "tiny.yaml", "-n", cwd=tmp_path, GLOROT_DATA="x") -> subprocess.CompletedProcess, with text."""

    def call(*arguments, cwd: Path = tmp_path, **variables: str):
        return subprocess.run(
            [sys.executable, "-m", "glorot", *map(str, arguments)],
            cwd=cwd,
            env=environment | variables,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )

    return call
