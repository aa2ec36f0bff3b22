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
from glorot.errors import GlorotError
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


LEAST_MEMORY = """\
import resource, numba
numba.njit(cache=True)(lambda x: x + 1)(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
LIBRARIES = {  # what each command imports of others, and cannot do without; Python's own end is not counted
    name: f"import os, click, numpy, pydantic, yaml{more}; pydantic.BaseModel; os._exit(0)"
    for name, more in {"run": "", "report": ", scipy.special, tabulate", "status": ""}.items()
}


class Start(NamedTuple):
    """lines: seconds to a command's first line, by its name. libraries: of them, Python and the imports of LIBRARIES.
    compiling: CPU seconds that a fresh installation takes longer. memory: bytes of a process that trains and evaluates.
    least_memory: of one that imports Numba and calls one small function from its cache."""

    lines: dict[str, float]
    libraries: dict[str, float]
    compiling: float
    memory: int
    least_memory: int


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from glorot.cli import main; sys.exit(main())", *words]


def first_lines(folder: Path, repeats: int = 5) -> dict[str, float]:
    """Seconds until commands say something of a sweep that is run here first, each the best of some.

    Python's byte code is there, as pip leaves it at an installation, even where this machine writes none.
    """
    (folder / "start.yaml").write_text(SWEEP)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytes")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def seconds(*words: str) -> float:
        began = time.perf_counter()
        with subprocess.Popen(
            _command(*words), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            first = time.perf_counter() - began
            process.stdout.read()
        if process.returncode:
            raise GlorotError(f"glorot {' '.join(words)}: expected it to succeed, found {said.strip()!r}")
        return first

    seconds("run", "start.yaml")
    commands = {"run": "start.yaml", "report": "start", "status": "start"}
    return {name: min(seconds(name, what) for _ in range(1 + repeats)) for name, what in commands.items()}


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
        short = "--set", "updates=1", "--set", "evaluate_every=1", "-j", "1", "--device", "cpu", "--rerun"
        cold, warm = (_cpu_seconds(folder, cache, "run", "quickstart", *short) for _ in range(2))
        lines = first_lines(folder)
        (folder / "least.py").write_text(LEAST_MEMORY)  # Numba caches nothing of -c
        libraries = {name: min(_seconds(folder, "-c", code)[0] for _ in range(6)) for name, code in LIBRARIES.items()}
        memory, least = (
            [_seconds(folder, *words)[1] for _ in range(2)][1]  # the second time nothing is compiled
            for words in (("-c", MEMORY.format(setting)), ("least.py",))
        )
    return Start(lines, libraries, cold - warm, 1024 * int(memory), 1024 * int(least))


def _seconds(folder: Path, *words: str) -> tuple[float, str]:
    """Of a process of Python, and what it says."""
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, *words], cwd=folder, check=True, capture_output=True, text=True)
    return time.perf_counter() - began, ended.stdout


def document(start: Start) -> Document:
    """The same for people."""
    seen = [
        *((f"first line of glorot {name}", seconds, "s", "2f") for name, seconds in start.lines.items()),
        *((f"of it, importing other libraries for {name}", one, "s", "2f") for name, one in start.libraries.items()),
        ("compiling for glorot run quickstart, first run", start.compiling, "CPU seconds", "1f"),
        ("memory of a process that trains and evaluates", start.memory / 1e6, "MB", "0f"),
        ("of it, Numba with one small function", start.least_memory / 1e6, "MB", "0f"),
    ]
    rows = [[name, f"{value:.{digits}} {unit}"] for name, value, unit, digits in seen]
    columns = ("quantity", "value", "unit")
    records: list[dict[str, Value]] = [dict(zip(columns, one[:3], strict=True)) for one in seen]
    about = Paragraph(f"Commands on a sweep of {RUNS} finished runs.")
    return Document("The start of commands", [about, Grid(["quantity", "value"], rows)], Records(columns, records))
