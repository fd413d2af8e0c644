"""A web server on this machine that serves well or badly, for tests of downloading."""

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit


class Mirrors:
    """A running server: `add(content, serve)` puts a file there and returns its address.

    Attributes:
        asked: for each request the name of the file and its Range header, None without.
        over: set when the test is; whatever hangs hangs on it.
    """

    def __init__(self):
        self.asked, self.over = [], threading.Event()
        files = self.files = {}
        mirrors = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            content, ranges = b"", True

            def do_GET(self):
                # A proxy is asked for whole addresses.
                name = urlsplit(self.path).path.strip("/").partition("/")[0]
                mirrors.asked.append((name, self.headers["Range"]))
                self.content, serve = files[name]
                self.over, self.close_connection = mirrors.over, True
                with contextlib.suppress(ConnectionError):
                    serve(self)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def add(self, content: bytes, serve: Callable, path: str = "") -> str:
        name = f"{serve.__name__}-{len(self.files)}"
        self.files[name] = content, serve
        return f"http://127.0.0.1:{self.server.server_port}/{name}{path}"

    def ranges(self, name: str) -> list[str | None]:
        """The Range headers of all requests for files that are served as `name`."""
        return [asked for file, asked in self.asked if file.partition("-")[0] == name]


def nobody() -> str:
    """An address at which no server listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/file"


# How to serve. Each gets a request, with `content` to serve.


def head(request, status=200, **headers):
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()


def begin(request) -> bytes:
    """Send the head of a proper answer, and return the bytes that belong into its body."""
    size, asked = len(request.content), request.headers["Range"]
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
    if not asked:
        head(request, 200, Content_Length=size)
    elif start >= size:
        head(request, 416, Content_Range=f"bytes */{size}", Content_Length=0)
    else:
        span = f"bytes {start}-{size - 1}/{size}"
        head(request, 206, Content_Range=span, Content_Length=size - start)
    return request.content[start:]


def well(request):
    request.wfile.write(begin(request))


def without_ranges(request):
    head(request, 200, Content_Length=len(request.content))
    request.wfile.write(request.content)


def without_length(request):
    head(request, 200, Connection="close")
    request.wfile.write(request.content)


def missing(request):
    request.send_error(404)


def silent(request):
    request.over.wait()


def beyond_range(request):
    head(request, 416 if request.headers["Range"] else 200, Content_Length=0)


def from_the_start(request):
    """Claims to go on, but sends a file from its start."""
    size = len(request.content)
    head(request, 206, Content_Range=f"bytes 0-{size - 1}/{size}", Content_Length=size)
    request.wfile.write(request.content)


def promises_more(request):
    head(request, 200, Content_Length=len(request.content) + 1000)
    request.wfile.write(request.content)


def another_file(request):
    request.content = b"<html>Log in to the network first</html>" * 50
    well(request)


def corrupted(request):
    changed = bytearray(request.content)
    changed[len(changed) // 2] ^= 1
    request.content = bytes(changed)
    well(request)


def breaks_off(after: int) -> Callable:
    def breaks_off(request):
        request.wfile.write(begin(request)[:after])

    return breaks_off


def stalls(after: int) -> Callable:
    def stalls(request):
        request.wfile.write(begin(request)[:after])
        request.over.wait()

    return stalls


def throttled(rate: float, name: str = "throttled") -> Callable:
    """Serves `rate` bytes a second."""

    def serve(request):
        trickle(request, begin(request), rate)

    serve.__name__ = name
    return serve


def trickle(request, body: bytes, rate: float):
    step = max(1, int(rate / 50))
    for start in range(0, len(body), step):
        request.wfile.write(body[start : start + step])
        if request.over.wait(0.02):
            return


def late(seconds: float) -> Callable:
    def late(request):
        time.sleep(seconds)
        well(request)

    return late


def redirects(to: str) -> Callable:
    def redirects(request):
        head(request, 302, Location=to, Content_Length=0)

    return redirects
