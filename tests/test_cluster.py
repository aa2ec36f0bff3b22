"""Sweeps on a Dask cluster of real processes on loopback: the same bytes as on one machine, whatever dies."""

import itertools
import math
import os
import queue
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from glorot.errors import ClusterError
from glorot.results.store import Store

pytest.importorskip("distributed", reason="needs glorot[dask]")

from glorot.execution import cluster, dask_engine, versions
from glorot.execution.engine import GivenBack, Progress, Tasks
from glorot.sweeps import config
from glorot.sweeps.runs import expand

SWEEP = """
name: long
base: {dataset: shapeset, width: 40, depth: 2, learning_rate: 0.03, batch_size: 500, updates: 600,
       evaluate_every: 200, valid_examples: 500, test_examples: 500, checkpoint_minutes: 0}
grid:
  activation: [tanh, sigmoid]
  initializer: [standard, normalized]
"""
ONE_LONG = """
name: long
base: {dataset: shapeset, width: 300, depth: 3, learning_rate: 0.03, batch_size: 10, updates: 30000,
       evaluate_every: 5000, valid_examples: 500, test_examples: 500, activation: tanh, initializer: normalized}
grid: {seed: [0]}
"""
SHORT = """
name: long
base: {dataset: shapeset, width: 30, depth: 2, learning_rate: 0.03, batch_size: 100, updates: 300,
       evaluate_every: 50, valid_examples: 300, test_examples: 300, checkpoint_minutes: 0}
grid:
  activation: [tanh, sigmoid]
  initializer: [standard, normalized]
  seed: [0, 1, 2]
"""
FAULT = """
from glorot.training.loop import Training
run = Training.run
def faulty(self, *arguments):
    if self.settings.activation == "sigmoid":
        raise ValueError("a bug")
    return run(self, *arguments)
Training.run = faulty
"""
SBATCH = """#!/bin/sh
mkdir -p "$JOBS"
number=$$
cp "$1" "$JOBS/$number.sh"
setsid sh "$JOBS/$number.sh" > "$JOBS/$number.out" 2>&1 &
echo $! > "$JOBS/$number.pid"
echo "Submitted batch job $number"
"""
SCANCEL = """#!/bin/sh
for number; do kill -TERM -- -$(cat "$JOBS/$number.pid"); done
"""
JOBS = """
jobs: 2
cores: 1
processes: 1
memory: 1GB
queue: normal
walltime: "04:00:00"
worker_extra_args: ["--lifetime", "230m", "--lifetime-stagger", "5m"]
"""
SLOWER = float(os.environ.get("GLOROT_SLOWER", 2))  # than an idle machine of today
OTHER_VERSION = """
import distributed.versions as versions
versions._version_cached = lambda name, real=versions._version_cached: "0.1" if name == "numba" else real(name)
"""


def until(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


class Processes:
    """A scheduler, its workers and drivers of sweeps, each a process in a group of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.all: list[subprocess.Popen] = []
        self.address = ""
        self.results = folder / "results"
        self.mark = f"{folder}."  # in the environment of all that it starts, and of what these start
        (folder / "long.yaml").write_text(SWEEP)

    def start(self, *command: str, **variables: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, *command], env=os.environ | {"GLOROT_TEST": self.mark} | variables,
            start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE if "glorot" in command else subprocess.DEVNULL,
        )  # fmt: skip
        self.all.append(process)
        return process

    def scheduler(self) -> subprocess.Popen:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        process = self.start(
            "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", str(file),
        )  # fmt: skip
        until(lambda: file.exists() and '"address"' in file.read_text())
        self.address = file.read_text().partition('"address": "')[2].partition('"')[0]
        return process

    def worker(self, *options: str, nanny: bool = False, **variables: str) -> subprocess.Popen:
        """With a cache of states of its own, as on a machine of its own; compiled kernels are shared."""
        cache = self.folder / f"cache{len(self.all)}"
        cache.mkdir()
        (cache / "kernels").symlink_to(Path(os.environ["GLOROT_CACHE"]) / "kernels")
        return self.start(
            "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--host", "127.0.0.1",
            "--nanny" if nanny else "--no-nanny", "--no-dashboard", "--death-timeout", "30",
            "--local-directory", str(self.folder), *options,
            **{"GLOROT_CACHE": str(cache), **variables},
        )  # fmt: skip

    def command(self, *options: str) -> list[str]:
        where = ["-o", str(self.results), "--cluster", self.address]
        return ["-m", "glorot", "run", str(self.folder / "long.yaml"), *where, *options]

    def drive(self, *options: str) -> subprocess.Popen:
        (self.folder / "cache").mkdir(exist_ok=True)
        return self.start(*self.command(*options), GLOROT_CACHE=str(self.folder / "cache"))

    def finish(self, *options: str) -> str:
        """What it said."""
        process = self.drive(*options)
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return said

    def stored(self) -> dict[str, bytes]:
        return stored(self.results / "long")

    def progress(self) -> bool:
        return (self.results / "long" / ".progress.json").exists()

    def left(self) -> list[str]:
        """The processes that live of all that were started, and of theirs."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"GLOROT_TEST={self.mark}\0".encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
        return found

    def end(self) -> None:
        for process in self.all:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def stored(results: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(results)): path.read_bytes() for path in results.rglob("*") if path.is_file()}
    return {name: data for name, data in files.items() if name != "provenance.csv" and not name.startswith(".")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "long.yaml").write_text(SWEEP)
    where = ["-o", str(folder), "--checkpoints", str(folder / "states")]
    command = [sys.executable, "-m", "glorot", "run", str(folder / "long.yaml"), "-q", *where]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return stored(folder / "long")


@pytest.fixture
def processes(tmp_path):
    found = Processes(tmp_path)
    yield found
    found.end()


# Real processes. -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_worker_a_late_one_and_one_that_cannot_write(processes, undisturbed):
    """The killed worker's cell goes on elsewhere; a cache that cannot be written is told and changes nothing."""
    processes.scheduler()
    first = processes.worker()
    (processes.folder / "file").touch()
    processes.worker(GLOROT_CACHE=str(processes.folder / "file" / "cache"))
    driver = processes.drive("--checkpoints", str(processes.folder / "shared" / "states"), "-j", "3")
    until(processes.progress)
    first.kill()
    processes.worker()
    _, said = driver.communicate(timeout=300)
    assert driver.returncode == 0, said
    assert processes.stored() == undisturbed
    hosts = Store(processes.folder / "results" / "long").read_provenance()["host"]
    assert len(hosts) == 4
    assert set(hosts) == {os.uname().nodename}


@pytest.mark.slow
def test_an_interrupted_or_killed_driver_goes_on(processes, undisturbed):
    """States come back to the driver that is interrupted, so that its cells can go on anywhere."""
    processes.scheduler()
    workers = [processes.worker(), processes.worker(nanny=True)]
    driver = processes.drive()
    until(processes.progress)
    os.killpg(driver.pid, signal.SIGINT)
    _, said = driver.communicate(timeout=60)
    assert (driver.returncode, "the same command goes on from there" in said) == (130, True)
    assert list((processes.folder / "cache" / "checkpoints").glob("*.npz"))
    driver = processes.drive()
    until(processes.progress)
    driver.kill()
    driver.wait()
    os.killpg(workers[1].pid, signal.SIGTERM)  # its walltime ends
    workers[1].wait(60)
    processes.finish()
    assert processes.stored() == undisturbed


@pytest.mark.slow
def test_a_worker_with_other_versions_and_a_scheduler_that_dies(processes, undisturbed):
    """The first is refused before any cell; the second ends everything, and what is stored is kept."""
    scheduler = processes.scheduler()
    (processes.folder / "other.py").write_text(OTHER_VERSION)
    other = processes.worker("--preload", str(processes.folder / "other.py"))
    worker = processes.worker()
    refused = drive_with(processes, 2)
    assert refused.returncode == 2
    said = refused.stderr.read()
    assert "it has numba 0.1, expected" in said
    assert "install the same versions on both sides" in said
    assert not (processes.folder / "results").exists()
    other.terminate()
    other.wait(60)
    driver = processes.drive()
    until(processes.progress)
    scheduler.kill()
    _, said = driver.communicate(timeout=120)
    assert (driver.returncode, "the scheduler of the cluster does not answer any more" in said) == (2, True), said
    worker.wait(60)


def alone(folder: Path, sweep: str) -> dict[str, bytes]:
    """What a sweep stores on this machine."""
    (folder / "long.yaml").write_text(sweep)
    command = [sys.executable, "-m", "glorot", "run", str(folder / "long.yaml"), "-q", "-o", str(folder)]
    subprocess.run([*command, "--checkpoints", str(folder / "states")], check=True, capture_output=True, timeout=600)
    return stored(folder / "long")


@pytest.fixture(scope="module")
def short_alone(tmp_path_factory):
    return alone(tmp_path_factory.mktemp("short"), SHORT)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(("victim", "times"), [("worker", 15), ("scheduler", 8), ("driver", 7)])
def test_kills_at_random_moments(victim, times, processes, short_alone):
    """30 kills in all. Each time the sweep is finished with the same bytes, and in the end no process is left."""
    (processes.folder / "long.yaml").write_text(SHORT)
    moments = random.Random(f"{victim} 23")
    scheduler, workers = processes.scheduler(), [processes.worker() for _ in range(3)]
    began = time.monotonic()
    processes.finish()
    seconds, under_way = time.monotonic() - began, 0
    for number in range(times):
        processes.results = processes.folder / f"results{number}"
        driver = processes.drive()
        time.sleep(moments.uniform(0, 0.8 * seconds))
        under_way += driver.poll() is None
        {"worker": workers[number % 3], "scheduler": scheduler, "driver": driver}[victim].kill()
        _, said = driver.communicate(timeout=300)
        allowed = {"worker": (0,), "scheduler": (0, 2), "driver": (0, -signal.SIGKILL)}[victim]
        assert driver.returncode in allowed, said
        assert "Traceback" not in said, said
        if victim == "worker":
            workers[number % 3] = processes.worker()
        elif victim == "scheduler":
            for worker in workers:  # they end themselves
                worker.wait(120)
            scheduler, workers = processes.scheduler(), [processes.worker() for _ in range(3)]
        if driver.returncode != 0:
            processes.finish()
        assert processes.stored() == short_alone
    assert under_way > times // 4  # others may have slowed down the first sweep alone
    scheduler.terminate()
    until(lambda: all(process.poll() is not None for process in processes.all))
    assert processes.left() == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_what_a_driver_costs():
    """It is 1 to 2 ms of CPU for each run; others may use the machine, too."""
    script = Path(__file__).with_name("pretended.py")
    command = [sys.executable, str(script), "--cells", "300", "--slots", "16", "--looks", "0"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
    milliseconds, percent = map(
        float, re.search(r"driver: (.*) ms of CPU for each cell, (.*) % of a core", told).groups()
    )
    assert 0 < milliseconds < 3 * SLOWER, told
    assert 0 < percent < 5 * SLOWER, told


@pytest.mark.slow
def test_a_worker_that_dies_with_a_result(processes, tmp_path):
    """The result that was not taken yet is computed again; it holds up no other one (distributed #7870)."""
    from distributed import Client

    processes.scheduler()
    workers = {}
    for number in range(2):
        process = processes.worker()
        with Client(processes.address, set_as_default=False) as client:
            client.wait_for_workers(number + 1, timeout=60)
            [address] = client.scheduler_info()["workers"].keys() - workers.keys()
        workers[address] = process
    runs = expand(config.parse(SHORT, "short.yaml"))[:2]
    with cluster.connected(processes.address, 1) as client:
        engine = dask_engine.DaskEngine(client, Tasks(tmp_path, tmp_path / "states", False), "cpu")
        said = []

        def listen(condition):
            until(lambda: said.extend(engine.messages(timeout=0.1)) or condition())
            ended = {run.run_id: message for run, message in said if not isinstance(message, Progress)}
            said.clear()
            return [ended.get(run.run_id) for run in runs]

        take, engine._take = engine._take, lambda: None  # no result is taken until it is asked for
        for run in runs:
            engine.start(run)
        cells = list(engine._cells.values())
        assert listen(lambda: all(cell.member.cell is None for cell in cells)) == [None, None]
        workers[cells[0].member.address].kill()
        engine._in_loop(take)
        lost, other = listen(lambda: not engine._cells)
        assert isinstance(lost, GivenBack)
        assert other.status == "done"
        engine._take = take
        engine.start(runs[0])
        assert listen(lambda: not engine._cells)[0].status == "done"
        assert engine.stop() == []


@pytest.fixture(scope="module")
def one_alone(tmp_path_factory):
    return alone(tmp_path_factory.mktemp("alone"), ONE_LONG)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["lifetime", "SIGTERM"])
def test_a_cell_leaves_a_worker_that_ends(end, processes, one_alone):
    """Its state comes to the driver first, so that it goes on where it was, elsewhere, without a shared folder."""
    (processes.folder / "long.yaml").write_text(ONE_LONG)
    processes.scheduler()
    first = processes.worker(*(["--lifetime", "20s"] if end == "lifetime" else []), nanny=True)
    driver = processes.drive("-v")
    until(processes.progress)
    processes.worker()
    if end == "SIGTERM":
        first.terminate()
    _, said = driver.communicate(timeout=300)
    assert driver.returncode == 0, said
    why = "the lifetime of its worker ends on" if end == "lifetime" else "its worker on"
    before, found, after = said.partition("it goes on elsewhere")
    assert (found, why in before, "update 0:" in before) == ("it goes on elsewhere", True, True), said
    assert "update 0:" not in after  # it was not begun again
    first.wait(60)
    assert processes.stored() == one_alone


@pytest.mark.slow
def test_jobs_of_slurm(glorot, tmp_path):
    """With scripts in place of SLURM's own: sbatch starts a job on this machine, scancel ends it."""
    pytest.importorskip("dask_jobqueue", reason="needs glorot[dask]")
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    (tmp_path / "jobs.yaml").write_text(JOBS)
    (tmp_path / "long.yaml").write_text(SWEEP)
    assert glorot("run", "long.yaml", "-q", "-o", "here").returncode == 0
    variables = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "JOBS": str(tmp_path / "jobs")}
    ended = glorot("run", "long.yaml", "-q", "-o", "there", "--cluster", "slurm:jobs.yaml", **variables)
    assert ended.returncode == 0, ended.stderr
    assert stored(tmp_path / "there" / "long") == stored(tmp_path / "here" / "long")
    scripts = sorted((tmp_path / "jobs").glob("*.sh"))
    assert len(scripts) == 2
    assert all("#SBATCH -p normal" in script.read_text() for script in scripts)
    assert all("--lifetime 230m" in script.read_text() for script in scripts)
    until(lambda: not any(is_alive(int(file.read_text())) for file in (tmp_path / "jobs").glob("*.pid")), 60)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def drive_with(processes: Processes, number: int) -> subprocess.Popen:
    """Run the sweep once so many workers are there."""
    from distributed import Client

    with Client(processes.address, set_as_default=False) as client:
        client.wait_for_workers(number, timeout=60)
    driver = processes.drive()
    driver.wait(120)
    return driver


# Without processes. --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "expected"),
    [("tcp://10.0.0.1:8786", ("tcp", "tcp://10.0.0.1:8786")), ("local:4", ("local", "4")), ("slurm", ("slurm", "")),
     ("slurm:a b.yaml", ("slurm", "a b.yaml"))],
)  # fmt: skip
def test_clusters_are_named(where, expected):
    assert cluster.parsed(where) == expected


@pytest.mark.parametrize("where", ["", "local", "local:0", "tcp://host", "http://a:1", "slurm:", "pbs", "tcp://a b:1"])
def test_other_names_are_refused(where):
    with pytest.raises(ClusterError, match=r"expected --cluster to be tcp://HOST:PORT, local:N, .*; found"):
        cluster.parsed(where)


def test_a_scheduler_that_is_not_there(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with (
        pytest.raises(ClusterError, match="expected a Dask scheduler there"),
        cluster.connected("tcp://127.0.0.1:9", 1),
    ):
        pass


@pytest.mark.parametrize("text", ["jobs: 0\n", "- a\n", "jobs: [1\n", "jobs: true\n"])
def test_options_of_slurm_that_are_refused(text, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ClusterError, match=r"a\.yaml"):
        cluster.read_options(tmp_path / "a.yaml")


@pytest.mark.slow
def test_jobs_of_dask_jobqueue_on_this_machine():
    """Its LocalCluster starts a job's script here, where SLURMCluster gives it to sbatch."""
    jobqueue = pytest.importorskip("dask_jobqueue.local", reason="needs glorot[dask]")
    from distributed import Client

    options = {"jobs": 1, "cores": 1, "processes": 1, "memory": "1GB"}
    with cluster.jobs_of(jobqueue.LocalCluster, "local", options) as jobs, Client(jobs, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=120)
    with pytest.raises(ClusterError, match="does not take these options"):
        cluster.jobs_of(jobqueue.LocalCluster, "local", {"corse": 1})


def an_engine():
    """An engine without a cluster."""
    engine = dask_engine.DaskEngine.__new__(dask_engine.DaskEngine)
    engine.members, engine._cells, engine._deaths, engine.device = {}, {}, {}, "cuda"
    engine.client = type("Client", (), {"run": lambda *arguments, **options: None})()
    engine.tasks, engine.is_shared, engine._topic = Tasks(Path(), Path(), True), False, "topic"
    engine._begun, engine._inbox, engine._started, engine._looked = [], queue.SimpleQueue(), 0, math.inf
    return engine


def test_cells_are_sent_together(tmp_path):
    """Dask's thread is woken once for all; a cell whose worker is gone by then is not sent."""
    engine, sent = an_engine(), []
    engine.members = {f"tcp://{i}": dask_engine.Member(f"tcp://{i}", 1, "h") for i in range(4)}
    engine.client.loop = type("Loop", (), {"add_callback": lambda self, do, cells: sent.append(cells)})()
    engine.client.status, engine.client.sync = "running", lambda *arguments: None
    runs = expand(config.parse(SHORT, "short.yaml"))[:4]
    for run in runs:
        engine.start(run)
    [first, *others] = engine._cells.values()
    [(run, message)] = engine._lost(first, "gone")
    assert (run, type(message)) == (runs[0], GivenBack)
    list(engine.messages(timeout=0))
    assert sent == [[first, *others]]
    submitted = []
    engine.client.submit = lambda *arguments, key, **options: submitted.append(key) or 1 / 0  # the connection is lost
    engine._submit(sent[0])
    assert submitted == [cell.key for cell in others]
    list(engine.messages(timeout=0))
    assert len(sent) == 1


def test_a_cell_that_kills_three_workers_has_failed():
    """Unless it got further from one to the next: then its state was saved, and it is no cell that kills."""
    engine, run = an_engine(), type("Run", (), {"run_id": "a"})

    def die(update, host):
        member = dask_engine.Member("tcp://w", 1, host)
        [(_, message)] = engine._died(dask_engine.Cell("key", run, member, None, update=update), "its worker is gone")
        return message

    assert isinstance(die(10, "h1"), GivenBack)
    assert isinstance(die(10, "h2"), GivenBack)
    assert isinstance(die(20, "h3"), GivenBack)
    assert isinstance(die(20, "h4"), GivenBack)
    failed = die(5, "h5")
    assert failed.status == "failed"
    assert failed.provenance["reason"].startswith("3 workers died while they were at it (h3, h4, h5)")


def test_one_worker_for_each_gpu_of_a_host():
    engine = an_engine()
    members = [dask_engine.Member(f"tcp://{i}", 1, host) for i, host in enumerate("aaab")]
    for member in members:
        engine._give_gpu(member, ["0", "1"])
    assert [member.gpu for member in members] == ["0", "1", "", "0"]
    assert members[2].refused == "the 2 GPUs of a are taken by its other workers"


def test_versions_are_compared():
    ours = {"host": {"python": "3.11.7.final.0"}, "packages": dict.fromkeys(versions.PACKAGES, "1.0")}
    patched = {"host": {"python": "3.11.9.final.0"}, "packages": dict(ours["packages"])}
    assert versions.differences(ours, patched) == ""
    other = {"host": {"python": "3.12.1.final.0"}, "packages": ours["packages"] | {"numpy": "2.0", "glorot": None}}
    assert versions.differences(ours, other) == (
        "it has python 3.12, expected 3.11; numpy 2.0, expected 1.0; glorot none, expected 1.0; install the same "
        "versions on both sides"
    )


@pytest.mark.slow
def test_failed_runs_are_tried_again_on_a_cluster(glorot, tmp_path):
    """What failed on one machine is done there, if --retry-failed asks for it."""
    (tmp_path / "long.yaml").write_text(SWEEP)
    assert glorot("run", "long.yaml", "-o", "whole").returncode == 0
    (tmp_path / "sitecustomize.py").write_text(FAULT)
    failed = glorot("run", "long.yaml", PYTHONPATH=str(tmp_path))
    assert "2 done, 2 failed" in failed.stderr
    assert glorot("run", "long.yaml", "--cluster", "local:1").returncode == 1  # only what is asked for is tried again
    ended = glorot("run", "long.yaml", "--cluster", "local:1", "--retry-failed")
    assert ended.returncode == 0, ended.stderr
    assert "2 done, 2 to do" in ended.stderr
    assert stored(tmp_path / "results" / "long") == stored(tmp_path / "whole" / "long")


def test_a_search_and_a_folder_of_images_on_a_cluster(glorot, tmp_path):
    """Both stages of a search, and a data set that was built here and is sent: the same bytes as without a cluster."""
    for place, colour in itertools.product("ab", range(20)):
        (tmp_path / "images" / place).mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 5 * colour + 100 * (place == "b")).save(tmp_path / "images" / place / f"{colour}.png")
    base = "depth: 1, width: 4, updates: 30, evaluate_every: 10, valid_examples: 50, test_examples: 50"
    (tmp_path / "both.yaml").write_text(
        f"base: {{activation: tanh, {base}}}\n"
        "grid:\n  dataset: {Shapes: {dataset: shapeset}, Mine: {dataset: {folder: images, size: [4, 4]}}}\n"
        "  learning_rate: [0.1, 0.03]\nselect: {over: [learning_rate]}\nsearch: {updates: 10}\n"
    )
    assert glorot("run", "both.yaml", "-q", "-o", "here").returncode == 0
    ended = glorot("run", "both.yaml", "-q", "-o", "there", "--cluster", "local:2")
    assert ended.returncode == 0, ended.stderr
    assert stored(tmp_path / "there" / "both") == stored(tmp_path / "here" / "both")


@pytest.mark.slow
def test_a_plugin_on_a_cluster(glorot, tmp_path):
    """Its content goes to the workers: they have never seen the file."""
    assert glorot("new", "--plugin", "my_units.py").returncode == 0
    (tmp_path / "study.yaml").write_text(
        "base: {dataset: shapeset, learning_rate: 0.1, depth: 1, width: 4, updates: 30, evaluate_every: 10,\n"
        "       valid_examples: 50, test_examples: 50}\n"
        "grid: {activation: [tanh, swish], initializer: [two_values], seed: [0, 1]}\nplugins: [my_units.py]\n"
    )
    assert glorot("run", "study.yaml", "-q", "-o", "here", "--plugin", "my_units.py").returncode == 0
    ended = glorot("run", "study.yaml", "-q", "-o", "there", "--plugin", "my_units.py", "--cluster", "local:2")
    assert ended.returncode == 0, ended.stderr
    assert stored(tmp_path / "there" / "study") == stored(tmp_path / "here" / "study")
