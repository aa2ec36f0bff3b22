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

BITS = str(Path(__file__).parent / "bits.py")
GOLDEN = Path(__file__).parent / "golden" / "bits.json"


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
    return json.loads(run([BITS, "1"]))


@pytest.mark.parametrize("threads", [1, 2, pytest.param(5, marks=pytest.mark.slow)])
def test_weights_losses_and_evaluations_do_not_depend_on_threads_or_chance(digests, threads):
    assert json.loads(run([BITS, str(threads)])) == digests


def test_weights_losses_and_evaluations_are_those_of_every_processor(digests):
    """Of any x86 processor with FMA, and of Arm: the file was written on one machine.

    GLOROT_GOLDEN=write pytest tests/test_reproducible.py, where the bits are meant to change.
    """
    if os.environ.get("GLOROT_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(digests, indent=1) + "\n")
    assert digests == json.loads(GOLDEN.read_text())


@pytest.mark.slow  # compiles everything for another processor
@pytest.mark.skipif(not x86_with_fma(), reason="needs an x86 processor with FMA")
@pytest.mark.parametrize("threads", [1, 2])
def test_weights_losses_and_evaluations_do_not_depend_on_the_processor_compiled_for(digests, threads):
    assert json.loads(run([BITS, str(threads)], HASWELL)) == digests


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
