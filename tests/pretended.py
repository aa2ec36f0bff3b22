"""What the driver of a cluster costs: a sweep of cells that only sleep for a second, on slots that are threads.

    python tests/pretended.py --cells 10000 --slots 32

The scheduler and its workers are one process, the driver (`glorot run --cluster`) another one, which is as always and
is measured. Prints its CPU time for each cell, its share of a core, its memory, how many cells ended per second, and
how long `glorot status` and `glorot report` take meanwhile.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

SWEEP = """
name: pretended
base: {{dataset: shapeset, width: 10, depth: 1, updates: 1000, evaluate_every: 250,
       valid_examples: 1000, test_examples: 1000, activation: tanh, initializer: normalized}}
grid: {{learning_rate: [{rates}], seed: [{seeds}]}}
"""

LOOKS = ("status", "report")


def serve(slots: int, seconds: float) -> None:
    """A scheduler and its workers, until standard input ends."""
    import logging

    import dask
    import numpy as np
    from distributed import LocalCluster

    from glorot.execution import cluster, remote
    from glorot.training.cell import Outcome, now, provenance
    from glorot.training.loop import PREDICTION, HistoryRow

    def sleep(run, tasks, report):
        rows = [HistoryRow(update, 10 * update, 1.0, 1.0, 50.0, 1.0, 50.0) for update in range(0, 1001, 250)]
        report(0, rows[0])
        time.sleep(seconds)
        last = asdict(rows[-1])
        predictions = np.zeros(1000, PREDICTION)
        result = {"status": "done", "updates_done": 1000}
        result |= {name: last[name] for name in last if name.endswith(("_loss", "_error"))}
        return Outcome(
            result, [asdict(row) for row in rows], provenance(now(), seconds, 1),
            correct=np.zeros(1000, bool), predictions=predictions,
        )  # fmt: skip

    remote.carry_out = sleep
    with dask.config.set(cluster.SETTINGS), LocalCluster(
        n_workers=slots, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address=None, silence_logs=logging.CRITICAL, memory_limit=0,
    ) as there:  # fmt: skip
        print(there.scheduler_address, flush=True)
        sys.stdin.read()


def cpu_and_memory(pid: int) -> tuple[float, float]:
    """Seconds of CPU, and MB, of a process that lives."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * resource.getpagesize() / 1e6


def timed(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a cell")
    parser.add_argument("--looks", type=int, default=2, help="how often status and report are timed")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--profile", help="a file for the driver's profile (cProfile)")
    options = parser.parse_args()
    if options.serve:
        return serve(options.slots, options.seconds)
    with tempfile.TemporaryDirectory() as folder:
        measure(options, folder)


def measure(options: argparse.Namespace, folder: str) -> None:
    rates = ", ".join(f"{i / 1000}" for i in range(1, options.cells // 100 + 1))
    (Path(folder) / "pretended.yaml").write_text(SWEEP.format(rates=rates, seeds=", ".join(map(str, range(100)))))
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--slots", str(options.slots), "--seconds", str(options.seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    glorot = [sys.executable, "-m", "glorot"]
    results = Path(folder) / "results"
    try:
        address = server.stdout.readline().strip()
        profile = options.profile.split() if options.profile else ["-m", "glorot"]
        driver = subprocess.Popen(
            [sys.executable, *profile, "run", f"{folder}/pretended.yaml", "-o", str(results),
             "--cluster", address, "-q"],
        )  # fmt: skip
        while not (results / "pretended" / "sweep.yaml").exists():
            assert driver.poll() is None, "the driver has ended"
            time.sleep(0.02)
        history = results / "pretended" / "history"
        planned, looks, points = cpu_and_memory(driver.pid), [], []
        while driver.poll() is None and len(points) < 2:
            cells = len(os.listdir(history)) if history.exists() else 0
            if cells >= (options.cells // 5 if not points else options.cells * 4 // 5):
                points.append((cells, time.perf_counter(), *cpu_and_memory(driver.pid)))
            elif points and cells >= options.cells * (2 + len(looks)) // 4 and len(looks) < options.looks:
                looks.append((cells, *(timed(*glorot, command, "pretended", "-o", str(results)) for command in LOOKS)))
            time.sleep(0.1)
        assert driver.wait() == 0
        assert len(points) == 2
    finally:
        server.stdin.close()
        server.wait()
    (first, began, cpu_before, _), (last, ended, cpu, memory) = points
    cells, seconds, cpu = last - first, ended - began, cpu - cpu_before
    print(f"{cells / seconds:.1f} cells of {options.seconds} s per second on {options.slots} slots")
    print(f"driver: {1000 * cpu / cells:.2f} ms of CPU for each cell, {100 * cpu / seconds:.1f} % of a core")
    print(f"memory: {planned[1]:.0f} MB after planning, {memory:.0f} MB with {last} cells stored")
    for cells, status, report in looks:
        print(f"with {cells} cells stored: status {status:.2f} s, report {report:.2f} s")


if __name__ == "__main__":
    main()
