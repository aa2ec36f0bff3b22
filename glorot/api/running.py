"""Runs from Python: a sweep is run as by the command, with a bar in a notebook."""

import contextlib
import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glorot.api.results import Results
from glorot.datasets.loading import data_folder, pinned
from glorot.errors import GlorotError
from glorot.places import expanded
from glorot.sweeps import config
from glorot.sweeps.runs import Run, with_data
from glorot.sweeps.shipped import resolve
from glorot.sweeps.sweep import Sweep
from glorot.training.checkpoint import checkpoint_folder


def run(
    sweep: Path | str | Mapping[str, Any],
    output: Path | str = "results",
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    device: str = "auto",
    jobs: int | None = None,
    rerun: bool = False,
    retry_failed: bool = False,
    data: Path | str | None = None,
    quiet: bool = False,
) -> Results:
    """Run a sweep as `glorot run` does, and return its results.

    sweep: a sweep file, the name of a shipped sweep, or a dict like a sweep file. output: the folder of all results.
    overrides, only: lists of "KEY=VALUE", as --set and --only; with overrides it is a trial, in the folder NAME-trial.
    data: the folder of the data sets. Other options: as those of the command.

    Runs that are finished are skipped. Ctrl-C (in a notebook: interrupt) saves what is under way and raises
    KeyboardInterrupt; the same call goes on from there. Raises a GlorotError where the sweep or the data is not valid.
    A run that fails raises nothing, and has the status "failed"; one that was finished before keeps its result, and a
    warning says that it failed.
    """
    from glorot.execution import plan as plans
    from glorot.execution.engine import Tasks
    from glorot.execution.execute import run_plan
    from glorot.execution.processes import Processes
    from glorot.kernels import choose_device, gpus
    from glorot.plugins.loading import sources

    folder = data_folder(data)
    loaded = plans.to_run(_sweep(sweep, overrides), overrides)
    loaded = with_data(loaded, lambda one: pinned(one, folder, True))
    kind = choose_device(device).kind
    plan = plans.make_plan(plans.Request(loaded, kind, only, rerun, retry_failed), expanded(output))
    plans.check_choices(plan)
    plans.check_device(plan)
    plans.check_data(plan, folder)
    tasks = Tasks(folder, checkpoint_folder(), rerun, plugins=sources())
    bar = Bar(plan.to_do, quiet)
    with _without_the_script():
        plan = run_plan(plan, Processes(tasks, jobs, gpus(kind)), tasks.checkpoint_folder, bar)
    if again := plans.kept_results(plan):
        why = ", ".join(str(plans.traceback_file(plan.store, run)) for run in again)
        warnings.warn(f"failed when made again, and kept their earlier results: why is in {why}", stacklevel=2)
    results = Results(plan.store.folder)
    results._table().write(plan.store.folder)
    return results


def _sweep(sweep: Path | str | Mapping[str, Any], overrides: Sequence[str]) -> Sweep:
    """From a file, the name of one that ships, or a mapping as in a file."""
    if not isinstance(sweep, Mapping):
        return config.load(resolve(expanded(sweep)), overrides)
    import yaml

    try:
        text = yaml.safe_dump(json.loads(json.dumps(dict(sweep), allow_nan=False)), sort_keys=False, allow_unicode=True)
    except (TypeError, ValueError) as error:
        raise GlorotError(f"expected plain values, as in a sweep file; found another: {error}") from None
    return config.parse(text, "sweep.yaml", overrides)


@contextlib.contextmanager
def _without_the_script() -> Iterator[None]:
    """Processes started meanwhile do not run the user's script again: they need nothing of it."""
    main = sys.modules["__main__"]
    hidden = {name: vars(main)[name] for name in ("__file__", "__spec__") if vars(main).get(name) is not None}
    for name in hidden:
        setattr(main, name, None)
    try:
        yield
    finally:
        vars(main).update(hidden)


class Bar:
    """An execute.Observer: one bar in a notebook, one line per run elsewhere (on stderr)."""

    def __init__(self, runs: Sequence[Run], quiet: bool):
        self.total, self.ended, self.quiet = len(runs), 0, quiet
        self.updates = {run.run_id: 0 for run in runs}
        self.goal = sum(run.settings.updates for run in runs)
        self._handle = None if quiet or not runs else _display(self._html())

    def _html(self, last: str = "") -> str:
        from html import escape

        value = sum(self.updates.values())
        bar = f"<progress value='{value}' max='{max(1, self.goal)}'></progress>"
        return f"{bar} {self.ended} of {self.total} runs {escape(last)}"

    def _show(self, last: str = "") -> None:
        if self._handle is not None:
            self._handle.update(_Html(self._html(last)))
        elif last and not self.quiet:
            print(f"[{self.ended}/{self.total}] {last}", file=sys.stderr, flush=True)

    def started(self, run: Run) -> None:
        pass

    def progressed(self, run: Run, update: int, row: dict[str, float]) -> None:
        self.updates[run.run_id] = update
        if self._handle is not None:
            self._show()

    def finished(self, run: Run, outcome: Any) -> None:
        self.ended += 1
        self.updates[run.run_id] = run.settings.updates
        name = ", ".join(run.labels.values()) or run.method
        error = outcome.result.get("test_error")
        self._show(f"{name}: {outcome.status if error is None else f'test error {error:.2f} %'}")

    def planned(self, runs: Sequence[Run]) -> None:
        self.total = self.ended + len(runs)
        self.goal = sum(self.updates.values()) + sum(run.settings.updates for run in runs)

    def noted(self, text: str) -> None:
        self._show(text)

    def given_back(self, run: Run, reason: str) -> None:
        self.updates[run.run_id] = 0


class _Html:
    """What a notebook shows as it is."""

    def __init__(self, html: str):
        self.html = html

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return ""


def _display(html: str) -> Any:
    """A place in the notebook that this process is of, to be updated; None elsewhere."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    return display(_Html(html), display_id=True) if shell is not None and hasattr(shell, "kernel") else None
