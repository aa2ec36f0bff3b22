"""Matrices beside each other as text of a fixed width, for a terminal and for markdown."""

from collections.abc import Sequence

from glorot.reporting.document import Matrices

BETWEEN = 3  # columns between two matrices


def lines(block: Matrices, width: int) -> list[str]:
    """Each matrix under its name; in a second row of matrices where they are too wide for one."""
    rows: list[list[list[str]]] = [[]]
    for name, matrix in block.parts:
        one = _one(name, matrix)
        if rows[-1] and sum(len(each[0]) + BETWEEN for each in [*rows[-1], one]) > width:
            rows.append([])
        rows[-1].append(one)
    found = []
    for row in rows:
        high = max(map(len, row))
        padded = [one + [" " * len(one[0])] * (high - len(one)) for one in row]
        found += [(" " * BETWEEN).join(parts).rstrip() for parts in zip(*padded, strict=True)]
    return found


def _one(name: str, matrix: Sequence[Sequence[str]]) -> list[str]:
    """Lines of one width: the name, and the rows in brackets."""
    wide = [max(map(len, column)) for column in zip(*matrix, strict=True)]
    rows = ["[ " + "  ".join(cell.rjust(w) for cell, w in zip(row, wide, strict=True)) + " ]" for row in matrix]
    width = max(len(name), len(rows[0]))
    return [name.center(width), *(row.ljust(width) for row in rows)]
