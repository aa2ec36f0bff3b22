"""Standard streams under which no command breaks. Whatever is said on stderr, by us, click, rich or Python, passes
one place that never fails; whoever reads stdout may stop early.
"""

import io
import os
import select
import sys
from typing import Any, TextIO

from glorot.errors import GlorotError


class Guard(io.RawIOBase):
    """A raw stream in place of another one: what its reader does not want any more counts as written.

    forgiving: so does what cannot be written for any other reason, as a full disk; else that is a GlorotError, once.
    A pipe that is full and set not to block is waited for.
    """

    def __init__(self, raw: io.RawIOBase, forgiving: bool):
        super().__init__()
        self.raw, self.forgiving = raw, forgiving
        self.name, self.mode = getattr(raw, "name", "?"), getattr(raw, "mode", "wb")

    def write(self, data: Any) -> int:
        try:
            while (written := self.raw.write(data)) is None:
                select.select([], [self.raw], [])
        except OSError as error:
            if not (self.forgiving or isinstance(error, BrokenPipeError)):
                self.forgiving = True  # for what Python tries to write again when it ends
                raise GlorotError(f"cannot write to standard output: {error.strerror}") from error
            return len(data)
        return written

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.raw.fileno()

    def isatty(self) -> bool:
        return self.raw.isatty()


def guard() -> None:
    """Put guards before stdout and stderr of this process; where a standard stream is closed, it is the null device
    from here on. Else the next file that is opened would take its place, and messages would be written into it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = _guarded(sys.stdout, 1, forgiving=False, errors="replace")  # "±" where the terminal has none
    sys.stderr = _guarded(sys.stderr, 2, forgiving=True, errors="backslashreplace")


def _guarded(stream: TextIO | None, descriptor: int, forgiving: bool, errors: str) -> TextIO:
    if stream is None:
        raw: Any = io.FileIO(descriptor, "w", closefd=False)
    else:
        buffer = getattr(stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)  # with python -u there is no buffer between
        if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.RawIOBase):
            return stream  # not Python's own: a test's or a notebook's
    return io.TextIOWrapper(
        io.BufferedWriter(Guard(raw, forgiving)),
        encoding=stream.encoding if stream else "utf-8",
        errors=errors,
        line_buffering=forgiving or bool(stream and stream.line_buffering),
    )
