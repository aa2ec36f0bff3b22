"""What no one has foreseen, in one line, with its traceback in a file that can be attached to a report."""

import hashlib
import platform
import sys
import tempfile
import traceback
from pathlib import Path

import glorot
from glorot.errors import GlorotError, shown
from glorot.printable import printable


def line(error: BaseException) -> str:
    """ "File name too long: "aaa..."; its traceback is in FILE; attach that to a report"; what may not be read or
    written is no fault."""
    if isinstance(error, PermissionError) and error.filename is not None:
        name = shown(str(error.filename))
        return printable(
            f"expected to be allowed to use {name}: {error.strerror}; change its permissions, or name another"
        )
    if isinstance(error, OSError) and error.strerror:
        what = error.strerror + (f": {shown(str(error.filename))}" if error.filename is not None else "")
    else:
        first = str(error).strip().partition("\n")[0][:300]
        what = f"unexpected {type(error).__name__}" + (f": {first}" if first else "")
    return f"{printable(what)}; {_where(error)}"


def _where(error: BaseException) -> str:
    """Where its traceback is. Equal ones share a file."""
    trace = "".join(traceback.format_exception(error))
    head = f"glorot {glorot.__version__}, Python {platform.python_version()}, {platform.platform()}\n"
    text = (head + trace).encode("utf-8", "backslashreplace")
    name = f"traceback-{hashlib.sha256(text).hexdigest()[:12]}.txt"
    for folder in (_cache, tempfile.gettempdir):
        try:
            path = Path(folder()) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
            return f"its traceback is in {path}: attach that to a report of a fault"
        except (OSError, GlorotError):
            continue
    sys.stderr.write(trace)
    return "its traceback is above: add that to a report of a fault"


def _cache() -> Path:
    from glorot.places import cache_folder

    return cache_folder() / "tracebacks"
