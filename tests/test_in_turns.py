"""tests/in_turns.py, which compares the speed of two checkouts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def in_turns(*arguments):
    command = [sys.executable, ROOT / "tests" / "in_turns.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_checkout_against_itself(threads):
    found = in_turns(ROOT, ROOT, "--rows", "width 100", "--rounds", "2", "--seconds", "0", "--threads", threads)
    assert found.returncode == 0, found.stderr
    assert re.search(
        r"^\| width 100 \| [\d.e-]+ \| [\d.e-]+ \| \d+\.\d\d \| [\d.]+ to [\d.]+ \|$", found.stdout, re.MULTILINE
    )


@pytest.mark.parametrize("threads", ["0", "two"])
def test_threads_that_are_none(threads):
    found = in_turns(ROOT, ROOT, "--threads", threads)
    assert found.returncode == 2
    assert "--threads" in found.stderr


def test_a_folder_without_glorot(tmp_path):
    found = in_turns(ROOT, tmp_path)
    assert found.returncode == 2
    assert "expected a checkout with the folder glorot" in found.stderr
