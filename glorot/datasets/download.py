"""Files from the net: each address in turn, as many bytes as there should be, the checksum first, the final name last.

What a server says is not trusted: not its length, its encoding, its speed, or its words.
"""

import contextlib
import hashlib
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from glorot import files
from glorot.errors import DataError
from glorot.printable import printable

# Seconds to connect, and seconds without a single byte before an address is given up.
TIMEOUT = (10, 30)
BLOCK = 1 << 16  # bytes
SLOWEST = 60  # seconds in which a block must come, also the first one: about 1 kB/s


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    with files.opened(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_sha256(path: Path, expected: str, remedy: str) -> None:
    """Raise a DataError unless the file is, bit for bit, the one its publisher made."""
    found = sha256_of(path)
    if found != expected:
        raise DataError(f"{path}: expected SHA-256 {expected}, found {found}; {remedy}")


@contextlib.contextmanager
def new_file(destination: Path, sha256: str) -> Iterator[IO[bytes]]:
    """A file to write that gets its final name only when it is complete and its SHA-256 is right.

    Until the last step, what already lies at the destination stays as it is (`files.whole`).
    Raises DataError for a wrong checksum and OSError where the folder cannot be written.
    """
    with files.whole(destination) as file:
        yield file
        file.flush()
        found = sha256_of(Path(file.name))
        if found != sha256:
            raise DataError(f"wrong checksum: expected SHA-256 {sha256}, found {found}")


def download(urls: Sequence[str], destination: Path, sha256: str, size: int, by_hand: Path | None = None) -> None:
    """Download one file from the first address that has it; do nothing if it is already there.

    urls: addresses of the same bytes, the publisher's first.
    destination: where the file goes; only a file with this sha256 is ever put there. size: how many bytes it has.
    by_hand: where a user may put it, if not there.
    Raises DataError with every address and why it failed, or where the folder cannot be written.
    """
    try:
        if destination.is_file() and sha256_of(destination) == sha256:
            return
        reasons = []
        for url in urls:
            reason = _try_address(url, destination, sha256, size)
            if reason is None:
                return
            reasons.append(f"  {url}: {printable(reason)}")
    except OSError as error:
        raise DataError(
            f"cannot write {destination}: {error.strerror or error}; "
            "correct that, or name another folder with --data or GLOROT_DATA"
        ) from error
    raise DataError(
        f"cannot download {(by_hand or destination).name}:\n" + "\n".join(reasons) + "\n"
        f"try again later, or download it by hand and put it at {by_hand or destination} (SHA-256 {sha256})"
    )


class _Failed(Exception):
    """Why an address did not yield the file."""


def _try_address(url: str, destination: Path, sha256: str, size: int) -> str | None:
    """Why this address did not yield the file, or None where it did. OSError is about our own disk."""
    try:
        with new_file(destination, sha256) as file:
            for block in _blocks(url, size):
                file.write(block)
    except (_Failed, DataError) as error:
        return str(error)
    return None


def _blocks(url: str, size: int) -> Iterator[bytes]:
    """The bytes at an address, `size` of them, in blocks. Raises _Failed.

    They are fetched by a thread, so that nothing a server does, or leaves undone, can hold up who waits for them.
    """
    fetched: queue.Queue[bytes | str | None] = queue.Queue(4)
    given_up = threading.Event()

    def fetch() -> None:
        for block in _fetched(url, size):
            while not given_up.is_set():
                with contextlib.suppress(queue.Full):
                    fetched.put(block, timeout=1)
                    break

    threading.Thread(target=fetch, daemon=True).start()
    try:
        while (block := fetched.get(timeout=SLOWEST)) is not None:
            if isinstance(block, str):
                raise _Failed(block)
            yield block
    except queue.Empty:
        raise _Failed(f"too slow: less than {BLOCK:,} bytes in {SLOWEST} s") from None
    finally:
        given_up.set()


def _fetched(url: str, size: int) -> Iterator[bytes | str | None]:
    """Blocks of bytes, then None where that was all; or, at last, text that says what went wrong."""
    import requests

    left = size
    try:
        # Without "identity" a server may call a .gz file an encoded one; and whatever it says, nothing is unpacked.
        headers = {"Accept-Encoding": "identity"}
        with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as response:
            response.raise_for_status()
            told = response.headers.get("Content-Length", "")
            if told.isdecimal() and int(told[:30]) != size:
                yield f"expected {size:,} bytes, found that there are {int(told[:30]):,}"
                return
            while block := response.raw.read(min(BLOCK, left + 1), decode_content=False):
                left -= len(block)
                if left < 0:
                    yield f"expected {size:,} bytes, found more"
                    return
                yield block
        yield f"the connection broke before the end of the file ({left:,} bytes are missing)" if left else None
    except Exception as error:  # requests', urllib3's, http's and the socket's: a server may provoke any of them
        yield _reason(error)


def _reason(error: Exception) -> str:
    """Why a request failed, in one line."""
    from requests import exceptions
    from urllib3.exceptions import ProtocolError

    cause: BaseException = error
    while wrapped := cause.__cause__ or cause.__context__:
        cause = wrapped  # requests wraps urllib3's wrapping of the socket's own, readable error
    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason[:100]}"
    if isinstance(error, exceptions.Timeout) or isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT[0]} s (to connect) or {TIMEOUT[1]} s (to read)"
    if isinstance(error, ProtocolError):
        return f"the connection broke before the end of the file ({str(cause)[:200]})"
    if isinstance(error, exceptions.ConnectionError):
        return f"no connection; is there a network? ({str(cause)[:200]})"
    return f"{type(error).__name__}: {str(error)[:200]}"
