"""Interrupted, killed and grown sweeps give the same bytes as undisturbed ones. Real processes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glorot.results.store import Store

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc to find the workers")

SWEEP = """
name: long
base: {dataset: shapeset, width: 40, depth: 2, learning_rate: 0.03, batch_size: 150, updates: 1500,
       evaluate_every: 400, valid_examples: 500, test_examples: 500, checkpoint_minutes: 0}
grid:
  activation: [tanh, sigmoid]
  initializer: [standard, normalized]
"""


def command(folder: Path, *options: str) -> list[str]:
    where = ["-o", str(folder / "results"), "--checkpoints", str(folder / "checkpoints")]
    return [sys.executable, "-m", "glorot", "run", str(folder / "long.yaml"), "-q", *where, *options]


def start(folder: Path, *options: str) -> subprocess.Popen:
    """In a group of its own, so that a signal to the group does not reach the tests."""
    return subprocess.Popen(
        command(folder, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(folder: Path, *options: str) -> str:
    """What it said."""
    done = subprocess.run(command(folder, *options), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


def stored(folder: Path) -> dict[str, bytes]:
    results = folder / "results" / "long"
    assert not list(results.rglob(".*"))  # no lock, progress or temporary file is left
    files = {str(path.relative_to(results)): path.read_bytes() for path in results.rglob("*") if path.is_file()}
    return {name: data for name, data in files.items() if name != "provenance.csv"}


def until(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def workers_of(pid: int) -> list[int]:
    """Its spawned workers (not the process that keeps track of resources)."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and "spawn_main" in path.joinpath("cmdline").read_text():
                found.append(int(path.name))
        except (OSError, ValueError, IndexError):
            continue
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def states(folder: Path) -> list[Path]:
    return [path for path in (folder / "checkpoints").glob("*.npz") if ".last" not in path.name]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "long.yaml").write_text(SWEEP)
    return tmp_path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "long.yaml").write_text(SWEEP)
    finish(folder)
    assert not states(folder)  # what is stored needs no state any more
    return stored(folder)


@pytest.mark.parametrize(
    ("signum", "code", "group"),
    [
        (signal.SIGINT, 130, True),
        pytest.param(signal.SIGTERM, 143, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, True, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, True, marks=pytest.mark.slow),
    ],
)
def test_signals_save_the_state(folder, undisturbed, signum, code, group):
    process = start(folder)
    until(lambda: states(folder))
    workers = workers_of(process.pid)
    (os.killpg if group else os.kill)(process.pid, signum)
    assert process.wait(60) == code
    until(lambda: not any(map(alive, workers)))
    assert states(folder)
    finish(folder)
    assert stored(folder) == undisturbed


def strange_compression(path: Path) -> None:
    """NotImplementedError of zipfile."""
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 10] = 99
    path.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["strange compression", "another run's"])
def test_a_damaged_state_is_told_and_the_run_starts_again(folder, undisturbed, damage):
    process = start(folder, "-j2")
    until(lambda: len(states(folder)) >= 2)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    first, second, *_ = states(folder)
    if damage == "strange compression":
        strange_compression(first)
    else:
        shutil.copy(second, first)
    said = finish(folder)
    assert f"note: the saved state {first} is not used: " in said
    assert stored(folder) == undisturbed


@pytest.mark.slow
def test_a_second_interrupt_ends_at_once(folder, undisturbed):
    process = start(folder)
    until(lambda: states(folder))
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    until(lambda: not any(map(alive, workers)))
    finish(folder)
    assert stored(folder) == undisturbed


def test_a_killed_worker_fails_its_run_and_is_tried_again(folder, undisturbed):
    process = start(folder, "-j2")
    until(lambda: states(folder) and workers_of(process.pid))
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "SIGKILL" in said
    statuses = list(Store(folder / "results" / "long").statuses().values())
    assert sorted(statuses) == ["done", "done", "done", "failed"]
    finish(folder, "--retry-failed")
    assert stored(folder) == undisturbed


def test_only_one_runner_at_a_time_and_its_progress(folder, undisturbed):
    process = start(folder)
    until(lambda: states(folder))
    second = subprocess.run(command(folder), capture_output=True, text=True, timeout=60)
    assert (second.returncode, "another glorot is writing to" in second.stderr) == (2, True)
    arguments = [sys.executable, "-m", "glorot", "status", "long", "-o", str(folder / "results")]
    until((folder / "results" / "long" / ".progress.json").exists)
    said = subprocess.run(arguments, capture_output=True, text=True, timeout=60).stdout
    process.kill()  # the lock of a dead process is no obstacle
    process.wait()
    assert said.startswith("long: 4 runs: ")
    finish(folder)
    assert stored(folder) == undisturbed
    after = subprocess.run(arguments, capture_output=True, text=True, timeout=60).stdout
    assert after == "long: 4 runs: 4 done; no process runs it now\n"


def test_more_updates_continue(folder, undisturbed):
    (folder / "long.yaml").write_text(SWEEP.replace("updates: 1500", "updates: 900"))
    finish(folder)
    seen = {path.name: path.stat().st_mtime_ns for path in (folder / "checkpoints").glob("*.last.npz")}
    assert len(seen) == 4
    (folder / "long.yaml").write_text(SWEEP)
    finish(folder)
    histories = {name: data for name, data in stored(folder).items() if name.startswith("history")}
    wanted = {name: data for name, data in undisturbed.items() if name.startswith("history")}
    assert {name: histories[name] for name in wanted} == wanted


def kill_at_random(folder: Path, kills: int, seed: int, undisturbed: dict[str, bytes]) -> None:
    """Kill the runner or one of its workers, -9, at random moments, so many times; what finishes is begun again."""
    chance, killed = random.Random(seed), 0
    while killed < kills:
        process = start(folder, "--retry-failed", "-j2")
        try:
            process.wait(chance.uniform(0.2, 2.5))
            compare(folder, undisturbed)
            shutil.rmtree(folder / "results")
            continue
        except subprocess.TimeoutExpired:
            pass
        workers = workers_of(process.pid)
        victim = chance.choice([process.pid, *workers])
        os.kill(victim, signal.SIGKILL)
        killed += 1
        if victim != process.pid:
            process.kill()
        process.wait()
        until(lambda workers=workers: not any(map(alive, workers)), 30)


def compare(folder: Path, undisturbed: dict[str, bytes]) -> None:
    for path in (folder / "results" / "long").rglob(".*"):  # what a killed writer may leave
        assert path.name.endswith(".part") or path.name in (".lock", ".progress.json")
        path.unlink()
    assert stored(folder) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, 20])
def test_kills_at_random_moments_lose_nothing(folder, undisturbed, kills):
    kill_at_random(folder, kills, kills, undisturbed)
    finish(folder, "--retry-failed")
    compare(folder, undisturbed)
