"""What a sweep has stored since runs.csv and provenance.csv were written: lines that are only added to a file.

To write a table of n rows anew for each run would take a sweep n times as long as its runs. So a run that ends adds a
line here, which readers put over the tables, and from time to time the tables are written anew. A line has the CRC of
its text in front. Whatever follows the first line that is not whole was never stored: a machine that crashes does the
last run again, and loses nothing else.
"""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from glorot.files import append, read_bytes

Row = dict[str, str]  # cells as they stand in a file
NAME = ".journal"
TABLES = ("provenance.csv", "runs.csv")  # in the order they are written: a run is stored once it is in the last


class Journal:
    """A folder's journal. rows: how many lines it has, as far as this process knows."""

    def __init__(self, folder: Path):
        self.path = folder / NAME
        self.rows = 0
        self._size = 0  # of what is whole

    def add(self, runs: Sequence[dict[str, Row]]) -> None:
        """Add a line for each run: a row for each of TABLES. Raises OSError, and has no line, where that fails."""
        lines = [json.dumps(rows, ensure_ascii=True, separators=(",", ":")).encode() for rows in runs]
        added = b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in lines)
        self._size = append(self.path, self._size, added)
        self.rows += len(runs)

    def read(self) -> dict[str, dict[str, Row]]:
        """By table, the rows by run_id; the latest of each. Raises OSError."""
        found: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        try:
            *lines, _ = read_bytes(self.path).split(b"\n")  # what is behind the last line end is not whole
        except FileNotFoundError:
            return found
        for line in lines:
            crc, _, text = line.partition(b" ")
            if crc != b"%08x" % zlib.crc32(text):
                break
            for name, row in json.loads(text).items():
                found[name].pop(row["run_id"], None)
                found[name][row["run_id"]] = row
        return found

    def clear(self) -> None:
        """Once the tables have all it says. Raises OSError."""
        self.path.unlink(missing_ok=True)
        self.rows = self._size = 0
