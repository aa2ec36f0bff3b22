"""Sweeps of many runs: planned in seconds and little memory; each run stored as quickly as the first."""

import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from glorot.errors import ResultsError
from glorot.results import pending, store
from glorot.results.contents import SUFFIXES
from glorot.results.store import Store, Stored, settings_of
from glorot.sweeps import config
from glorot.sweeps.fields import combined
from glorot.sweeps.runs import expand, run_id
from glorot.sweeps.settings import Settings

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


# Storing. ------------------------------------------------------------------------------------------


def written(folder, runs, count=None):
    """Runs stored one after the other, in some order; as many as asked for."""
    stored = Store(folder, [run.run_id for run in runs])
    stored.write_sweep("name: x\n", map(settings_of, runs))
    for run in random.Random(1).sample(runs, len(runs))[:count]:
        record = settings_of(run) | {"status": "done", "updates_done": 9, "test_error": float(run.settings.seed)}
        stored.write_run(record, {"seconds": 1.5}, [])
    return stored


def tables(folder):
    return [(folder / name).read_bytes() for name in ("runs.csv", "provenance.csv")]


@pytest.fixture
def runs():
    return expand(config.parse(sweep_of("seed").replace(HUNDRED, ", ".join(map(str, range(120)))), "x.yaml"))


def test_storing_a_run_does_not_grow_with_the_sweep(tmp_path, monkeypatch, runs):
    """Counted in rows of tables written. What comes out is the same."""
    rows = []
    monkeypatch.setattr(
        store, "csv_text", lambda some, header, real=store.csv_text: rows.append(len(some)) or real(some, header)
    )
    monkeypatch.setattr(store, "SMALL", 10)
    stored = written(tmp_path / "journal", runs)
    assert Store(tmp_path / "journal").statuses().keys() == {run.run_id for run in runs}  # in the middle of a sweep
    stored.fold()
    assert sum(rows) < 2 * 8 * len(runs)
    monkeypatch.setattr(store, "SMALL", 1000)
    written(tmp_path / "tables", runs)
    assert tables(tmp_path / "journal") == tables(tmp_path / "tables")
    assert {path.name for path in (tmp_path / "journal").iterdir()} == {
        "history",
        "sweep.yaml",
        "runs.csv",
        "provenance.csv",
    }


def test_what_a_crash_leaves_of_a_journal(tmp_path, monkeypatch, runs):
    """Whole lines are results; a torn or damaged one, and what follows it, is done again."""
    monkeypatch.setattr(store, "SMALL", 10)
    runs = runs[:40]
    written(tmp_path / "whole", runs).fold()
    written(tmp_path / "torn", runs, 27)
    journal = tmp_path / "torn" / ".journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) > 3
    for damage in (
        b"".join(lines)[:-5],
        b"".join(lines[:-1]) + lines[-1].replace(b"done", b"dome"),
        b"".join(lines[:-1]) + bytes(80),
    ):
        journal.write_bytes(damage)
        assert len(Store(tmp_path / "torn").read_runs()) == 26
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    missing = Store(tmp_path / "torn")
    with pytest.raises(ResultsError, match=r"cannot write .*: No space left on device; earlier results are intact"):
        missing.fold()
    monkeypatch.undo()
    assert len(missing.read_runs()) == 26
    written(tmp_path / "torn", runs)
    assert tables(tmp_path / "torn") == tables(tmp_path / "whole")


def many(runs, text="a"):
    """Outcomes that are stored together."""
    done = [settings_of(run) | {"status": "done", "updates_done": 9} for run in runs]
    return [Stored(record, {}, [], contents=dict.fromkeys(SUFFIXES) | {"history": text.encode()}) for record in done]


def test_many_runs_wait_for_the_disk_together(tmp_path, monkeypatch, runs):
    """What is lost in a crash of the machine is written again; a log that is torn there has nothing to say."""
    waits = []
    stored = Store(tmp_path)
    stored.write_sweep("name: x\n")
    monkeypatch.setattr(os, "fsync", lambda file: waits.append(file))
    stored.write_runs(many(runs[:40]))
    assert len(waits) == 3  # of the files, and of two tables
    monkeypatch.undo()
    contents = (tmp_path / ".contents").read_bytes()
    files = [stored.history_path(run.run_id) for run in runs[:40]]
    files[0].write_bytes(b"")
    files[1].unlink()
    Store(tmp_path).write_sweep("name: x\n")
    assert [file.read_bytes() for file in files] == [b"a"] * 40
    assert not (tmp_path / ".contents").exists()
    (tmp_path / ".contents").write_bytes(contents[:-1])
    for file in files:
        file.unlink()
    Store(tmp_path).write_sweep("name: x\n")
    assert [file.exists() for file in files] == [True] * 39 + [False]


def test_contents_are_restored_where_the_separator_is_another(tmp_path, monkeypatch, runs):
    r"""Windows has history\ID.csv."""
    paths = {str(Store(tmp_path).history_path(run.run_id)): run.run_id.encode() for run in runs[:20]}
    with monkeypatch.context() as patch:
        patch.setattr(os, "sep", "\\")
        pending.Pending(tmp_path).write({path.replace("/history/", "/history\\"): paths[path] for path in paths})
    pending.Pending(tmp_path).restore()
    assert {path: Path(path).read_bytes() for path in paths} == paths


def test_what_is_written_later_stays(tmp_path, runs):
    """A run that is made anew, together with few or many, is not brought back as it was."""
    stored = Store(tmp_path)
    stored.write_sweep("name: x\n")
    stored.write_runs(many(runs[:20]))
    stored.write_runs(many(runs[:1], "new"))
    stored.write_runs(many(runs[1:20], "newer"))
    Store(tmp_path).write_sweep("name: x\n")
    assert stored.history_path(runs[0].run_id).read_bytes() == b"new"
    assert {stored.history_path(run.run_id).read_bytes() for run in runs[1:20]} == {b"newer"}
    stored.write_runs(many(runs[20:40]))
    stored.fold()
    assert not (tmp_path / ".contents").exists()


def test_no_file_is_written_elsewhere(tmp_path):
    """By a folder of results that somebody else has made."""
    (tmp_path / "x").mkdir()
    for name in ("../../stolen", "history/../../stolen", "/stolen", "history/.hidden", "stolen"):
        (tmp_path / "x" / ".contents").write_bytes(pending._part(name, b"a"))
        Store(tmp_path / "x").write_sweep("name: x\n")
        assert {path.name for path in tmp_path.rglob("*")} == {"x", "sweep.yaml"}
    os.mkfifo(tmp_path / "x" / ".contents")
    with pytest.raises(ResultsError, match="expected a file, found a pipe"):
        Store(tmp_path / "x").write_sweep("name: x\n")


def test_a_full_disk_while_many_runs_are_stored(tmp_path, monkeypatch, runs):
    stored = Store(tmp_path)
    stored.write_sweep("name: x\n")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ResultsError, match=r"cannot write .*: No space left on device; earlier results are intact"):
        stored.write_runs(many(runs[:20]))
    monkeypatch.undo()
    assert (tmp_path / ".contents").read_bytes() == b""
    assert not (tmp_path / "history").exists()
    stored.write_runs(many(runs[:20]))
    assert len(stored.statuses()) == 20


@pytest.mark.slow
def test_a_sweep_that_is_killed_between_two_tables(tmp_path, glorot):
    """Through real processes: the report has what was stored, and the next run completes it."""
    (tmp_path / "tiny.yaml").write_text(sweep_of("seed").replace(HUNDRED, "0, 1, 2, 3, 4, 5"))
    small = ["--set", "evaluate_every=9", "--set", "width=6", "--set", "depth=1"]
    small += ["--set", "test_examples=20", "--set", "valid_examples=20"]
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'run' in sys.argv:\n"
        "    from glorot.execution import execute\n"
        "    from glorot.results import journal, store\n"
        "    store.SMALL, execute.STORE_SECONDS = 2, 0\n"
        "    add = journal.Journal.add\n"
        "    def killed(self, rows):\n"
        "        add(self, rows)\n"
        "        os._exit(9)\n"
        "    journal.Journal.add = killed\n"
    )
    killed = glorot("run", "tiny.yaml", "-j1", *small, PYTHONPATH=str(tmp_path))
    assert killed.returncode == 9, killed.stderr
    assert "6 runs: 3 done, 3 missing; no process runs it now" in glorot("status", "tiny-trial").stdout
    assert glorot("run", "tiny.yaml", *small).returncode == 0
    assert glorot("run", "tiny.yaml", *small, "-o", "whole").returncode == 0
    folders = [tmp_path / output / "tiny-trial" for output in ("results", "whole")]
    assert len({(folder / "runs.csv").read_bytes() for folder in folders}) == 1
    assert not (folders[0] / ".journal").exists()
