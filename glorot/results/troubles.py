"""What went wrong with runs, in words: those that diverged, failed, or failed when they were made again."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from glorot.results.store import Store

if TYPE_CHECKING:
    from glorot.sweeps.runs import Run


def what_happened(
    store: Store, runs: "Iterable[Run]", details: "Callable[[Run], Path | None]" = lambda run: None
) -> "list[tuple[Run, str]]":
    """Those of these runs that diverged or failed, each with what happened. details: a file that says more."""
    records, reasons, again = store.records(), store.reasons(), store.failed_again()
    found = []
    for run in runs:
        record = records.get(run.run_id, {})
        file = details(run) if record.get("status") == "failed" or run.run_id in again else None
        if record.get("status") == "diverged":
            updates = record["updates_done"]
            found.append((run, f"diverged: the loss was not finite any more after {updates:,} updates"))
        elif record.get("status") == "failed":
            where = f" (traceback in {file})" if file else ""
            found.append((run, f"failed: {reasons.get(run.run_id) or 'no reason is stored'}{where}"))
        if run.run_id in again:
            where = f" (why: {file})" if file else ""
            found.append((run, f"failed when it was made again{where}; its earlier result is kept"))
    return found
