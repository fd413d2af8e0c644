"""One request for a file over HTTP: answered in time, about the right file, or a reason why not."""

import os
import re
import threading
import urllib.request
from concurrent.futures import Future
from http.client import HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit


def offline() -> bool:
    """Whether the variable RESNET_LESSONS_OFFLINE keeps this process off the network."""
    return os.environ.get("RESNET_LESSONS_OFFLINE", "0") not in ("", "0")


def answer(mirror: str, start: int, wait: float, stall: float, method: str = "GET") -> HTTPResponse:
    """Ask `mirror` for its file from byte `start` on; give up after `wait` seconds.

    Looking up a name and every redirection wait by rules of their own, hence the thread: where it
    hangs it is left behind, and closes what it may still get.
    """
    headers = {"User-Agent": "resnet_lessons"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(mirror, headers=headers, method=method)
    future: Future[HTTPResponse] = Future()

    def ask() -> None:
        try:
            future.set_result(urllib.request.urlopen(request, timeout=max(wait, stall)))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return future.result(wait)
    except BaseException as error:
        future.add_done_callback(_close)
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"no answer within {wait:.2g} s") from error
        raise


def _close(future: Future) -> None:
    thing = future.exception() or future.result()
    if hasattr(thing, "close"):  # a response, or an HTTPError, which is one
        thing.close()


def bytes_to_skip(response: HTTPResponse, start: int, size: int) -> int:
    """How many bytes of a response to leave out, so that it goes on at byte `start` of `size`.

    Raises:
        OSError: it is a response about another file.
    """
    if response.status not in (200, 206):
        raise OSError(f"HTTP {response.status} {response.reason}")
    if response.status == 206:
        offered = response.headers.get("Content-Range", "")
        if not re.fullmatch(rf"bytes {start}-\d+/({size}|\*)", offered.strip()):
            raise OSError(f"was asked for bytes {start}- of {size}, and offers {offered!r}")
        return 0
    length = response.headers.get("Content-Length")
    if length not in (None, str(size)):
        raise OSError(f"offers {length} bytes, but the file has {size}")
    return start  # all of it comes again: it knows no ranges


def host(mirror: str) -> str:
    """The machine in an address, which is enough to name a mirror."""
    return urlsplit(mirror).netloc


def reason(error: Exception) -> str:
    """What went wrong, with a mirror or a file, in one short line."""
    if isinstance(error, HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:120]
