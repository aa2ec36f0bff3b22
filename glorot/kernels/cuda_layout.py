"""Where a network lies in the flat arrays of a GPU, and how its layers are cut into tiles."""

from itertools import pairwise

import numpy as np

from glorot.kernels.cuda_resident import exchange_places, places
from glorot.kernels.cuda_tiles import (
    LAYER,
    MOST_EXAMPLES,
    PARTS_ABOVE,
    PLACE,
    ROWS,
    TILE_COLUMNS,
    TILE_ROWS,
    TILES_IN,
    TILES_OUT,
)

MOST_BLOCKS = 65535


def _padded(n: int) -> int:
    return -(-n // 32) * 32


def tile_of(n: int) -> int:
    """Examples of a tile, for minibatches of n: few tiles, and even ones."""
    return -(-n // -(-n // MOST_EXAMPLES))


class Layout:
    """Where everything lies in the flat arrays, and how it is cut, for minibatches of n examples and so many blocks.

    layers: the table of the kernels. T: examples of a tile. blocks: how many can be of use. For blocks = 0 the
    grid may have any number of blocks, and the order of sums depends on nothing but the sizes.
    """

    def __init__(self, sizes: tuple[int, ...], n: int, blocks: int):
        self.n, self.T = n, tile_of(n)
        batches = -(-n // self.T)
        table = np.zeros((len(sizes) - 1, LAYER), np.int64)
        self.n_weights = self.n_activations = self.n_partial = items = 0
        above = parts_below = 0
        for l, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            down, across = -(-fan_out // TILE_ROWS), -(-(fan_in + 1) // TILE_COLUMNS)
            span_in, span_out = _span(across, down * batches, blocks), _span(down, across * batches, blocks)
            parts = -(-across // span_in), -(-down // span_out)
            stride, stride_above = _padded(fan_in + 1), _padded(fan_out)
            table[l] = (
                fan_in, fan_out, self.n_weights, stride, above, self.n_activations, _padded(fan_in), stride_above,
                down, across, -(-fan_out // down), -(-(fan_in + 1) // across), span_in, span_out, parts_below,
                *[0] * 5,
            )  # fmt: skip
            above = self.n_activations
            self.n_weights += fan_out * stride
            self.n_activations += n * stride_above
            self.n_partial = max(self.n_partial, n * parts[0] * stride_above, n * parts[1] * _padded(fan_in) * (l > 0))
            items = max(items, batches * down * parts[0], batches * across * parts[1])
            if l > 0:
                table[l - 1, PARTS_ABOVE] = parts[1]
            parts_below = parts[0]  # of the layer below, for the next one
        table[:, PLACE], floats = places(len(table), list(table[:, ROWS]), self.T)
        self.n_exchanged = exchange_places(table, self.T)
        self.layers, self.blocks, self.resident_bytes = table, min(items, blocks or MOST_BLOCKS), 4 * floats

    def can_be_resident(self, blocks: int, shared_bytes: int) -> bool:
        """Whether so many blocks, with so much shared memory each, can keep a tile of every layer (`cuda_resident`)."""
        tiles = self.layers[:, [TILES_OUT, TILES_IN]]
        return bool(
            self.n <= self.T
            and tiles[-1, 0] == 1  # then logits and losses have room where the sums of warps have
            and tiles.prod(axis=1).max() <= blocks
            and self.resident_bytes <= shared_bytes
        )


def _span(tiles: int, others: int, blocks: int) -> int:
    """How many tiles one block sums up: the fewest with which there is a block for every item; else all."""
    for span in range(1, tiles):
        if others * -(-tiles // span) <= blocks:
            return span
    return tiles
