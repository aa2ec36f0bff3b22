"""The clusters that ``glorot run --cluster`` can name: a scheduler that is there, processes here, SLURM's jobs.

tcp://HOST:PORT      a Dask scheduler (also tls://)
local:N              N worker processes on this machine, for trying it out
slurm[:FILE.yaml]    jobs of SLURM by dask-jobqueue; the file has the options of its SLURMCluster, and `jobs`
"""

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from glorot.errors import ClusterError, SweepError
from glorot.places import expanded

CONNECT_SECONDS = 20
SETTINGS = {
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.allowed-failures": 1000,  # deaths are counted by us, for each cell
    "distributed.client.scheduler-info-interval": "1 minute",  # of all workers, which nobody looks at
    "distributed.worker.memory.pause": False,  # a cell at 80 % of the memory goes on
    "distributed.logging": {"distributed": "critical", "distributed.client": "critical", "tornado": "critical"},
}
AT_IMPORT = {"distributed.comm.offload": False}  # else it measures each message, which takes longer than to send it
EXPECTED = "expected --cluster to be tcp://HOST:PORT, local:N, slurm or slurm:FILE.yaml"
JOBQUEUE_DEFAULTS: dict[str, Any] = {"cores": 1, "processes": 1, "memory": "2GB"}


@contextlib.contextmanager
def connected(where: str, cores: int) -> Iterator[Any]:
    """A Dask client of the cluster, for as long as it is needed. cores: those of this machine, which local:N shares.

    Raises ClusterError: not understood, not installed, or not there.
    """
    kind, value = parsed(where)
    try:
        import dask

        dask.config.set(AT_IMPORT)
        import distributed
    except ImportError as error:
        raise ClusterError(
            f"--cluster {where}: expected the package {error.name}, found none; install it with "
            "pip install 'glorot[dask]'"
        ) from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(SETTINGS))
        for name in ("distributed", "distributed.client", "tornado", "asyncio"):  # what matters is told in our words
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if kind == "local":
            address: Any = stack.enter_context(_local(distributed, int(value), cores))
        elif kind == "slurm":
            address = stack.enter_context(_slurm(value))
        else:
            address = value
        try:
            client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ClusterError(
                f"--cluster {where}: expected a Dask scheduler there, found none ({reason}); start one with "
                "`dask scheduler`, and look at host, port and firewalls"
            ) from error
        stack.callback(_close, client)
        yield client


def parsed(where: str) -> tuple[str, str]:
    """("tcp", its address), ("local", how many workers) or ("slurm", a file or nothing). Raises ClusterError."""
    if re.fullmatch(r"(tcp|tls)://[^\s/]+:\d{1,5}", where):
        return "tcp", where
    local = re.fullmatch(r"local:(\d{1,4})", where)
    if local and int(local[1]) > 0:
        return "local", local[1]
    if where == "slurm":
        return "slurm", ""
    if re.fullmatch(r"slurm:.+", where):
        return "slurm", str(expanded(where.removeprefix("slurm:")))
    raise ClusterError(f"{EXPECTED}; found {where!r}")


def _local(distributed: Any, workers: int, cores: int) -> Any:
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=max(1, cores // workers), processes=True, host="127.0.0.1",
        dashboard_address="127.0.0.1:0", memory_limit=0, silence_logs=logging.CRITICAL,
    )  # fmt: skip


@contextlib.contextmanager
def _slurm(file: str) -> Iterator[Any]:
    """Jobs of SLURM, each a worker or several. They end with the driver."""
    options = read_options(Path(file)) if file else {}
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise ClusterError(
            "--cluster slurm: expected the package dask-jobqueue, found none; install it with pip install "
            "'glorot[dask]'"
        ) from error
    with jobs_of(SLURMCluster, "slurm", options) as cluster:
        yield cluster


def jobs_of(kind: Any, section: str, options: Mapping[str, Any]) -> Any:
    """A cluster of one of dask-jobqueue's classes, with so many `jobs` as its options say. Raises ClusterError.

    section: its own in dask-jobqueue's configuration.
    """
    import dask

    configured = {**dask.config.get(f"jobqueue.{section}", {}), **options}
    usual = {key: value for key, value in JOBQUEUE_DEFAULTS.items() if configured.get(key) is None}
    given = {key: value for key, value in options.items() if key != "jobs"}
    try:
        cluster = kind(**{**usual, **given})
        cluster.scale(jobs=options.get("jobs", 1))
    except (TypeError, ValueError, RuntimeError, OSError, AssertionError) as error:
        raise ClusterError(f"--cluster slurm: dask-jobqueue does not take these options: {error}") from error
    return cluster


def read_options(file: Path) -> dict[str, Any]:
    """The options in a YAML file: `jobs`, and those of dask-jobqueue's SLURMCluster. Raises ClusterError."""
    from glorot.results.rows import read_file
    from glorot.sweeps import yaml_nodes

    try:
        found = yaml_nodes.parse(read_file(file).decode("utf-8"), str(file)).plain()
    except OSError as error:
        raise ClusterError(f"--cluster slurm: cannot read {file}: {error.strerror or error}") from error
    except (UnicodeDecodeError, SweepError) as error:
        raise ClusterError(f"--cluster slurm: {error}") from error
    jobs = found.get("jobs", 1) if isinstance(found, dict) else None
    if type(jobs) is not int or not 1 <= jobs <= 10_000:
        raise ClusterError(
            f"{file}: expected options of dask-jobqueue's SLURMCluster, as in `cores: 16`, and `jobs`, the number "
            f"of jobs (1 to 10000); found {'no mapping' if not isinstance(found, dict) else f'jobs: {jobs}'}"
        )
    return found


def _close(client: Any) -> None:
    with contextlib.suppress(Exception):  # its scheduler may be gone
        client.close(timeout=5)
