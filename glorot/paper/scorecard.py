"""Scorecards: claims of Glorot & Bengio (2010), or of the lecture, and what became of each here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glorot.paper import claims_at_start as at_start
from glorot.paper import lecture_claims
from glorot.paper.claim_list import SECTIONS, Section
from glorot.paper.claims import FIRST, HELD, LATEST, NOT_HELD, NOT_MEASURED, REVISED, Claim, Evidence, Verdict
from glorot.paper.claims_of_errors import CLEARLY
from glorot.paper.differences import LAST
from glorot.reporting import writers
from glorot.reporting.document import Block, Bold, Document, Grid, Heading, Paragraph, Records, Text, notes
from glorot.results.selected import gather_selected
from glorot.results.store import write_text
from glorot.results.stored import StoredRun

FILE = "scorecard.md"
NOTHING = "\N{EN DASH}"
RECORDS = ("section", "claim", "where", "paper", "ours", "verdict", "why", "rule", "runs")
COLUMNS = ["Claim", "{source}", "Its number", "Ours", "Verdict", "Rule", "Runs"]

Judged = list[tuple[Section, list[tuple[Claim, Verdict]]]]


@dataclass(frozen=True)
class Card:
    """Claims of one source. file: where the scorecard is written. source: the heading of the column that says where a
    claim is made. preface: a paragraph below the rules; empty for none. tells: what is said when it is made."""

    title: str
    file: str
    source: str
    sections: tuple[Section, ...]
    notes: list[str]
    preface: str = ""
    tells: str = ""


def evidence(folders: Iterable[Path]) -> Evidence:
    """Of the runs stored there that count. Raises ResultsError, and SweepError where a sweep.yaml cannot be read."""
    return evidence_of(gather_selected(folders))


def evidence_of(runs: list[StoredRun]) -> Evidence:
    """Of these runs, and of the network before training, made when a claim asks for it."""
    return Evidence(runs, cache(at_start.start))


def judge(found: Evidence, sections: Sequence[Section] = SECTIONS) -> Judged:
    """Every claim with its verdict, section by section."""
    return [(section, [(claim, claim.judge(found)) for claim in section.claims]) for section in sections]


def tally(verdicts: Sequence[Verdict]) -> str:
    """ "20 held, 3 not held, 13 not measured"."""
    counts = Counter(verdict.kind for verdict in verdicts)
    return ", ".join(f"{counts[kind]} {kind}" for kind in (HELD, NOT_HELD, NOT_MEASURED))


def document(judged: Judged, card: "Card | None" = None) -> Document:
    """A table per section with a row per claim; the rules and the runs it refers to; notes."""
    card = card or PAPER
    every = [pair for _, pairs in judged for pair in pairs]
    rules = list(dict.fromkeys(claim.rule for claim, _ in every))
    runs = list(dict.fromkeys(verdict.runs for _, verdict in every if verdict.runs))
    blocks: list[Block] = []
    for section, pairs in judged:
        blocks.append(Heading(f"{section.title}: {tally([verdict for _, verdict in pairs])}"))
        if section.about:
            blocks.append(Paragraph(section.about))
        rows = [_row(claim, verdict, rules.index(claim.rule) + 1, runs) for claim, verdict in pairs]
        blocks.append(Grid([column.format(source=card.source) for column in COLUMNS], rows, right=False))
    written = {f"R{n} ({rule.written})": rule.text for n, rule in enumerate(rules, 1)}
    blocks += [
        *_listed("Rules: held if", written),
        *([Paragraph(card.preface)] if card.preface else []),
        *_listed("Runs", {str(number): run for number, run in enumerate(runs, 1)}),
        Heading("Notes"),
        notes(card.notes),
    ]
    records = [
        {"section": section.title, "claim": claim.text, "where": claim.where, "paper": claim.paper,
         "ours": verdict.ours, "verdict": verdict.kind, "why": verdict.why, "rule": claim.rule.text,
         "runs": verdict.runs}
        for section, pairs in judged for claim, verdict in pairs
    ]  # fmt: skip
    return Document(card.title, blocks, Records(RECORDS, records))


def markdown(judged: Judged) -> str:
    return writers.FORMS["markdown"](document(judged))


def _row(claim: Claim, verdict: Verdict, rule: int, runs: Sequence[str]) -> list[Text]:
    return [
        claim.text,
        claim.where,
        claim.paper,
        verdict.ours or NOTHING,
        (Bold(verdict.kind), *([f": {verdict.why}"] if verdict.why else [])),
        f"R{rule} ({claim.rule.written})",
        f"{runs.index(verdict.runs) + 1}" if verdict.runs else NOTHING,
    ]


def write(folder: Path, text: str, file: str = FILE) -> None:
    """Write scorecard.md, or another card's file. Raises ResultsError."""
    write_text(folder / file, text)


def _listed(title: str, items: Mapping[str, str]) -> list[Block]:
    return [Heading(title), notes([f"{name}: {item}" for name, item in items.items()])] if items else []


NOTES = [
    "The paper's runs: 5 hidden layers of 1000 units, 5,000,000 updates with minibatches of 10, one run per cell. It "
    "does not say which learning rates it tried.",
    "Ours: runs that differ in nothing but what the claim is about, their learning rates and their seeds. Of several "
    "sets those of the paper's width count, then those with the most updates. The learning rate is the one that the "
    "sweep chose or gave, as in its table; of several sweeps, the one with the lowest validation error.",
    "Errors are means over the seeds, and p is of the test that a table uses. For one seed it says that other test "
    "images would give the same order, but not that another seed or moment would: the error moves from one "
    f"evaluation to the next, as a table's notes say. So the mean of the last {LAST} evaluations stands beside the "
    "error at the end, and the word clearly asks for more than p.",
    "Not measured: there is no such run, or none that is long enough. A verdict is about runs of that length and size. "
    "Runs that diverged decide nothing, nor do the other seeds of such a setting.",
    "Chance: always answering one class is wrong 83.33 % of the time on Shapeset.",
    f"Dates: the rules of {FIRST} were written before the first version's results. Those of {REVISED} are new, or "
    "stricter after a review: with the first version's results known, but before those of Shapeset with inputs in "
    "[-1, 1], which they are to judge. Those of "
    f"{LATEST} were written with all results known. Two replaced rules that said little, and one is looser: it counts "
    "a network that leaves chance and comes back. docs/reproduction.md has the verdicts before and after.",
    "Not judged here: the size of a lead where the paper's own two numbers do not differ significantly.",
]

PAPER = Card(
    "Scorecard of Glorot & Bengio (2010)", FILE, "Paper", SECTIONS, NOTES, CLEARLY,
    "two networks before training, which takes seconds",
)  # fmt: skip
LECTURE = Card(
    "Scorecard of the lecture", "lecture-scorecard.md", "Line", lecture_claims.SECTIONS, lecture_claims.NOTES,
    tells="small networks, which takes seconds",
)  # fmt: skip
CARDS = {"paper": PAPER, "lecture": LECTURE}
