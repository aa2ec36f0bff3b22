"""Full disks, read-only caches and damaged files, through real processes: a clear error, and nothing lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SWEEP = """
name: tiny
base: {dataset: shapeset, width: 6, depth: 1, learning_rate: 0.1, updates: 20, evaluate_every: 10,
       valid_examples: 40, test_examples: 40, activation: tanh, checkpoint_minutes: 0}
grid: {seed: [0, 1]}
"""

# In the parent of a run (which imports the runner), the n-th call of a function of os fails as on a full disk.
FAULT = """
import errno, os, sys
if "run" in sys.argv and os.environ.get("FAULT_AT"):
    name, at = os.environ["FAULT_AT"].split(":")
    real, calls = getattr(os, name), [0]
    def faulty(*arguments, **options):
        if "results" in str(arguments) or name == "fsync":
            calls[0] += 1
            if calls[0] == int(at):
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **options)
    setattr(os, name, faulty)
"""


def stored(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "provenance.csv"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def tiny(tmp_path, glorot):
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    (tmp_path / "sitecustomize.py").write_text(FAULT)
    return tmp_path


@pytest.fixture(scope="module")
def whole() -> dict[str, dict[str, bytes]]:
    """What an undisturbed run stores, once it is known."""
    return {}


def undisturbed(tiny, glorot, whole) -> dict[str, bytes]:
    if not whole:
        assert glorot("run", "tiny.yaml", "-o", "whole").returncode == 0
        whole["stored"] = stored(tiny / "whole" / "tiny")
    return whole["stored"]


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["replace", pytest.param("fsync", marks=pytest.mark.slow)])
def test_a_fault_at_every_write_point(tiny, glorot, whole, name, every):
    """Exit 2 and a message; what was stored before is whole; the same command then completes it to the same bytes.
    By day at a sixth of them, others of each function."""
    wanted, faults = undisturbed(tiny, glorot, whole), 0
    for at in range(4 if every > 1 and name == "fsync" else 1, 40, every):
        output = f"{name}{at}/results"
        ended = glorot("run", "tiny.yaml", "-o", output, "-j1", FAULT_AT=f"{name}:{at}", PYTHONPATH=str(tiny))
        folder = tiny / output / "tiny"
        if ended.returncode == 0 and stored(folder) == wanted and "cannot" not in ended.stderr:
            if at > 10:  # beyond the last write: sweep.yaml, 3 files a run, 2 tables
                break
            continue  # that write was of the progress, on which nothing depends
        faults += 1
        assert ended.returncode == 2, ended.stderr
        assert "No space left on device" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert not [path for path in folder.rglob(".*") if path.name.endswith(".part")]
        mended = glorot("run", "tiny.yaml", "-o", output, "-j1")
        assert mended.returncode == 0, mended.stderr
        assert stored(folder) == wanted
    assert faults >= (8 if every == 1 else 2)


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_is_really_full(tiny, glorot, whole, environment):
    """The kernel refuses to let files grow beyond 700 bytes, in the runner and its workers."""
    import resource

    wanted = undisturbed(tiny, glorot, whole)
    assert glorot("run", "tiny.yaml", "--only", "seed=0").returncode == 0
    before = (tiny / "results" / "tiny" / "runs.csv").read_bytes()
    ended = subprocess.run(
        [sys.executable, "-B", "-m", "glorot", "run", "tiny.yaml"],
        cwd=tiny,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10,) * 2),
    )
    assert ended.returncode == 2, ended.stderr
    assert "cannot write" in ended.stderr
    assert "File too large" in ended.stderr
    assert (tiny / "results" / "tiny" / "runs.csv").read_bytes() == before
    assert glorot("run", "tiny.yaml").returncode == 0
    assert stored(tiny / "results" / "tiny") == wanted


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(tiny, glorot, whole):
    wanted = undisturbed(tiny, glorot, whole)
    (tiny / "file").touch()
    (tiny / "under").mkdir()
    os.symlink("/proc/nowhere", tiny / "under" / "gone")
    ended = glorot("run", "tiny.yaml", "--checkpoints", "under/gone")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("note: no state of a run can be saved in under/gone: ") == 1
    assert stored(tiny / "results" / "tiny") == wanted
    refused = glorot("run", "tiny.yaml", "--checkpoints", "file")
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)


def test_damaged_results_are_named_and_the_others_shown(tiny, glorot):
    assert glorot("run", "tiny.yaml", "-o", "all/one").returncode == 0
    shutil.copytree(tiny / "all" / "one", tiny / "all" / "two")
    file = tiny / "all" / "one" / "tiny" / "runs.csv"
    for damage in (b"", b"run_id", b"\x00\xff\xfe binary", b"a,b\n1,2\n", file.read_bytes()[:-40]):
        file.write_bytes(damage)
        ended = glorot("report", "all")
        assert ended.returncode == 2
        assert "Traceback" not in ended.stderr
        assert str(Path("all/one/tiny/runs.csv")) in ended.stderr
        assert "| Tanh" in ended.stdout
        again = glorot("run", "tiny.yaml", "-o", "all/one")
        assert again.returncode == 2  # it does not write over what it cannot read
        assert "Traceback" not in again.stderr
        assert file.read_bytes() == damage
