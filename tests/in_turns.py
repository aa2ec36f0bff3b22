"""Is a version faster or slower than another? CPU time of both checkouts' kernels, in turns, on one thread; or with
more threads the time that passes.

    git worktree add ../old COMMIT
    python tests/in_turns.py ../old . [--rounds 14] [--seconds 0.06] [--threads 1] [--rows "minibatch 10" ...]

With NUMBA_CPU_NAME and NUMBA_CPU_FEATURES both compile for another processor. Prints a row for each setting: the
median time of each version, and how many times as long the first takes as the second: the median of the turns' ratios,
and their quartiles.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

WIDE = {"hidden": [1000] * 5}
SIGMOID, MNIST = WIDE | {"activation": "sigmoid"}, {"hidden": [300] * 2, "n_inputs": 784, "n_classes": 10}
MOMENTUM, ADAM = "momentum(momentum=0.9, nesterov=false)", "adam(beta1=0.9, beta2=0.999, epsilon=1e-08)"
ROWS = {  # name -> what, a bench.setting.Setting, and what is done to the network before
    "minibatch 10": ("update", WIDE | {"batch_size": 10}),
    "minibatch 1": ("update", WIDE | {"batch_size": 1}),
    "minibatch 32": ("update", WIDE | {"batch_size": 32}),
    "minibatch 128": ("update", WIDE | {"batch_size": 128}),
    "minibatch 600": ("update", WIDE | {"batch_size": 600}),
    "3072 inputs": ("update", WIDE | {"n_inputs": 3072, "n_classes": 10}),
    "width 300": ("update", {"hidden": [300] * 5}),
    "width 100": ("update", {"hidden": [100] * 5}),
    "width 100, minibatch 128": ("update", {"hidden": [100] * 5, "batch_size": 128}),
    "20 layers of 100": ("update", {"hidden": [100] * 20}),
    "logistic regression": ("update", {"hidden": [], "n_inputs": 784, "n_classes": 10}),
    "evaluation": ("evaluate", WIDE),
    "evaluation, width 100": ("evaluate", {"hidden": [100] * 5}),
    "evaluation, logistic regression": ("evaluate", {"hidden": [], "n_inputs": 784, "n_classes": 10}),
    "saturated sigmoid": ("update", SIGMOID, "saturate"),
    "evaluation, saturated sigmoid": ("evaluate", SIGMOID, "saturate"),
    "momentum, black pixels": ("update", MNIST | {"optimizer": MOMENTUM}, "blacken"),
    "Adam, black pixels": ("update", MNIST | {"optimizer": ADAM}, "blacken"),
}
EVALUATED, SEGMENT = 1000, 1280  # examples


def saturate(kernels, examples):
    """Weights 40 times as large: most units are almost 0 or 1, as of a network of sigmoid units that was trained."""
    kernels.parameters = [layer._replace(W=40 * layer.W) for layer in kernels.parameters]


def blacken(kernels, examples):
    """After the first minibatches half of the pixels are black, as many of MNIST's are: 1500 updates from there on."""
    kernels.train(examples)
    examples.pixels[:, ::2] = 0
    for _ in range(1500 * kernels.batch_size // len(examples) + 1):
        kernels.train(examples)


def work(threads: int) -> None:
    """In a checkout: each line read has a row and seconds; writes the seconds of one update, or one example."""
    from glorot.bench import contest
    from glorot.bench.setting import Setting

    clock = time.process_time if threads == 1 else time.perf_counter
    name, job, units = None, None, 0
    for line in sys.stdin:
        row, seconds = json.loads(line)
        if row != name:
            what, values, *before = ROWS[row]
            setting = Setting(**values | {"hidden": tuple(values["hidden"]), "threads": threads})
            units = EVALUATED if what == "evaluate" else max(1, min(64, SEGMENT // setting.batch_size))
            examples = contest.make_examples(setting, units * (1 if what == "evaluate" else setting.batch_size))
            kernels, name = contest.our_kernels(setting), row
            for prepare in before:
                globals()[prepare](kernels, examples)
            job = kernels.evaluate if what == "evaluate" else kernels.train
            job(examples)
        done, began = 0, clock()
        while clock() - began < seconds or not done:
            job(examples)
            done += units
        print((clock() - began) / done, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rounds", type=int, choices=range(1, 1000), metavar="N", default=14)
    parser.add_argument("--seconds", type=float, default=0.06)
    parser.add_argument("--threads", type=int, choices=range(1, 100), metavar="N", default=1)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    options = parser.parse_args()
    for folder in (options.old, options.new):
        if not (folder / "glorot" / "__init__.py").is_file():
            parser.error(f"{folder}: expected a checkout with the folder glorot")
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, "--work", str(options.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(folder.resolve())},
        )
        for folder in (options.old, options.new)
    ]  # fmt: skip

    def ask(worker: subprocess.Popen, row: str, seconds: float) -> float:
        worker.stdin.write(json.dumps([row, seconds]) + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        if not answer:
            raise SystemExit("the process of a checkout ended; what it printed is above")
        return float(answer)

    print("| setting | old, ms | new, ms | old / new | quartiles |\n|---|---:|---:|---:|---|")
    for row in options.rows:
        times = [[], []]
        for worker in workers:
            ask(worker, row, 0)
        for turn in range(options.rounds):
            for i in (0, 1) if turn % 2 else (1, 0):
                times[i].append(ask(workers[i], row, options.seconds))
        ratios = [a / b for a, b in zip(*times, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
        old, new = (1000 * statistics.median(each) for each in times)
        print(f"| {row} | {old:.4g} | {new:.4g} | {middle:.2f} | {low:.2f} to {high:.2f} |", flush=True)
    for worker in workers:
        worker.stdin.close()
        worker.wait()


if __name__ == "__main__":
    work(int(sys.argv[2])) if sys.argv[1:2] == ["--work"] else main()
