"""What the processes of a command share: how many cores they may use, which signals end them, and how a further one is
started so that it ends with its parent and imports nothing from the working folder."""

import contextlib
import math
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """A signal asked the program to stop. signum: one of SIGNALS."""

    def __init__(self, signum: int):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


def heeded() -> list[int]:
    """The signals that are to stop this process: all of them, but for SIGHUP under nohup."""
    return [one for one in SIGNALS if one in SIGNALS[:2] or signal.getsignal(one) is not signal.SIG_IGN]


def stop_on_signals() -> None:
    """Let this process end as by Ctrl-C, so that it tidies up, also by SIGTERM and by the end of its terminal."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    for signum in heeded():
        signal.signal(signum, stop)


# Cores and memory. --------------------------------------------------------------------------------------------


def cores(root: Path = Path("/")) -> int:
    """Processors this process may use: those it may be on, but no more than its containers' quotas (rounded up).

    root: where /proc and /sys are.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([there, *(math.ceil(quota) for quota in _quotas(root))]))


def memory() -> int:
    """Bytes of memory that this machine has; 0 where it does not say."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def _quotas(root: Path) -> list[float]:
    """The processors' time per time that each control group around this process allows it; Linux alone has them."""
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        one = Path(path.lstrip("/"))
        for group in (one, *one.parents):
            if number == "0":  # version 2: "150000 100000", or "max 100000"
                parts = _text(root / "sys/fs/cgroup" / group / "cpu.max").split()
            elif "cpu" in controllers.split(","):
                folder = root / "sys/fs/cgroup/cpu" / group
                parts = [_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
            else:
                continue
            if len(parts) == 2 and all(part.isdigit() and int(part) for part in parts):  # -1: none
                found.append(int(parts[0]) / int(parts[1]))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


# Further processes. --------------------------------------------------------------------------------


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Around the start of a process by multiprocessing's spawn, in the main thread.

    Python looks for modules in the working folder before it knows where else, so the new process begins in the folder
    of the standard library: a signal.py of the user's is nothing of ours. It hears no signal before it can say that it
    ignores it, and keeps NumPy's libraries to one thread. A signal to this process waits until the other is complete.
    """
    with _in_folder(os.path.dirname(os.__file__)), _one_blas_thread():
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # now, as its start would let signals through again
        # The mask is for the new process. This one may hear a signal in a thread of NumPy's, and then here.
        waiting: list[int] = []
        in_main = threading.current_thread() is threading.main_thread()  # the only one that can set handlers
        ours = [signum for signum in SIGNALS if in_main and callable(signal.getsignal(signum))]
        handlers = [signal.signal(signum, lambda signum, frame: waiting.append(signum)) for signum in ours]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            yield
        finally:
            for signum, handler in zip(ours, handlers, strict=True):
                signal.signal(signum, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for signum in waiting[:1]:
                signal.raise_signal(signum)


def working_folder() -> str:
    """Where this process is, for `started`; empty where that folder is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def started(folder: str) -> None:
    """In a process that was just started: be in its parent's working folder, leave signals to the parent, as they may
    reach the whole group, and end as soon as it has ended."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if folder:
        with contextlib.suppress(OSError):
            os.chdir(folder)


def _end_with_parent() -> None:
    """End this process as soon as the parent has ended, even in the middle of a compilation."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _in_folder(folder: str) -> Iterator[None]:
    before = working_folder()
    if not before:
        yield
        return
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _one_blas_thread() -> Iterator[None]:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
