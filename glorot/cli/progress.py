"""What `glorot run` shows while it runs, on stderr: bars on a terminal; elsewhere a line when a run ends, and one per
minute of a long run."""

import math
import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from glorot.results.rows import reason_text
from glorot.sweeps.runs import Run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from glorot.training.cell import Outcome

MINUTE = 60.0  # seconds from one line to the next about a run, where there is no terminal
BESIDE = 56  # columns of the bar, the speed, the time and the error
BARE = ("method", "dataset", "activation", "initializer", "loss")  # axes whose labels speak for themselves


def title(run: Run) -> str:
    """A run in a few words: "Tanh N, mnist, learning_rate 0.03"."""
    parts = [label if axis in BARE else f"{axis} {label}" for axis, label in run.labels.items()]
    return ", ".join(parts) or f"{run.method}, {run.settings.dataset}"


def duration(seconds: float) -> str:
    """ "4.2 s", "45 s", "12 min", "3.4 h"."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def outcome_text(outcome: "Outcome") -> str:
    """How a run ended, in a few words."""
    result, origin = outcome.result, outcome.provenance
    if outcome.status == "failed":
        return f"failed: {reason_text(origin['reason'])}"
    if outcome.status == "diverged":
        return f"diverged after {result['updates_done']:,} updates in {duration(origin['seconds'])}"
    updates = f"{result['updates_done']:,} updates in" if result["updates_done"] > 1 else "in"
    return f"test error {result['test_error']:.2f} %, {updates} {duration(origin['seconds'])}"


def stderr() -> "Console":
    """rich's picture of stderr. rich is imported once there is something to show: most commands need no bar."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


class Display:
    """An Observer (``execute.py``) that prints. Use as a context manager.

    runs: those to do, and stand-ins for those that are chosen later. ended: how many ended before, so that the count
        goes on. quiet: only failures. verbose: one line per evaluation too, and tracebacks. compiling: whether the
        first run has to compile the kernels.
    """

    def __init__(
        self, runs: Sequence[Run], quiet: bool = False, verbose: bool = False, ended: int = 0, compiling: bool = False
    ):
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        self.total, self.ended, self.quiet, self.verbose = ended + len(runs), ended, quiet, verbose
        self.state = "compiling" if compiling else "preparing"
        self.console = stderr()
        # isatty: the environment (FORCE_COLOR and the like) can make rich take a file for a terminal
        on_terminal = self.console.file.isatty() and not self.console.is_dumb_terminal
        self.progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=40 if self.console.width >= 120 else 10),
            TextColumn("{task.fields[amount]}", justify="right", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[state]}", table_column=Column(no_wrap=True)),
            console=self.console,
            transient=True,
            disable=quiet or not on_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._first: dict[str, tuple[float, int]] = {}  # clock and updates at the first report
        self._evaluated: dict[str, int] = {}  # update of the last evaluation said
        self._updates: dict[str, int] = {}  # done, of every run
        self._all_updates = 0  # their sum
        self._said: dict[str, float] = {}  # clock when a run was last told of, where there is no terminal
        self._told: set[str] = set()
        updates = sum(run.settings.all_updates for run in runs)
        self._whole = self.progress.add_task("", total=updates, amount="", state="", visible=self.total > 1)
        self._show_whole()

    def __enter__(self) -> "Display":
        if self.state == "compiling" and not self.progress.disable:
            self._print("compiling the kernels first, once per version of glorot: about 10 s")
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def planned(self, runs: Sequence[Run]) -> None:
        self.total = self.ended + len(runs)
        updates = self._all_updates + sum(run.settings.all_updates for run in runs)
        self.progress.update(self._whole, total=updates)
        self._show_whole()
        if runs and not self.quiet:
            self._print(f"chosen: {len(runs)} {'run' if len(runs) == 1 else 'runs'} to follow")

    def noted(self, text: str) -> None:
        self._print(f"note: {text}")

    def started(self, run: Run) -> None:
        self._tasks[run.run_id] = self.progress.add_task(
            "" if self.progress.disable else self._label(run),
            total=run.settings.all_updates,
            amount="",
            state=self.state,
        )

    def progressed(self, run: Run, update: int, row: dict[str, Any]) -> None:
        now = time.monotonic()
        began, first = self._first.setdefault(run.run_id, (now, update))
        speed = f"{(update - first) / (now - began):,.0f} updates/s" if update > first else ""
        evaluated = not math.isnan(row["valid_error"])
        before = "fitting" if run.settings.pretraining == "none" else "pre-training"
        valid_error = f"valid {row['valid_error']:.2f} %" if evaluated else f"{before} for {duration(now - began)}"
        self.progress.update(self._tasks[run.run_id], completed=update, amount=speed, state=valid_error)
        self.state = "preparing"
        self._count(run, update)
        self._show_whole()
        if self.verbose and evaluated and self._evaluated.get(run.run_id) != row["update"]:
            self._evaluated[run.run_id] = row["update"]
            rest = f"valid loss {row['valid_loss']:.4g}, test error {row['test_error']:.2f} %"
            self._print(f"{title(run)}: update {row['update']:,}: {valid_error}, {rest}")
        elif self.progress.disable and not self.quiet and now - self._said.setdefault(run.run_id, now) >= MINUTE:
            self._said[run.run_id] = now
            left = (run.settings.all_updates - update) * (now - began) / (update - first) if update > first else None
            rest = "" if left is None else f", {duration(left)} left"
            self._print(f"{title(run)}: {update:,} of {run.settings.all_updates:,} updates, {valid_error}{rest}")

    def finished(self, run: Run, outcome: "Outcome") -> None:
        self.ended += 1
        self.progress.remove_task(self._tasks.pop(run.run_id))
        self._count(run, run.settings.all_updates)
        self._show_whole()
        for problem in outcome.problems:
            if problem not in self._told:  # one full disk is one line, however many runs meet it
                self._told.add(problem)
                self._print(f"note: {problem}")
        if not self.quiet or outcome.status == "failed":
            self._print(f"[{self.ended}/{self.total}] {title(run)}: {outcome_text(outcome)}")
        if self.verbose and outcome.traceback:
            self._print(outcome.traceback.rstrip())

    def tell(self, line: str) -> None:
        self._print(f"note: {line}")

    def given_back(self, run: Run, reason: str) -> None:
        self.progress.remove_task(self._tasks.pop(run.run_id))
        self._first.pop(run.run_id, None)
        if not self.quiet:
            self._print(f"{title(run)}: {reason}")

    def _label(self, run: Run) -> str:
        """The run's title, cut so that the numbers beside it fit on the line."""
        room, text = max(self.console.width - BESIDE, 12), title(run)
        return text if len(text) <= room else text[: room - 1] + "…"

    def _count(self, run: Run, updates: int) -> None:
        self._all_updates += updates - self._updates.get(run.run_id, 0)
        self._updates[run.run_id] = updates

    def _show_whole(self) -> None:
        """The first line: all runs together."""
        text = f"{self.ended} of {self.total} runs"
        self.progress.update(self._whole, description=text, completed=self._all_updates)

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)


class ImageBar:
    """A bar of images read, on a terminal and once there is something to read. Use as a context manager."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.progress: Progress | None = None

    @cached_property
    def console(self) -> "Console":
        return stderr()

    def progressed(self, done: int, total: int) -> None:
        if self.progress is None:
            if self.quiet or not self.console.file.isatty() or self.console.is_dumb_terminal:
                return
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.progress = Progress(
                TextColumn("reading images"), BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
                TimeRemainingColumn(), console=self.console, transient=True,
            )  # fmt: skip
            self.progress.start()
            self.progress.add_task("", total=total)
        self.progress.update(self.progress.task_ids[0], completed=done, total=total)

    def tell(self, line: str, went_wrong: bool) -> None:
        if went_wrong or not self.quiet:
            self.console.print(line, markup=False, emoji=False, soft_wrap=True)

    def __enter__(self) -> "ImageBar":
        return self

    def __exit__(self, *exception: Any) -> None:
        if self.progress is not None:
            self.progress.stop()
