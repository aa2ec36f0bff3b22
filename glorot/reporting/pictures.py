"""Figures as files, by matplotlib as it was shipped: no setting, style or backend of the user changes or breaks them.

matplotlib is used through its objects alone (no pyplot, no window) and imported when something is drawn.
"""

import contextlib
import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES: Mapping[str, Any] = {"svg.hashsalt": "glorot", "svg.fonttype": "none"}  # equal figures give equal bytes
NO_DATE: Mapping[str, Any] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
# Parameters of a process or a window, which no figure depends on.
OF_THE_PROCESS = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "timezone"})


@contextmanager
def shipped(style: Mapping[str, Any]) -> Iterator[None]:
    """Draw in here: matplotlib's own parameters, but for those of `style`."""
    import_untouched()
    from matplotlib import rc_context, rcParamsDefault

    own: dict[Any, Any] = {name: value for name, value in rcParamsDefault.items() if name not in OF_THE_PROCESS}
    with rc_context(own | dict(FILES) | dict(style)):
        yield


def import_untouched() -> None:
    """Import matplotlib without MPLBACKEND and the user's matplotlibrc, which it reads once, as it is imported.

    It looks for a matplotlibrc in the working directory first, so it is imported from the directory of its own: a name
    of no backend, or a file that is no text, would let the import fail.
    """
    if "matplotlib" in sys.modules:
        return
    found = importlib.util.find_spec("matplotlib")
    own = Path(found.origin).parent / "mpl-data" if found and found.origin else Path()
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        with _inside(own):
            importlib.import_module("matplotlib")
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """With another working directory. The old one may be gone."""
    try:
        before = os.getcwd()
        os.chdir(folder)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(before)


def new(**options: Any) -> "Figure":
    """A figure that needs no screen. options: of matplotlib's Figure. Within `shipped`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(**options)
    FigureCanvasAgg(figure)
    return figure


def rendered(figure: "Figure", form: str, style: Mapping[str, Any]) -> bytes:
    """The bytes of a file, form "png", "svg" or "pdf", with nothing in them that differs from one time to the next.

    style: what the figure was drawn with.
    """
    buffer = io.BytesIO()
    metadata: dict[str, Any] = NO_DATE[form]
    with shipped(style):
        figure.savefig(buffer, format=form, metadata=metadata, backend="agg" if form == "png" else form)
    return buffer.getvalue()


def plain(text: str) -> str:
    """Text that is drawn as it stands: between two dollars matplotlib would read a formula."""
    return text.replace("$", r"\$")


def contact_sheet(files: Sequence[Path], columns: int = 3, width: int = 560) -> bytes:
    """PNG of all the pictures side by side, each `width` pixels wide and as high as its row needs."""
    from PIL import Image

    small = []
    for path in files:
        with Image.open(path) as picture:
            height = round(picture.height * width / picture.width)
            small.append(picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    rows = [small[start : start + columns] for start in range(0, len(small), columns)]
    heights = [max(picture.height for picture in row) for row in rows]
    sheet = Image.new("RGB", (width * min(columns, len(small)), sum(heights)), "white")
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            sheet.paste(picture, (column * width, sum(heights[:number])))
    buffer = io.BytesIO()
    sheet.save(buffer, "png", optimize=True)
    return buffer.getvalue()
