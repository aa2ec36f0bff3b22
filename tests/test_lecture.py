"""The lecture's scorecard: its rules can fail, and what SGD learns is told by seeds."""

import pytest
from click.testing import CliRunner

from glorot.cli.main import cli
from glorot.paper import lecture_claims as claims
from glorot.paper.claims import HELD, NOT_HELD, NOT_MEASURED, Evidence
from glorot.results.stored import StoredRun

NOTHING = Evidence([], None)


def run(model, bits, error, seed=0, initializer="normalized", activation="tanh"):
    row = {"model": model, "dataset": f'boolean(function="parity", bits={bits})', "initializer": initializer,
           "activation": activation, "seed": seed, "test_error": error}  # fmt: skip
    return StoredRun(None, row)


def test_what_the_lecture_says_of_parity():
    """2^(N-1) units are needed by an OR of ANDs, not by logistic units; a tree has 3 (N - 1)."""
    verdicts = {claim.text: claim.judge(NOTHING) for claim in claims.EXPRESS[3:8]}
    assert [one.kind for one in verdicts.values()] == [HELD, HELD, NOT_HELD, HELD, HELD]
    assert claims.sizes(claims.TREE, "N + 1", "2 log2 N")(NOTHING).kind == NOT_HELD
    assert claims.one_unit("parity")(NOTHING).kind == NOT_HELD


def test_the_chain_and_the_slopes():
    kinds = [claim.judge(NOTHING).kind for claim in claims.MATHEMATICS[:5]]
    assert kinds == [HELD, HELD, HELD, NOT_HELD, HELD]
    assert claims.costs_where_wrong(NOTHING).kind == HELD


def test_what_sgd_learns_is_told_by_seeds():
    judge = claims.learned("counting", 4)
    assert judge(NOTHING).kind == NOT_MEASURED
    runs = [run("counting(gain=10.0, times=2)", 4, 0.0, seed) for seed in range(3)]
    assert judge(Evidence(runs[:1], None)).kind == NOT_MEASURED
    assert judge(Evidence(runs, None)).ours == "tanh: 3 of 3 seeds"
    assert judge(Evidence(runs, None)).kind == HELD
    half = [*runs, run("counting(gain=10.0, times=2)", 4, 50.0, 3)]
    assert (judge(Evidence(half, None)).kind, judge(Evidence(half, None)).ours) == (NOT_HELD, "tanh: 3 of 4 seeds")
    others = [run("counting(gain=10.0, times=2)", 8, 50.0), run("xor_tree(tied=true, gain=10.0)", 4, 50.0)]
    assert judge(Evidence([*runs, *others], None)).kind == HELD
    by_hand = [run("counting(gain=10.0, times=1)", 16, error, initializer="exact") for error in (0.0, 0.1)]
    assert claims.by_hand_no_error(Evidence(by_hand[:1], None)).kind == HELD
    assert claims.by_hand_no_error(Evidence(by_hand, None)).kind == NOT_HELD


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "--of", "lecture"], "add --scorecard"),
        (["inspect", "--constructions", "24"], "expected up to 16 inputs, found 24"),
    ],
)
def test_mistakes(arguments, message):
    ended = CliRunner().invoke(cli, arguments)
    assert ended.exit_code == 2
    assert message in ended.output
