"""What the lecture says of units, depth, slopes and costs, as claims with rules: most are computed on the spot.

Lines are those of docs/lecture.md. What SGD learns is judged by stored runs of `parity` and `parity-learned`.
"""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from glorot.datasets import boolean
from glorot.datasets.truth_tables import values_of
from glorot.models.losses import LOSSES
from glorot.paper.claim_list import Section
from glorot.paper.claims import Claim, Evidence, Judge, Rule, Verdict, decided, lacking, not_measured
from glorot.registry import parsed
from glorot.results.stored import StoredRun, text_of
from glorot.sweeps.shipped import resolve_network
from glorot.training import by_hand, chain, inspection, small_networks, steps
from glorot.training.theory import steepest

WRITTEN = "2026-11-27"
SIZES = (2, 4, 8)  # inputs of the networks that are computed here; results have 16
FEW, NEAR = 1e-3, 0.05

ALL_ROWS = Rule("The outputs are right in all rows of the truth table, computed here.", WRITTEN)
COUNTED = Rule("The numbers of units, layers and parameters are those said, with no error, computed here.", WRITTEN)
GRADIENTS = Rule(f"Each gradient is within {FEW:g} of a numerical derivative, computed here.", WRITTEN)
FACTORS = Rule("The product of the factors, computed here, falls or rises with each unit more.", WRITTEN)
CLOSE_TO = Rule(f"The number, computed here, is within {100 * NEAR:g} % of that said.", WRITTEN)
SHARES = Rule("The share of units, computed here, is above that said.", WRITTEN)
LEARNS = Rule("Every seed ends with no error in all rows. Not held: a seed does not. Stored runs.", WRITTEN)
NO_ERROR = Rule("Every construction, with exact weights, has no error at each number of inputs. Stored runs.", WRITTEN)


# Computed here --------------------------------------------------------------------------------------


def one_unit(function: str) -> Judge:
    def judge(evidence: Evidence) -> Verdict:
        errors = {}
        for bits in SIZES:
            rows = boolean.load(Path(), function, bits, "")
            errors[bits] = by_hand.measured(by_hand.one_unit(function, bits), rows)[0]
        return decided(not any(errors.values()), f"errors of {_of(errors)}")

    return judge


def _of(errors: dict[int, float]) -> str:
    return ", ".join(f"{bits} inputs: {error:.2f} %" for bits, error in errors.items())


def every_function(evidence: Evidence) -> Verdict:
    """All 255 tables of three inputs that have a 1."""
    from glorot.models.constructions import build

    wrong, most = 0, 0
    for number in range(1, 256):
        table = f"{number:08b}"
        built = build("or_of_ands", values_of("", 3, table), "sigmoid", {"gain": 10.0, "times": 1})
        wrong += by_hand.measured(built, boolean.load(Path(), "", 3, table))[0] > 0
        most = max(most, len(built.units) - 1)
    ours = f"{255 - wrong} of the 255 functions of 3 inputs with a 1; up to {most} hidden units"
    return decided(wrong == 0, ours)


@cache
def _built(model: str, bits: int) -> by_hand.BuiltByHand | None:
    return by_hand.of_parity(model, "sigmoid", bits)


def sizes(model: str, units: str, layers: str = "2", parameters: str = "") -> Judge:
    """units, layers, parameters: as functions of N and of log = log2 N, for people and to be computed."""
    laws = {
        "2^(N-1) + 1": lambda n: 2 ** (n - 1) + 1, "N + 1": lambda n: n + 1, "3 (N - 1)": lambda n: 3 * (n - 1),
        "2 log2 N": lambda n: 2 * (n.bit_length() - 1), "2": lambda n: 2, "9": lambda n: 9,
    }  # fmt: skip

    def judge(evidence: Evidence) -> Verdict:
        found = [one for bits in SIZES if (one := _built(model, bits))]
        right = all(
            (one.units, one.layers, one.error) == (laws[units](one.bits), laws[layers](one.bits), 0)
            and (not parameters or one.parameters == laws[parameters](one.bits))
            for one in found
        )
        ours = "; ".join(f"{one.bits} inputs: {one.units} units in {one.layers} layers, {one.parameters} numbers"
                         for one in found)  # fmt: skip
        return decided(right, ours)

    return judge


def xor_by_two_layers(evidence: Evidence) -> Verdict:
    one = _built("counting", 2)
    assert one
    return decided(
        one.error == 0 and one.layers == 2, f"{one.error:.2f} % with {one.units} units, margin {one.margin:.3f}"
    )


def exponential_units(evidence: Evidence) -> Verdict:
    """Held if two layers of logistic units cannot do parity with fewer than exponentially many: N hidden ones can."""
    found = [one for bits in SIZES if (one := _built("counting", bits))]
    needed = any(one.error or one.units - 1 > one.bits for one in found)
    return decided(needed, "N hidden units that count suffice: " + _of({one.bits: one.error for one in found}))


def back_propagation(evidence: Evidence) -> Verdict:
    worked = steps.work(small_networks.load(resolve_network(Path("two-layers"))))
    return decided(worked.difference < FEW, f"largest difference {worked.difference:.1g} (two-layers.yaml)")


def largest_slope(evidence: Evidence) -> Verdict:
    found = steepest("sigmoid")
    return decided(abs(found.slope - 0.25) < FEW, f"{found.slope:g} at z = {found.z:g}")


def chains(weight: float, vanish: bool) -> Judge:
    def judge(evidence: Evidence) -> Verdict:
        found, _ = chain.chain("sigmoid", (weight,) * 10, steep=True).by_depth()
        goes = [later < before if vanish else later > before for before, later in pairwise(found)]
        return decided(all(goes), f"1 unit: {found[0]:.3g}, 10 units: {found[-1]:.3g}, weights {weight:g}, every z = 0")

    return judge


@cache
def _ones() -> inspection.Inspection:
    return inspection.inspect(inspection.ones(500), "sigmoid", "standard_normal", (1000,), examples=1)


def deviation_of_z(evidence: Evidence) -> Verdict:
    z = _ones().layers[0].z
    assert z
    return decided(abs(z.measured**0.5 / 500**0.5 - 1) < NEAR, f"{z.measured**0.5:.1f} over 1,000 units")


def saturated(evidence: Evidence) -> Verdict:
    share = _ones().layers[0].saturation
    assert share is not None
    return decided(share > 0.5, f"{100 * share:.0f} % of 1,000 units have less than 5 % of the largest slope")


def costs_where_wrong(evidence: Evidence) -> Verdict:
    """a near 1 and y = 0: z = 8."""
    z, zero = np.float32(8), np.float32(0)
    entropy, squared = (float(LOSSES[name].delta(z, zero, zero)) for name in ("sigmoid_cross_entropy", "quadratic"))
    ours = f"at z = 8, y = 0: cross-entropy {entropy:.4f}, squared error {squared:.4f}"
    return decided(abs(entropy - 1) < FEW and abs(squared) < FEW, ours)


def relu_zeros(evidence: Evidence) -> Verdict:
    seen = inspection.inspect("shapeset", "relu", "he_normal", (300,) * 5, examples=100)
    zeros = [one.zero for one in seen.hidden if one.zero is not None]
    return decided(
        min(zeros) > 1 / 3, f"{100 * min(zeros):.0f} to {100 * max(zeros):.0f} % of activations are 0, 5 x 300"
    )


# Of stored runs -------------------------------------------------------------------------------------


def _runs(evidence: Evidence, exact: bool) -> list[StoredRun]:
    """Those of models by hand on parity."""
    return [
        run for run in evidence.runs
        if text_of(run.row.get("model")).startswith(("or_of_ands", "counting", "xor_tree"))
        and "parity" in run["dataset"] and (run["initializer"] == "exact") == exact
    ]  # fmt: skip


def _bits(run: StoredRun) -> int:
    return int(parsed(run["dataset"])[1]["bits"])  # type: ignore[arg-type]


def by_hand_no_error(evidence: Evidence) -> Verdict:
    runs = _runs(evidence, exact=True)
    if not runs:
        return lacking("runs of the constructions with exact weights", "parity")
    bits = sorted({_bits(run) for run in runs})
    worst = max(float(run["test_error"]) for run in runs)
    return decided(worst == 0, f"{len(runs)} networks, {bits[0]} to {bits[-1]} inputs: at most {worst:.2f} %")


def learned(kind: str, bits: int) -> Judge:
    """Of one construction from drawn weights, by the seeds of its best activation and rate, as the sweep chose it.
    kind: how the text of its model begins."""

    def judge(evidence: Evidence) -> Verdict:
        groups: dict[str, list[StoredRun]] = {}
        for run in _runs(evidence, exact=False):
            if text_of(run.row.get("model")).startswith(kind) and _bits(run) == bits:
                groups.setdefault(run["activation"], []).append(run)
        if not groups:
            return lacking(f"runs of {kind} from drawn weights on parity of {bits}", "parity-learned")
        return _shares(groups)

    return judge


def _shares(groups: dict[str, list[StoredRun]]) -> Verdict:
    """Of the seeds of each activation; the best decides."""
    right = {name: [float(run["test_error"]) == 0 for run in runs] for name, runs in groups.items()}
    ours = ", ".join(f"{name}: {sum(found)} of {len(found)} seeds" for name, found in sorted(right.items()))
    if max(map(len, right.values())) < 2:
        return not_measured("needs two seeds", ours)
    return decided(any(all(found) for found in right.values()), ours)


def what_sgd_learns() -> Iterable[Claim]:
    kinds = {
        "One hidden layer of 2N units": "counting(gain=10.0, times=2)",
        "One hidden layer of 2^N units": "or_of_ands(gain=10.0, times=2)",
        "An untied tree of XORs": "xor_tree(tied=false",
        "A tied tree of XORs": "xor_tree(tied=true",
    }
    for text, kind in kinds.items():
        for bits in (2, 4, 8):
            yield Claim(f"{text} learns parity of {bits}", "", "not said", LEARNS, learned(kind, bits))


TREE, TIED = "xor_tree(tied=false, gain=10.0)", "xor_tree(tied=true, gain=10.0)"
EXPRESS = (
    Claim("One logistic unit computes AND", "5", "any number of inputs", ALL_ROWS, one_unit("and")),
    Claim("One logistic unit computes OR", "5", "any number of inputs", ALL_ROWS, one_unit("or")),
    Claim("Every Boolean function is an OR of ANDs", "6", "one hidden layer", ALL_ROWS, every_function),
    Claim("XOR by two layers", "7", "2 layers", ALL_ROWS, xor_by_two_layers),
    Claim("Parity as an OR of ANDs takes 2^(N-1) hidden units", "8", "O(2^N)", COUNTED,
          sizes("or_of_ands", "2^(N-1) + 1")),
    Claim("Parity in two layers of logistic units takes exponentially many", "8", "O(2^N)", COUNTED, exponential_units),
    Claim("A tree of XORs does parity in 2 log2 N layers", "9", "2 log2 N layers", COUNTED,
          sizes(TREE, "3 (N - 1)", "2 log2 N")),
    Claim("Tied, the tree has the same few weights for any N", "9", "O(log N) units", COUNTED,
          sizes(TIED, "3 (N - 1)", "2 log2 N", "9")),
    Claim("All of these with 2 to 16 inputs", "8, 9", "no error", NO_ERROR, by_hand_no_error),
)  # fmt: skip
MATHEMATICS = (
    Claim("Back-propagation gives the derivatives of the cost", "2", "equations", GRADIENTS, back_propagation),
    Claim("The slope of the sigmoid is at most 1/4", "15", "1/4", CLOSE_TO, largest_slope),
    Claim("Weights below 1: gradients vanish", "14, 15", "vanish", FACTORS, chains(0.9, True)),
    Claim("Weights above 1: gradients explode", "14, 15", "explode", FACTORS, chains(1.1, False)),
    Claim("Weights above 4: gradients of sigmoid units explode", "14, 15", "explode", FACTORS, chains(4.4, False)),
    Claim("Many small inputs saturate units", "17", "saturate", SHARES, saturated),
    Claim("500 inputs with weights from N(0, 1): standard deviation of z", "18", "22.4", CLOSE_TO, deviation_of_z),
    Claim("Where a unit is wrong and saturated, only cross-entropy has a gradient", "20", "1 against 0", CLOSE_TO,
          costs_where_wrong),
    Claim("ReLU makes outputs sparse", "25", "more than a third are 0", SHARES, relu_zeros),
)  # fmt: skip
SECTIONS = (
    Section("What units can express", "Networks built by hand; no training.", EXPRESS),
    Section("The mathematics", "Computed here.", MATHEMATICS),
    Section("What SGD learns", "The same networks from drawn weights. What can be expressed need not be learned.",
            tuple(what_sgd_learns())),
)  # fmt: skip
NOTES = [
    "The lecture's lines are numbered as in docs/lecture.md.",
    "Two layers need exponentially many units only if the hidden units are ANDs and the output is an OR, which lists "
    "all odd patterns. N logistic or threshold units that count the ones suffice.",
    "Weights above 1 do not make gradients of sigmoid units explode. With a largest slope of 1/4 it takes weights "
    "above 4, and every unit where its slope is largest.",
    "What SGD learns: plain SGD, with the learning rate that the sweep chose by the error on all rows.",
]
