"""What the machine and its user do around a sweep, through real processes: streams that fail, odd folders and
environments. None of it changes a result, or ends a sweep without a word."""

import contextlib
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from glorot import api, machine
from glorot.cli import faults
from glorot.cli.main import cli
from glorot.datasets import wordnet
from glorot.errors import GlorotError
from glorot.execution import cluster

SWEEP = """
name: tiny
base: {dataset: shapeset, width: 6, depth: 1, learning_rate: 0.1, updates: 20, evaluate_every: 10,
       valid_examples: 40, test_examples: 40, activation: tanh}
grid: {seed: [0, 1, 2]}
"""
SLOW = pytest.mark.slow
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
        pytest.param(
            "glorot run tiny.yaml -v 2>&1 >/dev/null | head -1; exit ${PIPESTATUS[0]}", marks=pytest.mark.slow
        ),
        pytest.param("glorot run tiny.yaml 2>&-", marks=pytest.mark.slow),
        "glorot run tiny.yaml >&- 2>&- <&-",
        pytest.param("glorot run tiny.yaml 2>/dev/full", marks=NEEDS_DEV_FULL),
        pytest.param("glorot run tiny.yaml -v --retry-failed 2>/dev/full", marks=[NEEDS_DEV_FULL, SLOW]),
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


def test_who_reads_stdout_may_stop_early(tiny, shell):
    """Nothing is read, by a reader that has ended before glorot writes."""
    assert shell("glorot run tiny.yaml").returncode == 0
    for command in ("run tiny.yaml", "run tiny.yaml -n", "run --help", "list", "report tiny"):
        ended = shell(f"glorot {command} | true; exit ${{PIPESTATUS[0]}}")
        found = ended.returncode, "Traceback" in ended.stderr, "Error" in ended.stderr
        assert found == (0, False, False), (command, ended.stderr)


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


# Where it runs. ------------------------------------------------------------------------------------


def test_nothing_is_imported_from_the_working_folder(tiny, glorot):
    """Nor by the processes that are started there, which begin with Python's own modules."""
    for name in ("signal", "socket", "struct", "pickle", "numpy", "selectors", "multiprocessing"):
        (tiny / f"{name}.py").write_text('raise SystemExit("imported from the working folder")\n')
    ended = glorot("run", "tiny.yaml", "-j2")
    assert ended.returncode == 0, ended.stderr
    assert statuses(tiny / "results" / "tiny") == ["done"] * 3


def test_a_tilde_is_the_users_folder_everywhere(tiny, glorot):
    """Also where no shell has seen it. A folder that is called ~ is made nowhere."""
    (tiny / "home" / "sweeps").mkdir(parents=True)
    (tiny / "tiny.yaml").rename(tiny / "home" / "sweeps" / "tiny.yaml")
    home = {"HOME": str(tiny / "home"), "GLOROT_CACHE": "~/cache", "GLOROT_DATA": "~/data"}
    (tiny / "home" / "cache").symlink_to(os.environ["GLOROT_CACHE"])
    options = ["--output=~/out", "--checkpoints=~/states"]
    assert glorot("run", "~/sweeps/tiny.yaml", "-q", *options, **home).returncode == 0
    assert sorted(path.name for path in (tiny / "home").iterdir()) == ["cache", "out", "states", "sweeps"]
    for command in (["report", "~/sweeps/tiny.yaml"], ["status", "~/out/tiny"]):
        assert glorot(*command, "--output=~/out", **home).returncode == 0
    assert str(tiny / "home" / "data") in glorot("data", "list", **home).stdout
    nobody = glorot("report", "-o", "~no_such_user/x")
    assert (nobody.returncode, "~no_such_user/x: expected ~ to stand for a known folder" in nobody.stderr) == (2, True)
    assert [path.name for path in tiny.iterdir()] == ["home"]


IN_A_TILDE = {
    "--plugin": (["list", "--plugin=~/none.py"], "{home}/none.py: cannot read the plug-in"),
    "a data set to show": (["data", "show", "{arrays: ~/none.npz}"], "{home}/none.npz: cannot read it"),
    "a data set to convert": (["data", "convert", "{svmlight: ~/none}", "to"], "{home}/none: cannot read it"),
    "--dataset": (["inspect", "--activation=tanh", "--initializer=standard", "--dataset=~/empty"], "{home}/empty: exp"),
    "--set": (["run", "tiny.yaml", "--set=dataset={table: ~/none.csv, label: a}"], "{home}/none.csv: cannot read it"),
    "a label": (["compare", "~/a=b", "~/c"], "{home}/a=b, found none"),
    "needed by a sweep": (["run", "needy.yaml"], "--plugin {home}/none.py"),
    "a new sweep": (["new", "~/none/study"], "cannot write {home}/none/study.yaml"),
    "a new plug-in": (["new", "--plugin=~/none/units.py"], "cannot write {home}/none/units.py"),
}


@pytest.mark.parametrize("where", IN_A_TILDE)
def test_a_tilde_is_the_users_folder_in_all_that_names_a_path(where, tiny, monkeypatch):
    arguments, message = IN_A_TILDE[where]
    home = tiny / "home"
    for folder in ("empty", "a=b"):
        (home / folder).mkdir(parents=True)
    (tiny / "needy.yaml").write_text(SWEEP + "plugins: [~/none.py]\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tiny)
    with pytest.raises(GlorotError) as caught:
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert message.format(home=home) in str(caught.value)


def test_a_tilde_in_glorot_plugins_and_in_python(tiny, glorot, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny))
    ended = glorot("list", GLOROT_PLUGINS="~/none.py", HOME=str(tiny))
    assert f"{tiny}/none.py: cannot read the plug-in" in ended.stderr
    assert cluster.parsed("slurm:~/jobs.yaml") == ("slurm", f"{tiny}/jobs.yaml")
    for call in (api.load, api.run, lambda path: api.weights("1", path)):
        with pytest.raises(GlorotError, match=f"{tiny}/none"):
            call("~/none")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to become another user")
def test_a_user_whom_no_one_knows(tiny, environment, tmp_path_factory):
    """As in a container: no name, no home."""
    for name in ("HOME", "USER", "LOGNAME", "GLOROT_CACHE", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    place = Path(tempfile.mkdtemp())
    place.chmod(0o777)
    program = (
        "import os, platformdirs, tempfile; from glorot import places\n"
        "from glorot.training.checkpoint import checkpoint_folder\n"
        f"os.setgid(54321); os.setuid(54321); os.chdir({str(place)!r})\n"
        "print(places.cache_folder(), oct(places.cache_folder().stat().st_mode & 0o777), checkpoint_folder())\n"
        "os.chmod(places.cache_folder(), 0o777); places.cache_folder()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment | {"TMPDIR": str(place)}, capture_output=True, text=True
    )
    cache = place / "glorot-54321"
    assert ended.stdout == f"{cache} 0o700 {cache}/checkpoints\n", ended.stderr
    assert "found neither; name a folder with the environment variable GLOROT_CACHE" in ended.stderr
    shutil.rmtree(place)


def test_nothing_compiled_is_told_at_once(tiny, glorot):
    ended = glorot("run", "tiny.yaml", NUMBA_DISABLE_JIT="1")
    assert (ended.returncode, ended.stderr.startswith("glorot: NUMBA_DISABLE_JIT is set")) == (2, True)
    assert not (tiny / "results").exists()
    seen = glorot("inspect", "--activation", "tanh", "--initializer", "standard", NUMBA_DISABLE_JIT="1")
    assert (seen.returncode, "Traceback" in seen.stderr) == (2, False)


def test_a_file_system_without_locks(tiny, glorot):
    """The same results, and a word; nobody is said to write there."""
    (tiny / "sitecustomize.py").write_text(
        "import errno, fcntl\n"
        "def none(*arguments):\n    raise OSError(errno.ENOLCK, 'No locks available')\n"
        "fcntl.flock = fcntl.lockf = none\n"
    )
    ended = glorot("run", "tiny.yaml", PYTHONPATH=str(tiny))
    assert (ended.returncode, statuses(tiny / "results" / "tiny")) == (0, ["done"] * 3), ended.stderr
    assert "note: the file system of results/tiny has no locks" in ended.stderr
    (tiny / "results" / "tiny" / ".lock").touch()
    assert "no process runs it now" in glorot("status", "tiny", PYTHONPATH=str(tiny)).stdout


def test_the_cores_that_a_container_has(tmp_path):
    def group(name: str, file: str, text: str) -> None:
        (tmp_path / "sys/fs/cgroup" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / name / file).write_text(text + "\n")

    here = machine.cores()
    assert machine.cores(tmp_path) == here  # no control groups at all
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    group("a", "cpu.max", "50000 100000")
    group("a/b", "cpu.max", "max 100000")
    assert machine.cores(tmp_path) == 1
    group("a", "cpu.max", "max 100000")
    group("", "cpu.max", "100000000 100000")
    assert machine.cores(tmp_path) == here
    (tmp_path / "proc/self/cgroup").write_text("4:cpu,cpuacct:/c\n1:name=x:/\n")
    group("cpu/c", "cpu.cfs_quota_us", "100000")
    group("cpu/c", "cpu.cfs_period_us", "100000")
    assert machine.cores(tmp_path) == 1
    group("cpu/c", "cpu.cfs_quota_us", "-1")
    assert machine.cores(tmp_path) == here


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_nohup_is_obeyed():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert machine.heeded() == [signal.SIGINT, signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)
    assert machine.heeded() == list(machine.SIGNALS)


def in_session(leader: int) -> list[str]:
    """The commands of all processes of a session, but those that have ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            state, _, _, session, *_ = path.joinpath("stat").read_text().rpartition(")")[2].split()
            if int(session) == leader and state != "Z":
                found.append(path.joinpath("cmdline").read_text())
    return found


def test_a_signal_waits_until_a_process_is_complete():
    """Whichever thread hears it. Other threads than the main one can start processes too."""
    heard: list[int] = []
    before, there = signal.signal(signal.SIGTERM, lambda signum, frame: heard.append(signum)), threading.Event()

    def started():
        with machine.starting():
            return os.getcwd()

    try:
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(there.wait)  # its thread blocks no signal, as those of NumPy's libraries
            with machine.starting():
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.1)
                assert heard == []
            assert heard == [signal.SIGTERM]
            there.set()
            assert other.result()
            assert pool.submit(started).result()
    finally:
        there.set()
        signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_no_process_outlives_its_parent(tiny, environment):
    """While more images are read than one process does; nor does a half-written file."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 400), np.uint8))
    picture.save(tiny / "picture.png")
    for number in range(1100):
        folder = tiny / "photos" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        os.link(tiny / "picture.png", folder / f"{number}.png")
    (tiny / "photos.yaml").write_text(SWEEP.replace("dataset: shapeset", "dataset: {folder: photos}"))
    (tiny / "sitecustomize.py").write_text("import os\nos.sched_getaffinity = lambda pid: {0, 1}\n")
    run = ["run", "photos.yaml"]
    build = ["data", "build", "small-imagenet", *(f"--class={name}=photos/cat" for name in wordnet.CLASS_NAMES)]
    look = ["data", "show", "--data", "data", "{folder: photos}"]
    ends = [(run, signal.SIGTERM), (run, signal.SIGHUP), (run, signal.SIGKILL), (build, signal.SIGTERM)]
    for command, signum in [*ends, (build, signal.SIGKILL), (look, signal.SIGKILL)]:
        process = subprocess.Popen(
            [sys.executable, "-m", "glorot", *command], cwd=tiny, env=environment | {"PYTHONPATH": str(tiny)},
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        while process.poll() is None and len(in_session(process.pid)) < 4:  # itself, two, and what tracks resources
            time.sleep(0.05)
        process.send_signal(signum)
        _, said = process.communicate(timeout=60)
        assert process.returncode == (-9 if signum == signal.SIGKILL else 128 + signum), said
        assert b"Traceback" not in said or signum == signal.SIGKILL  # a process that was just starting may complain
        for _ in range(200):
            if not (left := in_session(process.pid)):
                break
            time.sleep(0.05)
        assert left == []
    assert not list(tiny.rglob("*.part"))


def test_the_cache_shows_its_size_and_is_cleared(tiny, glorot, environment):
    assert glorot("run", "tiny.yaml", "-q").returncode == 0
    cache = Path(environment["GLOROT_CACHE"])
    (cache / "data").mkdir()
    shown = glorot("cache")
    assert shown.stdout.startswith(f"{cache}\n")
    assert re.search(r"checkpoints +[0-9.]+ kB +3 files", shown.stdout), shown.stdout
    cleared = glorot("cache", "--clear")
    assert (cleared.returncode, "removed: " in cleared.stdout) == (0, True), cleared.stderr
    assert [path.name for path in cache.iterdir()] == ["data"]
    assert re.search(r"checkpoints +0 B +0 files", glorot("cache").stdout)
    assert statuses(tiny / "results" / "tiny") == ["done"] * 3


# What no one has foreseen. -------------------------------------------------------------------------


def test_a_last_handler(tiny, glorot):
    """Exit code 1 is for a run that failed; Python's own would be 1 too."""
    (tiny / "sitecustomize.py").write_text(
        "import os\nfrom pathlib import Path\n"
        "kind = getattr(__builtins__, 'dict', dict)(memory=MemoryError, runtime=RuntimeError, eof=EOFError)"
        "[os.environ['FAULT']]\n"
        "def broken(self, *arguments):\n    raise kind('out of\\nit')\n"
        "Path.is_file = broken\n"
    )
    for fault, name in (("memory", "MemoryError"), ("eof", "EOFError")):
        ended = glorot("report", "tiny", FAULT=fault, PYTHONPATH=str(tiny))
        line = re.fullmatch(rf"\n?glorot: unexpected {name}: out of; its traceback is in (\S+): .*\n", ended.stderr)
        assert (ended.returncode, bool(line)) == (2, True), ended.stderr
        assert f"{name}: out of" in Path(line[1]).read_text()
    long = glorot("report", "a" * 5000)
    assert (long.returncode, long.stderr.startswith("glorot: File name too long: ")) == (2, True), long.stderr
    assert len(long.stderr.splitlines()) == 1


def test_what_may_not_be_read_is_no_fault():
    refused = PermissionError(13, "Permission denied", "results/x/sweep.yaml")
    what, _, remedy = faults.line(refused).partition("; ")
    assert what == 'expected to be allowed to use "results/x/sweep.yaml": Permission denied'
    assert remedy == "change its permissions, or name another"
