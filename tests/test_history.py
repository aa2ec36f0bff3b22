"""The gate as a history: what is kept, which steps are found, and that nothing is green that nobody computed."""

import json
import random
from dataclasses import replace
from datetime import date, timedelta

import pytest
from stored import table_rows

from glorot.errors import ResultsError
from glorot.gate import history, history_page
from glorot.gate.history import RATIO, SECONDS, TEST_ERROR, Point
from glorot.gate.steps import Step, _Part, steps

TINY = """
name: tiny
base: {dataset: shapeset, width: 6, depth: 1, learning_rate: 0.1, updates: 20, evaluate_every: 10,
       valid_examples: 40, test_examples: 40, activation: tanh}
grid: {seed: [0, 1]}
"""


def night(number: int, value: float, quantity: str = RATIO, **changes) -> Point:
    when = date(2026, 1, 1) + timedelta(days=number)
    point = Point(f"{when}T03:17:00+00:00", f"c{number:03}", "a CPU", "Speed", "tanh, 30-30", quantity, value)
    return replace(point, **changes)


# Steps. ---------------------------------------------------------------------------------------------


def noisy(levels: list[tuple[int, float]], seed: int) -> list[float]:
    """Numbers with noise of 3 %, so many at each level."""
    chance = random.Random(seed)
    return [chance.gauss(level, 0.03 * level) for count, level in levels for _ in range(count)]


def naive_cost(values: list[float], cuts: list[int]) -> float:
    from statistics import median

    parts = [values[start:end] for start, end in zip([0, *cuts], [*cuts, len(values)], strict=True)]
    return sum(abs(value - median(part)) for part in parts for value in part)


def test_the_deviations_of_a_part_are_those_from_its_median():
    values = noisy([(9, 1.0), (8, 3.0)], 1)
    part = _Part()
    for n, value in enumerate(values, start=1):
        part.add(value)
        assert part.deviations == pytest.approx(naive_cost(values[:n], []))


@pytest.mark.parametrize("seed", range(5))
def test_steps_are_found_where_they_are(seed):
    found = steps(noisy([(30, 1.0), (30, 1.3), (20, 0.9)], seed))
    assert [step.index for step in found] == pytest.approx([30, 60], abs=1)
    assert [step.after for step in found] == pytest.approx([1.3, 0.9], rel=0.05)


def test_noise_alone_has_hardly_a_step():
    """Nor does one bad night, or a curve too short to tell."""
    assert sum(bool(steps(noisy([(60, 1.0)], seed))) for seed in range(40)) <= 1
    outlier = noisy([(60, 1.0)], 1)
    outlier[20] = 1.2
    assert steps(outlier) == []
    assert steps([]) == steps([1.0]) == steps([1.0, 1.1]) == steps([2.0] * 50) == []
    assert steps([2.0] * 50 + [2.1]) == [Step(50, 2.0, 2.1)]


# The file. ------------------------------------------------------------------------------------------


def test_lines_are_only_added(tmp_path):
    points = [night(0, 1.5), night(0, 20.0, TEST_ERROR)]
    assert history.append(tmp_path / "new", points) == 2
    file = tmp_path / "new" / "history.csv"
    file.write_bytes(file.read_bytes().replace(b"1.5", b"1.50"))  # as someone may write it
    before = file.read_bytes()
    assert history.append(tmp_path / "new", [*points, night(1, 1.6)]) == 1
    assert file.read_bytes().startswith(before)
    assert [point.value for point in history.read(tmp_path / "new")] == [1.5, 20.0, 1.6]
    file.write_bytes(before[:-3])
    with pytest.raises(ResultsError, match="cut off"):
        history.append(tmp_path / "new", [night(2, 1.0)])
    assert file.read_bytes() == before[:-3]


def test_curves_and_the_commits_around_a_step():
    """Test errors of a CPU have no noise; seconds of two machines are two curves."""
    errors = [night(number, value, TEST_ERROR) for number, value in enumerate([20.0, 20.0, 20.01, 25.0])]
    seconds = [night(number, 1.0 + number % 2, SECONDS, machine=f"m{number % 2}") for number in range(8)]
    ratios = [night(number, value) for number, value in enumerate(noisy([(20, 1.0), (10, 2.0)], 3))]
    curves = history.curves([*errors, *seconds, *ratios])
    assert [len(curve.points) for curve in curves] == [4, 4, 4, 30]
    found = [(one.kind, one.last.commit, one.first.commit) for one in history.changes(curves)]
    assert found == [("worse", "c019", "c020"), ("worse", "c002", "c003"), ("changed", "c001", "c002")]


def test_the_page_names_regressions_first(tmp_path):
    curves = history.curves([night(number, 2.0 if number < 9 else 4.0) for number in range(12)])
    text = [path.read_bytes() for path in history_page.write(tmp_path, curves)]
    assert text == [path.read_bytes() for path in history_page.write(tmp_path, curves)]  # the same bytes
    page = " ".join((tmp_path / "history.md").read_text().split())
    assert "| 2026-01-10 | Speed: tanh, 30-30 | time / reference | 2 | 4 | c008 | c009 |" in page
    assert text[2].startswith(b"\x89PNG")
    assert b"<svg" in text[0]


def test_the_commit_is_that_of_ci_or_of_git(tmp_path, monkeypatch):
    assert history.current_commit({"GITHUB_SHA": "0123456789abcdef"}) == "0123456789ab"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert history.current_commit({}) == ""


# The command. ---------------------------------------------------------------------------------------


def test_check_with_a_history(tmp_path, glorot):
    """Twice the same results are one night; results of other sources are stale, and the gate is red."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert glorot("run", "tiny.yaml", "-q").returncode == 0
    assert glorot("check", "tiny", "--update").returncode == 0
    first = glorot("check", "tiny", "--history", "nightly", "--json", "--junit", "j.xml", GITHUB_SHA="c0ffee")
    told = json.loads(first.stdout)
    assert (first.returncode, [one["kind"] for one in told["verdicts"]], told["steps"]) == (0, ["same"] * 2, [])
    assert (tmp_path / "j.xml").read_text().count(' time="') == 2
    kept = (tmp_path / "nightly" / "history.csv").read_bytes()
    assert kept.count(b",c0ffee,") == 4
    assert "0 numbers added" in glorot("check", "tiny", "--history", "nightly").stderr
    assert (tmp_path / "nightly" / "history.csv").read_bytes() == kept
    alone = glorot("check", "--history", "nightly", "--json")
    assert (alone.returncode, json.loads(alone.stdout)) == (0, {"steps": []})
    provenance = tmp_path / "results" / "tiny" / "provenance.csv"
    sources = provenance.read_text().splitlines()[1].split(",")[2]
    provenance.write_text(provenance.read_text().replace(sources, "0" * 16))
    stale = glorot("check", "tiny")
    assert stale.returncode == 1
    row = table_rows(stale.stdout)[2]
    assert row[:4] == ["stale", "2 of 2 runs", f"sources {'0' * 16}", sources]
    assert row[4].startswith("computed at 2")
    provenance.write_text(provenance.read_text().replace("0" * 16, ""))
    assert "2 of 2 runs do not say which sources computed them" in glorot("check", "tiny").stderr
    assert glorot("check", "--history", "nowhere").returncode == 2
    (tmp_path / "full" / "history.csv").mkdir(parents=True)
    full = glorot("check", "tiny", "--history", "full")
    assert (full.returncode, len(table_rows(full.stdout))) == (2, 4)  # the verdicts are shown all the same
    as_json = glorot("check", "tiny", "--history", "full", "--json")
    assert (as_json.returncode, len(json.loads(as_json.stdout)["verdicts"])) == (2, 2)
    assert glorot("check", "tiny", "--update", "--history", "nightly").returncode == 2


def test_what_differs_where_everything_is_missing_and_new():
    pandas = pytest.importorskip("pandas")
    from glorot.gate.regression import hint

    old = pandas.DataFrame([{"learning_rate": 0.1, "updates": 100, "data": "a"}] * 2)
    new = pandas.DataFrame([{"learning_rate": rate, "updates": 100, "data": "a"} for rate in (0.2, 0.3)])
    assert hint(new, old) == "learning_rate 0.1 in the baseline, 0.2, 0.3 now"
