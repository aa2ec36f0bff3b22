"""The GPU's kernels: without a GPU on numba.cuda's simulator and through the compiler, with one as they are meant.

The tests marked `simulated`, here and in test_kernels.py, run in a process of their own, where the simulator is on.
"""

import csv
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import naive
import numpy as np
import pytest
from networks import assert_close, bits, bits_of, part, random_examples, random_layers
from PIL import Image

from glorot import kernels
from glorot.datasets import Examples, FiniteDataset
from glorot.errors import DeviceError
from glorot.kernels import devices
from glorot.models.activations import ACTIVATIONS
from glorot.models.losses import LOSSES
from glorot.training.stream import Stream

TESTS = Path(__file__).parent
SIMULATOR = {"NUMBA_ENABLE_CUDASIM": "1"}

needs_numba_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda: pip install 'glorot[cuda-compiler]'"
)
simulated = [
    pytest.mark.simulated,
    pytest.mark.skipif(not devices.simulated(), reason="runs in the simulator's process"),
]
gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(kernels.choose_device("auto").kind != "cuda", reason="needs an NVIDIA GPU and numba-cuda"),
]


def marked(marks):
    def mark(test):
        for one in marks:
            test = one(test)
        return test

    return mark


def on_cuda(layers, batch_size, blocks=None, learning_rate=0.5, activation="tanh", resident=True):
    from glorot.kernels.cuda import CudaKernels

    sizes = (layers[0].W.shape[1], *(len(layer.b) for layer in layers))
    made = CudaKernels(sizes, activation, "cross_entropy", batch_size, learning_rate, blocks=blocks, resident=resident)
    made.parameters = layers
    return made


def on_cpu(layers, batch_size, learning_rate=0.5, activation="tanh"):
    sizes = (layers[0].W.shape[1], *(len(layer.b) for layer in layers))
    made = kernels.create("cpu", sizes, activation, "cross_entropy", batch_size, learning_rate, 1)
    made.parameters = layers
    return made


# On the simulator. ------------------------------------------------------------------------------------------------


@needs_numba_cuda
@pytest.mark.slow
@pytest.mark.skipif(devices.simulated(), reason="it starts the simulator's process")
def test_the_simulated_ones_pass():
    """Kernels (a few shapes, some activations, every loss), steps of several blocks, probes, a loss curve."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "simulated", "test_kernels.py", "test_cuda.py"],
        cwd=TESTS, env=os.environ | SIMULATOR, capture_output=True, encoding="utf-8", timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) >= 25, done.stdout[-1000:]


@marked(simulated)
@pytest.mark.parametrize(("sizes", "batch_size"), [((10, 14, 5), 3), ((4, 13, 3), 4)])
def test_steps_of_several_blocks(sizes, batch_size):
    """One launch a step and several blocks, each with some of the tiles; with one block: the bits of one launch."""
    layers, examples = random_layers(sizes), random_examples(2 * batch_size, sizes[0], sizes[-1])
    whole, one, several = (on_cuda(layers, batch_size, blocks) for blocks in (None, 1, 3))
    losses = whole.train(examples)
    assert bits(one.train(examples)) == bits(losses)
    assert bits_of(one.parameters) == bits_of(whole.parameters)
    cpu = on_cpu(layers, batch_size)
    wanted = cpu.train(examples)
    np.testing.assert_allclose(several.train(examples), wanted, rtol=1e-5)
    for found, layer in zip(several.parameters, cpu.parameters, strict=True):
        assert_close(found.W, layer.W)
        assert_close(found.b, layer.b)


@marked(simulated)
def test_an_example_is_evaluated_alike_in_any_company():
    layers, examples = random_layers((10, 25, 5)), random_examples(10, 10, 5)
    made = on_cuda(layers, 2)
    losses, predictions = made.evaluate(examples)
    for start, stop in ((0, 1), (2, 6), (5, 10)):
        assert bits(*made.evaluate(part(examples, start, stop))) == bits(losses[start:stop], predictions[start:stop])
    assert [len(found) for found in made.evaluate(part(examples, 0, 0))] == [0, 0]


@marked(simulated)
def test_a_staged_segment_is_the_same():
    layers, examples = random_layers((6, 13, 4)), random_examples(6, 6, 4)
    made, other = on_cuda(layers, 2), on_cuda(layers, 2)
    assert bits(made.train(made.stage(examples))) == bits(other.train(examples))
    assert bits_of(made.parameters) == bits_of(other.parameters)


@marked(simulated)
def test_a_finite_data_set_stays_on_the_device():
    """What is picked of it there trains as what is picked of it on the host."""
    layers, examples = random_layers((6, 13, 4)), random_examples(7, 6, 4)
    dataset = FiniteDataset("some", 4, examples, examples, examples)
    made, other = on_cuda(layers, 2), on_cuda(layers, 2)
    stream = Stream(dataset, 3, made)
    for start, count in ((0, 4), (4, 6)):
        found, wanted = stream.take(start, count), dataset.train(3, start, count)
        assert bits(found.pixels.copy_to_host(), found.labels.copy_to_host()) == bits(
            wanted.pixels.reshape(-1), wanted.labels
        )
        assert bits(made.train(found)) == bits(other.train(wanted))
    assert bits_of(made.parameters) == bits_of(other.parameters)


def test_a_data_set_too_large_for_the_device_comes_in_segments():
    def keep(examples):
        raise DeviceError("no room")

    examples = Examples(np.arange(12, dtype=np.uint8).reshape(6, 2), np.zeros(6, np.uint8))
    dataset = FiniteDataset("some", 1, examples, examples, examples)
    staged = Stream(dataset, 3, SimpleNamespace(stage=lambda examples: ("staged", examples), keep=keep)).take(2, 3)
    assert staged[0] == "staged"
    assert staged[1].pixels.tobytes() == dataset.train(3, 2, 3).pixels.tobytes()


def check_probe(made, layers, examples, activation):
    """Against the oracle: activations and, example by example, deltas. Parameters stay."""
    activations, deltas, *_ = made.probe(examples)
    assert bits_of(made.parameters) == bits_of(layers)
    zs, inputs = naive.forward(layers, examples.pixels, activation)
    for found, wanted in zip(activations, inputs[1:], strict=True):
        assert found.dtype == np.float32
        assert_close(found, wanted)
    delta = naive.LOSSES["cross_entropy"][1](zs[-1], naive.one_hot(examples.labels, zs[-1].shape[1]))
    for l in reversed(range(len(layers))):
        assert_close(deltas[l], delta)
        if l > 0:
            delta = delta @ naive.float64(layers[l].W) * naive.ACTIVATIONS[activation][1](zs[l - 1])


@marked(simulated)
def test_probe():
    layers, examples = random_layers((10, 14, 9, 4)), random_examples(8, 10, 4)
    check_probe(on_cuda(layers, 2, activation="softsign"), layers, examples, "softsign")


def check_loss_curve(sizes, batch_size, updates, learning_rate, tolerance):
    """Within so much of the CPU's, and the same bits again."""
    layers, examples = random_layers(sizes), random_examples(updates * batch_size, sizes[0], sizes[-1])
    curves = [on_cuda(layers, batch_size, learning_rate=learning_rate).train(examples) for _ in range(2)]
    assert bits(curves[0]) == bits(curves[1])
    wanted = on_cpu(layers, batch_size, learning_rate).train(examples)
    np.testing.assert_allclose(curves[0], wanted, rtol=tolerance)
    assert wanted[-1] != pytest.approx(wanted[0], rel=1e-2)


@marked(simulated)
def test_loss_curve_of_a_few_updates():
    check_loss_curve((6, 13, 4), 3, 6, 0.3, 1e-5)


@marked(simulated)
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize(
    ("sizes", "batch_size", "activation"),
    [((20, 30, 12, 5), 3, "tanh"), ((7, 14, 4), 2, "gelu"), ((20, 4), 3, "tanh")],
)
def test_blocks_that_wait_for_each_other(resident, sizes, batch_size, activation, monkeypatch):
    """Many updates in one launch of several blocks; resident: with weights that stay in shared memory."""
    from side_by_side import blocks_side_by_side

    from glorot.kernels import cuda

    monkeypatch.setattr(cuda, "processors", lambda: (9, 2**20))
    monkeypatch.setattr(cuda, "resident_blocks", lambda *arguments: 9)
    layers, examples = random_layers(sizes), random_examples(2 * batch_size, sizes[0], sizes[-1])
    made, cpu = (on(layers, batch_size, activation=activation) for on in (on_cuda, on_cpu))
    if not resident:
        made = on_cuda(layers, batch_size, activation=activation, resident=False)
    assert made.resident == resident
    assert made._layout.blocks > 1
    with blocks_side_by_side(monkeypatch):
        losses = made.train(examples)
    np.testing.assert_allclose(losses, cpu.train(examples), rtol=1e-5)
    for found, wanted in zip(made.parameters, cpu.parameters, strict=True):
        assert_close(found.W, wanted.W)
        assert_close(found.b, wanted.b)


@marked(simulated)
def test_weights_that_stay_give_the_same_bits(monkeypatch):
    """Both ways add up in the same order, where there is a block for every tile; three updates use each place twice."""
    from side_by_side import blocks_side_by_side

    from glorot.kernels import cuda

    monkeypatch.setattr(cuda, "processors", lambda: (4, 2**20))
    monkeypatch.setattr(cuda, "resident_blocks", lambda *arguments: 4)
    layers, examples = random_layers((10, 14, 13, 3)), random_examples(3 * 3, 10, 3)
    made, other = (on_cuda(layers, 3, resident=resident) for resident in (True, False))
    with blocks_side_by_side(monkeypatch):
        assert bits(made.train(examples)) == bits(other.train(examples))
    assert bits_of(made.parameters) == bits_of(other.parameters)


@marked(simulated)
def test_what_is_not_there_is_no_number_that_a_block_can_publish():
    from glorot.kernels import cuda_exchange

    place = np.zeros(8, np.float32)
    cuda_exchange.withdraw_four(place, 4)
    assert cuda_exchange.late(*cuda_exchange.look_at_four(place, 4))
    cuda_exchange.publish_four(place, 4, *np.float32([np.nan, -np.nan, np.inf, -0.0]))
    assert not cuda_exchange.late(*cuda_exchange.look_at_four(place, 4))
    assert not place[:4].any()


@marked(simulated)
def test_an_update_that_diverges_leaves_the_weights():
    """Those in shared memory, too, go back as they were before it."""
    layers, examples = random_layers((7, 8, 3)), random_examples(8 * 3, 7, 3)
    made, other = (on_cuda(layers, 3, learning_rate=1e20, activation="linear", resident=r) for r in (True, False))
    assert (made.resident, other.resident) == (True, False)
    losses = made.train(examples)
    assert len(losses) < 8
    assert not np.isfinite(losses[-1])
    assert len(other.train(examples)) == len(losses)
    for found, wanted in zip(made.parameters, other.parameters, strict=True):
        np.testing.assert_allclose(found.W, wanted.W, rtol=1e-4)


@needs_numba_cuda
@pytest.mark.slow
@pytest.mark.skipif(devices.simulated(), reason="it starts a simulator's process")
def test_a_sweep_on_the_simulator(glorot, tmp_path):
    """From the command line to the stored rows, checkpoint included."""
    random = np.random.default_rng(0)
    for name in ("dark", "light"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(40):
            pixels = random.integers(0, 128, (4, 4), np.uint8) + np.uint8(127 * (name == "light"))
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\nbase: {dataset: {folder: photos, size: [4, 4]}, hidden: [3], batch_size: 2, updates: 4, "
        "evaluate_every: 2, valid_examples: 2, test_examples: 3, learning_rate: 0.1}\ngrid: {activation: [tanh]}\n"
    )
    done = glorot("run", "tiny.yaml", "--device", "cuda", **SIMULATOR)
    assert done.returncode == 0, done.stderr
    assert "on cuda (CUDA simulator, driver none)" in done.stderr
    on_cpu = glorot("run", "tiny.yaml", "--device", "auto", **SIMULATOR)
    assert "on cpu" in on_cpu.stderr
    with open(tmp_path / "results" / "tiny" / "runs.csv", newline="") as file:
        errors = {row["device"]: row["test_error"] for row in csv.DictReader(file)}
    assert errors.keys() == {"cpu", "cuda"}
    assert errors["cpu"] == errors["cuda"] != ""
    assert "CUDA simulator" in (tmp_path / "results" / "tiny" / "provenance.csv").read_text()


@needs_numba_cuda
@pytest.mark.slow
@pytest.mark.skipif(devices.simulated(), reason="it starts a simulator's process")
def test_a_plug_in_on_the_simulator(glorot, tmp_path):
    """The file that `glorot new --plugin` writes gives what it gives on the CPU; data that are no bytes are refused."""
    assert glorot("new", "--plugin", "my_units.py").returncode == 0
    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (random.integers(0, 80, (60, 4)) + 85 * y[:, None]).astype(np.uint8)
    np.savez(tmp_path / "some.npz", x=x, y=y)
    np.savez(tmp_path / "floats.npz", x=random.normal(0, 1, (60, 4)), y=y)
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nbase: {dataset: {arrays: some.npz}, hidden: [5, 4], batch_size: 2, updates: 8, evaluate_every: 4, "
        "learning_rate: 0.1, initializer: two_values, loss: squared_error}\n"
        "grid: {activation: [{swish: {beta: 1.5}}, relu6]}\n"
    )
    for device in ("cuda", "cpu"):
        done = glorot("run", "mine.yaml", "--device", device, "--plugin", "my_units.py", **SIMULATOR)
        assert done.returncode == 0, done.stderr
    with open(tmp_path / "results" / "mine" / "runs.csv", newline="") as file:
        losses = {(row["device"], row["activation"]): float(row["test_loss"]) for row in csv.DictReader(file)}
    assert len(losses) == 4
    for (device, activation), loss in losses.items():
        assert loss == pytest.approx(losses["cpu", activation], rel=1e-5), device
    refused = glorot(
        "run", "mine.yaml", "--device", "cuda", "--plugin", "my_units.py", "--set", "dataset={arrays: floats.npz}",
        **SIMULATOR,
    )  # fmt: skip
    assert refused.returncode == 2
    assert (
        "data that are no bytes, or are standardized by columns: not on a GPU yet; use --device cpu" in refused.stderr
    )


# Through the compiler. ----------------------------------------------------------------------------------------------


def ptx_of(name, T, capability, monkeypatch, activation="tanh", loss="cross_entropy"):
    """A kernel's PTX, made with no device; skips where there is no compiler."""
    pytest.importorskip("numba_cuda", reason="needs numba-cuda: pip install 'glorot[cuda-compiler]'")
    from numba import cuda
    from numba.cuda import dispatcher

    from glorot.kernels import cuda_steps

    # Functions on the device are compiled for the current device; here for the one asked for.
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=capability))
    cuda_steps.compiled.cache_clear()
    kernel = getattr(cuda_steps.compiled(activation, loss, T), name)
    try:
        bounds = kernel.targetoptions.get("launch_bounds")
        return cuda.compile_ptx(kernel.py_func, cuda_steps.SIGNATURES[name], cc=capability, launch_bounds=bounds)[0]
    except Exception as error:
        if "NvvmSupportError" in type(error).__name__ or "libNVVM" in str(error):
            pytest.skip(f"needs NVIDIA's compiler: pip install 'glorot[cuda-compiler]' ({error})")
        raise
    finally:
        cuda_steps.compiled.cache_clear()


@pytest.mark.slow
@pytest.mark.skipif(devices.simulated(), reason="the simulator compiles nothing")
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
@pytest.mark.parametrize(
    ("name", "T"),
    [("run_updates", 10), ("run_resident", 10), ("forward_step", 10), ("loss_step", 10), ("backward_step", 7),
     ("update_step", 10), ("predict", 10), ("gather", 10)],
)  # fmt: skip
def test_kernels_compile_without_spills(name, T, capability, monkeypatch, tmp_path):
    """To PTX, and from there, where ptxas is, to machine code: nothing spilled, room for a block of all threads."""
    from glorot.kernels.cuda_resident_blocks import RESIDENT_THREADS
    from glorot.kernels.cuda_tiles import SHARED_BYTES, THREADS

    ptx = ptx_of(name, T, capability, monkeypatch)
    assert ".visible .entry" in ptx
    assert f".target sm_{capability[0]}{capability[1]}" in ptx
    assert "atom.global.add.f" not in ptx  # sums of floats have an order
    assert "div.rn.f64" not in ptx  # the host divides losses: NaN went a slow way there, which once ended in a fault
    assert SHARED_BYTES < 48 * 1024
    if name in ("run_updates", "run_resident", "forward_step", "backward_step", "update_step"):
        assert "ld.shared.v4.f32" in ptx or T == 1
        assert ptx.count("fma.rn.f32") > 3 * T
    ptxas = shutil.which("ptxas")
    if ptxas is None:
        pytest.skip("PTX is fine; needs ptxas (of the CUDA toolkit) to count registers and spills")
    source = tmp_path / "kernel.ptx"
    source.write_text(ptx)
    target = f"-arch=sm_{capability[0]}{capability[1]}"
    done = subprocess.run(
        [ptxas, "-v", target, source, "-o", tmp_path / "kernel.cubin"], capture_output=True, encoding="utf-8"
    )
    if "Unsupported .version" in done.stderr:
        pytest.skip("PTX is fine; ptxas is older than the compiler")
    assert done.returncode == 0, done.stderr
    stack, stores, loads = map(
        int, re.search(r"(\d+) bytes stack frame, (\d+) .* stores, (\d+) .* loads", done.stderr).groups()
    )
    registers = int(re.search(r"Used (\d+) registers", done.stderr)[1])
    print(f"{name}, tiles of {T} examples, {target[6:]}: {registers} registers, {len(ptx):,} bytes of PTX")
    # On sm_80 this one needs all registers, and a few numbers that it seldom uses have no place in them.
    spilled = 64 if (name, capability) == ("run_updates", (8, 0)) else 0
    assert max(stack, stores, loads) <= spilled
    warps = (RESIDENT_THREADS if name == "run_resident" else THREADS) // 32
    assert registers * 32 * -(-warps // 4) <= 65536 // 4, (
        "each quarter of a multiprocessor has a quarter of the registers"
    )


@pytest.mark.slow
@pytest.mark.skipif(devices.simulated(), reason="the simulator compiles nothing")
@pytest.mark.parametrize("name", ["run_updates", "run_resident", "forward_step", "loss_step", "backward_step"])
def test_formulas_of_a_plug_in_compile(name, monkeypatch, tmp_path):
    """An activation with a parameter and a slope in z, and a loss, from the file that `glorot new --plugin` writes."""
    from glorot.plugins import loading, starter

    monkeypatch.setattr(loading, "_loaded", {})
    for registry, _ in loading.KINDS.values():  # it leaves nothing behind
        for kept in ("_entries", "_origins", "_made", "_remembered"):
            monkeypatch.setattr(registry, kept, dict(getattr(registry, kept)))
    (tmp_path / "my_units.py").write_text(starter.TEXT)
    loading.load(tmp_path / "my_units.py")
    swish = ACTIVATIONS.canonical({"swish": {"beta": 1.5}})
    ptx = ptx_of(name, 10, (9, 0), monkeypatch, swish, LOSSES.canonical("squared_error"))
    assert ".visible .entry" in ptx
    beta = f"0f{int(np.float32(1.5).view(np.uint32)):08X}"
    assert (beta in ptx or "0fBFC00000" in ptx) == (name != "loss_step"), "beta is a constant of the kernel"


# On a GPU. ----------------------------------------------------------------------------------------------------------


@marked(gpu)
@pytest.mark.parametrize(("width", "batch_size"), [(100, 1), (1000, 10), (1000, 128), (2000, 10)])
def test_one_update_agrees_with_the_cpu(width, batch_size):
    sizes = (1024, *(width,) * 5, 9)
    layers, examples = random_layers(sizes), random_examples(batch_size, sizes[0], sizes[-1])
    cuda, cpu = on_cuda(layers, batch_size, learning_rate=0.01), on_cpu(layers, batch_size, 0.01)
    np.testing.assert_allclose(cuda.train(examples), cpu.train(examples), rtol=1e-5)
    for found, wanted in zip(cuda.parameters, cpu.parameters, strict=True):
        assert_close(found.W, wanted.W)
        assert_close(found.b, wanted.b)


@marked(gpu)
@pytest.mark.parametrize("batch_size", [1, 10, 32])
def test_loss_curve_of_1000_updates(batch_size):
    check_loss_curve((1024, 300, 300, 300, 300, 300, 9), batch_size, 1000, 0.01, 1e-3)


@marked(gpu)
def test_one_launch_and_many_agree():
    layers, examples = random_layers((1024, 500, 500, 9)), random_examples(50 * 10, 1024, 9)
    whole, stepwise = on_cuda(layers, 10, learning_rate=0.01), on_cuda(layers, 10, 128, 0.01)
    np.testing.assert_allclose(whole.train(examples), stepwise.train(examples), rtol=1e-4)


@marked(gpu)
@pytest.mark.parametrize("width", [300, 1000])
def test_weights_that_stay_in_shared_memory(width):
    """Where there is room: on an H100 also at the paper's size."""
    layers, examples = random_layers((1024, *(width,) * 5, 9)), random_examples(200 * 10, 1024, 9)
    made, other = on_cuda(layers, 10, learning_rate=0.01), on_cuda(layers, 10, learning_rate=0.01, resident=False)
    if not made.resident:
        pytest.skip("this GPU has no room for them")
    np.testing.assert_allclose(made.train(examples), other.train(examples), rtol=1e-4)
    for found, wanted in zip(made.parameters, other.parameters, strict=True):
        np.testing.assert_allclose(found.W, wanted.W, rtol=0, atol=1e-4)


@marked(gpu)
def test_probe_on_the_gpu():
    layers, examples = random_layers((1024, 300, 200, 9)), random_examples(3000, 1024, 9)
    check_probe(on_cuda(layers, 10), layers, examples, "tanh")
