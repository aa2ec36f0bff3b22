"""`glorot cache`."""

import click

from glorot.cli.shared import OK, epilog, show


@click.command(epilog=epilog("glorot cache\nglorot cache --clear"))
@click.option("--clear", is_flag=True, help="Remove everything in it. Results and downloaded data sets stay.")
def cache(clear: bool) -> int:
    """Show what is in the cache, and clear it.

    The cache is the folder that the environment variable GLOROT_CACHE names, else glorot's folder in the user's cache.
    Everything in it can be made again. A run whose saved state is gone starts again.
    """
    from glorot.errors import ResultsError
    from glorot.places import cache_folder, parts, removed

    found = parts()
    show(f"{cache_folder()}\n")
    width = max(len(part.name) for part in found)
    for part in found:
        files = "1 file" if part.files == 1 else f"{part.files:,} files"
        show(f"  {part.name:{width}}  {_size(part.size):>9}  {files:>12}  {part.about}\n")
    if clear:
        left = removed()
        show(f"removed: {_size(sum(part.size for part in found) - sum(part.size for part in left))}\n")
        if any(part.files for part in left):
            raise ResultsError("cannot remove all of it; left: " + ", ".join(part.name for part in left if part.files))
    return OK


def _size(number: int) -> str:
    """ "1.2 MB"."""
    size, units = float(number), ["B", "kB", "MB", "GB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" or size >= 9.95 else f"{size:.1f} {units[0]}"
