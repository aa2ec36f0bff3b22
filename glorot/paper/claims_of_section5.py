"""The paper's claims about learning rates of each parameter and about pre-training: judges of runs that have them."""

from collections.abc import Callable
from typing import Any

from glorot.paper.claims import Evidence, Judge, Verdict, comparable, lacking, level, sized
from glorot.paper.claims_of_errors import METHODS, lower
from glorot.registry import parsed
from glorot.results.stored import text_of

INITIALIZERS = {"Tanh": "standard", "Tanh N": "normalized"}


def _named(name: str, older: str) -> Callable[[Any], bool]:
    """Whether a cell of runs.csv is this choice, with any parameters. older: what an empty cell means."""
    return lambda found: parsed(text_of(found) or older)[0] == name


def _of_tanh(method: str, **others: Callable[[Any], bool]) -> dict[str, Any]:
    """How a network of five tanh layers on Shapeset is found. method: of INITIALIZERS."""
    network = {"activation": "tanh", "initializer": INITIALIZERS[method], "dataset": "shapeset"}
    return network | {"hidden": lambda hidden: level(hidden) and len(hidden) == 5} | others


def of_optimizers(better: tuple[str, str], worse: tuple[str, str]) -> Judge:
    """Each: a method, and its optimizer. The first has the lower test error, each at its own learning rate."""

    def judge(evidence: Evidence) -> Verdict:
        wanted = [_of_tanh(method, optimizer=_named(optimizer, "sgd")) for method, optimizer in (better, worse)]
        found = comparable(evidence.repeats, *wanted, varies=(*METHODS, "optimizer"))
        needed = " and ".join(f"{method} with {optimizer}" for method, optimizer in (better, worse))
        return sized(lower(*found), *found) if found else lacking(f"{needed}, alike, on Shapeset", "second-order")

    return judge


def of_pretraining(evidence: Evidence) -> Verdict:
    """Tanh after pre-training against Tanh without."""
    wanted = [_of_tanh("Tanh", pretraining=_named(name, "none")) for name in ("denoising", "none")]
    found = comparable(evidence.repeats, *wanted, varies=("pretraining",))
    needed = "Tanh with and without pre-training, alike, on Shapeset"
    return sized(lower(*found), *found) if found else lacking(needed, "pretraining")
