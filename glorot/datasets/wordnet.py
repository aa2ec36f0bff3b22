"""Which ImageNet ids belong to which of Small-ImageNet's ten classes: a table, and how it was made.

An ImageNet id such as n01443537 is the place of a noun's line in WordNet 3.0's file ``data.noun``. Each of the paper's
ten nouns stands for one line there (``ROOTS``), and a class has every id from which the hypernyms ("is a kind of")
lead to it: all of ImageNet's ids, and so ILSVRC-2012's and Tiny-ImageNet's among them. The table,
``wordnet_classes.txt``, is made by ``table`` from data.noun as Debian's package wordnet-base has it:

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet
    python -c "from glorot.datasets import wordnet as w; print(w.table('wordnet/usr/share/wordnet/data.noun'), end='')"

(WordNet 3.0 is copyright 2006 by Princeton University.)
"""

from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

from glorot.errors import DataError

# Class -> its line, in the paper's order. The first sense of each noun, but:
# "instrument" first of all means any device that takes skill, down to weapons, so it is "musical instrument" here;
# "flower" first of all means a plant grown for its blooms, as "daisy" is one - its other sense, the bloom, has hardly
#     any kind below it;
# "fruit" has "edible fruit" below it, so that both an acorn and a lemon are fruits;
# "vehicle" has no bus and no train below it: WordNet has "public transport" beside it, as another kind of conveyance.
ROOTS = {
    "reptiles": ("n01661091",),
    "vehicles": ("n04524313", "n04019101"),
    "birds": ("n01503061",),
    "mammals": ("n01861778",),
    "fish": ("n02512053",),
    "furniture": ("n03405725",),
    "instruments": ("n03800933",),
    "tools": ("n04451818",),
    "flowers": ("n11669921",),
    "fruits": ("n13134947",),
}
CLASS_NAMES = tuple(ROOTS)
A_LINE = 12  # ids


@cache
def classes() -> dict[str, str]:
    """ImageNet id -> class, from the table in the package; an id with no class is not in it."""
    text = (resources.files("glorot.datasets") / "wordnet_classes.txt").read_text("ascii")
    found, name = {}, ""
    for line in text.splitlines():
        if line.endswith(":"):
            name = line[:-1]
        elif not line.startswith("#"):
            found.update(dict.fromkeys(line.split(), name))
    return found


def table(data_noun: Path | str) -> str:
    """The text of wordnet_classes.txt, made from WordNet 3.0's data.noun. Raises DataError, OSError."""
    by_class: dict[str, list[str]] = {name: [] for name in ROOTS}
    for one, name in classes_from(data_noun).items():
        by_class[name].append(one)
    lines = ["# Made by glorot.datasets.wordnet.table from WordNet 3.0's data.noun: ImageNet's ids, by class."]
    for name, ids in by_class.items():
        ids.sort()
        lines += [f"{name}:", *(" ".join(ids[i : i + A_LINE]) for i in range(0, len(ids), A_LINE))]
    return "\n".join(lines) + "\n"


def classes_from(data_noun: Path | str) -> dict[str, str]:
    """ImageNet id -> class, by WordNet's hypernyms, each with one class at most.

    An id that lies under two of the nouns goes to the one fewer steps away, and of two equally near to the one the
    paper names first. (In WordNet 3.0 there is no such id.) Raises DataError where a root is not in the file.
    """
    hypernyms = dict(_hypernyms(Path(data_noun)))
    for roots in ROOTS.values():
        for root in roots:
            if root not in hypernyms:
                raise DataError(f"{data_noun}: expected WordNet 3.0's data.noun, found no line {root[1:]} in it")
    found = {}
    for one in hypernyms:
        steps = _steps(one, hypernyms)
        near = {name: min((steps[root] for root in roots if root in steps), default=None)
                for name, roots in ROOTS.items()}  # fmt: skip
        reached = [name for name, count in near.items() if count is not None]
        if reached:
            found[one] = min(reached, key=lambda name: near[name] or 0)  # min takes the first of equals
    return found


def _hypernyms(data_noun: Path) -> Iterator[tuple[str, list[str]]]:
    """Each id with the ids it is a kind of. Format: wndb(5WN) of WordNet 3.0.

    Instances (a river is an instance of "river", not a kind of it) have no hypernyms here: ImageNet has none of them.
    """
    for line in data_noun.read_text("latin-1").splitlines():
        if line.startswith("  "):  # the licence
            continue
        words = line.partition(" | ")[0].split()
        first = 5 + 2 * int(words[3], 16)  # behind the synonyms, and behind the number of pointers
        pointers = zip(words[first::4], words[first + 1 :: 4], strict=False)
        yield "n" + words[0], ["n" + target for kind, target in pointers if kind == "@"]


def _steps(one: str, hypernyms: dict[str, list[str]]) -> dict[str, int]:
    """How many steps up each id above this one is, this one included."""
    steps, queue = {one: 0}, [one]
    for at in queue:
        for above in hypernyms[at]:
            if above not in steps:
                steps[above] = steps[at] + 1
                queue.append(above)
    return steps
