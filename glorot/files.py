"""Files that are written as a whole or not at all, and read only if they are files."""

import contextlib
import itertools
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO, TypeVar

try:
    import fcntl
except ImportError:  # not on Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

PARTIAL = re.compile(r"\..*\.[0-9a-f]{32}\.part", re.DOTALL)
T = TypeVar("T")
WAITING = 16  # threads that wait for the disk
TOGETHER = 32  # files that are open at a time: a process may have few, 256 on macOS
BUFFER = 2**16  # bytes of a file that are written together
KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}  # fmt: skip


class NotAFile(OSError):
    """What is there is no file; to read it might never end."""

    def __init__(self, path: Path, mode: int):
        super().__init__(None, f"expected a file, found {KINDS.get(stat.S_IFMT(mode), 'none')}", str(path))
        self.strerror = self.args[1]


def opened(path: Path) -> IO[bytes]:
    """A regular file, open to be read. Raises OSError; NotAFile for a folder, a pipe or a device, without waiting."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise NotAFile(path, mode)
    at_once = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, at_once), "rb")
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):  # exchanged meanwhile
        file.close()
        raise NotAFile(path, mode)
    return file


def read_bytes(path: Path, most: int = -1) -> bytes:
    """All of a regular file, or its first `most` bytes. Raises OSError, as `opened` does."""
    with opened(path) as file:
        return file.read(most)


@contextlib.contextmanager
def whole(destination: Path) -> Iterator[IO[bytes]]:
    """A file to write that gets its final name when it is complete: at the end of the block, if nothing was raised.

    Whoever reads the destination, or pulls the plug, finds the old content or the new one. It is written beside it
    under a hidden name, which is gone afterwards whatever happens, as are the folders that were made for it if nothing
    comes of it. What a killed process left there is removed by the next one that writes to the folder.
    A link stays, and what it leads to is written. Raises OSError where the folder cannot be written, and NotAFile
    where a folder, a pipe or a device is there.
    """
    with _begun([os.fspath(destination)]) as [(name, partial, file)]:
        yield file
        file.flush()
        os.fsync(file.fileno())
        _name(name, partial, file)


def write_all(contents: Mapping[str, bytes], wait: bool = True) -> None:
    """Write small files, each as `whole` does. The disk is waited for a few times, and not for each of them.

    wait: else not at all: only whoever pulls the plug may then find something else. Where this raises OSError, each
    of them has its old content or the new one.
    """
    some = iter(contents.items())
    while part := dict(itertools.islice(some, TOGETHER)):
        _write_together(part, wait)


def _write_together(contents: Mapping[str, bytes], wait: bool) -> None:
    with _begun(contents) as files:
        for (_, _, file), data in zip(files, contents.values(), strict=True):
            file.write(data)
            file.flush()
        if wait:
            _side_by_side(os.fsync, [file.fileno() for _, _, file in files])
        for one in files:
            _name(*one)


def wait_for_disk(paths: Iterable[str]) -> None:
    """Wait until the disk has these files. One that is gone has no need of it. Raises OSError."""
    _side_by_side(_wait_for, list(paths))


def _wait_for(path: str) -> None:
    with contextlib.suppress(FileNotFoundError), open(path, "rb" if fcntl else "rb+") as file:
        os.fsync(file.fileno())


def _side_by_side(do: Callable[[T], None], items: Sequence[T]) -> None:
    """Do what only waits for the disk with all of them, several at a time."""

    def do_all(share: Sequence[T]) -> None:
        for one in share:
            do(one)

    if len(items) == 1:
        do(items[0])
    elif items:
        shares = [items[first::WAITING] for first in range(min(len(items), WAITING))]
        with ThreadPoolExecutor(len(shares)) as pool:
            list(pool.map(do_all, shares))


def append(path: Path, size: int, data: bytes) -> int:
    """Add to the first `size` bytes of a file, which are whole; the rest goes. Returns the new size.

    When this returns, the disk has it. Raises OSError, and then the file has only what was whole.
    """
    try:
        with open(path, "ab") as file:
            file.truncate(size)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size
    except OSError:
        with contextlib.suppress(OSError):
            os.truncate(path, size)
        raise


def has(path: str, data: bytes) -> bool:
    """Whether this is the content of a file. Raises OSError."""
    try:
        there = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(there.st_mode) and there.st_size == len(data) and read_bytes(Path(path)) == data


@contextlib.contextmanager
def _begun(destinations: Iterable[str]) -> Iterator[list[tuple[str, str, IO[bytes]]]]:
    """Of each file its destination, what it is called until it is complete, and that file, open.

    Text, and no Paths: these take longer than to write a small file.
    """
    files: list[tuple[str, str, IO[bytes]]] = []
    made: list[Path] = []
    ready: set[str] = set()
    try:
        for destination in destinations:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISLNK(mode := os.lstat(destination).st_mode):
                    destination = os.path.realpath(destination)
                    mode = os.stat(destination).st_mode
                if not stat.S_ISREG(mode):
                    raise NotAFile(Path(destination), mode)
            folder, name = os.path.split(destination)
            if folder not in ready:
                made += _make_folders(Path(folder))
                sweep(Path(folder))
                ready.add(folder)
            files.append((destination, *_partial(folder, name)))
        yield files
    except BaseException:  # Ctrl-C as well
        for _, partial, _ in files:
            Path(partial).unlink(missing_ok=True)
        for new in reversed(made):
            with contextlib.suppress(OSError):  # others may have put something there
                new.rmdir()
        raise
    finally:
        for _, _, file in files:
            file.close()


def _name(destination: str, partial: str, file: IO[bytes]) -> None:
    """Give a file that is complete its name: while it is locked, so that no one takes it for a leftover."""
    if fcntl is None:
        file.close()
    os.replace(partial, destination)


@cache
def sweep(folder: Path) -> None:
    """Remove what killed processes left half written in a folder; once in the life of a process."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if PARTIAL.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_if_left(Path(entry.path))


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder, and return those that were not there, the outermost first. Raises OSError."""
    missing = []
    for one in (folder, *folder.parents):
        if one.exists():
            break
        missing.append(one)
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _partial(folder: str, name: str) -> tuple[str, IO[bytes]]:
    """A new file beside one that is to be written, open and locked while this process lives."""
    while True:
        path = os.path.join(folder, f".{name}.{uuid.uuid4().hex}.part")
        file = open(path, "xb", BUFFER)  # noqa: SIM115  (not tempfile: its files cannot be read by other users)
        with contextlib.suppress(BlockingIOError):
            if not _lock(file) or os.path.exists(path):
                return path, file
        file.close()  # taken for a leftover before it was locked


def _lock(file: IO[bytes]) -> bool:
    """Whether this process has locked a file. Raises BlockingIOError where another one has."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return False


def can_lock(path: Path) -> bool:
    """Whether the file system of this file, which is made, has locks. Some of networks and containers have none.
    Raises OSError where it cannot be written."""
    try:
        at_once = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for ever
        with os.fdopen(os.open(path, at_once, 0o666), "ab") as file:
            if not stat.S_ISREG(mode := os.fstat(file.fileno()).st_mode):
                raise NotAFile(path, mode)
            return fcntl is None or _lock(file)
    except BlockingIOError:  # a process has it
        return True


def _remove_if_left(path: Path) -> None:
    """Remove a half-written file, if no process has it. Raises OSError."""
    with open(path, "rb+") as file:
        if _lock(file):
            path.unlink()
        elif fcntl is not None:
            return  # it may be in use
    path.unlink(missing_ok=True)  # Windows refuses this while a process has it open
