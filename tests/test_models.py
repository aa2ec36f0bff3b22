"""The field `model`: what each one needs, what it refuses, and learners other than gradient descent."""

import sys

import numpy as np
import pytest
from click.testing import CliRunner

from glorot import kernels
from glorot.cli.main import cli
from glorot.datasets import Examples, limited
from glorot.datasets.loading import load
from glorot.errors import DeviceError, GlorotError, SweepError
from glorot.execution.plan import Request, check_device, make_plan
from glorot.gate.agreement import denied, impossible
from glorot.models.architectures import MODELS
from glorot.models.network import initial_parameters
from glorot.reporting.report import stored_table
from glorot.results.store import Store, settings_of
from glorot.results.stored import StoredRun
from glorot.sweeps import config, written
from glorot.sweeps.runs import expand, run_id
from glorot.sweeps.settings import Settings
from glorot.training import support_vectors
from glorot.training.cell import run_cell

SVM = "model: {svm: {C: 10}}"
MLP = {"dataset": "mnist", "activation": "tanh", "learning_rate": 0.1, "updates": 10}


def runs_of(text):
    return expand(config.parse(text, "s.yaml"))


def test_a_run_has_the_id_it_had_before_there_were_models():
    assert run_id(Settings(**MLP), "cpu") == run_id(Settings(**MLP, model="mlp"), "cpu")
    assert run_id(Settings(**MLP, depth=0), "cpu") == run_id(Settings(**{**MLP, "activation": "relu"}, depth=0), "cpu")


def test_what_a_model_ignores_decides_nothing():
    one = Settings(dataset="mnist", model="svm")
    other = Settings(dataset="mnist", model="svm", learning_rate=0.3, hidden=(7,), seed=5, loss="quadratic")
    assert one == other
    assert (
        run_id(one, "cpu") == run_id(other, "cpu") != run_id(Settings(dataset="mnist", model={"svm": {"C": 2}}), "cpu")
    )
    assert one.ignored == MODELS["svm"].ignores


def test_runs_that_a_model_cannot_tell_apart_are_made_once():
    """Of seeds and of settings to choose from; anything else that differs is asked for and so refused."""
    text = """
      base: {dataset: mnist, updates: 10}
      grid:
        method: {SVM: {model: svm}, Softmax: {depth: 0}, Tanh: {activation: tanh}}
        learning_rate: [0.1, 0.2]
        seed: [0, 1]
      select: {over: learning_rate}
    """
    methods = [run.method for run in runs_of(text)]
    assert [methods.count(name) for name in ("SVM", "Softmax", "Tanh")] == [1, 4, 4]
    assert config.parse(written.dump(config.parse(text, "s.yaml")), "s.yaml") == config.parse(text, "s.yaml")
    text = text.replace("learning_rate: [0.1, 0.2]", "batch_size: [1, 2]").replace("mnist,", "mnist, learning_rate: 1,")
    same = r"\[method=SVM, batch_size=1, seed=0\] .* the same run, as SVM has no use for batch"
    with pytest.raises(SweepError, match=same):
        runs_of(text.replace("select: {over: learning_rate}", ""))


def test_lists_of_parameters_are_all_their_combinations():
    text = "base: {dataset: mnist}\ngrid: {model: [svm, {svm: {C: [2, 10], gamma: [1, 3], kernel: poly}}]}"
    sweep = config.parse(text + "\nselect: {over: model}", "s.yaml")
    labels = [run.labels["model"] for run in expand(sweep)]
    wanted = [{"C": C, "gamma": gamma, "kernel": "poly"} for C in (2, 10) for gamma in (1, 3)]
    assert labels == [MODELS.canonical("svm"), *(MODELS.canonical({"svm": one}) for one in wanted)]
    assert config.parse(written.dump(sweep), "s.yaml") == sweep
    with pytest.raises(SweepError, match=r"svm: C: expected a number above 0"):
        runs_of("base: {dataset: mnist}\ngrid: {model: [{svm: {C: [2, -1]}}]}")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"base: {{dataset: mnist, {SVM}, learning_rate: 0.1}}", "base.learning_rate: the model svm has no use for"),
        (f"base: {{dataset: mnist, {SVM}, depth: 2}}", "base.depth: the model svm has no use for depth"),
        (f"base: {{dataset: mnist, {SVM}, probes: {{every: 5}}}}", "base.probes: the model svm has no use for probes"),
        (f"base: {{dataset: mnist, {SVM}}}\ngrid: {{loss: [cross_entropy, quadratic]}}", "grid.loss: the model"),
        (
            f"base: {{dataset: mnist}}\ngrid: {{method: {{A: {{{SVM}, batch_size: 3}}}}}}",
            "grid.method.A.batch_size: the model svm has no use for batch_size; remove batch_size, or choose another",
        ),
        (
            f"base: {{dataset: mnist, learning_rate: 1, updates: 5, probes: {{every: 5}}}}\n"
            f"grid: {{method: {{A: {{{SVM}}}, B: {{activation: tanh}}}}}}",
            "base.probes: the model svm has no use for probes",
        ),
        (
            f"base: {{dataset: mnist}}\ngrid: {{method: {{A: {{{SVM}}}, B: {{depth: 0, updates: 3}}}}}}",
            "base.learning_rate: missing",
        ),
        ("base: {dataset: mnist, model: {svm: {C: -1}}}", "svm: C: expected a number above 0"),
        ("base: {dataset: mnist, model: {svm: {kernel: rbv}}}", "did you mean rbf?"),
    ],
)  # fmt: skip
def test_refused(text, place):
    with pytest.raises(SweepError) as error:
        runs_of(text)
    assert place in str(error.value)


def test_a_device_that_a_model_does_not_run_on(tmp_path):
    sweep = config.parse(f"base: {{dataset: mnist, {SVM}}}", "s.yaml")
    check_device(make_plan(Request(sweep), tmp_path))
    with pytest.raises(DeviceError, match=r"the model svm.*runs on the CPU only, not on a GPU yet; use --device cpu"):
        check_device(make_plan(Request(sweep, "cuda"), tmp_path))


def test_logistic_regression():
    """Depth 0: the kernels' updates are those of the naive twin, and W's gradient that of softmax regression."""
    rng = np.random.default_rng(5)
    examples = Examples(rng.integers(0, 256, (60, 33), dtype=np.uint8), rng.integers(0, 4, 60, dtype=np.uint8))
    start = initial_parameters((33, 4), "standard", 1)
    network = kernels.create("cpu", (33, 4), "linear", "cross_entropy", 20, 0.5, 1)
    network.parameters = start
    losses = network.train(examples)
    W, b = (array.astype(np.float64) for array in start[0])
    x, targets = examples.pixels / 255, np.eye(4)[examples.labels]
    for u in range(3):
        batch = slice(20 * u, 20 * u + 20)
        z = x[batch] @ W.T + b
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        assert losses[u] == pytest.approx(-np.log((p * targets[batch]).sum(axis=1)).mean(), rel=1e-5)
        W, b = W - 0.5 / 20 * (p - targets[batch]).T @ x[batch], b - 0.5 / 20 * (p - targets[batch]).sum(axis=0)
    np.testing.assert_allclose(network.parameters[0].W, W, atol=1e-6)
    np.testing.assert_allclose(network.parameters[0].b, b, atol=1e-6)


def test_a_support_vector_machine(tmp_path):
    """As scikit-learn's own; a history of one row, empty columns, and nothing left of one that was interrupted."""
    svm = pytest.importorskip("sklearn.svm")
    sweep = config.parse(
        f"base: {{dataset: shapeset, {SVM}, train_examples: 60, valid_examples: 30, test_examples: 50}}", "s.yaml"
    )
    settings = expand(sweep)[0].settings

    def interrupt(update, row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cell(settings, "cpu", 1, tmp_path, tmp_path, on_progress=interrupt)
    assert not list(tmp_path.iterdir())
    told = []
    outcome = run_cell(settings, "cpu", 1, tmp_path, tmp_path, on_progress=lambda update, row: told.append(update))
    data = limited(load("shapeset", tmp_path), 60)
    x, test = (2.0 * part.pixels / 255 - 1 for part in (data.examples, data.test.first(50)))
    machine = svm.SVC(C=10, gamma="scale").fit(x, data.examples.labels)
    np.testing.assert_array_equal(outcome.correct, machine.predict(test) == data.test.first(50).labels)
    assert told == [0] * len(told) != []
    assert [(row["update"], row["examples"]) for row in outcome.history] == [(1, 60)]
    assert outcome.result["test_error"] == 100 - 2 * int(outcome.correct.sum())
    assert "scikit-learn" in outcome.provenance["numpy"]

    run = expand(sweep)[0]
    store = Store(tmp_path / "s")
    store.write_sweep(written.dump(sweep), [settings_of(run)])
    store.write_run({**settings_of(run), **outcome.result}, outcome.provenance, outcome.history, [], outcome.correct)
    (row,) = store.read_runs().to_dict("records")
    assert denied(store, run, store.rows()[run.run_id]) is None
    assert impossible(store.rows()[run.run_id]) is None
    assert StoredRun(tmp_path, row).method == "SVM (RBF)"
    assert stored_table(tmp_path / "s").rows == ["SVM (RBF)"]
    told = CliRunner().invoke(cli, ["report", str(tmp_path / "s"), "--html", "--figures"])
    assert (told.exit_code, told.exception) == (0, None)
    assert "NaN" not in (tmp_path / "s" / "report.html").read_text()
    assert row["hidden"] == row["activation"] == ""


@pytest.mark.parametrize("kernel", ["rbf", "poly", "linear"])
@pytest.mark.parametrize("share", [1, 0], ids=["products of matrices", "libsvm alone"])
def test_pairs_of_classes_as_libsvm_fits_them(monkeypatch, kernel, share):
    """The same coefficients, intercepts and classes as one SVC of all classes has; labels with a gap."""
    svm = pytest.importorskip("sklearn.svm")
    monkeypatch.setattr(support_vectors, "SHARE", share)
    generator = np.random.default_rng(3)
    labels = generator.choice([1, 2, 5, 6], 120)
    x = generator.normal(size=(120, 8)) + 0.7 * labels[:, None]
    test = generator.normal(size=(300, 8)) + generator.uniform(0, 5, (300, 1))
    chosen = MODELS[MODELS.canonical({"svm": {"kernel": kernel, "C": 3, "degree": 2}})]
    ours = support_vectors.OneAgainstOne(chosen, 0.05, x, labels)
    theirs = svm.SVC(C=3, kernel=kernel, gamma=0.05, degree=2, coef0=1.0, decision_function_shape="ovo").fit(x, labels)
    decisions = ours.kernel(test, x) @ ours.coefficients + ours.intercepts
    # scikit-learn's sign, with more than two classes, is that of the first class of a pair
    np.testing.assert_allclose(decisions, -theirs.decision_function(test), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(ours.predict(test), theirs.predict(test))
    assert len(set(ours.predict(test))) == 4
    np.testing.assert_array_equal(np.flatnonzero(ours.coefficients.any(axis=1)), np.sort(theirs.support_))


def test_an_svm_that_cannot_be(tmp_path, monkeypatch):
    endless = expand(config.parse(f"base: {{dataset: shapeset, {SVM}}}", "s.yaml"))[0].settings
    with pytest.raises(GlorotError, match="shapeset has no end; add how many to take"):
        run_cell(endless, "cpu", 1, tmp_path, tmp_path)
    fixed = expand(config.parse(f"base: {{dataset: shapeset, train_examples: 20, {SVM}}}", "s.yaml"))[0].settings
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(GlorotError, match=r"pip install 'glorot\[svm\]'"):
        run_cell(fixed, "cpu", 1, tmp_path, tmp_path)
