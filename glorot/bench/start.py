"""What a command costs before it does anything: its first line, the compiler on a fresh installation, memory."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from glorot.bench.setting import Setting
from glorot.reporting.document import Document, Grid, Paragraph, Records, Value

RUNS = 100  # of the sweep whose commands are timed
SWEEP = f"""\
name: start
base: {{dataset: shapeset, activation: tanh, initializer: standard, depth: 1, width: 2, learning_rate: 0.1, updates: 1,
        evaluate_every: 1, batch_size: 1, valid_examples: 1, test_examples: 1}}
grid: {{seed: {list(range(RUNS))}}}
table: {{rows: seed, columns: depth}}
"""
MEMORY = """\
import resource
from glorot.bench.contest import make_examples, our_kernels
from glorot.bench.setting import Setting
setting = {!r}
network, examples = our_kernels(setting), make_examples(setting, 1000)
network.train(examples.first(len(examples) // setting.batch_size * setting.batch_size))
network.evaluate(examples)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class Start(NamedTuple):
    """lines: seconds to a command's first line, by its name. compiling: CPU seconds that a fresh installation takes
    longer. memory: bytes of a process that trains and evaluates."""

    lines: dict[str, float]
    compiling: float
    memory: int


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from glorot.cli import main; sys.exit(main())", *words]


def _first_line(folder: Path, *words: str) -> float:
    """Seconds until a command says something, the best of some."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        with subprocess.Popen(
            _command(*words), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            seconds.append(time.perf_counter() - began)
            process.stdout.read()
    return min(seconds)


def _cpu_seconds(folder: Path, cache: Path, *words: str) -> float:
    """Of a command and its processes, with compiled kernels in this cache."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    environment = {**os.environ, "GLOROT_CACHE": str(cache)}
    subprocess.run(_command(*words), cwd=folder, env=environment, check=True, capture_output=True)
    return used() - before


def measure(setting: Setting) -> Start:
    """In processes of their own. setting: whose memory is asked for."""
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name), Path(name) / "cache"
        (folder / "start.yaml").write_text(SWEEP)
        short = "--set", "updates=1", "--set", "evaluate_every=1", "-j", "1", "--device", "cpu", "--rerun"
        cold, warm = (_cpu_seconds(folder, cache, "run", "quickstart", *short) for _ in range(2))
        subprocess.run(_command("run", "start.yaml", "-q"), cwd=folder, check=True, capture_output=True)
        lines = {
            name: _first_line(folder, *words)
            for name, words in (
                ("run", ("run", "start.yaml")), ("report", ("report", "start")), ("status", ("status",)),
            )
        }  # fmt: skip
        memory = subprocess.run(
            [sys.executable, "-c", MEMORY.format(setting)], check=True, capture_output=True, text=True
        ).stdout
    return Start(lines, cold - warm, 1024 * int(memory))


def document(start: Start) -> Document:
    """The same for people."""
    seen = [
        *((f"first line of glorot {name}", seconds, "s", "2f") for name, seconds in start.lines.items()),
        ("compiling for glorot run quickstart, first run", start.compiling, "CPU seconds", "1f"),
        ("memory of a process that trains and evaluates", start.memory / 1e6, "MB", "0f"),
    ]
    rows = [[name, f"{value:.{digits}} {unit}"] for name, value, unit, digits in seen]
    columns = ("quantity", "value", "unit")
    records: list[dict[str, Value]] = [dict(zip(columns, one[:3], strict=True)) for one in seen]
    about = Paragraph(f"Commands on a sweep of {RUNS} finished runs.")
    return Document("The start of commands", [about, Grid(["quantity", "value"], rows)], Records(columns, records))
