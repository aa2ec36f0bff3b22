"""The same bits for any number of threads and jobs, any processor compiled for, and from run to run: real processes."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

# A plain machine with AVX2 and FMA but no AVX-512.
HASWELL = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+64bit,+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+f16c,+fma,+fsgsbase,+fxsr,+lzcnt,+mmx,+movbe,"
    "+pclmul,+popcnt,+sahf,+sse,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3,+xsave",
}

SWEEP = """
name: bits
base:
  updates: 300
  evaluate_every: 100
  learning_rate: 0.05
  batch_size: 7
  valid_examples: 301
  test_examples: 203
  dataset: shapeset
grid:
  hidden: [[33, 17, 50], [70, 1]]
  activation: [sigmoid, tanh, softsign, relu, softplus, linear]
  initializer: [standard, normalized]
  loss: [cross_entropy, quadratic]
"""

# Trains one odd network of each activation and of each loss (the pairs of networks.py), and prints a digest of losses,
# weights and evaluations.
DIGESTS = """
import hashlib, itertools, json, sys
from glorot import kernels
from glorot.models.activations import ACTIVATIONS
from glorot.datasets.shapeset import Shapeset
from glorot.models.losses import OF_LINEAR_UNITS as LOSSES
from glorot.models import lenet5
from glorot.models.layers import initial_layers
from glorot.models.network import initial_parameters

threads, sizes, shapeset, digests = int(sys.argv[1]), (1024, 77, 100, 33, 9), Shapeset(), {}
examples, looked_at = shapeset.train(0, 0, 11 * 40), shapeset.test.first(203)
first, *_ = ACTIVATIONS
for activation, loss in {*zip(ACTIVATIONS, itertools.cycle(LOSSES)), *((first, loss) for loss in LOSSES)}:
    kernels.prepare("cpu", activation, loss)
    network = kernels.create("cpu", sizes, activation, loss, 11, 0.05, threads)
    network.parameters = initial_parameters(sizes, "normalized", 3)
    digest = hashlib.sha256(network.train(examples).tobytes())
    for layer in network.parameters:
        digest.update(layer.W.tobytes() + layer.b.tobytes())
    for result in network.evaluate(looked_at):
        digest.update(result.tobytes())
    digests[f"{activation} {loss}"] = digest.hexdigest()
layers = lenet5.layers(9)
network = kernels.create_convolutional(layers, (32, 32), "tanh", "cross_entropy", 11, 0.05, threads)
network.parameters = initial_layers(layers, "normalized", 3)
digest = hashlib.sha256(network.train(examples).tobytes())
for part in (*(array for layer in network.parameters for array in layer), *network.evaluate(looked_at)):
    digest.update(part.tobytes())
digests["LeNet-5"] = digest.hexdigest()
print(json.dumps(digests))
"""


def run(arguments: list[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def x86_with_fma() -> bool:
    try:
        return platform.machine() in ("x86_64", "AMD64") and " fma " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    return json.loads(run(["-c", DIGESTS, "1"]))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_weights_losses_and_evaluations_do_not_depend_on_threads_or_chance(digests, threads):
    assert json.loads(run(["-c", DIGESTS, str(threads)])) == digests


@pytest.mark.slow  # compiles everything for another processor
@pytest.mark.skipif(not x86_with_fma(), reason="needs an x86 processor with FMA")
@pytest.mark.parametrize("threads", [1, 2])
def test_weights_losses_and_evaluations_do_not_depend_on_the_processor_compiled_for(digests, threads):
    assert json.loads(run(["-c", DIGESTS, str(threads)], HASWELL)) == digests


def stored(folder: Path) -> dict[str, bytes]:
    """Every file of a sweep's results but the provenance."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "provenance.csv" and not path.name.startswith(".")
    }


@pytest.mark.slow
def test_stored_results_are_the_same_bytes(tmp_path):
    (tmp_path / "bits.yaml").write_text(SWEEP)
    sweep = ["-m", "glorot", "run", str(tmp_path / "bits.yaml"), "-q"]
    ways: dict[str, tuple[list[str], dict[str, str]]] = {
        "j1": (["-j", "1"], {}),
        "j2": (["-j", "2"], {}),
        "j3": (["-j", "3"], {}),
    }
    if x86_with_fma():
        ways["haswell"] = (["-j", "2"], HASWELL)
    results = {}
    for way, (options, environment) in ways.items():
        run([*sweep, "-o", str(tmp_path / way), *options], environment)
        results[way] = stored(tmp_path / way / "bits")
    assert len([name for name in results["j1"] if name.startswith("history")]) == 48
    for way, files in results.items():
        assert files == results["j1"], way
