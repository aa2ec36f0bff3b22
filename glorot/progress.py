"""What `glorot run` shows while it runs, on stderr: bars on a terminal, a line a run elsewhere."""

import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from glorot.cell import Outcome
from glorot.sweep import Run


def title(run: Run) -> str:
    """A run in a few words: "Tanh N, mnist, learning_rate 0.03"."""
    bare = ("method", "dataset", "activation", "initializer", "loss")
    parts = [label if axis in bare else f"{axis} {label}" for axis, label in run.labels.items()]
    return ", ".join(parts) or run.method


def outcome_text(run: Run, outcome: Outcome) -> str:
    """How a run ended, in a few words."""
    result, seconds = outcome.result, outcome.provenance["seconds"]
    if outcome.status == "failed":
        return f"failed: {outcome.provenance['reason']}"
    if outcome.status == "diverged":
        return f"diverged after {result['updates_done']:,} updates ({seconds:.0f} s)"
    return f"test error {result['test_error']:.2f} %, {result['updates_done']:,} updates in {seconds:.0f} s"


class Display:
    """An Observer (``runner.py``) that prints. Use as a context manager.

    total: how many runs there are to do. quiet: only failures. verbose: a line an evaluation too.
    """

    def __init__(self, total: int, quiet: bool = False, verbose: bool = False):
        self.total, self.quiet, self.verbose = total, quiet, verbose
        self.ended = 0
        self.console = Console(stderr=True, highlight=False)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} updates, {task.fields[speed]}/s"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[error]}"),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, tuple[float, int]] = {}  # clock and updates at the first report
        self._evaluated: dict[str, int] = {}

    def __enter__(self) -> "Display":
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def started(self, run: Run) -> None:
        self._tasks[run.run_id] = self.progress.add_task(
            escape(title(run)), total=run.settings.updates, speed="-", error=""
        )

    def progressed(self, run: Run, update: int, row: dict[str, Any]) -> None:
        now = time.monotonic()
        began, first = self._started.setdefault(run.run_id, (now, update))
        speed = f"{(update - first) / (now - began):,.0f}" if update > first else "-"
        error = f"valid {row['valid_error']:.2f} %"
        self.progress.update(self._tasks[run.run_id], completed=update, speed=speed, error=error)
        if self.verbose and self._evaluated.get(run.run_id) != row["update"]:
            self._evaluated[run.run_id] = row["update"]
            losses = f"valid loss {row['valid_loss']:.4g}, test error {row['test_error']:.2f} %"
            self._print(f"{title(run)}: update {row['update']:,}: {error}, {losses}")

    def finished(self, run: Run, outcome: Outcome) -> None:
        self.ended += 1
        self.progress.remove_task(self._tasks.pop(run.run_id))
        if not self.quiet or outcome.status == "failed":
            self._print(f"[{self.ended}/{self.total}] {title(run)}: {outcome_text(run, outcome)}")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)
