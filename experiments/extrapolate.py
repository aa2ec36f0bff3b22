"""Where would the test error be after more updates? A power law through the second half of each curve.

    python experiments/extrapolate.py results/reference/reference-shapeset --to 5_000_000

The law, error = c updates^-s, is a habit of such curves and no theory of ours: take it for a rough number.
"""

from pathlib import Path

import click
import numpy as np

from glorot.results.stored import gather


def power_law(updates: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """(c, s) of error = c updates^-s, by least squares of the logarithms."""
    slope, intercept = np.polyfit(np.log(updates), np.log(errors), 1)
    return float(np.exp(intercept)), float(-slope)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--to", "goal", type=click.IntRange(1), default=5_000_000, show_default=True, help="Updates.")
def main(folders: tuple[Path, ...], goal: int) -> None:
    """Print a markdown table of the longest runs in FOLDERS: test error now, and what it extrapolates to."""
    runs = gather(folders)
    longest = max((int(run["updates"]) for run in runs), default=0)
    click.echo(
        f"| method | data set | updates | test error (%) | s | at {goal:,} updates (%) |\n|---|---|--:|--:|--:|--:|"
    )
    for run in runs:
        if int(run["updates"]) == longest and len(run.history) >= 8:
            late = run.history[run.history["update"] >= longest / 2]
            c, s = power_law(late["update"].to_numpy(float), late["test_error"].to_numpy(float))
            now = f"{run['updates']:,} | {run['test_error']:.2f} | {s:.3f} | {c * goal**-s:.1f}"
            click.echo(f"| {run.method} | {run['dataset']} | {now} |")


if __name__ == "__main__":
    main()
