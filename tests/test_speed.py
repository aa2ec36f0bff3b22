"""The gate on speed: a verdict needs a factor and agreeing rounds; baselines read back. Nothing here times anything."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from glorot.bench import contest, convolutional, estimate, minibatches, peers, start
from glorot.bench.convolutional import LenetSetting
from glorot.bench.floor import Floor
from glorot.bench.setting import Setting
from glorot.errors import GlorotError, ResultsError
from glorot.gate import speed
from glorot.gate.speed import Speed
from glorot.models.optimizers import OPTIMIZERS
from glorot.reporting import writers
from glorot.sweeps.config import parse
from glorot.sweeps.runs import expand

SMALL = Setting(hidden=(8,), batch_size=2)


def a_speed(*ratios, setting=SMALL):
    return Speed(setting, 0.5, list(ratios))


def a_baseline(ratio=1.0, hidden="8"):
    return {"activation": "tanh", "hidden": hidden, "batch_size": 2, "threads": 1, "ratio": ratio}


@pytest.mark.parametrize(
    ("ratios", "kind"),
    [
        ([1.0] * 15, "same"),
        ([1.4] * 15, "same"),  # slower without a doubt, but within the factor
        ([2.0] * 15, "worse"),
        ([0.5] * 15, "better"),
        ([2.0] * 8 + [0.9] * 7, "same"),  # the median is beyond the factor, but the rounds do not agree
        ([2.0] * 3, "same"),  # too few rounds to tell
    ],
)
def test_slower_needs_a_factor_and_significance(ratios, kind):
    (verdict,) = speed.compare([a_speed(*ratios)], [a_baseline()])
    assert verdict.kind == kind


def test_speeds_missing_and_new():
    found = speed.compare([a_speed(1.25), a_speed(1.5, setting=Setting(hidden=(8, 4), batch_size=2))],
                          [a_baseline(), a_baseline(hidden="9")])  # fmt: skip
    assert [one.line for one in found] == [
        "same    tanh, 8, minibatch 2, 1 thread: 1.00 -> 1.25 x reference (0.500 ms an update, slower in 1 of 1 "
        "rounds)",
        "missing tanh, 9, minibatch 2, 1 thread: 1.00 -> \N{EN DASH} (not measured)",
        "new     tanh, 8-4, minibatch 2, 1 thread: \N{EN DASH} -> 1.50 x reference (0.500 ms an update; not in the "
        "baseline)",
    ]


def test_a_speed_is_measured_against_the_reference(monkeypatch):
    monkeypatch.setattr("glorot.bench.contest.ROUND_SECONDS", 0.001)
    one = speed.measure(SMALL, rounds=3)
    assert len(one.ratios) == 3
    assert all(0 < ratio < math.inf for ratio in one.ratios)
    assert one.milliseconds > 0


@pytest.mark.parametrize(
    ("start", "each", "count"),
    [(0, 0.002, 125), (0.0015, 0.00005, 1000), (0, 1e-9, 1000), (0, 0.4, 1), (0.01, 0.001, 227)],
    ids=["steady", "a launch that starts slowly", "too fast to see", "slow", "in between"],
)
def test_how_much_work_a_round_has(monkeypatch, start, each, count):
    """On a clock of our own. What starts slowly is not called with a few units."""
    now, calls = [0.0], []
    monkeypatch.setattr("glorot.bench.contest.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("glorot.bench.contest.PAUSE_SECONDS", 0)

    def work(n):
        calls.append(n)
        now[0] += start + n * each

    timed = contest.contest({"ours": work}, rounds=3)
    assert calls[-3:] == [count] * 3
    assert timed.median("ours") == pytest.approx(each + start / count)


def test_what_is_timed_is_told_apart():
    settings = speed.settings()
    assert len({Speed(setting, 1, [1]).key for setting in settings}) == len(settings)


def test_speed_baselines_read_back(tmp_path):
    path = tmp_path / "new" / "bench.csv"
    speed.write_baseline(path, [a_speed(1.23456, 1.3, 1.1)])
    (row,), counted = speed.read_baseline(path)
    assert counted
    assert {name: row[name] for name in a_baseline()} == a_baseline(1.235)
    assert row["milliseconds"] == 0.5
    assert [verdict.kind for verdict in speed.compare([a_speed(1.2)], [row])] == ["same"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a line end"),
        (
            "activation,hidden,batch_size,threads,ratio,milliseconds,hardware\n",
            "expected a baseline of at least one row",
        ),
        ("activation,hidden,batch_size,threads,ratio,milliseconds,hardware\ntanh,8,2,1,,1,x\n", "expected rows"),
        ("activation,hidden,batch_size,threads,ratio,milliseconds,hardware\ntanh,8,2,1,0,1,x\n", "expected rows"),
        ("activation,hidden,batch_size,threads,ratio,milliseconds,hardware\ntanh,8,2,1,1.0,1,", "cut off"),
        ("a,b\n1,2\n", "expected the columns"),
    ],
)
def test_bad_speed_baselines(tmp_path, text, message):
    path = tmp_path / "bench.csv"
    path.write_text(text)
    with pytest.raises(ResultsError, match=message):
        speed.read_baseline(path)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_sign_test(signs):
    assert speed.sign_test(*signs) == pytest.approx(stats.binomtest(*signs).pvalue)


@pytest.mark.parametrize(("optimizer", "bytes_of_sgd"), [
    ("momentum", 5 / 3), ("adam", 7 / 3), ("gradient_variance", 7 / 3), ("diagonal_hessian", 4 / 3),
])  # fmt: skip
def test_the_floor_of_an_optimizer_that_keeps_something(optimizer, bytes_of_sgd):
    """Where memory is what limits; arithmetic that takes longer hides it."""
    sgd, one = Setting(), Setting(optimizer=OPTIMIZERS.canonical(optimizer))
    assert one.moved_bytes / sgd.moved_bytes == pytest.approx(bytes_of_sgd)
    fast, slow = Floor(1.0, 1.0, 1e99), Floor(1e99, 1e99, 1.0)
    assert one.floor_seconds(fast) / sgd.floor_seconds(fast) == pytest.approx(bytes_of_sgd)
    assert one.floor_seconds(slow) == sgd.floor_seconds(slow)


def test_the_rates_are_measured_with_all_that_an_update_touches(monkeypatch):
    """Adam's two numbers of each weight may not fit the cache that the weights alone fit."""
    monkeypatch.setattr(contest, "measure", lambda n_bytes, threads: n_bytes)
    setting = Setting((8,), n_inputs=5, n_classes=2)
    assert contest.floor(setting) == 4 * (5 * 8 + 8 * 2)
    assert contest.floor(replace(setting, optimizer=OPTIMIZERS.canonical("adam"))) == 3 * 4 * (5 * 8 + 8 * 2)


def test_the_floor_of_weights_that_stay_in_shared_memory():
    """By hand: 12 barriers of 2 us, and 3 products of 10 examples with all weights (2 with the first layer's)."""
    paper, rates = Setting(), Floor(1.0, 1.0, 1e12, barrier=2e-6)
    weights = 1024 * 1000 + 4 * 1000 * 1000 + 1000 * 9
    products = 20 * (3 * weights - 1024 * 1000) / 1e12
    assert paper.floor_seconds(replace(rates, weights_stay=True)) == pytest.approx(24e-6 + products)
    assert paper.floor_seconds(rates) == pytest.approx(24e-6 + 12 * weights)


def test_an_optimizer_in_turns_with_sgd_and_pytorch(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("glorot.bench.contest.ROUND_SECONDS", 0.001)
    setting = Setting((8,), 2, optimizer=OPTIMIZERS.canonical("momentum"), n_inputs=5)
    turns = contest.updates(setting, "torch", 1)
    assert list(turns.seconds) == ["glorot", contest.SGD, "nn.Sequential", peers.FUSED]
    plain = contest.updates(replace(setting, optimizer="sgd"), "torch", 1)
    assert list(plain.seconds) == ["glorot", "nn.Sequential", "addmm_ by hand", peers.FUSED]
    hessian = Setting((8,), 2, optimizer=OPTIMIZERS.canonical("diagonal_hessian"), n_inputs=5)
    with pytest.raises(GlorotError, match="expected an optimizer that PyTorch has, found diagonal_hessian"):
        contest.torch_peer(hessian).updates(contest.make_examples(hessian, 2))


def test_lenet5_in_turns_with_pytorch(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("glorot.bench.contest.ROUND_SECONDS", 0.001)
    found = convolutional.results(LenetSetting(2), "torch", 1)
    assert found["peers"]["PyTorch"]["ratio"] > 0
    assert "50,000 examples" in writers.FORMS["markdown"](convolutional.document(found))
    with pytest.raises(GlorotError, match="expected the optimizer sgd, found momentum"):
        convolutional.results(LenetSetting(2, optimizer=OPTIMIZERS.canonical("momentum")), "torch", 1)


def test_pytorchs_lenet5_is_ours():
    """The same logits of the same weights."""
    torch = pytest.importorskip("torch")
    setting = LenetSetting()
    examples = convolutional.make_examples(setting, 3)
    theirs, ours = convolutional.TorchLenet(setting), convolutional.our_kernels(setting)
    logits = theirs.logits(theirs._images(examples))
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(examples.labels).long(), reduction="none")
    assert losses.tolist() == pytest.approx(list(ours.evaluate(examples)[0]), rel=1e-4)


def test_how_long_a_sweep_takes(monkeypatch):
    """Each kind of network is timed once, LeNet-5 as such."""
    timed = []
    monkeypatch.setattr(estimate, "timed", lambda setting: timed.append(setting) or (2.0, 0.0))
    text = """
      base: {dataset: mnist, learning_rate: 0.1, updates: 30, activation: tanh}
      grid: {method: {LeNet-5: {model: lenet5}, MLP: {width: 5}}, seed: [0, 1]}
    """
    found = estimate.sweep_estimate(expand(parse(text, "s.yaml")), jobs=2, threads=1)
    assert found["seconds"] == 4 * 30 * 2 / 2
    assert [type(one) for one in timed] == [LenetSetting, Setting]


def test_minibatches_as_updates_and_examples(monkeypatch, tmp_path):
    monkeypatch.setattr("glorot.bench.contest.ROUND_SECONDS", 0.001)
    speeds = minibatches.measure(SMALL, (1, 4), rounds=1)
    assert [one.batch_size for one in speeds] == [1, 4]
    assert all(one.examples == pytest.approx(one.updates * one.batch_size) for one in speeds)
    minibatches.draw(SMALL, speeds, tmp_path / "over.png")
    assert (tmp_path / "over.png").read_bytes().startswith(b"\x89PNG")


def test_a_gpu_beside_the_cpu(monkeypatch):
    seconds = {("cuda", 1): 0.5, ("cpu", 1): 0.25, ("cuda", 4): 0.5, ("cpu", 4): 2.0}

    def turns(setting, rounds):
        return contest.Contest({"glorot": [seconds[setting.device, setting.batch_size]]})

    monkeypatch.setattr(minibatches, "updates", turns)
    speeds = minibatches.measure(replace(SMALL, device="cuda"), (1, 4))
    assert [tuple(one) for one in speeds] == [(1, 2.0, 2.0, 0.5), (4, 2.0, 8.0, 4.0)]
    text = writers.FORMS["markdown"](minibatches.document(SMALL, speeds))
    assert "times as fast as the CPU" in text
    assert [line.split()[-2] for line in text.splitlines()[-2:]] == ["0.50", "4.00"]


def test_a_network_without_hidden_layers_has_no_probe():
    assert contest.probe_seconds(Setting((), 2, n_inputs=5)) is None
    assert contest.probe_seconds(Setting((6, 6), 2, n_inputs=5), 3) > 0


@pytest.mark.slow  # compiles anew
def test_the_start_of_commands():
    begun = start.measure(SMALL)
    assert set(begun.lines) == {"run", "report", "status"}
    assert all(0 < seconds < 60 for seconds in begun.lines.values())
    assert begun.compiling > 0.5
    assert begun.memory > 1e7
