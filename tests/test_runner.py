"""The runner in-process: plans, what is checked before, and what becomes of workers that misbehave."""

import math
import multiprocessing
import os
import signal
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from glorot.cli import progress
from glorot.datasets import DataFile, loading
from glorot.errors import DataError, ResultsError, SweepError
from glorot.execution import engine, execute, processes, status
from glorot.execution import plan as plans
from glorot.execution.engine import Progress, Tasks
from glorot.execution.processes import Processes
from glorot.execution.status import ProgressFile, lock_of, read_status
from glorot.results.store import Store, settings_of
from glorot.sweeps import config
from glorot.training.cell import Outcome, failure, provenance

TEXT = """\
base: {dataset: shapeset, activation: tanh, depth: 1, width: 4, learning_rate: 0.1, updates: 10}
grid:
  seed: [0, 1, 2, 3, 4]
"""
THREE = "base: {activation: tanh, learning_rate: 0.1, updates: 10}\ngrid: {dataset: [shapeset, mnist, cifar10]}\n"
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def a_plan(tmp_path, text=TEXT, **options):
    return plans.make_plan(plans.Request(config.parse(text, "a.yaml"), **options), tmp_path)


def an_outcome(status="done"):
    values = {"train_loss": 1.5, "valid_loss": 1.5, "valid_error": 50.0, "test_loss": 1.5, "test_error": 51.0}
    result = {"status": status, "updates_done": 10} | (values if status == "done" else {})
    return Outcome(result, [{"update": 10, "examples": 100, **values}], provenance(STARTED, 1.0, 1))


def tasks(folder):
    return Tasks(folder, folder, False)


def store(plan, run, outcome):
    plan.store.write_run({**settings_of(run), **outcome.result}, outcome.provenance, outcome.history)


def test_a_sweep_that_ran_on_a_gpu_has_a_status(tmp_path):
    """Not "5 missing", planned for the CPU."""
    plan = a_plan(tmp_path, device="cuda")
    for run in plan.runs[:3]:
        store(plan, run, an_outcome())
    found = plans.plan_of_stored(plan.request.sweep, tmp_path)
    assert (found.request.device, len(found.to_do)) == ("cuda", 2)


class Record:
    """An observer that takes notes."""

    def __init__(self):
        self.said = []

    def started(self, run):
        self.said.append(("started", run.settings.seed))

    def progressed(self, run, update, row):
        self.said.append(("progressed", run.settings.seed, update, row))

    def finished(self, run, outcome):
        self.said.append(("finished", run.settings.seed, outcome.status, outcome.provenance.get("reason")))

    def noted(self, text):
        self.said.append(("noted", text))


# Plans. --------------------------------------------------------------------------------------------


def test_plan_leaves_out_what_was_run(tmp_path):
    first = a_plan(tmp_path)
    assert [run.settings.seed for run in first.to_do] == [0, 1, 2, 3, 4]
    assert not list(tmp_path.iterdir())
    store(first, first.runs[0], an_outcome())
    store(first, first.runs[2], an_outcome("diverged"))
    store(first, first.runs[3], failure("no luck", STARTED))
    assert [run.settings.seed for run in a_plan(tmp_path).to_do] == [1, 4]
    assert [run.settings.seed for run in a_plan(tmp_path, retry_failed=True).to_do] == [1, 3, 4]
    assert [run.settings.seed for run in a_plan(tmp_path, rerun=True).to_do] == [0, 1, 2, 3, 4]
    some = a_plan(tmp_path, only=["seed=0", "seed=3"])
    assert [run.settings.seed for run in some.selected] == [0, 3]
    assert [run.settings.seed for run in some.to_do] == []
    assert some.runs == first.runs
    assert plans.tally(some) == {"done": 1, "diverged": 0, "failed": 1}
    with pytest.raises(SweepError, match="expected seed to be one of 0"):
        a_plan(tmp_path, only=["seed=9"])


def test_troubles_name_reason_and_traceback(tmp_path):
    plan = a_plan(tmp_path)
    store(plan, plan.runs[0], an_outcome())
    store(plan, plan.runs[1], an_outcome("diverged"))
    store(plan, plan.runs[2], failure("no luck", STARTED))
    ended = execute.Ended(plan.store, tmp_path, ProgressFile(tmp_path), Record())
    ended.add(plan.runs[3], failure("a bug", STARTED, "Traceback ...\n"))
    ended.store()
    details = plans.traceback_file(plan.store, plan.runs[3])
    assert [(run.settings.seed, what) for run, what in plans.troubles(plan)] == [
        (1, "diverged: the loss was not finite any more after 10 updates"),
        (2, "failed: no luck"),
        (3, f"failed: a bug (traceback in {details})"),
    ]
    assert details.read_text() == "Traceback ...\n"
    ended.add(plan.runs[3], an_outcome())
    ended.store()
    assert not details.parent.exists()


@pytest.mark.parametrize("traceback", ["", "Traceback ...\nValueError: \udcff\n"])
def test_a_failure_takes_the_place_of_no_result(traceback, tmp_path):
    """A run that is made again and fails keeps what is stored of it. What happened is said, until it succeeds."""
    plan, record = a_plan(tmp_path, rerun=True), Record()
    for run, ended_as in zip(plan.runs[:3], ("done", "diverged", "failed"), strict=True):
        store(plan, run, an_outcome(ended_as))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ended = execute.Ended(plan.store, tmp_path, ProgressFile(tmp_path), record)
    for run in plan.runs[:2]:
        ended.add(run, failure("killed", STARTED, traceback))
    ended.store()
    assert {path: path.read_bytes() for path in before} == before
    details = [plans.traceback_file(plan.store, run) for run in plan.runs[:2]]
    assert details[0].read_bytes() == (traceback.replace("\udcff", r"\udcff") or "killed\n").encode()
    assert [one[1] for one in record.said if one[0] == "noted"] == [
        f"run {run.run_id} has a result from before, which is kept" for run in plan.runs[:2]
    ]
    assert plans.tally(plan) == {"done": 1, "diverged": 1, "failed": 1}
    assert plans.kept_results(plan) == plan.runs[:2]
    told = [what for run, what in plans.troubles(plan) if run == plan.runs[0]]
    assert told == [f"failed when it was made again (why: {details[0]}); its earlier result is kept"]
    assert [run.settings.seed for run in a_plan(tmp_path).to_do] == [3, 4]
    assert [run.settings.seed for run in a_plan(tmp_path, retry_failed=True).to_do] == [0, 1, 2, 3, 4]
    for run in plan.runs[:2]:
        ended.add(run, an_outcome())
    ended.store()
    assert plans.kept_results(plan) == []
    assert not details[0].parent.exists()


@pytest.mark.parametrize(
    ("runs", "jobs", "expected"),
    [(9, None, (4, 1)), (1, None, (1, 4)), (2, None, (2, 2)), (3, None, (3, 1)), (9, 2, (2, 2)), (9, 16, (9, 1))],
)
def test_cores_are_shared(runs, jobs, expected, monkeypatch):
    """Four cores: as many runs side by side as there are, threads where cores are left."""
    monkeypatch.setattr(processes, "cores", lambda: 4)
    assert processes.share_cores(runs, jobs) == expected


def test_cores_are_those_this_process_may_use():
    assert 1 <= processes.cores() <= os.cpu_count()


# Data. ---------------------------------------------------------------------------------------------


def test_missing_data_is_named_with_what_runs_without_it(tmp_path):
    plan = a_plan(tmp_path, THREE)
    assert list(plans.missing_data(plan, tmp_path)) == ["mnist", "cifar10"]
    with pytest.raises(DataError) as error:
        plans.check_data(plan, tmp_path / "nowhere")
    lines = str(error.value).splitlines()
    assert lines[0].startswith(f"data set mnist is not there: expected {tmp_path}/nowhere/mnist/train-images")
    assert lines[1].startswith("data set cifar10 is not there")
    assert lines[2].startswith(f"the folder of the data sets, {tmp_path}/nowhere, does not exist")
    assert lines[3:] == ["to run what needs none of these: --only dataset=shapeset"]
    plans.check_data(a_plan(tmp_path, THREE, only=["dataset=shapeset"]), tmp_path / "nowhere")


def test_only_data_of_runs_to_do_is_needed(tmp_path):
    plan = a_plan(tmp_path, THREE)
    for run in plan.runs[1:]:
        store(plan, run, an_outcome())
    plans.check_data(a_plan(tmp_path, THREE), tmp_path / "nowhere")


@pytest.mark.parametrize("status", ["wrong checksum: found 12", "unreadable: Permission denied"])
def test_wrong_data_is_refused(status, tmp_path, monkeypatch):
    file = DataFile(Path("there") / "a.gz", "34")
    monkeypatch.setattr(loading, "missing_files", lambda name, folder: [])
    monkeypatch.setattr(loading, "verify", lambda name, folder: [(file, status)] if name == "mnist" else [])
    with pytest.raises(DataError) as error:
        plans.check_data(a_plan(tmp_path, THREE), tmp_path)
    assert str(error.value) == (
        f"data set mnist: there/a.gz: {status}, expected SHA-256 34; get it again with `glorot data fetch mnist`"
    )


# Workers. ------------------------------------------------------------------------------------------


def fake_work(connection, gpu, folder):
    """In place of a worker's life: each seed has its own fate. Runs in a spawned process."""
    while True:
        try:
            run, tasks = connection.recv()
        except EOFError:
            return
        if run.settings.seed == 1:
            os._exit(3)
        if run.settings.seed == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        if run.settings.seed == 3:
            row = {"threads": tasks.threads, "valid_error": 50.0, "blas": int(os.environ["OMP_NUM_THREADS"])}
            connection.send(Progress(5, row))
        connection.send(an_outcome())


@pytest.mark.parametrize("jobs", [1, 3])
def test_dead_workers_take_only_their_run_with_them(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_work", fake_work)
    monkeypatch.setattr(processes, "cores", lambda: 2 * jobs)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    plan = a_plan(tmp_path)
    record = Record()
    execute.execute(plan.to_do, plan.store, Processes(tasks(tmp_path), jobs), tmp_path, record)
    ended = {one[1]: one[2:] for one in record.said if one[0] == "finished"}
    assert ended == {
        0: ("done", None),
        1: ("failed", "its process ended with exit code 3"),
        2: ("failed", "its process was ended by SIGSEGV"),
        3: ("done", None),
        4: ("done", None),
    }
    assert [one[2:] for one in record.said if one[0] == "progressed"] == [
        (5, {"threads": 2, "valid_error": 50.0, "blas": 1})
    ]
    assert [one[1] for one in record.said if one[0] == "started"] == [0, 1, 2, 3, 4]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert plan.store.statuses() == {run.run_id: ended[run.settings.seed][0] for run in plan.runs}
    assert multiprocessing.active_children() == []


def test_how_a_process_ended_where_there_is_no_sigkill(monkeypatch):
    """As on Windows: a dead worker must not end the sweep there."""
    monkeypatch.delattr(signal, "SIGKILL")
    assert processes._how_it_ended(3) == "its process ended with exit code 3"
    assert processes._how_it_ended(0xC0000005) == "its process ended with exit code 3221225477"
    assert processes._how_it_ended(None) == "its process ended with exit code None"
    assert processes._how_it_ended(-9) == "its process was killed (SIGKILL); did the memory run out?"


def test_results_that_cannot_be_stored_end_the_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_work", fake_work)
    plan = a_plan(tmp_path)

    def full_disk(*arguments):
        raise ResultsError("cannot write: no space")

    monkeypatch.setattr(Store, "write_runs", full_disk)
    with pytest.raises(ResultsError, match="no space"):
        execute.execute(plan.to_do, plan.store, Processes(tasks(tmp_path), 2), tmp_path, Record())
    assert multiprocessing.active_children() == []


def test_results_wait_until_they_are_stored(tmp_path, monkeypatch):
    """A disk that is full for a while loses none."""
    plan = a_plan(tmp_path)
    ended = execute.Ended(plan.store, tmp_path, ProgressFile(tmp_path), Record())
    ended.add(plan.runs[0], an_outcome())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(ResultsError, match="No space left"):
            ended.store()
    ended.add(plan.runs[1], an_outcome())
    ended.store()
    ended.store()
    assert plan.store.statuses() == {run.run_id: "done" for run in plan.runs[:2]}
    assert len([one for one in ended.observer.said if one[0] == "finished"]) == 2


def test_fail_fast_stops_at_the_first_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_work", fake_work)
    plan, record = a_plan(tmp_path), Record()
    execute.execute(plan.to_do, plan.store, Processes(tasks(tmp_path), 1), tmp_path, record, fail_fast=True)
    assert [one[:3] for one in record.said if one[0] == "finished"] == [
        ("finished", 0, "done"),
        ("finished", 1, "failed"),
    ]
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("error", "reason", "traced"),
    [
        (DataError("x.gz: expected 1\nfound 2"), "x.gz: expected 1; found 2", False),
        (BrokenPipeError(32, "Broken pipe"), "BrokenPipeError: [Errno 32] Broken pipe", True),  # not of the parent
        (ValueError("first line\nsecond line"), "ValueError: first line", True),
        (AssertionError(), "AssertionError", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_error_in_a_cell_is_its_outcome(error, reason, traced, tmp_path, monkeypatch):
    def raises(*arguments):
        raise error

    monkeypatch.setattr(engine, "run_cell", raises)
    run = a_plan(tmp_path).runs[0]
    outcome = processes._outcome(run, tasks(tmp_path), None)
    assert (outcome.status, outcome.provenance["reason"]) == ("failed", reason)
    assert outcome.traceback.startswith("Traceback") == traced
    store(a_plan(tmp_path), run, outcome)


def test_one_writer_at_a_time(tmp_path):
    with execute._alone_in(tmp_path / "new" / "folder", Record()):
        with (
            pytest.raises(ResultsError, match="another glorot is writing to"),
            execute._alone_in(tmp_path / "new/folder", Record()),
        ):
            pass
        with execute._alone_in(tmp_path / "other", Record()):
            pass
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    with execute._alone_in(tmp_path / "new" / "folder", Record()):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="--output"), execute._alone_in(tmp_path / "file" / "folder", Record()):
        pass


def test_progress_goes_on_after_the_clock_was_set_back(tmp_path, monkeypatch):
    ticks, dates = iter(range(5, 100, 2)), iter(range(10**9, 0, -3600))
    clock = SimpleNamespace(monotonic=lambda: next(ticks), time=lambda: next(dates))
    monkeypatch.setattr(status, "time", clock)
    run = a_plan(tmp_path).runs[0]
    file = ProgressFile(tmp_path)
    for update in (2, 4, 6):
        file.add(run, update, {"valid_error": 50.0})
    with lock_of(tmp_path):
        [running] = read_status(tmp_path, [run]).running
    assert (running.update, running.seconds_left) == (6, 4.0)  # 4 updates in 4 seconds, and 4 to go


# What is said. -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (4.16, "4.2 s"), (9.96, "10 s"), (99.4, "99 s"), (100, "2 min"), (5900, "98 min"),
     (12_240, "3.4 h"), (864_000, "240.0 h")],
)  # fmt: skip
def test_durations(seconds, text):
    assert progress.duration(seconds) == text


def test_titles_and_outcomes(tmp_path):
    method = "{method: {'Tanh [N]': {activation: tanh}}, learning_rate: [0.1], size: {small: {width: 3}}}"
    several = a_plan(tmp_path, f"base: {{dataset: mnist, updates: 10}}\ngrid: {method}\n").runs[0]
    assert progress.title(several) == "Tanh [N], learning_rate 0.1, size small"
    single = a_plan(tmp_path, THREE.partition("grid")[0].replace("{", "{dataset: mnist, ")).runs[0]
    assert progress.title(single) == "Tanh, mnist"
    assert progress.outcome_text(an_outcome()) == "test error 51.00 %, 10 updates in 1.0 s"
    assert progress.outcome_text(an_outcome("diverged")) == "diverged after 10 updates in 1.0 s"
    assert progress.outcome_text(failure("no luck", STARTED)) == "failed: no luck"
    assert len(progress.outcome_text(failure(150_000 * "x", STARTED))) < 1100


def test_display_elsewhere_than_on_a_terminal(tmp_path, capsys, monkeypatch):
    """A line a run, whatever the environment says of colours; with markup as plain text."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    runs = a_plan(tmp_path, TEXT.replace("seed: [0, 1, 2, 3, 4]", 'm: {"[b]": {seed: 1}, "[/b]": {seed: 2}}')).runs
    row = {"update": 5, "valid_error": 50.0, "valid_loss": 1.5, "test_error": math.pi}
    monkeypatch.setattr(progress, "MINUTE", 0.0)
    with progress.Display(runs[:1]) as display:  # a line per minute: a log of a long run is no silence
        display.started(runs[0])
        display.progressed(runs[0], 5, row)
        display.finished(runs[0], an_outcome())
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("m [b]: 5 of 10 updates, valid 50.00 %")
    monkeypatch.setattr(progress, "MINUTE", 60.0)
    with progress.Display(runs) as display:
        for run in runs:
            display.started(run)
            display.progressed(run, 5, row)
            display.finished(run, an_outcome() if run == runs[0] else failure("no luck", STARTED, "Traceback"))
    assert capsys.readouterr().err == (
        "[1/2] m [b]: test error 51.00 %, 10 updates in 1.0 s\n[2/2] m [/b]: failed: no luck\n"
    )
    with progress.Display(runs[1:], ended=1) as display:  # goes on where an earlier command was
        display.started(runs[1])
        display.finished(runs[1], an_outcome())
    assert capsys.readouterr().err == "[2/2] m [/b]: test error 51.00 %, 10 updates in 1.0 s\n"
    with progress.Display(runs[1:], quiet=True, verbose=True) as display:
        display.started(runs[1])
        display.finished(runs[1], failure("no luck", STARTED, "Traceback\nof two lines\n"))
    assert capsys.readouterr().err == "[1/1] m [/b]: failed: no luck\nTraceback\nof two lines\n"
