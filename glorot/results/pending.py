"""The content of files that the disk may not have yet, in one file that it has.

To wait for the disk for each of many small files takes longer than to make them. So their content is added to one file,
and only that is waited for; then they are written. Should the machine crash before the disk has them, they are written
again from here.
"""

import os
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from glorot import files

NAME = ".contents"
FEW = 8  # files that are waited for one by one
LARGE = 2**22  # bytes together from which on that takes no longer
MOST = 2**24  # bytes in this file from which on the disk is to have the others
_HEAD = re.compile(rb"([0-9a-f]{8}) ([0-9]{1,9}) ([a-z]+/[^./\n\0][^/\n\0]*)\n")


class Pending:
    """Those of a folder of results. Paths are text, `folder` and what is in it."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / NAME
        self._paths: set[str] = set()
        self._size = 0  # of what is whole

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write files as a whole; when this returns, none of them can be lost. Raises OSError."""
        if len(contents) <= FEW or sum(map(len, contents.values())) >= LARGE:
            files.write_all(contents)
            return
        self._add(contents)
        files.write_all(contents, wait=False)
        if self._size > MOST:
            self.settle()

    def forget(self, paths: Iterable[str]) -> None:
        """Have nothing here about files that are about to be written or removed. Raises OSError."""
        if not self._paths.isdisjoint(paths):
            self.settle()

    def settle(self) -> None:
        """Wait until the disk has all files, so that nothing is needed from here. Raises OSError."""
        if self._paths:
            files.wait_for_disk(self._paths)
        self._clear()

    def restore(self) -> None:
        """Write again what another process may have left without the disk having it. Raises OSError."""
        found = {os.path.join(self.folder, *name.split("/")): data for name, data in self._read().items()}
        self._paths.update(found)
        files.write_all({path: data for path, data in found.items() if not files.has(path, data)})
        self.settle()

    def _clear(self) -> None:
        self.path.unlink(missing_ok=True)
        self._paths, self._size = set(), 0

    def _add(self, contents: Mapping[str, bytes]) -> None:
        beginning = len(os.path.join(self.folder, ""))
        parts = [_part(path[beginning:].replace(os.sep, "/"), data) for path, data in contents.items()]
        self._size = files.append(self.path, self._size, b"".join(parts))
        self._paths.update(contents)

    def _read(self) -> dict[str, bytes]:
        """What is here by name, as far as it is whole and of a run. Raises OSError."""
        found: dict[str, bytes] = {}
        try:
            whole, at = files.read_bytes(self.path), 0
        except FileNotFoundError:
            return found
        while head := _HEAD.match(whole, at):
            crc, at, name = int(head[1], 16), head.end() + int(head[2]), head[3]
            data = whole[head.end() : at]
            if zlib.crc32(name + data) != crc:
                break
            found[name.decode()] = data
        return found


def _part(name: str, data: bytes) -> bytes:
    text = name.encode()
    return b"%08x %d %s\n%s" % (zlib.crc32(text + data), len(data), text, data)
