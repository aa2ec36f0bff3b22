"""The paper's claims about depth, plateaus, layers of unequal size, curves, and a fixed set of images."""

from collections.abc import Callable, Sequence
from itertools import pairwise, product

from glorot.paper.claims import (
    LATEST,
    PAPERS_WIDTH,
    REVISED,
    SIZE,
    Evidence,
    Judge,
    Rule,
    Verdict,
    comparable,
    decided,
    full_size,
    label,
    lacking,
    level,
    not_measured,
    sized,
    sweep_of,
)
from glorot.paper.claims_of_errors import METHODS, PAPERS_EXAMPLES, lower, of_table_1
from glorot.paper.differences import LAST, SHORT, away_from_chance, difference, learned, left_chance, variance
from glorot.paper.repeats import Repeats
from glorot.reporting.significance import SIGNIFICANT, Sample, Z, compare, p_text
from glorot.results.stored import text_of
from glorot.sweeps.settings import Settings

AHEAD, FEWEST = 0.9, 5  # share of evaluations to be ahead at, and how many there must be
DEPTHS = (1, 2, 3, 4, 5)
FIXED_SET, PASSES = 100_000, 10
PAPERS_SVM, PAPERS_FIXED_SET = 59.47, 50.47  # test error in percent, section 2 of the paper

LEAVES = Rule(
    f"4 layers get significantly below chance (p < {SIGNIFICANT}) after their first evaluation, for {LAST} evaluations "
    "in a row or to the end; 5 layers, trained as long, get there later or never. Not held: 5 layers are no later.",
    LATEST,
)
FASTER = Rule(
    f"Its test error is lower at {100 * AHEAD:g} % of the evaluations after update 0, of which there are at least "
    f"{FEWEST}. Not held: at half of them or fewer; at {SIZE} also between the two."
)
PLATEAU = Rule(
    "Each cost has the best of at least two learning rates, and several seeds. The update from which on the validation "
    f"error is below chance comes earlier: significantly over the seeds (p < {SIGNIFICANT}), and by more than the "
    "updates between two evaluations. Not held: the reverse. Runs that are evaluated most often count.",
    LATEST,
)
DEEPEST = Rule(
    "Of 1 to 5 hidden layers, the test error with 5 is clearly the lowest. Not held: with another number it is clearly "
    "lower than with 5.",
    REVISED,
)
CLOSE = Rule(
    f"The test error is the paper's, within {Z} standard errors (ours and the paper's). Only after training on exactly "
    f"{FIXED_SET:,} images; networks at the paper's width and at least {PASSES} times through the images.",
    REVISED,
)


# Rules: repeats -> verdict -------------------------------------------------------------------------


def leaves_chance(four: Repeats, five: Repeats) -> Verdict:
    """The shallower net gets off the plateau at some time, the deeper one later or never."""
    away = [away_from_chance(one) for one in (four, five)]
    moments = [stretches[0][0] if stretches else None for stretches in away]
    ours = f"4 layers: {_moments(away[0])}, 5 layers: {_moments(away[1])}"
    if moments == [None, None]:
        return not_measured(f"both at chance after {four.updates:,} updates", ours)
    if moments[0] is None:
        return decided(False, ours)
    if moments[0] <= min(four.curve("valid_error")):
        return not_measured("4 layers left before the second evaluation: no plateau was seen", ours)
    return decided(moments[1] is None or moments[1] > moments[0], ours)


def faster(a: Repeats, b: Repeats) -> Verdict:
    """a is ahead of b during training."""
    curves = a.curve(), b.curve()
    moments = sorted(curves[0].keys() & curves[1].keys())
    ahead = sum(curves[0][update] < curves[1][update] for update in moments)
    ours = f"at {ahead} of {len(moments)} evaluations"
    if len(moments) < FEWEST:
        return not_measured(f"needs {FEWEST} evaluations", ours)
    if not learned(a) and not learned(b):
        return not_measured(f"both at chance after {a.updates:,} updates", ours)
    if len(moments) / 2 < ahead < AHEAD * len(moments) and not full_size(a, b):
        return not_measured(f"mixed in {a.updates:,} updates", ours)
    return decided(ahead >= AHEAD * len(moments), ours)


def shorter_plateau(a: Repeats, b: Repeats) -> Verdict:
    """a leaves chance before b, each with a learning rate of its own. A seed that does not leave it counts as one that
    leaves at the end."""
    moments = [[left_chance(Repeats((run,))) for run in one.runs] for one in (a, b)]
    samples = [
        Sample([float(one.updates if moment is None else moment) for moment in of_seeds], 0, seeds=tuple(one.seeds))
        for one, of_seeds in zip((a, b), moments, strict=True)
    ]
    compared = compare(samples[0], samples[1])
    p = f" ({p_text(compared[1])}, {SHORT.get(compared[0], compared[0])})" if compared else ""
    lists = [", ".join("never" if moment is None else f"{moment:,}" for moment in of_seeds) for of_seeds in moments]
    ours = f"below chance from update {' against '.join(lists)}{p}; {difference(a, b)}"
    if any(len(one.rates) < 2 for one in (a, b)):
        return not_measured("needs at least two learning rates for each cost", ours)
    if compared is None:
        return not_measured("needs several seeds", ours)
    earlier = samples[1].mean - samples[0].mean
    if compared[1] < SIGNIFICANT and abs(earlier) > int(a["evaluate_every"]):
        return decided(earlier > 0, ours)
    return not_measured(f"no clear difference with {len(a.runs)} seeds", ours)


def deepest(by_depth: Sequence[Repeats]) -> Verdict:
    """The last of these has the lowest test error. by_depth: networks of 1, 2, ... hidden layers."""
    ours = ", ".join(f"{len(one.hidden)}: {one.error:.2f}" for one in by_depth) + " %"
    against = {len(one.hidden): difference(by_depth[-1], one) for one in by_depth[:-1]}
    if not learned(by_depth[-1]):
        return not_measured(f"at chance after {by_depth[-1].updates:,} updates", ours)
    if any(found.higher for found in against.values()):
        return decided(False, ours)
    near = [str(depth) for depth, found in against.items() if not found.lower]
    return not_measured(f"not clearly below {' and '.join(near)} layers", ours) if near else decided(True, ours)


def close(one: Repeats, papers: float) -> Verdict:
    """The test error is the paper's."""
    rate = papers / 100
    standard_error = (variance(one) + 100**2 * rate * (1 - rate) / PAPERS_EXAMPLES) ** 0.5
    late = list(one.curve().values())[-LAST:]
    ours = f"{one.error:.2f} %"
    if len(late) > 1:
        ours += f"; mean of the last {len(late)}: {sum(late) / len(late):.2f}"
    if not _is_svm(one):
        passes = one.updates * int(one["batch_size"]) / FIXED_SET
        if passes < PASSES or min(one.hidden) < PAPERS_WIDTH:
            return not_measured(f"needs {PAPERS_WIDTH} units and {PASSES} times through the images", ours)
    return decided(abs(one.error - papers) <= Z * standard_error, ours)


def _moments(away: Sequence[tuple[int, int | None]]) -> str:
    """When a network left chance, and when it was back."""
    told = [f"update {left:,}" + (f" (back at {back:,})" if back else "") for left, back in away]
    return ", ".join(told) or "never"


# Judges: evidence -> the runs a rule needs -> verdict ---------------------------------------------


def curves(a: str, b: str, dataset: str) -> Judge:
    """Whether a is ahead of b while both train on a data set, at depth 5."""

    def judge(evidence: Evidence) -> Verdict:
        found = comparable(evidence.repeats, of_table_1(a, dataset), of_table_1(b, dataset), varies=METHODS)
        needed = f"{a} and {b}, 5 layers, alike, on {label(dataset)}"
        return sized(faster(*found), *found) if found else lacking(needed, sweep_of(dataset))

    return judge


def sigmoid_depth(rule: Callable[[Repeats, Repeats], Verdict]) -> Judge:
    """A rule about sigmoid networks of 4 and 5 hidden layers on Shapeset."""

    def judge(evidence: Evidence) -> Verdict:
        found = _of_depths(evidence, "Sigmoid", (4, 5))
        return sized(rule(*found), *found) if found else lacking("Sigmoid, 4 and 5 layers, alike, on Shapeset")

    return judge


def five_are_best(method: str) -> Judge:
    def judge(evidence: Evidence) -> Verdict:
        found = _of_depths(evidence, method, DEPTHS)
        return sized(deepest(found), *found) if found else lacking(f"{method}, 1 to 5 layers, alike, on Shapeset", "")

    return judge


def _of_depths(evidence: Evidence, method: str, depths: Sequence[int]) -> list[Repeats] | None:
    wanted = [{"method": method, "dataset": "shapeset", "depth": depth, "hidden": level} for depth in depths]
    return comparable(evidence.repeats, *wanted, varies=("hidden",), same=("width",))


def of_losses(evidence: Evidence) -> Verdict:
    """Tanh with both costs, each with its own learning rate."""
    spacings = sorted({int(one["evaluate_every"]) for one in evidence.repeats if text_of(one["evaluate_every"])})
    for initializer, seeds, spacing in product(("standard", "normalized"), (2, 1), spacings):
        tanh = {"activation": "tanh", "initializer": initializer, "dataset": "shapeset", "evaluate_every": spacing}
        costs = (tanh | {"loss": "cross_entropy"}, tanh | {"loss": "quadratic"})
        found = comparable(evidence.repeats, *costs, varies=("loss",), seeds=seeds)
        if found:
            return sized(shorter_plateau(*found), *found)
    return lacking("Tanh with both costs, alike, on Shapeset", "two-costs")


def of_sizes(shape: str) -> Judge:
    """Tanh N against Tanh where layers get narrower ("shrink") or wider ("grow") from the first to the last."""

    def monotone(hidden: tuple[int, ...]) -> bool:
        return len(hidden) > 1 and all((a > b) if shape == "shrink" else (a < b) for a, b in pairwise(hidden))

    def judge(evidence: Evidence) -> Verdict:
        wanted = [{"method": method, "dataset": "shapeset", "hidden": monotone} for method in ("Tanh N", "Tanh")]
        found = comparable(evidence.repeats, *wanted, varies=METHODS)
        needed = f"Tanh N and Tanh, layers that {shape}, alike, on Shapeset"
        return sized(lower(*found), *found) if found else lacking(needed)

    return judge


def _is_svm(one: Repeats) -> bool:
    """Whether a run is of a support vector machine: by the field `model`, where there is one."""
    return "svm" in text_of(one.runs[0].row.get("model")).lower()


def _fixed_set(evidence: Evidence) -> tuple[Repeats | None, Repeats | None]:
    """An SVM and the paper's best network, trained on the same 100,000 images of Shapeset."""
    fixed = {"dataset": "shapeset", "train_examples": lambda found: text_of(found) == str(FIXED_SET)}
    svm = comparable([one for one in evidence.repeats if _is_svm(one)], fixed | dict.fromkeys(
        set(Settings.model_fields) - set(fixed), lambda found: True), varies=Settings.model_fields)  # fmt: skip
    net = comparable(evidence.repeats, of_table_1("Tanh N", "shapeset") | fixed, varies=METHODS)
    return svm[0] if svm else None, net[0] if net else None


NEEDS_SVM = f"an SVM's run on {FIXED_SET:,} Shapeset images"
NEEDS_NET = f"Tanh N, 5 layers, with train_examples: {FIXED_SET}, on Shapeset"


def of_svm(evidence: Evidence) -> Verdict:
    svm, _ = _fixed_set(evidence)
    return sized(close(svm, PAPERS_SVM), svm) if svm else lacking(NEEDS_SVM, "")


def of_fixed_set(evidence: Evidence) -> Verdict:
    _, net = _fixed_set(evidence)
    return sized(close(net, PAPERS_FIXED_SET), net) if net else lacking(NEEDS_NET, "reference-fixed-set")


def network_beats_svm(evidence: Evidence) -> Verdict:
    svm, net = _fixed_set(evidence)
    if svm is None or net is None:
        return lacking(f"{NEEDS_NET}, and {NEEDS_SVM}", "reference-fixed-set")
    return sized(lower(net, svm), net, svm)
