"""Files from the net: each address in turn, the checksum first, the final name last."""

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from glorot.errors import DataError

if TYPE_CHECKING:
    from requests.exceptions import RequestException

# Seconds to connect, and seconds without a single byte before an address is given up.
TIMEOUT = (10, 30)
BLOCK = 1 << 18  # bytes


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
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

    It is written beside its destination under another name, which is gone afterwards whatever happens;
    until the last step, what already lies at the destination stays as it is.
    Raises DataError for a wrong checksum and OSError where the folder cannot be written.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(f".{destination.name}.{uuid.uuid4().hex}.part")
    try:
        with open(partial, "xb") as file:  # not tempfile: its files cannot be read by other users
            yield file
        found = sha256_of(partial)
        if found != sha256:
            raise DataError(f"wrong checksum: expected SHA-256 {sha256}, found {found}")
        os.replace(partial, destination)
    finally:
        partial.unlink(missing_ok=True)


def download(urls: Sequence[str], destination: Path, sha256: str) -> None:
    """Download one file from the first address that has it; do nothing if it is already there.

    urls: addresses of the same bytes, the publisher's first.
    destination: where the file goes; only a file with this sha256 is ever put there.
    Raises DataError with every address and why it failed, or where the folder cannot be written.
    """
    try:
        if destination.is_file() and sha256_of(destination) == sha256:
            return
        reasons = []
        for url in urls:
            reason = _try_address(url, destination, sha256)
            if reason is None:
                return
            reasons.append(f"  {url}: {reason}")
    except OSError as error:
        raise DataError(
            f"cannot write {destination}: {error.strerror or error}; "
            "mend that or name another folder with --data or GLOROT_DATA"
        ) from error
    raise DataError(
        f"cannot download {destination.name}:\n" + "\n".join(reasons) + "\n"
        f"try again later, or download it by hand and put it at {destination} (SHA-256 {sha256})"
    )


def _try_address(url: str, destination: Path, sha256: str) -> str | None:
    """Why this address did not yield the file, or None where it did. OSError is about our own disk."""
    from pooch import HTTPDownloader
    from requests.exceptions import RequestException

    # Without "identity" a server may call a .gz file an encoded one, and it arrives unpacked.
    headers = {"Accept-Encoding": "identity"}
    fetch = HTTPDownloader(progressbar=False, chunk_size=BLOCK, timeout=TIMEOUT, headers=headers)
    try:
        with new_file(destination, sha256) as file:
            fetch(url, file, None)
    except RequestException as error:
        return _reason(error)
    except DataError as error:
        return str(error)
    return None


def _reason(error: "RequestException") -> str:
    """Why a request failed, in one line."""
    from requests import exceptions

    cause: BaseException = error
    while wrapped := cause.__cause__ or cause.__context__:
        cause = wrapped  # requests wraps urllib3's wrapping of the socket's own, readable error
    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, exceptions.Timeout) or isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT[0]} s (to connect) or {TIMEOUT[1]} s (to read)"
    if isinstance(error, exceptions.ChunkedEncodingError):
        return f"the connection broke before the end of the file ({cause})"
    if isinstance(error, exceptions.ConnectionError):
        return f"no connection; is there a network? ({cause})"
    return f"{type(error).__name__}: {error}"
