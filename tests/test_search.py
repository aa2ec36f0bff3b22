"""Sweeps with a search: short runs choose, long ones give the table."""

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from stored import check_golden, store_runs, texts

from glorot.datasets.local import info
from glorot.execution import execute as executing
from glorot.execution import plan as plans
from glorot.reporting import report, summary
from glorot.results.contents import SUFFIXES
from glorot.results.store import Store, Stored, settings_of
from glorot.sweeps import config, search, written
from glorot.sweeps.runs import expand
from glorot.sweeps.sweep import Search

TEXT = """\
name: two
base: {dataset: shapeset, activation: tanh, depth: 1, width: 4, updates: 100, evaluate_every: 100}
grid:
  initializer: [standard, normalized]
  learning_rate: [0.1, 0.03, 0.01]
  seed: [0, 1, 2]
select: {over: learning_rate}
search: {updates: 10, seeds: 2}
"""


def parsed(text=TEXT):
    sweep = config.parse(text, "two.yaml")
    return sweep, expand(sweep)


def plan_of(folder, text=TEXT, ended=(), **options):
    return plans.make_plan(plans.Request(config.parse(text, "two.yaml"), **options), folder, ended)


def finish(plan, runs, error, status="done"):
    """Stores these runs. error: function of a run, its validation error; the test error is half of it."""
    for run in runs:
        numbers = {"valid_error": error(run), "test_error": error(run) / 2} if status == "done" else {}
        plan.store.write_run({**settings_of(run), "status": status, **numbers}, {}, [])


def by_rate(**errors):
    """valid error by label of the learning rate: by_rate(_01=3) is that of 0.1."""
    return lambda run: errors["_" + run.labels["learning_rate"].replace("0.", "")]


def labels(runs):
    return [(*run.labels.values(), run.settings.updates) for run in runs]


# The runs. -----------------------------------------------------------------------------------------


def test_short_runs_are_ordinary_runs():
    """The same ids as a sweep of so few updates gives, for the first seeds."""
    sweep, runs = parsed()
    plain = expand(config.parse(TEXT.replace("updates: 100,", "updates: 10,").split("search")[0], "x.yaml"))
    short = search.flat(search.short_runs(sweep, runs))
    assert [run.run_id for run in short] == [run.run_id for run in plain if run.settings.seed < 2]
    assert [run.settings for run in short] == [run.settings for run in plain if run.settings.seed < 2]


def test_without_an_axis_of_seeds_the_search_takes_those_that_follow(tmp_path):
    """Two seeds to choose by, one long run of what they chose, which goes on from the short run of its own seed."""
    text = TEXT.replace("  seed: [0, 1, 2]\n", "").replace("updates: 100,", "updates: 100, seed: 5,")
    sweep, runs = parsed(text)
    short = search.flat(search.short_runs(sweep, runs))
    assert [run.settings.seed for run in short] == [5, 6] * 6
    plan = plan_of(tmp_path, text)
    finish(plan, plan.to_do, lambda run: 50 + run.settings.seed * 10 * (run.settings.learning_rate - 0.05))
    assert [(run.settings.seed, run.settings.updates) for run in plan_of(tmp_path, text).to_do] == [(5, 100)] * 2
    assert {run.labels["learning_rate"] for run in plan_of(tmp_path, text).to_do} == {"0.01"}


def test_cells_that_differ_in_updates_alone_share_their_short_runs():
    axis = "  updates: [100, 200]\n"
    sweep, runs = parsed(TEXT.replace("  learning_rate", axis + "  learning_rate"))
    short = search.flat(search.short_runs(sweep, runs))
    assert len(short) == 2 * 3 * 2
    assert {run.labels["updates"] for run in short} == {"10"}
    assert len(search.stand_ins(sweep, runs)) == 2 * 2 * 3


def test_a_sweep_reads_back_with_its_search():
    sweep, _ = parsed()
    assert sweep.search == Search(10, 2)
    assert config.parse(written.dump(sweep), "x.yaml") == sweep


# Plans. --------------------------------------------------------------------------------------------


def test_plan_first_the_short_runs_then_the_chosen_ones(tmp_path):
    first = plan_of(tmp_path)
    assert len(first.to_do) == len(first.search.short) == 12
    assert {run.settings.updates for run in first.to_do} == {10}
    assert (len(first.search.later), first.search.held_up) == (6, 0)
    finish(first, first.to_do[:6], by_rate(_1=3.0, _03=2.0, _01=4.0))
    between = plan_of(tmp_path)
    assert labels(between.to_do)[-3:] == [("standard", "0.03", seed, 100) for seed in "012"]
    assert (len(between.to_do), len(between.search.later)) == (9, 3)
    finish(first, first.to_do[6:], by_rate(_1=1.0, _03=2.0, _01=4.0))
    second = plan_of(tmp_path)
    assert labels(second.to_do) == [
        *[("standard", "0.03", seed, 100) for seed in "012"],
        *[("normalized", "0.1", seed, 100) for seed in "012"],
    ]
    assert (len(second.selected), second.search.later) == (18, [])
    finish(second, second.to_do, lambda run: 1.0)
    assert plan_of(tmp_path).to_do == []


def test_diverged_and_failed_short_runs_are_never_chosen_if_another_finished(tmp_path):
    plan = plan_of(tmp_path, TEXT.replace("seeds: 2", "seeds: 1"))
    standard, normalized = plan.to_do[:3], plan.to_do[3:]
    finish(plan, standard[:1], None, "diverged")
    finish(plan, standard[1:2], None, "failed")
    finish(plan, standard[2:], lambda run: 90.0)
    finish(plan, normalized, None, "diverged")
    then = plan_of(tmp_path, TEXT.replace("seeds: 2", "seeds: 1"))
    assert labels(then.to_do) == [("standard", "0.01", seed, 100) for seed in "012"]
    assert then.search.later == []  # all of the other cell diverged: nothing can be chosen
    again = plan_of(tmp_path, TEXT.replace("seeds: 2", "seeds: 1"), retry_failed=True)
    assert labels(again.to_do) == [("standard", "0.03", "0", 10)]
    assert len(again.search.later) == 3


def test_only(tmp_path):
    """It holds for both stages; seeds are searched by the first ones all the same."""
    cell = plan_of(tmp_path, only=["initializer=standard", "seed=2"])
    assert labels(cell.to_do) == [("standard", rate, seed, 10) for rate in ["0.1", "0.03", "0.01"] for seed in "01"]
    assert len(cell.search.later) == 1
    rate = plan_of(tmp_path, only=["learning_rate=0.1"])
    assert len(rate.to_do) == 4
    assert (rate.search.later, rate.search.held_up) == ([], 6)
    finish(cell, cell.to_do, by_rate(_1=3.0, _03=2.0, _01=4.0))
    assert labels(plan_of(tmp_path, only=["seed=2", "initializer=standard"]).to_do) == [("standard", "0.03", "2", 100)]
    # Chosen is 0.03, whatever is selected here.
    assert plan_of(tmp_path, only=["learning_rate=0.1", "initializer=standard"]).to_do == []


def test_rerun_does_both_stages_again_once(tmp_path):
    plan = plan_of(tmp_path)
    finish(plan, plan.to_do, by_rate(_1=3.0, _03=2.0, _01=4.0))
    finish(plan, plan_of(tmp_path).to_do, lambda run: 1.0)
    again = plan_of(tmp_path, rerun=True)
    assert (len(again.to_do), len(again.search.later)) == (12, 6)
    then = plan_of(tmp_path, rerun=True, ended=[run.run_id for run in again.to_do])
    assert (len(then.to_do), len(then.search.later)) == (6, 0)


class Observer:
    """An observer that takes notes of what is planned."""

    def __init__(self):
        self.planned_runs = []

    def planned(self, runs):
        self.planned_runs.append(len(runs))


@pytest.mark.parametrize(("fail_fast", "planned"), [(False, [3]), (True, [])])
def test_fail_fast_ends_before_the_second_stage(fail_fast, planned, tmp_path, monkeypatch):
    """What failed before, and is not tried again, stops nothing."""
    plan = plan_of(tmp_path, only=["initializer=standard"])
    finish(plan, plan.to_do[:1], None, "failed")
    plan = plan_of(tmp_path, only=["initializer=standard"])

    def execute(runs, store, engine, states, observer, fail_fast, noted):
        finish(plan, [run for run in runs if run.run_id != plan.to_do[0].run_id], lambda run: 5.0)
        finish(plan, [run for run in runs if run.run_id == plan.to_do[0].run_id], None, "failed")
        return fail_fast

    monkeypatch.setattr(executing, "execute", execute)
    observer = Observer()
    last = executing.run_plan(plan, None, tmp_path, observer, fail_fast)
    assert observer.planned_runs == planned
    assert plans.tally(last)["failed"] == 2


def test_no_core_waits_for_long_runs_before_the_others_are_chosen(tmp_path, monkeypatch):
    """One cell is searched already: its long runs start together with those of the other, after its short ones."""
    first = plan_of(tmp_path)
    finish(first, first.to_do[:6], by_rate(_1=3.0, _03=2.0, _01=4.0))
    stages = []

    def execute(runs, store, engine, states, observer, fail_fast, noted):
        stages.append([run.settings.updates for run in runs])
        finish(first, runs, lambda run: 5.0)

    monkeypatch.setattr(executing, "execute", execute)
    last = executing.run_plan(plan_of(tmp_path), None, tmp_path, Observer())
    assert stages == [[10] * 6, [100] * 6]
    assert plans.tally(last)["done"] == 18


def test_what_the_disk_may_not_have_yet_is_kept_between_the_stages(tmp_path, monkeypatch):
    """The files of the short runs were written, but not waited for, when the long runs are chosen."""
    plan = plan_of(tmp_path)
    short = [run.run_id for run in plan.to_do]

    def execute(runs, store, engine, states, observer, fail_fast, noted):
        done = [settings_of(run) | {"status": "done", "valid_error": 5.0, "test_error": 5.0} for run in runs]
        files = dict.fromkeys(SUFFIXES) | {"history": b"update\n"}
        store.write_runs([Stored(record, {}, [], contents=files) for record in done])
        contents = (tmp_path / "two" / ".contents").read_bytes()
        assert all(run_id.encode() in contents for run_id in short)

    monkeypatch.setattr(executing, "execute", execute)
    last = executing.run_plan(plan, None, tmp_path, Observer())
    assert plans.tally(last)["done"] == 18
    assert not (tmp_path / "two" / ".contents").exists()


# Tables. -------------------------------------------------------------------------------------------


def table_of(folder, plan, text=TEXT):
    sweep = config.parse(text, "two.yaml")
    return report.table(Store(folder / "two").records(), sweep, expand(sweep))


def test_the_table_shows_long_runs_only(tmp_path):
    """By hand: 0.03 is best for standard, 0.1 for normalized; two of the three long seeds of each are there."""
    plan = plan_of(tmp_path)
    finish(plan, plan.to_do[:5], by_rate(_1=30.0, _03=20.0, _01=40.0))
    assert texts(table_of(tmp_path, plan)) == {"Tanh": ["\N{EN DASH}"], "Tanh N": ["\N{EN DASH}"]}
    finish(plan, plan.to_do[5:6], by_rate(_01=40.0))
    finish(plan, plan.to_do[6:], by_rate(_1=10.0, _03=20.0, _01=40.0))
    then = plan_of(tmp_path).to_do
    finish(plan, then[:2], lambda run: 60.0 + run.settings.seed)
    finish(plan, then[3:5], lambda run: 50.0 + 2 * run.settings.seed)
    others = [run for run in expand(plan.request.sweep) if run.labels["learning_rate"] == "0.01"]  # from a plain sweep
    finish(plan, others, lambda run: 1.0)
    table = table_of(tmp_path, plan)
    assert [cell.chosen for line in table.cells for cell in line] == [
        {"learning_rate": "0.03"}, {"learning_rate": "0.1"},
    ]  # fmt: skip
    check_golden("search", table)


def test_a_cell_whose_search_diverged(tmp_path):
    plan = plan_of(tmp_path)
    finish(plan, plan.to_do, None, "diverged")
    assert texts(table_of(tmp_path, plan)) == {"Tanh": ["diverged"], "Tanh N": ["diverged"]}


def test_a_choice_at_the_end_of_the_grid_is_told(tmp_path):
    plan = plan_of(tmp_path)
    finish(plan, plan.to_do, by_rate(_1=1.0, _03=2.0, _01=4.0))
    (note,) = [note for note in table_of(tmp_path, plan).notes if note.startswith("Chosen")]
    assert "Tanh on Shapeset: learning_rate 0.1 at the end of the grid" in note


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ((3.0, 2.0, 2.0), "0.03 (1 other setting gave the same result)"),
        ((2.0,) * 3, "0.1 at the end of the grid (2 other settings gave the same result)"),
    ],
)
def test_settings_as_good_as_the_one_chosen_are_counted(tmp_path, errors, told):
    """At chance all are: then the choice says nothing, and neither does its place in the grid."""
    plan = plan_of(tmp_path)
    finish(plan, plan.to_do, by_rate(**dict(zip(("_1", "_03", "_01"), errors, strict=True))))
    (note,) = [note for note in table_of(tmp_path, plan).notes if note.startswith("Chosen")]
    assert f"Tanh on Shapeset: learning_rate {told}" in note.splitlines()[1]


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ((83.4, 82.29, 83.8), True),  # the lowest of six by as much as six may
        ((83.4, 82.0, 83.8), False),
        ((83.4, 83.4, 83.4), True),
        ((3.0, 2.0, 4.0), False),
    ],
)
def test_a_choice_among_networks_that_have_learned_nothing_is_told(tmp_path, errors, told):
    """Chance on Shapeset is 83.33 %, with a standard error of 0.37 on 10,000 examples."""
    plan = plan_of(tmp_path)
    by_chance = by_rate(**dict(zip(("_1", "_03", "_01"), errors, strict=True)))
    finish(plan, plan.to_do, lambda run: by_chance(run) if run.labels["initializer"] == "standard" else 50.0)
    notes = table_of(tmp_path, plan).notes
    (note,) = [note for note in notes if note.startswith("Chosen")]
    tanh, tanh_n = note.splitlines()[1:]
    assert ("no setting was better than chance" in tanh, "chance" in tanh_n) == (told, False)
    assert sum("the choice means nothing" in note for note in notes) == told


def test_a_choice_from_data_of_unknown_chance_is_not_judged(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    finish(plan, plan.to_do, by_rate(_1=99.0, _03=99.0, _01=99.0))
    unknown = replace(info("shapeset"), chance=None)
    monkeypatch.setattr(summary, "info", lambda dataset: unknown)
    assert "chance" not in "".join(table_of(tmp_path, plan).notes)


def test_select_without_search_is_as_before(tmp_path):
    text = TEXT.split("search")[0]
    sweep = config.parse(text, "two.yaml")
    runs = expand(sweep)
    outcomes = {tuple(run.labels.values()): {"valid_error": 1.0, "test_error": 2.0} for run in runs}
    table = report.table(store_runs(tmp_path, runs, outcomes), sweep, runs)
    assert [note.splitlines()[0] for note in table.notes if note.startswith("Chosen")] == [
        "Chosen by validation error, the lowest mean over seeds:"
    ]


# Real processes. -----------------------------------------------------------------------------------

REAL = """\
name: real
base: {dataset: shapeset, depth: 2, width: 8, updates: 30, evaluate_every: 10, valid_examples: 50, test_examples: 50}
grid:
  activation: [tanh, sigmoid]
  learning_rate: [0.1, 0.03]
  seed: [0, 1]
select: {over: learning_rate}
search: {updates: 20}
"""
OPENING = "4 short runs of 20 updates to choose, then 4 runs = 2 activation x 2 seed; "


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def stored(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.*") if p.name != "provenance.csv"}


def test_one_command_does_both_stages(tmp_path, glorot):
    (tmp_path / "real.yaml").write_text(REAL)
    dry = glorot("run", "real.yaml", "-n")
    assert (dry.returncode, dry.stderr) == (
        0, OPENING + "0 done, 8 to do, on cpu\nnote: 4 runs follow, with the settings that these short runs choose\n",
    )  # fmt: skip
    assert [line.split("  ", 1)[1] for line in dry.stdout.splitlines()] == [
        f"to do     {activation}, learning_rate {rate}, seed 0, 20 updates to choose"
        for activation in ["tanh", "sigmoid"] for rate in ["0.1", "0.03"]
    ]  # fmt: skip
    assert not (tmp_path / "results").exists()
    ended = glorot("run", "real.yaml", "-j2")
    assert ended.returncode == 0, ended.stderr
    opening, *lines, closing = ended.stderr.splitlines()
    assert opening == OPENING + "0 done, 8 to do, on cpu"
    assert lines[4] == "chosen: 4 runs to follow"
    assert [line[:5] for line in lines if line[0] == "["] == [f"[{i}/8]" for i in range(1, 9)]
    assert closing == "8 done; results in results/real; next: glorot report real --figures"
    assert "- Updates: 30\n" in ended.stdout
    assert (
        "- Chosen by validation error after 20 updates, one seed:\n  - Tanh on Shapeset: learning_rate" in ended.stdout
    )
    assert [row["updates"] for row in rows(tmp_path / "results/real/runs.csv")] == ["20"] * 4 + ["30"] * 4
    before = stored(tmp_path / "results")
    lines_of_runs = (tmp_path / "results/real/runs.csv").read_text().splitlines(keepends=True)
    again = glorot("run", "real.yaml")
    assert again.stderr.splitlines() == [OPENING + "8 done, 0 to do, on cpu", closing]
    assert stored(tmp_path / "results") == before
    assert glorot("report", "real").stdout == ended.stdout
    assert glorot("report", "real.yaml").stdout == ended.stdout
    assert glorot("status", "real").stdout == "real: 8 runs, 4 of them short: 8 done; no process runs it now\n"
    assert "8 runs on cpu are the baseline now" in glorot("check", "real", "--update").stderr
    assert glorot("check", "real").stderr.endswith("8 cells: 8 same\n")
    took = glorot("bench", "real.yaml").stdout
    assert f"\n{OPENING.removesuffix('; ')}\n" in took
    assert "none: no run is to do" in took
    (tmp_path / "results/real/runs.csv").write_text("".join(lines_of_runs[:6]))
    assert "3; 5 are finished" in " ".join(glorot("bench", "real.yaml").stdout.split())
    (tmp_path / "results/real/runs.csv").write_text("".join(lines_of_runs))
    assert "finished" not in glorot("bench", "real.yaml", "-o", "elsewhere").stdout
    # A plain sweep finds all of these, and a search those of a plain one.
    (tmp_path / "real.yaml").write_text(REAL.split("search")[0])
    assert "8 runs = 2 activation x 2 learning_rate x 2 seed; 4 done, 4 to do" in glorot("run", "real.yaml").stderr


def test_part_of_a_search(tmp_path, glorot):
    (tmp_path / "real.yaml").write_text(REAL)
    part = glorot("run", "real.yaml", "--only", "learning_rate=0.1")
    assert part.stderr.splitlines()[0].endswith(
        "0 done, 2 to do, 4 waiting for short runs that --only leaves out, on cpu"
    )
    assert glorot("status", "real").stdout == (
        "real: 8 runs, 4 of them short: 2 done, 2 missing, 4 to be chosen; no process runs it now\n"
    )
    assert "expected a result of every run of sweep real" in glorot("check", "real", "--update").stderr
    whole = glorot("run", "real.yaml", "--only", "activation=tanh")
    assert "then 2 of 4 runs = 1 activation x 2 seed; 1 done, 3 to do" in whole.stderr
    assert whole.stderr.endswith("4 done; results in results/real; next: glorot report real --figures\n")


LONG = REAL.replace("updates: 30, evaluate_every: 10", "updates: 20_000, evaluate_every: 20_000")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What the command prints and stores in one go."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "real.yaml").write_text(LONG)
    command = [sys.executable, "-m", "glorot", "run", "real.yaml", "-j1"]
    ended = subprocess.run(command, cwd=folder, check=True, capture_output=True, encoding="utf-8")
    return ended.stdout, stored(folder / "results")


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_between_the_stages(sign, tmp_path, environment, glorot, uninterrupted):
    """The same command goes on, and gives the bytes of a run that was never interrupted."""
    (tmp_path / "real.yaml").write_text(LONG)
    process = subprocess.Popen(
        [sys.executable, "-m", "glorot", "run", "real.yaml", "-j2"],
        cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
        start_new_session=True,
    )  # fmt: skip
    timer = threading.Timer(240, process.kill)
    timer.start()
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("chosen:"):
            os.killpg(process.pid, sign)
            break
    rest = process.communicate(timeout=60)[1]
    timer.cancel()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode in (130, -9), "".join(said)
    if sign == signal.SIGINT:
        assert re.search(r"interrupted with [4-7] of 8 runs finished", rest)
    went_on = glorot("run", "real.yaml")
    assert went_on.returncode == 0, went_on.stderr
    assert re.search(r"; [4-7] done, [1-4] to do, on cpu", went_on.stderr)
    assert "8 done; results" in went_on.stderr
    assert (went_on.stdout, stored(tmp_path / "results")) == uninterrupted
