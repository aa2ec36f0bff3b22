"""What the machine and its user do around a sweep, through real processes: streams that fail, odd folders and
environments. None of it changes a result, or ends a sweep without a word."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SWEEP = """
name: tiny
base: {dataset: shapeset, width: 6, depth: 1, learning_rate: 0.1, updates: 20, evaluate_every: 10,
       valid_examples: 40, test_examples: 40, activation: tanh}
grid: {seed: [0, 1, 2]}
"""
NEEDS_DEV_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    return tmp_path


@pytest.fixture
def shell(tmp_path, environment):
    """shell("glorot run tiny.yaml | head -1; echo ${PIPESTATUS[0]}") in bash -> subprocess.CompletedProcess."""

    def call(script: str, cwd: Path = tmp_path, **variables: str):
        function = f'glorot() {{ "{sys.executable}" -m glorot "$@"; }}\n'
        return subprocess.run(
            ["bash", "-c", function + script],
            cwd=cwd,
            env=environment | variables,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )

    return call


def statuses(folder: Path) -> list[str]:
    with open(folder / "runs.csv", newline="") as file:
        return [row["status"] for row in csv.DictReader(file)]


# Streams. ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "glorot run tiny.yaml 2>&1 | head -1; exit ${PIPESTATUS[0]}",
        "glorot run tiny.yaml -v 2>&1 >/dev/null | head -1; exit ${PIPESTATUS[0]}",
        "glorot run tiny.yaml 2>&-",
        "glorot run tiny.yaml >&- 2>&- <&-",
        pytest.param("glorot run tiny.yaml 2>/dev/full", marks=NEEDS_DEV_FULL),
        pytest.param("glorot run tiny.yaml -v --retry-failed 2>/dev/full", marks=NEEDS_DEV_FULL),
    ],
)
def test_what_is_said_on_stderr_decides_nothing(tiny, shell, script):
    ended = shell(script)
    assert ended.returncode == 0, ended.stderr
    assert statuses(tiny / "results" / "tiny") == ["done"] * 3
    assert {path.name for path in (tiny / "results" / "tiny").iterdir()} == {
        "correct", "history", "predictions", "provenance.csv", "runs.csv", "sweep.yaml", "table.csv", "table.md",
    }  # fmt: skip
    assert "test error" not in (tiny / "results" / "tiny" / "runs.csv").read_text()  # where fd 2 was closed


@NEEDS_DEV_FULL
def test_exit_codes_are_the_same_where_nobody_hears_the_message(tiny, shell):
    for stream in ("/dev/null", "/dev/full", "&-"):
        assert shell(f"glorot run nowhere.yaml 2>{stream}").returncode == 2
        assert shell(f"glorot run --no-such-option 2>{stream}").returncode == 2
        assert shell(f"glorot 2>{stream}").returncode == 2


@pytest.mark.parametrize("command", ["run tiny.yaml", "run tiny.yaml -n", "run --help", "list", "report tiny"])
def test_who_reads_stdout_may_stop_early(tiny, shell, command):
    """Nothing is read, by a reader that has ended before glorot writes."""
    assert shell("glorot run tiny.yaml").returncode == 0
    ended = shell(f"glorot {command} | true; exit ${{PIPESTATUS[0]}}")
    assert (ended.returncode, "Traceback" in ended.stderr, "Error" in ended.stderr) == (0, False, False), ended.stderr


@NEEDS_DEV_FULL
@pytest.mark.parametrize("command", ["run tiny.yaml", "run tiny.yaml -n", "run --help", "list"])
def test_data_that_cannot_be_written_is_an_error(tiny, shell, command):
    ended = shell(f"glorot {command} >/dev/full")
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines()[-1] == "glorot: cannot write to standard output: No space left on device"


@pytest.mark.skipif(sys.platform == "win32", reason="needs O_NONBLOCK")
def test_a_slow_reader_of_a_nonblocking_pipe_gets_everything(tiny, environment):
    """Some parents (Node.js, CI runners) hand down pipes that say "try again" when they are full."""
    import fcntl
    import struct
    import termios

    def waits() -> bool:
        """Whether 60,000 bytes lie in the pipe."""
        return struct.unpack("i", fcntl.ioctl(ours, termios.FIONREAD, b"\0" * 4))[0] > 60_000

    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
    (tiny / "many.yaml").write_text(SWEEP.replace("[0, 1, 2]", str(list(range(2000)))))
    command = [sys.executable, "-m", "glorot", "run", "many.yaml", "-n"]
    with subprocess.Popen(command, cwd=tiny, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while process.poll() is None and not waits():
            time.sleep(0.1)
        time.sleep(0.5)  # for a write that finds it full
        with os.fdopen(ours) as file:
            text = file.read()
    assert process.returncode == 0, text[-300:]
    assert text.count("to do ") == 2000
