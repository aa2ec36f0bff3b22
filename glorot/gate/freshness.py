"""Whether stored results are of the sources as they are now: a gate must not be green for what others computed."""

from collections.abc import Sequence

from glorot.gate.regression import Fresh
from glorot.gate.verdicts import Verdict

REMEDY = "run the sweep again: glorot run SWEEP --rerun"


def stale(fresh: Fresh, sources: str) -> list[Verdict]:
    """One verdict where some runs were computed by other sources than these; none where none were.

    sources: the digest of those that decide results now.
    """
    found = {run_id: row for run_id, row in _known(fresh).items() if not sources.startswith(row["sources"])}
    if not found:
        return []
    when = sorted(str(row["started"] or "an unknown time") for row in found.values())
    days = when[0] if when[0] == when[-1] else f"{when[0]} to {when[-1]}"
    digests = ", ".join(sorted({row["sources"] for row in found.values()}))
    why = f"computed at {days} by another version of the code; {REMEDY}"
    return [Verdict("stale", f"{len(found)} of {len(fresh.runs)} runs", f"sources {digests}", sources[:16], why)]


def unknown(fresh: Fresh) -> str:
    """A note about runs that do not say which sources computed them; empty where all do."""
    count = len(fresh.runs) - len(_known(fresh))
    if not count:
        return ""
    times = [str(row["started"]) for row in fresh.origins.values() if row.get("started")]
    since = f"; the oldest result is of {min(times)}" if times else ""
    return f"{count} of {len(fresh.runs)} runs do not say which sources computed them{since}"


def _known(fresh: Fresh) -> dict[str, dict]:
    rows: Sequence[str] = list(fresh.runs["run_id"])
    return {run_id: fresh.origins[run_id] for run_id in rows if fresh.origins.get(run_id, {}).get("sources")}
