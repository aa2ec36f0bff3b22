"""All claims that the scorecard judges, by section."""

from dataclasses import dataclass

from glorot.paper import claims_at_start as at_start
from glorot.paper import claims_inside as inside
from glorot.paper import claims_of_errors as errors
from glorot.paper import claims_of_section5 as section5
from glorot.paper import claims_of_training as training
from glorot.paper.claims import Claim, Rule, label
from glorot.paper.claims_at_start import jacobian, keeps, shrinks, spreads, weight_gradients
from glorot.paper.claims_inside import JUDGES as INSIDE
from glorot.paper.claims_of_errors import pair
from glorot.paper.table1 import ROWS, TABLE_1


@dataclass(frozen=True)
class Section:
    """Claims with a tally of their own. title: of it. about: why they stand apart, in a sentence."""

    title: str
    about: str
    claims: tuple[Claim, ...]


def apart(a: str, b: str, dataset: str) -> bool:
    """Whether b is significantly worse than a by the paper's own numbers."""
    return b not in errors.papers_best(dataset, (a, b))


def against(a: str, b: str, dataset: str) -> Claim:
    """Two methods of a column of Table 1: a is better where the paper's own numbers tell them apart, else no worse."""
    numbers = f"{TABLE_1[dataset][a]:.2f} % against {TABLE_1[dataset][b]:.2f} %"
    if apart(a, b, dataset):
        judge = pair(errors.lower, a, b, dataset)
        return Claim(f"{a} is better than {b}", _column(dataset), numbers, errors.LOWER, judge)
    judge = pair(errors.no_worse, a, b, dataset)
    return Claim(f"{a} is no worse than {b}", _column(dataset), numbers, errors.NO_WORSE, judge)


def lead(a: str, b: str, dataset: str) -> Claim:
    papers = f"{TABLE_1[dataset][b] - TABLE_1[dataset][a]:.2f} points"
    return Claim(
        f"{a}'s lead over {b} is of that size", _column(dataset), papers, errors.GAP, pair(errors.gap, a, b, dataset)
    )


def worst(dataset: str) -> Claim:
    papers = f"{TABLE_1[dataset]['Sigmoid']:.2f} %"
    return Claim("Sigmoid is the worst", _column(dataset), papers, errors.WORST, errors.sigmoid_is_worst(dataset))


def best(dataset: str) -> Claim:
    papers = errors.papers_best(dataset)
    names = ", ".join(row for row in ROWS if row in papers)
    return Claim("The best methods are the paper's", _column(dataset), names, errors.PATTERN, errors.same_best(dataset))


def _column(dataset: str) -> str:
    return f"Table 1, {label(dataset)}"


def column(dataset: str) -> list[Claim]:
    """The claims of one column. The size of a lead, on other images than the paper's, would say nothing."""
    published = dataset != "small_imagenet"
    return [
        against("Tanh N", "Tanh", dataset),
        *([lead("Tanh N", "Tanh", dataset)] if published and apart("Tanh N", "Tanh", dataset) else []),
        against("Softsign", "Tanh", dataset),
        against("Softsign N", "Tanh", dataset),
        against("Softsign N", "Softsign", dataset),
        *([worst(dataset)] if dataset != "shapeset" else []),  # there the paper's has not left chance
        best(dataset),
    ]


def distance(method: str) -> float:
    """Between a method's errors with the two initializations on Shapeset, in the paper."""
    return abs(TABLE_1["shapeset"][method] - TABLE_1["shapeset"][f"{method} N"])


def _inside(text: str, where: str, paper: str, rule: Rule, name: str) -> Claim:
    return Claim(text, where, paper, rule, INSIDE[name])


def with_rates(optimizer: str, name: str) -> list[Claim]:
    """Section 5's claims about a rate for each parameter. name: of the optimizer, for people."""

    def claim(text: str, better: tuple[str, str], worse: tuple[str, str]) -> Claim:
        return Claim(f"{name}: {text}", "Section 5", "no number", errors.LOWER, section5.of_optimizers(better, worse))

    return [
        claim("a gain for Tanh", ("Tanh", optimizer), ("Tanh", "sgd")),
        claim("it does not reach Tanh N", ("Tanh N", "sgd"), ("Tanh", optimizer)),
        claim("a further gain for Tanh N", ("Tanh N", optimizer), ("Tanh N", "sgd")),
    ]


TRAINED = (
    *(claim for dataset in ("shapeset", "mnist", "cifar10") for claim in column(dataset)),
    Claim("Softsign is less sensitive to the initialization than Tanh", "Table 1, Shapeset",
          f"{distance('Softsign'):.2f} points against {distance('Tanh'):.2f}", errors.LESS_SENSITIVE,
          errors.softsign_is_less_sensitive("shapeset")),
    Claim("Sigmoid with 5 layers stays at chance", "Table 1, Fig. 2", "82.61 %", errors.AT_CHANCE,
          errors.sigmoid_at_chance),
    Claim("Sigmoid with 4 layers leaves the plateau, with 5 never", "Fig. 2", "about update 2,000,000", training.LEAVES,
          training.sigmoid_depth(training.leaves_chance)),
    Claim("Sigmoid is better with 4 layers than with 5", "Section 5", "4 is its best depth", errors.LOWER,
          training.sigmoid_depth(errors.lower)),
    *(Claim(f"{method} is best with 5 layers", "Section 5", "5 is its best depth", training.DEEPEST,
            training.five_are_best(method)) for method in ("Tanh", "Tanh N")),
    _inside("The top sigmoid layer goes to 0 first", "Fig. 2, 4 layers", "mean 0", inside.TOP_FIRST,
            "top sigmoid layer"),
    _inside("Tanh layers saturate one after the other, the first one first", "Fig. 3", "layer 1, 2, ...",
            inside.ONE_BY_ONE, "tanh one by one"),
    _inside("Softsign layers move together", "Fig. 3", "all together", inside.TOGETHER, "softsign together"),
    _inside("Tanh N layers move together", "Fig. 10", "all together", inside.TOGETHER, "normalized together"),
    _inside("Tanh activations gather at -1, 0 and 1", "Fig. 4", "modes at -1, 0, 1", inside.ENDS, "tanh modes"),
    _inside("Softsign activations gather at the knees", "Fig. 4", "mass at .6 to .8", inside.KNEES, "softsign modes"),
    _inside("Weight gradients drift apart in training: standard", "Fig. 9", "apart", inside.APART, "standard drifts"),
    _inside("Weight gradients stay together in training: normalized", "Fig. 9", "together", inside.STAY,
            "normalized stays"),
    Claim("Log-likelihood has fewer plateaus than the quadratic cost", "Section 4.1, Fig. 5", "fewer", training.PLATEAU,
          training.of_losses),
    Claim("Tanh N helps where layers shrink", "Section 5", "better", errors.LOWER, training.of_sizes("shrink")),
    Claim("Tanh N helps where layers grow", "Section 5", "better", errors.LOWER, training.of_sizes("grow")),
    *(Claim("Tanh N is ahead of Tanh during training", f"{figure}, {label(dataset)}", "lower curve", training.FASTER,
            training.curves("Tanh N", "Tanh", dataset))
      for figure, dataset in (("Fig. 11", "shapeset"), ("Fig. 12", "mnist"), ("Fig. 12", "cifar10"))),
    *with_rates("diagonal_hessian", "Rates by the diagonal Hessian"),
    *with_rates("gradient_variance", "Rates by the gradient's variance"),
    Claim("Tanh with pre-training is better than without", "Fig. 11", "lower curve", errors.LOWER,
          section5.of_pretraining),
    Claim("An RBF-kernel SVM on 100,000 images", "Section 2, Shapeset", f"{training.PAPERS_SVM:.2f} %", training.CLOSE,
          training.of_svm),
    Claim("Tanh N on the same 100,000 images", "Section 2, Shapeset", f"{training.PAPERS_FIXED_SET:.2f} %",
          training.CLOSE, training.of_fixed_set),
    Claim("Tanh N is better than the SVM on them", "Section 2, Shapeset",
          f"{training.PAPERS_FIXED_SET:.2f} % against {training.PAPERS_SVM:.2f} %", errors.LOWER,
          training.network_beats_svm),
)  # fmt: skip

AT_START = (
    Claim("Activations shrink towards the output: standard", "Eq. 5, Fig. 6", "1/3 per layer", at_start.SHRINKS,
          spreads("standard", "activation", shrinks)),
    Claim("Activations keep their variance: normalized", "Eq. 5, Fig. 6", "1 per layer", at_start.KEEPS,
          spreads("normalized", "activation", keeps)),
    Claim("Gradients shrink towards the input: standard", "Eq. 6, Fig. 7", "1/3 per layer", at_start.SHRINKS,
          spreads("standard", "gradient", shrinks)),
    Claim("Gradients keep their variance: normalized", "Eq. 6, Fig. 7", "1 per layer", at_start.KEEPS,
          spreads("normalized", "gradient", keeps)),
    Claim("Weight gradients are level before training: standard", "Eq. 14, Fig. 8", "1", at_start.SAME,
          weight_gradients("standard")),
    Claim("Weight gradients are level before training: normalized", "Eq. 14, Fig. 8", "1", at_start.SAME,
          weight_gradients("normalized")),
    Claim("Mean singular value of a layer's Jacobian: standard", "Section 4.2", "0.5", at_start.SINGULAR,
          jacobian("standard", 0.5)),
    Claim("Mean singular value of a layer's Jacobian: normalized", "Section 4.2", "0.8", at_start.SINGULAR,
          jacobian("normalized", 0.8)),
)  # fmt: skip

FOUND_HERE = (
    _inside("Tanh N saturates sooner than Tanh, and in layers 2 to 5 more", "Figs. 3 and 10", "not said", inside.SOONER,
            "normalized sooner"),
)  # fmt: skip

SECTIONS = (
    Section("In training", "Shapeset, MNIST and CIFAR-10.", TRAINED),
    Section("Before training", "These need no stored run: networks are made and measured here.", AT_START),
    Section("On a stand-in", "The paper's Small-ImageNet was never published: these runs are of other images.",
            tuple(column("small_imagenet"))),
    Section("Found here", "Not in the paper: seen in results of ours, and judged by those that follow.", FOUND_HERE),
)  # fmt: skip
CLAIMS = tuple(claim for section in SECTIONS for claim in section.claims)
