"""LeNet-5 of LeCun, Bottou, Bengio & Haffner (1998), Gradient-based learning applied to document recognition, II.B.

    input  1 @ 32x32
    C1     convolution 5x5             6 @ 28x28        156 trainable    122,304 connections
    S2     pooling 2x2, c and b        6 @ 14x14         12                5,880
    C3     convolution 5x5, TABLE     16 @ 10x10      1,516              151,600
    S4     pooling 2x2, c and b       16 @ 5x5           32                2,000
    C5     convolution 5x5           120             48,120               48,120
    F6     full                       84             10,164               10,164
    RBF    distances to BITMAPS       10                  0                  840

With a loss that is not made for RBF units, a full layer 84 -> classes stands in their place.
"""

from glorot.models.layers import Convolution, Dense, Description, Pooling, Rbf, full_table

SIDE = 32  # of the input

# Table I of the paper: the maps of S2 that each map of C3 takes.
TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip


def layers(n_classes: int, rbf: bool = False) -> tuple[Description, ...]:
    """The network, from C1 to the output. rbf: whether its output are RBF units. Raises ValueError: then it can have
    no more classes than there are bitmaps."""
    if rbf and n_classes > len(BITMAPS):
        raise ValueError(f"expected at most {len(BITMAPS)} classes for RBF units, one per digit; found {n_classes}")
    c1 = Convolution((1, SIDE, SIDE), 5, full_table(1, 6))
    s2 = Pooling(c1.outputs)
    c3 = Convolution(s2.outputs, 5, TABLE)
    s4 = Pooling(c3.outputs)
    c5 = Convolution(s4.outputs, 5, full_table(16, 120))
    output = Rbf(BITMAPS[:n_classes]) if rbf else Dense(84, n_classes)
    return c1, s2, c3, s4, c5, Dense(120, 84), output


# Digits of 7 x 12, drawn anew in the manner of the paper's figure 3: # is +1, a dot -1.
DIGITS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...##.. ..###.. .#####. ....##. .#####. ...###. .###### ..###.. ..###..
.##.##. ..###.. .#...## .....## ...###. .##.... ..##... .....## .##.##. .##.##.
##...## .####.. .....## .....## ...#.#. .##.... .##.... .....#. ##...## ##...##
##...## ...##.. .....## ....##. ..##.#. .##.... ##..... ....##. ##...## ##...##
##...## ...##.. ....##. ..####. ..#..#. .####.. ##.##.. ....#.. .##.##. ##...##
##...## ...##.. ...##.. .....## .##..#. .....## ###.##. ...##.. ..###.. .##.###
##...## ...##.. ..##... .....## ####### .....## ##...## ...#... .##.##. ..##.##
##...## ...##.. .##.... .....## .....#. .....## ##...## ..##... ##...## .....##
.##.##. ...##.. ##..... ##...## .....#. ##..##. .##.##. ..#.... ##...## ....##.
..###.. .###### ####### .#####. .....#. .####.. ..###.. .##.... ..###.. .###...
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""
BITMAPS: tuple[tuple[float, ...], ...] = tuple(
    tuple(1.0 if sign == "#" else -1.0 for line in DIGITS.split("\n") if line for sign in line.split()[digit])
    for digit in range(10)
)
