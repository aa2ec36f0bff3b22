"""`model: lenet5` as a run: states, probes, what it refuses."""

import pytest

from glorot.errors import DeviceError, GlorotError, SweepError
from glorot.execution.plan import Request, check_device, make_plan
from glorot.sweeps import config
from glorot.sweeps.runs import expand
from glorot.sweeps.settings import Settings
from glorot.training.cell import run_cell

LENET5 = {
    "dataset": "shapeset", "model": "lenet5", "activation": "tanh", "initializer": "normalized", "batch_size": 5,
    "learning_rate": 0.05, "updates": 60, "evaluate_every": 30, "valid_examples": 40, "test_examples": 40,
    "checkpoint_minutes": 0, "probes": {"at": [0]},
}  # fmt: skip


def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path):
    """Also with an optimizer's memory, and on other threads."""
    settings = Settings(**LENET5 | {"optimizer": {"momentum": {"momentum": 0.5}}})
    whole = run_cell(settings, "cpu", 1, tmp_path, tmp_path / "whole")
    assert (whole.status, whole.result["updates_done"]) == ("done", 60)

    def interrupt(update, row):
        if update >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cell(settings, "cpu", 1, tmp_path, tmp_path / "states", on_progress=interrupt)
    seen = []
    rest = run_cell(
        settings, "cpu", 2, tmp_path, tmp_path / "states", on_progress=lambda update, row: seen.append(update)
    )
    assert min(seen) >= 30
    assert not rest.problems
    assert repr((rest.result, rest.history, rest.probes)) == repr((whole.result, whole.history, whole.probes))
    probed = {(row["quantity"], row["layer"]) for row in whole.probes if row["update"] == 60}
    hidden = range(1, 7)  # C1, S2, C3, S4, C5, F6
    assert probed == {("activation", l) for l in hidden} | {
        (quantity, l) for quantity in ("gradient", "weight_gradient") for l in (*hidden, 7)
    }


def test_its_inputs_method_and_fields():
    settings = Settings(**LENET5)
    assert settings.inputs == "ink"
    assert Settings(**LENET5 | {"inputs": "unit"}).inputs == "unit"
    assert settings.ignored == {"hidden", "pretraining"}
    (run,) = expand(config.parse("base: {dataset: mnist, model: lenet5, activation: tanh, initializer: normalized, "
                                 "learning_rate: 0.1, updates: 5}", "s.yaml"))  # fmt: skip
    assert run.method == "LeNet-5 (Tanh N)"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("dataset: cifar10", "expected grey images of up to 32 x 32 pixels, found 32 x 32 in colour"),
        ("dataset: small_imagenet", "expected grey images of up to 32 x 32 pixels, found 37 x 37"),
        ("dataset: {boolean: {function: parity, bits: 3}}", "found no images"),
        ("dataset: mnist, depth: 3", "no use for depth"),
        ("dataset: mnist, optimizer: diagonal_hessian", "no optimizer diagonal_hessian yet"),
        ("dataset: mnist, loss: rbf_map, model: mlp", "only the model lenet5 has"),
    ],
)
def test_refused(fields, message):
    model = "" if "model" in fields else "model: lenet5, "
    with pytest.raises((SweepError, ValueError)) as error:
        expand(config.parse(f"base: {{{model}activation: tanh, learning_rate: 1, updates: 5, {fields}}}", "s.yaml"))
    assert message in str(error.value)


def test_too_many_classes_for_bitmaps(tmp_path):
    """What is known only when the data are there."""
    from glorot.training import learners

    class Eleven:
        name, n_classes = "eleven", 11

    settings = Settings(**LENET5 | {"loss": "rbf"})
    with pytest.raises(GlorotError, match="at most 10 classes"):
        learners.GradientDescent(learners.Task(settings, Eleven(), "cpu", 1, tmp_path))


def test_not_on_a_gpu(tmp_path):
    sweep = config.parse(
        "base: {dataset: mnist, model: lenet5, activation: tanh, learning_rate: 1, updates: 5}", "s.yaml"
    )
    with pytest.raises(DeviceError, match="lenet5 runs on the CPU only, not on a GPU yet; use --device cpu"):
        check_device(make_plan(Request(sweep, "cuda"), tmp_path))
