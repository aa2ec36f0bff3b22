"""The loop of one run: which updates, which rows, where it stops. Kernels with a script, and the real ones."""

import math
import os
import threading
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trained import settings

from glorot import kernels
from glorot.datasets import Examples
from glorot.errors import DeviceError
from glorot.models.network import initial_parameters
from glorot.training import checkpoint, loop, probes
from glorot.training.checkpoint import Checkpoints
from glorot.training.loop import Training, evaluate


def train(chosen, dataset, made, on_progress=lambda update, row: None):
    """A whole run from the kernels' parameters."""
    return Training(chosen, dataset, made).run(lambda training: on_progress(training.update, training.history[-1]))


class CountingDataset:
    """Example i of the stream has pixels (i, i) and label i % 3; keeps what it was asked for."""

    name, n_inputs, n_classes = "counting", 2, 3

    def __init__(self):
        self.valid, self.test = self.examples(100, 30), self.examples(200, 20)
        self.asked = []

    def examples(self, start, count):
        index = np.arange(start, start + count)
        return Examples(np.stack([index, index], axis=1).astype(np.uint8), (index % 3).astype(np.uint8))

    def train(self, seed, start, count):
        self.asked.append((seed, start, count))
        return self.examples(start, count)


class ScriptedKernels:
    """Update u has loss loss_of(u); evaluations have the losses evaluation_loss(update) and predict class 1."""

    staging, threads = None, 1

    def __init__(self, batch_size=2, loss_of=lambda u: 1 / (u + 3), evaluation_loss=lambda update: 0.25):
        self.parameters = []
        self.batch_size, self.loss_of, self.evaluation_loss = batch_size, loss_of, evaluation_loss
        self.updates, self.seen, self.evaluated = 0, [], []

    def train(self, examples):
        self.seen.extend(examples.pixels[:, 0])
        losses = []
        for _ in range(len(examples) // self.batch_size):
            losses.append(self.loss_of(self.updates))
            if not math.isfinite(losses[-1]):
                break
            self.updates += 1
        return np.array(losses)

    def evaluate(self, examples):
        self.evaluated.append((self.updates, len(examples)))
        losses = np.full(len(examples), self.evaluation_loss(self.updates), np.float32)
        return losses, np.ones(len(examples), np.uint8)


@pytest.fixture(params=[1, 3 * 4, 2**22], ids=["one update", "three updates", "whole intervals"])
def segment_bytes(request, monkeypatch):
    monkeypatch.setattr(loop, "SEGMENT_BYTES", request.param)


@pytest.mark.usefixtures("segment_bytes")
class TestScripted:
    def test_rows_stand_at_the_right_updates(self):
        trained = train(settings(), CountingDataset(), ScriptedKernels())
        assert (trained.status, trained.updates) == ("done", 10)
        assert [row.update for row in trained.history] == [0, 4, 8, 10]  # the last interval is shorter
        assert [row.examples for row in trained.history] == [0, 8, 16, 20]

    @pytest.mark.parametrize(
        ("updates", "every", "wanted"),
        [(8, 4, [0, 4, 8]), (1, 4, [0, 1]), (3, 1, [0, 1, 2, 3]), (5, 100, [0, 5]), (9, 8, [0, 8, 9])],
    )
    def test_other_intervals(self, updates, every, wanted):
        fake = ScriptedKernels()
        trained = train(settings(updates=updates, evaluate_every=every), CountingDataset(), fake)
        assert [row.update for row in trained.history] == wanted
        assert fake.updates == updates

    def test_train_loss_is_the_mean_of_its_interval(self):
        first, *rows = train(settings(), CountingDataset(), ScriptedKernels()).history
        assert math.isnan(first.train_loss)
        for row, (start, stop) in zip(rows, [(0, 4), (4, 8), (8, 10)], strict=True):
            assert row.train_loss == pytest.approx(np.mean([1 / (u + 3) for u in range(start, stop)]), rel=1e-14)

    def test_every_example_of_the_stream_once_and_in_order(self):
        dataset, fake = CountingDataset(), ScriptedKernels()
        train(settings(), dataset, fake)
        assert fake.seen == list(range(20))
        assert {seed for seed, _, _ in dataset.asked} == {5}

    def test_evaluates_the_first_examples_of_both_sets(self):
        fake = ScriptedKernels()
        train(settings(valid_examples=12, test_examples=15), CountingDataset(), fake)
        assert fake.evaluated == [(u, n) for u in (0, 4, 8, 10) for n in (12, 15)]
        fake = ScriptedKernels()
        row = train(settings(), CountingDataset(), fake).history[-1]
        assert fake.evaluated == [(u, n) for u in (0, 4, 8, 10) for n in (30, 20)]
        assert (row.valid_loss, row.test_loss) == (0.25, 0.25)
        # classes 100 % 3 = 1, 2, 0, 1, ...: 10 of 30; 200 % 3 = 2, 0, 1, ...: 6 of 20
        assert (row.valid_error, row.test_error) == (100 * 20 / 30, 70.0)

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    @pytest.mark.parametrize(("at", "rows"), [(0, [0]), (3, [0]), (4, [0, 4]), (6, [0, 4]), (9, [0, 4, 8])])
    def test_divergence_in_training(self, bad, at, rows):
        """The updates before it are made and counted, the rows before it kept; no evaluation of what is broken."""
        fake = ScriptedKernels(loss_of=lambda u: bad if u == at else 1.0)
        trained = train(settings(), CountingDataset(), fake)
        assert (trained.status, trained.updates) == ("diverged", at)
        assert [row.update for row in trained.history] == rows
        assert [update for update, _ in fake.evaluated[::2]] == rows

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    @pytest.mark.parametrize(("at", "rows"), [(0, []), (4, [0]), (8, [0, 4]), (10, [0, 4, 8])])
    def test_divergence_at_an_evaluation(self, bad, at, rows):
        fake = ScriptedKernels(evaluation_loss=lambda update: bad if update == at else 1.0)
        trained = train(settings(), CountingDataset(), fake)
        assert (trained.status, trained.updates) == ("diverged", at)
        assert [row.update for row in trained.history] == rows

    def test_progress_ends_with_the_last_update_and_an_error_in_it_ends_the_run(self):
        calls = []
        trained = train(settings(), CountingDataset(), ScriptedKernels(), lambda *call: calls.append(call))
        updates = [update for update, _ in calls]
        assert updates == sorted(set(updates))
        assert set(updates) >= {0, 4, 8, 10}
        for update, row in calls:  # the newest row at a multiple of evaluate_every
            assert row == max((r for r in trained.history if r.update <= update // 4 * 4), key=lambda r: r.update)

        def stop(update, row):
            if update >= 4:
                raise KeyboardInterrupt

        fake = ScriptedKernels()
        with pytest.raises(KeyboardInterrupt):
            train(settings(), CountingDataset(), fake, stop)
        assert fake.updates == 4


def test_segments_are_as_long_as_segment_bytes_allow(monkeypatch):
    monkeypatch.setattr(loop, "SEGMENT_BYTES", 3 * 4)  # three minibatches of 2 examples of 2 bytes
    dataset = CountingDataset()
    train(settings(), dataset, ScriptedKernels())
    assert [(start // 2, count // 2) for _, start, count in dataset.asked] == [(0, 3), (3, 1), (4, 3), (7, 1), (8, 2)]


def test_evaluate_means_and_percent():
    class Kernels:
        def evaluate(self, examples):
            return np.float32([0.1, 0.2, 0.4, 1e8]), np.uint8([0, 1, 1, 2])

    examples = Examples(np.zeros((4, 1), np.uint8), np.uint8([0, 1, 2, 0]))
    loss, error, correct, predictions = evaluate(Kernels(), examples)
    assert loss == math.fsum(np.float32([0.1, 0.2, 0.4, 1e8])) / 4
    assert error == 50.0
    assert correct.tolist() == [True, True, False, False]
    assert predictions[["label", "prediction"]].tolist() == [(0, 0), (1, 1), (2, 1), (0, 2)]
    assert predictions["loss"].tolist() == [np.float16(0.1), np.float16(0.2), np.float16(0.4), 65504]


# With the real kernels. --------------------------------------------------------------------------------------------


def run(dataset, threads=1, **fields):
    chosen = settings(hidden=(9, 8), updates=101, evaluate_every=25, batch_size=3, **fields)
    sizes = (6, *chosen.hidden, 3)
    made = kernels.create(
        "cpu", sizes, chosen.activation, chosen.loss, chosen.batch_size, chosen.learning_rate, threads
    )
    made.parameters = initial_parameters(sizes, "normalized", chosen.seed)
    trained = train(chosen, dataset, made)
    return trained, repr(trained.history), b"".join(array.tobytes() for layer in made.parameters for array in layer)


def test_a_run_learns_and_is_the_same_again(dataset):
    trained, *bits = run(dataset)
    assert trained.status == "done"
    assert [row.update for row in trained.history] == [0, 25, 50, 75, 100, 101]
    assert trained.history[-1].test_loss < trained.history[0].test_loss
    assert bits == list(run(dataset)[1:])
    assert bits == list(run(dataset, threads=2)[1:])
    assert bits != list(run(dataset, seed=6)[1:])


@pytest.mark.parametrize("segment_bytes", [1, 100, 18 * 7, 10**9])
def test_segments_do_not_matter(dataset, monkeypatch, segment_bytes):
    wanted = run(dataset)[1:]
    monkeypatch.setattr(loop, "SEGMENT_BYTES", segment_bytes)
    assert run(dataset)[1:] == wanted


def test_evaluations_do_not_change_the_training(dataset):
    """The last row of a run that is evaluated once, at its end, but for the interval of its train_loss."""
    often = run(dataset)[0].history[-1]
    chosen = settings(hidden=(9, 8), updates=101, evaluate_every=1000, batch_size=3)
    made = kernels.create("cpu", (6, 9, 8, 3), "tanh", "cross_entropy", 3, 0.1, 1)
    made.parameters = initial_parameters((6, 9, 8, 3), "normalized", chosen.seed)
    once = train(chosen, dataset, made).history[-1]
    assert (once.valid_loss, once.test_loss, once.valid_error) == (often.valid_loss, often.test_loss, often.valid_error)


@pytest.mark.parametrize("segment_bytes", [1, 2**22])
def test_a_real_divergence_stops_where_the_loss_does(dataset, monkeypatch, segment_bytes):
    monkeypatch.setattr(loop, "SEGMENT_BYTES", segment_bytes)
    trained = run(dataset, learning_rate=1e5, activation="linear")[0]
    assert trained.status == "diverged"
    assert 0 < trained.updates < 25
    assert [row.update for row in trained.history] == [0]
    assert trained.updates == run(dataset, learning_rate=1e5, activation="linear", threads=2)[0].updates


# States. -----------------------------------------------------------------------------------------------------------


class Interrupt(Exception):
    pass


def resumed(dataset, stops, updates=101, saved_as=None):
    """A run that is interrupted once it has reached each of these updates, and goes on from its state in new kernels.

    saved_as: a folder where the state is saved and read back meanwhile.
    """
    state, stops = None, list(stops)
    while True:
        chosen = settings(hidden=(9, 8), updates=updates, evaluate_every=25, batch_size=3)
        made = kernels.create("cpu", (6, 9, 8, 3), "tanh", "cross_entropy", 3, 0.1, 1)
        if state is None:
            made.parameters = initial_parameters((6, 9, 8, 3), "normalized", chosen.seed)
        one = Training(chosen, dataset, made, state)

        def stop(training):
            if stops and training.update >= stops[0]:
                stops.pop(0)
                raise Interrupt

        try:
            trained = one.run(stop)
        except Interrupt:
            state = one.state()
            if saved_as:
                checkpoints = Checkpoints(saved_as, chosen, "cpu")
                checkpoints.save(state)
                state = checkpoints.load((6, 9, 8, 3))
            continue
        return one, repr(trained.history), b"".join(array.tobytes() for layer in made.parameters for array in layer)


@given(stops=st.lists(st.integers(0, 100), max_size=6))
def test_interrupted_at_any_moment_the_rest_is_the_same(dataset, stops):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "SEGMENT_BYTES", 18 * 3)  # three updates
        assert resumed(dataset, sorted(stops))[1:] == run(dataset)[1:]


def test_a_state_survives_its_file_and_a_longer_run_goes_on_from_it(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SEGMENT_BYTES", 18 * 3)
    assert resumed(dataset, [0, 30, 31, 100], saved_as=tmp_path)[1:] == run(dataset)[1:]
    short, *_ = resumed(dataset, [], updates=60)
    chosen = settings(hidden=(9, 8), updates=101, evaluate_every=25, batch_size=3)
    Checkpoints(tmp_path / "grown", chosen.model_copy(update={"updates": 60}), "cpu").save(short.state())
    state = Checkpoints(tmp_path / "grown", chosen, "cpu").load((6, 9, 8, 3))
    assert state.update == 60
    made = kernels.create("cpu", (6, 9, 8, 3), "tanh", "cross_entropy", 3, 0.1, 1)
    assert repr(Training(chosen, dataset, made, state).run().history) == run(dataset)[1]
    for updates in (59, 60):  # a run of 60 updates is not to be had from its own last state
        assert (
            Checkpoints(tmp_path / "grown", chosen.model_copy(update={"updates": updates}), "cpu").load((6, 9, 8, 3))
            is None
        )
    assert Checkpoints(tmp_path / "grown", chosen.model_copy(update={"seed": 6}), "cpu").load((6, 9, 8, 3)) is None


class OnTheDevice:
    """Stages examples as they are."""

    def keep(self, examples):
        raise DeviceError("no room")

    def stage(self, examples):
        return examples


def test_a_gpu_trains_on_while_a_probe_is_computed(dataset, tmp_path, monkeypatch):
    chosen = settings(hidden=(9, 8), updates=101, evaluate_every=25, batch_size=3, probes={"every": 20})
    checkpoints, trained_on = Checkpoints(tmp_path, chosen, "cpu"), threading.Event()

    def training(state=None, staging=None):
        made = kernels.create("cpu", (6, 9, 8, 3), "tanh", "cross_entropy", 3, 0.1, 1)
        made.parameters, made.staging = initial_parameters((6, 9, 8, 3), "normalized", chosen.seed), staging
        train = made.train
        made.train = lambda examples: (trained_on.set(), train(examples))[1]
        return Training(chosen, dataset, made, state)

    def rows_later(look):
        assert trained_on.wait(20)
        return rows_of(look)

    def stop(one):
        if one.update >= 40:
            raise Interrupt

    expected, rows_of = training().run(), probes.rows_of
    trained_on.clear()
    monkeypatch.setattr(probes, "rows_of", rows_later)
    interrupted = training(staging=OnTheDevice())
    with pytest.raises(Interrupt):
        interrupted.run(stop)
    checkpoints.save(interrupted.state())
    state = checkpoints.load((6, 9, 8, 3))
    assert [row.update for row in state.probes][:: len(state.probes) // 3] == [0, 20, 40]
    again = training(state, OnTheDevice()).run()
    assert repr([again.probes, again.history]) == repr([expected.probes, expected.history])
    assert sorted({row.update for row in again.probes}) == [0, 20, 40, 60, 80, 100, 101]


def test_the_time_before_an_interruption_counts(dataset, tmp_path, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(loop.time, "perf_counter", lambda: next(clock))
    chosen = settings(hidden=(9, 8), updates=101, evaluate_every=25, batch_size=3)
    made = kernels.create("cpu", (6, 9, 8, 3), "tanh", "cross_entropy", 3, 0.1, 1)
    checkpoints = Checkpoints(tmp_path, chosen, "cpu")
    checkpoints.save(Training(chosen, dataset, made).state())  # 10 seconds after it began
    again = Training(chosen, dataset, made, checkpoints.load((6, 9, 8, 3)))
    assert again.seconds == 20


def test_a_state_that_cannot_be_read_is_passed_over_and_told(dataset, tmp_path):
    """Torn, foreign, of another run, or with any one bit changed: no error, and never another state."""
    chosen = settings(hidden=(9, 8), updates=101, evaluate_every=25, batch_size=3)
    Checkpoints(tmp_path, chosen, "cpu").save(resumed(dataset, [], updates=60)[0].state())
    path = Checkpoints(tmp_path, chosen, "cpu").path
    whole, good = path.read_bytes(), repr(Checkpoints(tmp_path, chosen, "cpu").load((6, 9, 8, 3)))
    assert "State(update=60" in good
    random = np.random.default_rng(0)
    flipped = [bytearray(whole) for _ in range(400)]
    for data, bit in zip(flipped, random.choice(8 * len(whole), len(flipped), replace=False), strict=True):
        data[bit // 8] ^= 1 << (bit % 8)
    for data in [b"", b"not a zip", b"PK\x03\x04 torn", whole[: len(whole) // 2], *map(bytes, flipped)]:
        path.write_bytes(data)
        checkpoints = Checkpoints(tmp_path, chosen, "cpu")
        state = checkpoints.load((6, 9, 8, 3))
        assert (repr(state) == good) if state else str(path) in checkpoints.problems[0]


def test_a_state_knows_which_run_it_is_of(dataset, tmp_path):
    chosen = settings(hidden=(9, 8), updates=101, evaluate_every=25, batch_size=3)
    one, other = (Checkpoints(tmp_path, chosen.model_copy(update={"seed": seed}), "cpu") for seed in (0, 1))
    one.save(resumed(dataset, [], updates=60)[0].state())
    one.path.rename(other.path)
    assert other.load((6, 9, 8, 3)) is None
    assert "belongs to another run" in other.problems[0]


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file_is_no_state(tmp_path, kind):
    checkpoints = Checkpoints(tmp_path, settings(), "cpu")
    os.mkfifo(checkpoints.path) if kind == "fifo" else checkpoints.path.mkdir()
    assert checkpoints.load((6, 9, 8, 3)) is None
    assert "it is not a file" in checkpoints.problems[0]


def test_a_state_of_other_sources_or_shapes_is_passed_over(dataset, tmp_path, monkeypatch):
    chosen = settings(hidden=(9, 8), updates=101, evaluate_every=25, batch_size=3)
    checkpoints = Checkpoints(tmp_path, chosen, "cpu")
    checkpoints.save(resumed(dataset, [], updates=60)[0].state())
    assert checkpoints.load((6, 9, 7, 3)) is None
    monkeypatch.setattr(checkpoint, "code", lambda: "a formula was edited")
    assert checkpoints.load((6, 9, 8, 3)) is None


PROBED = {"hidden": (9, 8), "updates": 101, "evaluate_every": 25, "batch_size": 3}


@hypothesis.settings(deadline=None)  # the first one compiles
@given(stops=st.lists(st.integers(0, 100), max_size=3), every=st.sampled_from([7, 25, 40, 200]))
@pytest.mark.slow
def test_probes_are_the_same_after_interruptions_and_change_nothing(dataset, tmp_path_factory, stops, every):
    folder, stops = tmp_path_factory.mktemp("states"), sorted(stops)
    chosen = settings(**PROBED, probes={"every": every, "at": [3], "examples": 4})
    state, results = None, []
    for remaining in (stops, []):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "SEGMENT_BYTES", 18 * 3)
            while True:
                made = kernels.create("cpu", (6, 9, 8, 3), "tanh", "cross_entropy", 3, 0.1, 1)
                made.parameters = initial_parameters((6, 9, 8, 3), "normalized", chosen.seed)
                one = Training(chosen, dataset, made, state)

                def stop(training, remaining=remaining):
                    if remaining and training.update >= remaining[0]:
                        remaining.pop(0)
                        raise Interrupt

                try:
                    results.append(one.run(stop))
                    break
                except Interrupt:
                    Checkpoints(folder, chosen, "cpu").save(one.state())
                    state = Checkpoints(folder, chosen, "cpu").load((6, 9, 8, 3))
        state = None
    interrupted, once = results
    assert interrupted.probes == once.probes
    assert sorted({row.update for row in once.probes}) == sorted({3, *range(0, 102, every), 101})
    assert repr(once.history) == repr(run(dataset)[0].history)
    assert (once.correct == interrupted.correct).all()
    assert (once.predictions == interrupted.predictions).all()
    assert (once.correct == (once.predictions["label"] == once.predictions["prediction"])).all()
    assert once.history[-1].test_error == pytest.approx(100 * (1 - once.correct.mean()))


def test_old_states_make_room(dataset, tmp_path, monkeypatch):
    one, *_ = resumed(dataset, [])
    state = replace(one.state(), update=5)
    of_seed = [Checkpoints(tmp_path, settings(seed=seed), "cpu") for seed in range(4)]
    for age, checkpoints in enumerate(of_seed[:3]):
        checkpoints.save(state)
        os.utime(checkpoints.path, (1000 + age, 1000 + age))
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 2.5 * of_seed[0].path.stat().st_size)
    of_seed[3].save(state)
    assert [one.path.exists() for one in of_seed] == [False, False, True, True]


def test_files_that_are_no_states_are_left_alone(dataset, tmp_path, monkeypatch):
    """The user chose the folder, and has data of their own there."""
    one, *_ = resumed(dataset, [])
    checkpoints = Checkpoints(tmp_path, settings(), "cpu")
    beginning = checkpoints.path.name.partition("-")[0]
    own = [tmp_path / name for name in ("measurements.npz", f"{beginning}-results.npz", "a-" + checkpoints.path.name)]
    for path in own:
        path.write_bytes(bytes(1000))
        os.utime(path, (1000, 1000))
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 500)
    checkpoints.save(replace(one.state(), update=5))
    assert all(path.exists() for path in own)
    assert checkpoints.saved() == [checkpoints.path]
