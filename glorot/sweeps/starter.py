"""What `glorot new` writes: a sweep with comments, or one of those that ship under a new name."""

import json
import re

import yaml

from glorot.errors import SweepError, nearest
from glorot.sweeps import shipped
from glorot.sweeps.blocks import read_name
from glorot.sweeps.problems import Problems
from glorot.sweeps.yaml_nodes import Node

TEXT = """\
# A study: networks that differ in what the grid says, and in nothing else. Run it, look at it, draw it:
#
#     glorot run {name}.yaml
#     glorot report {name} --figures
#
# `glorot list` shows all names. docs/sweeps.md has all fields.

name: {quoted}  # results go to results/{name}/
description: Does the initialization matter, and at which depth?

base:  # fields that all runs share
  dataset: shapeset  # or mnist; or your own images: {{folder: PATH}}, with a folder for each class
  width: 100  # units of each hidden layer
  learning_rate: 0.03
  updates: 30_000  # steps of gradient descent; for a first look: --set updates=2_000
  evaluate_every: 3_000
  # probes: {{every: 3_000}}  # look inside the network on the way

grid:  # every combination is a run
  method:  # an axis of labels, each with the fields it sets
    Tanh: {{activation: tanh, initializer: standard}}
    Tanh N: {{activation: tanh, initializer: normalized}}
    ReLU He: {{activation: relu, initializer: he_uniform}}
  depth: [1, 5]  # an axis of values of one field; --set grid.depth=[1,10] changes it for one trial
  seed: [0, 1, 2]  # differences count only with several seeds

table: {{rows: method, columns: depth}}
"""


def text(name: str, experiment: str | None = None) -> str:
    """A sweep file of this name. experiment: one that ships, to begin with. Raises SweepError."""
    problems = Problems()
    read_name(Node(name, ""), problems)
    problems.raise_any()
    is_plain = (
        re.fullmatch(r"[A-Za-z][\w.-]*", name) and yaml.safe_load(name) == name
    )  # else a number, a day or nothing
    quoted = name if is_plain else json.dumps(name)
    if experiment is None:
        return TEXT.format(name=name, quoted=quoted)
    if experiment not in shipped.names():
        known = ", ".join(shipped.names())
        raise SweepError(
            f"--from {experiment}: expected one of {known}; found {experiment}{nearest(experiment, shipped.names())}"
        )
    shipped_text = (shipped.folder() / f"{experiment}.yaml").read_text(encoding="utf-8")
    return re.sub(r"(?m)^name: .*$", lambda _: f"name: {quoted}", shipped_text, count=1)
