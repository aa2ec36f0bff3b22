"""Stored results that are damaged, or no files at all: named in one line, with exit code 2; nothing hangs or breaks."""

import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from glorot.errors import ResultsError
from glorot.execution.status import lock_of, read_status
from glorot.results.store import Store
from glorot.sweeps.runs import expand, stored_sweep

SWEEP = """\
name: tiny
base: {dataset: shapeset, depth: 1, width: 6, learning_rate: 0.1, updates: 20, valid_examples: 40, test_examples: 40}
grid: {activation: [tanh, sigmoid]}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    (folder / "tiny.yaml").write_text(SWEEP)
    for command in (["run", "tiny.yaml", "-q"], ["check", "tiny", "--update"]):
        subprocess.run([sys.executable, "-m", "glorot", *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def place(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def damaged_list() -> dict[str, bytes]:
    """What np.load met with NotImplementedError, TokenError, AttributeError, MemoryError and the like."""
    buffer, archive = io.BytesIO(), io.BytesIO()
    np.save(buffer, np.ones(40, np.uint8))
    np.savez(archive, np.ones(40, np.uint8))
    good = buffer.getvalue()
    return {
        "empty": b"",
        "torn": good[:-3],
        "an unclosed bracket": good.replace(b"(40,)", b"(40, "),
        "no type": good.replace(b"|u1", b"|x1"),
        "a size that no memory has": good.replace(b"(40,), }", b"(9" + b"9" * 15 + b",)}", 1),
        "another version": good[:6] + b"\x09" + good[7:],
        "an archive": archive.getvalue(),
        "no list": good.replace(b"(40,)", b"(5,8)"),
    }


@pytest.mark.parametrize("damage", damaged_list())
def test_a_damaged_list_of_right_answers_is_named(tmp_path, damage):
    path = Store(tmp_path).correct_path("a")
    path.parent.mkdir()
    path.write_bytes(damaged_list()[damage])
    with pytest.raises(ResultsError, match=r"cannot read .*correct/a\.npy: .*; remove it and run the sweep again"):
        Store(tmp_path).read_correct("a")


def test_any_flipped_bit_of_a_list_of_right_answers(tmp_path):
    """It is refused, or it is a list of right answers still: no other error."""
    path = Store(tmp_path).correct_path("a")
    path.parent.mkdir()
    np.save(path, np.ones(40, np.uint8))
    whole = path.read_bytes()
    refused = 0
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(data)
        try:
            assert Store(tmp_path).read_correct("a").dtype == bool
        except ResultsError:
            refused += 1
    assert refused > 4 * len(whole)


def test_commands_name_the_damaged_file(place, glorot):
    (path,) = list((place / "results/tiny/correct").glob("*.npy"))[:1]
    path.write_bytes(path.read_bytes().replace(b"(40,)", b"(40, "))
    for command in (["report", "tiny"], ["check", "tiny"], ["run", "tiny.yaml"]):
        ended = glorot(*command)
        assert (ended.returncode, "Traceback" in ended.stderr) == (2, False), ended.stderr
        assert str(path.relative_to(place)) in ended.stderr


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("runs.csv", ["report"]), ("runs.csv", ["check", "tiny"]), ("runs.csv", ["status", "tiny"]),
        ("runs.csv", ["run", "tiny.yaml", "-q"]), ("provenance.csv", ["run", "tiny.yaml", "-q"]),
        ("history", ["check", "tiny"]), ("correct", ["report", "tiny"]), ("sweep.yaml", ["report", "results/tiny"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_pipe_in_place_of_a_file(place, glorot, name, command, kind):
    """Reading it would never end."""
    path = place / "results/tiny" / name
    path = next(path.iterdir()) if path.is_dir() else path
    path.unlink()
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    ended = glorot(*command, timeout=60)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False), ended.stderr
    assert "results/tiny" in ended.stderr


def test_a_pipe_in_place_of_what_is_written_or_asked_for(place, glorot):
    (place / "results/tiny/.lock").unlink(missing_ok=True)
    for name in ("pipe.yaml", "results/tiny/.lock", "results/tiny/.journal", "results/baselines/other.csv"):
        os.mkfifo(place / name)
    commands = [["run", "pipe.yaml"], ["report", "pipe.yaml"], ["run", "tiny.yaml", "-q"], ["check", "tiny"]]
    commands += [["check", "tiny", "--baseline", "results/baselines/other.csv"], ["status", "tiny"]]
    for command in commands:
        ended = glorot(*command, timeout=60)
        assert (ended.returncode, "Traceback" in ended.stderr) == (2, False), ended.stderr
        assert len(ended.stderr.splitlines()) == 1
    assert glorot("status", "--output", os.devnull, "tiny", timeout=60).returncode == 2


def test_a_progress_that_is_not_ours(place):
    folder = place / "results/tiny"
    runs = expand(stored_sweep(folder))
    with lock_of(folder):
        for text in ("", "[]", "{}", json.dumps({runs[0].run_id: {"since": "x"}}), json.dumps({runs[0].run_id: 1})):
            (folder / ".progress.json").write_text(text)
            assert read_status(folder, runs).running == []
        (folder / ".progress.json").unlink()
        os.mkfifo(folder / ".progress.json")
        assert read_status(folder, runs).active
