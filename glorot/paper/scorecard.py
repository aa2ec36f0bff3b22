"""The scorecard: every claim of Glorot & Bengio (2010) that can be measured, and what became of it here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from glorot.paper import claims_at_start as at_start
from glorot.paper import claims_of_errors as errors
from glorot.paper.claims import HELD, NOT_HELD, NOT_MEASURED, SIGNIFICANT, Claim, Evidence, Verdict, label
from glorot.paper.claims_at_start import jacobian, keeps, shrinks, spreads, weight_gradients
from glorot.paper.claims_inside import JUDGES as INSIDE
from glorot.paper.claims_of_errors import of_losses, of_sizes, pair, sigmoid_depth, sigmoid_is_worst
from glorot.paper.table1 import TABLE_1
from glorot.reporting.significance import two_proportions
from glorot.results.store import write_text
from glorot.results.stored import StoredRun

FILE = "scorecard.md"
NOTHING = "\N{EN DASH}"
COLUMNS = ["Claim", "Paper", "Its number", "Ours", "Verdict", "Rule", "Runs"]


def evidence(runs: Sequence[StoredRun]) -> Evidence:
    """Of stored runs, and of the network before training, which is made when a claim asks for it."""
    return Evidence(runs, cache(at_start.start))


def judge(found: Evidence, claims: Sequence[Claim] | None = None) -> list[tuple[Claim, Verdict]]:
    """Every claim with its verdict, in the order of CLAIMS."""
    return [(claim, claim.judge(found)) for claim in (CLAIMS if claims is None else claims)]


def markdown(judged: Sequence[tuple[Claim, Verdict]]) -> str:
    """A table with a row a claim; the rules and the runs it refers to; notes. Ends with a line end."""
    import pandas as pd

    rules = list(dict.fromkeys(verdict.rule for _, verdict in judged))
    runs = list(dict.fromkeys(verdict.runs for _, verdict in judged if verdict.runs))
    rows = [
        [
            claim.text,
            claim.where,
            claim.paper,
            verdict.ours or NOTHING,
            f"**{verdict.kind}**" + (f": {verdict.why}" if verdict.why else ""),
            f"R{rules.index(verdict.rule) + 1}",
            f"{runs.index(verdict.runs) + 1}" if verdict.runs else NOTHING,
        ]
        for claim, verdict in judged
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS).map(lambda cell: cell.replace("|", r"\|"))
    counts = Counter(verdict.kind for _, verdict in judged)
    tally = ", ".join(f"{counts[kind]} {kind}" for kind in (HELD, NOT_HELD, NOT_MEASURED))
    parts = [
        f"## Scorecard of Glorot & Bengio (2010): {tally}",
        frame.to_markdown(index=False, disable_numparse=True),
        _listed("Held if:", {f"R{number}": rule for number, rule in enumerate(rules, 1)}),
        _listed("Runs:", {str(number): run for number, run in enumerate(runs, 1)}),
        "".join(f"- {note}\n" for note in NOTES),
    ]
    return "\n\n".join(part for part in parts if part)


def write(folder: Path, text: str) -> None:
    """Write scorecard.md. Raises ResultsError."""
    write_text(folder / FILE, text)


def _listed(title: str, items: Mapping[str, str]) -> str:
    return "\n".join([title, "", *(f"- {name}: {item}" for name, item in items.items())]) if items else ""


def _against(a: str, b: str, dataset: str) -> Claim:
    """Two methods of a column of Table 1: a is better where the paper's own numbers tell them apart, else no worse."""
    wrong = [round(TABLE_1[dataset][method] * 100) for method in (a, b)]  # of 10,000
    apart = two_proportions(wrong[0], 10_000, wrong[1], 10_000) < SIGNIFICANT
    word, rule, text = (
        ("better", errors.lower, errors.LOWER) if apart else ("no worse", errors.no_worse, errors.NO_WORSE)
    )
    numbers = f"{TABLE_1[dataset][a]:.2f} % against {TABLE_1[dataset][b]:.2f} %"
    return Claim(f"{a} is {word} than {b}", _column_of(dataset), numbers, pair(rule, text, a, b, dataset))


def _lead(a: str, b: str, dataset: str) -> Claim:
    papers = f"{TABLE_1[dataset][b] - TABLE_1[dataset][a]:.2f} points"
    judge = pair(errors.gap, errors.GAP, a, b, dataset)
    return Claim(f"{a}'s lead over {b} is of that size", _column_of(dataset), papers, judge)


def _column_of(dataset: str) -> str:
    return f"Table 1, {label(dataset)}"


def _table_1(dataset: str) -> list[Claim]:
    """The claims of one column."""
    sigmoid = f"{TABLE_1[dataset]['Sigmoid']:.2f} %"
    return [
        _against("Tanh N", "Tanh", dataset),
        _lead("Tanh N", "Tanh", dataset),
        _against("Softsign", "Tanh", dataset),
        Claim("Sigmoid is the worst", _column_of(dataset), sigmoid, sigmoid_is_worst(dataset)),
    ]


NOTES = [
    "The paper's runs: 5 hidden layers of 1000 units, 5,000,000 updates of minibatches of 10, one run a cell, learning "
    "rates not known.",
    "Ours: of runs alike in layers, minibatch and updates the longest; of several learning rates or seeds that of the "
    "lowest validation error.",
    "not measured: no such run, or none long enough to tell. A verdict is about runs of that length and size.",
    "p: of McNemar's exact test where both runs' answers to the same examples are stored, else of a two-proportion "
    "test.",
    "Chance: always answering one class is wrong 83.33 % of the time on Shapeset.",
]

CLAIMS = [
    Claim("Activations shrink towards the output: standard", "Eq. 5, Fig. 6", "1/3 a layer",
          spreads("standard", "activation", shrinks)),
    Claim("Activations keep their variance: normalized", "Eq. 5, Fig. 6", "1 a layer",
          spreads("normalized", "activation", keeps)),
    Claim("Gradients shrink towards the input: standard", "Eq. 6, Fig. 7", "1/3 a layer",
          spreads("standard", "gradient", shrinks)),
    Claim("Gradients keep their variance: normalized", "Eq. 6, Fig. 7", "1 a layer",
          spreads("normalized", "gradient", keeps)),
    Claim("Weight gradients are level before training: standard", "Eq. 14, Fig. 8", "1", weight_gradients("standard")),
    Claim("Weight gradients are level before training: normalized", "Eq. 14, Fig. 8", "1",
          weight_gradients("normalized")),
    Claim("Mean singular value of a layer's Jacobian: standard", "Section 4.2", "0.5", jacobian("standard", 0.5)),
    Claim("Mean singular value of a layer's Jacobian: normalized", "Section 4.2", "0.8", jacobian("normalized", 0.8)),
    *(claim for dataset in ("shapeset", "mnist", "cifar10", "small_imagenet") for claim in _table_1(dataset)),
    Claim("Sigmoid with 5 layers stays at chance", "Table 1, Fig. 2", "82.61 %",
          pair(errors.at_chance, errors.AT_CHANCE, "Sigmoid", "Tanh", "shapeset")),
    Claim("Sigmoid with 4 layers leaves the plateau, with 5 never", "Fig. 2", "about update 2,000,000",
          sigmoid_depth(errors.leaves_chance, errors.LEAVES)),
    Claim("Sigmoid is better with 4 layers than with 5", "Section 5", "4 is its best depth",
          sigmoid_depth(errors.lower, errors.LOWER)),
    Claim("The top sigmoid layer goes to 0 first", "Fig. 2, 4 layers", "mean 0", INSIDE["top sigmoid layer"]),
    Claim("Tanh layers saturate one after the other, the first one first", "Fig. 3", "layer 1, 2, ...",
          INSIDE["tanh one by one"]),
    Claim("Softsign layers move together", "Fig. 3", "all together", INSIDE["softsign together"]),
    Claim("Tanh activations gather at -1, 0 and 1", "Fig. 4", "modes at -1, 0, 1", INSIDE["tanh modes"]),
    Claim("Softsign activations gather at the knees", "Fig. 4", "mass at .6 to .8", INSIDE["softsign modes"]),
    Claim("Weight gradients drift apart in training: standard", "Fig. 9", "apart", INSIDE["standard drifts"]),
    Claim("Weight gradients stay together in training: normalized", "Fig. 9", "together", INSIDE["normalized stays"]),
    Claim("Log-likelihood has fewer plateaus than the quadratic cost", "Section 4.1, Fig. 5", "fewer", of_losses),
    Claim("Tanh N helps where layers shrink", "Section 5", "better", of_sizes("shrink")),
    Claim("Tanh N helps where layers grow", "Section 5", "better", of_sizes("grow")),
    *(Claim("Tanh N is ahead of Tanh during training", f"{figure}, {label(dataset)}", "lower curve",
            pair(errors.faster, errors.FASTER, "Tanh N", "Tanh", dataset))
      for figure, dataset in (("Fig. 11", "shapeset"), ("Fig. 12", "mnist"), ("Fig. 12", "cifar10"))),
]  # fmt: skip
