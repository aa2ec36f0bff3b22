"""Fixtures for the tests that start glorot as a user does."""

import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import platformdirs
import pytest

from glorot.datasets import Examples, FiniteDataset

# The same examples on every push, so that a red test is the push's fault; at night new ones: HYPOTHESIS_PROFILE=random.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("random", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

SHAPING = ("GLOROT_DATA", "FORCE_COLOR", "NO_COLOR", "COLUMNS", "PYTHONIOENCODING")  # of what glorot says


def cache_in(folder: Path) -> Path:
    """A user's cache without saved states of runs, so that every run starts afresh. Compiled kernels are shared."""
    real = Path(os.environ.get("GLOROT_CACHE") or platformdirs.user_cache_dir("glorot"))
    (real / "kernels").mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    (folder / "kernels").symlink_to((real / "kernels").resolve())
    return folder


@pytest.fixture(scope="session", autouse=True)
def _cache_of_this_session(tmp_path_factory):
    """No test finds, or leaves, a saved state in the cache of who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOROT_CACHE", str(cache_in(tmp_path_factory.mktemp("cache") / "glorot")))
        yield


@pytest.fixture
def environment(tmp_path, tmp_path_factory):
    """The environment of a fresh user: no data sets, no saved states."""
    kept = {name: value for name, value in os.environ.items() if name not in SHAPING}
    cache = cache_in(tmp_path_factory.mktemp("cache") / "glorot")
    return kept | {"GLOROT_DATA": str(tmp_path / "no data"), "GLOROT_CACHE": str(cache)}


@pytest.fixture
def glorot(tmp_path, environment):
    """glorot("run", "tiny.yaml", "-n", cwd=tmp_path, GLOROT_DATA="x") -> subprocess.CompletedProcess, with text.

    One run at a time where a test does not say: each further process takes as long to start as many small runs.
    """

    def call(*arguments, cwd: Path = tmp_path, timeout: float = 300, **variables: str):
        said = any(str(one).startswith(("-j", "--jobs", "--cluster")) for one in arguments)
        jobs = ["-j", "1"] if arguments[:1] == ("run",) and not said else []
        return subprocess.run(
            [sys.executable, "-m", "glorot", *map(str, arguments), *jobs],
            cwd=cwd,
            env=environment | variables,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
        )

    return call


@pytest.fixture(scope="session")
def dataset():
    """Three classes of 6-pixel images that can be told apart; 50 for training, so that epochs end within intervals."""
    generator = np.random.default_rng(0)

    def examples(n):
        labels = generator.integers(0, 3, n, dtype=np.uint8)
        pixels = generator.integers(0, 100, (n, 6)) + 120 * (np.arange(6) % 3 == labels[:, None])
        return Examples(pixels.astype(np.uint8), labels)

    return FiniteDataset("three", 3, examples(50), examples(40), examples(60))
