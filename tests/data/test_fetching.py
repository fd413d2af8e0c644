"""Downloads from a real server on this machine that serves well, badly, or not at all."""

import errno
import hashlib
import io
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import mirrors as serving
import pytest
from mirrors import Mirrors, nobody

from resnet_lessons import _files
from resnet_lessons._files import DiskError
from resnet_lessons.data.sets import fetching
from resnet_lessons.data.sets.fetching import Archive, DownloadError, Patience, download

ROOT = Path(__file__).parents[2]
CONTENT = random.Random(0).randbytes(400_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
# Shorter than the defaults, yet long enough for a machine that is busy with other things.
IMPATIENT = Patience(answer=1.0, stall=0.5, silence=2.0, slow=200_000, window=0.2)


@pytest.fixture
def mirrors():
    with Mirrors() as running:
        yield running


@pytest.fixture
def fetch(mirrors, tmp_path):
    """Fetch a file from mirrors that serve it as named, or at an address; return their order."""

    def fetch(*ways, content=CONTENT, patience=IMPATIENT):
        addresses = [way if isinstance(way, str) else mirrors.add(content, way) for way in ways]
        archive = Archive("file.gz", len(CONTENT), MD5, tuple(addresses))
        path = download(archive, tmp_path, patience)
        assert path == tmp_path / "file.gz" and path.read_bytes() == CONTENT
        assert sorted(tmp_path.iterdir()) == [path], "something is left over"
        return [name.partition("-")[0] for name, _ in mirrors.asked]

    return fetch


def begun(folder, size=150_000, content=CONTENT):
    """Leave behind what an earlier call had fetched."""
    (folder / "file.gz.part").write_bytes(content[:size])


# From one mirror


def test_a_file_is_fetched(fetch):
    assert fetch(serving.well) == ["well"]


def test_a_file_that_is_there_is_not_fetched_again(fetch, tmp_path):
    (tmp_path / "file.gz").write_bytes(CONTENT)
    assert fetch(serving.well) == []


def test_a_damaged_file_is_fetched_again(fetch, tmp_path):
    (tmp_path / "file.gz").write_bytes(CONTENT[:-1])
    assert fetch(serving.well) == ["well"]


def test_a_redirection_is_followed(fetch, mirrors):
    there = mirrors.add(CONTENT, serving.well)
    assert fetch(serving.redirects(there)) == ["redirects", "well"]


def test_a_file_is_fetched_without_a_length(fetch):
    assert fetch(serving.without_length) == ["without_length"]


def test_bytes_after_the_end_are_left_out(fetch):
    assert fetch(serving.without_length, content=CONTENT + b"more") == ["without_length"]


# Going on


def test_an_earlier_call_is_gone_on_with(fetch, mirrors, tmp_path):
    begun(tmp_path)
    fetch(serving.well)
    assert mirrors.ranges("well") == ["bytes=150000-"]


def test_a_broken_connection_is_gone_on_with(fetch, mirrors):
    assert fetch(serving.breaks_off(150_000)) == ["breaks_off"] * 3
    assert mirrors.ranges("breaks_off") == [None, "bytes=150000-", "bytes=300000-"]


def test_the_next_mirror_goes_on_where_one_broke_off_or_hung(fetch, mirrors):
    order = fetch(serving.breaks_off(100_000), serving.stalls(50_000), serving.well)
    assert order == ["breaks_off", "stalls", "well"]
    assert mirrors.ranges("stalls") == ["bytes=100000-"]
    assert mirrors.ranges("well") == ["bytes=150000-"]


def test_a_network_that_is_away_for_a_moment_is_waited_for(fetch, mirrors):
    def flickering(request):
        body, number = serving.begin(request), len(mirrors.ranges("flickering"))
        request.wfile.write(body[: {1: 150_000, 2: 0, 3: 0}.get(number)])

    patience = Patience(pause=0.2)
    start = time.monotonic()
    assert fetch(flickering, serving.missing, patience=patience).count("flickering") == 4
    assert time.monotonic() - start >= 0.4
    assert mirrors.ranges("flickering") == [None, *["bytes=150000-"] * 3]


def test_a_network_that_stays_away_is_given_up(fetch, mirrors):
    def leaving(request):
        request.wfile.write(serving.begin(request)[: 150_000 if len(mirrors.asked) == 1 else 0])

    with pytest.raises(DownloadError, match="broke off 250,000 bytes before the end"):
        fetch(leaving, patience=Patience(pause=0.01))
    assert len(mirrors.asked) == fetching.TRIES


def test_a_mirror_that_breaks_off_is_not_asked_for_ever(fetch, mirrors):
    with pytest.raises(DownloadError, match=r"broke off \d+,000 bytes before the end"):
        fetch(serving.breaks_off(1000))
    assert len(mirrors.asked) == fetching.TRIES


@pytest.mark.parametrize("way", [serving.without_ranges, serving.without_length])
def test_a_mirror_without_ranges_is_read_over_what_is_there(fetch, mirrors, tmp_path, way):
    begun(tmp_path)
    fetch(way)
    assert mirrors.ranges(way.__name__) == ["bytes=150000-"]


def test_a_mirror_without_ranges_that_breaks_off_costs_nothing(fetch, mirrors, tmp_path):
    def short(request):
        serving.head(request, 200, Content_Length=len(CONTENT))
        request.wfile.write(CONTENT[:100_000])

    begun(tmp_path)
    assert fetch(short, serving.well) == ["short", "well"]
    assert mirrors.ranges("well") == ["bytes=150000-"]


@pytest.mark.parametrize(
    "way, problem",
    [
        (serving.beyond_range, "HTTP 416"),
        (serving.from_the_start, "was asked for bytes 150000- of 400000, and offers 'bytes 0-"),
        (serving.another_file, "HTTP 416"),
    ],
)
def test_what_does_not_go_on_there_costs_nothing(fetch, mirrors, tmp_path, way, problem):
    begun(tmp_path)
    with pytest.raises(DownloadError, match=problem):
        fetch(way)
    assert (tmp_path / "file.gz.part").read_bytes() == CONTENT[:150_000]
    assert fetch(serving.well)[-1] == "well"
    assert mirrors.ranges("well") == ["bytes=150000-"]


def test_a_finished_file_that_was_not_put_in_place_is(fetch, tmp_path):
    begun(tmp_path, len(CONTENT))
    assert fetch(serving.well) == []


@pytest.mark.parametrize("size", [150_000, 400_000, 400_001])
def test_a_damaged_beginning_is_thrown_away(fetch, mirrors, tmp_path, size):
    begun(tmp_path, size, content=bytes(500_000))
    fetch(serving.well)
    assert mirrors.ranges("well")[-1] is None


def test_a_bad_mirror_is_tried_alone_once(fetch, mirrors, tmp_path):
    begun(tmp_path)
    with pytest.raises(DownloadError, match="its bytes are not those of the file"):
        fetch(serving.corrupted)
    assert mirrors.ranges("corrupted") == ["bytes=150000-", None]


def test_bytes_of_a_bad_mirror_do_not_spoil_those_of_a_good_one(fetch):
    def bad(request):
        serving.head(request, 200, Content_Length=len(CONTENT))
        request.wfile.write(bytes(100_000))

    # The good one finishes the file, whose md5 is wrong, and then makes it alone.
    assert fetch(bad, serving.well) == ["bad", "well", "well"]


# From one of several


@pytest.mark.parametrize(
    "way, problem",
    [
        (serving.missing, "HTTP 404 Not Found"),
        (serving.corrupted, "its bytes are not those of the file"),
        (serving.another_file, "offers 2000 bytes, but the file has 400000"),
        (serving.promises_more, "offers 401000 bytes, but the file has 400000"),
        (serving.silent, "no answer within"),
        (serving.stalls(0), "timed out"),
        (serving.redirects("http://127.0.0.1:9/"), "refused"),
        ("http://no-such-host.invalid/file", "[Nn]ame|nodename|getaddrinfo|resol"),
        ("https://127.0.0.1:9/file", "refused"),
        (None, "refused"),
    ],
)
def test_a_bad_mirror_is_left_for_the_next(fetch, mirrors, tmp_path, way, problem):
    way = way or nobody()
    with pytest.raises(DownloadError) as caught:
        fetch(way, patience=Patience(answer=0.3, stall=0.3, silence=0.6))
    first, second = str(caught.value).splitlines()
    assert first == "file.gz could not be fetched:"
    assert second.startswith("  ") and len(second) < 200
    assert re.search(problem, second)
    assert fetch(way, serving.well)[-1] == "well"
    assert mirrors.ranges("well") == [None]


def test_a_server_without_tls_is_named(fetch, mirrors):
    address = mirrors.add(CONTENT, serving.well).replace("http:", "https:")
    with pytest.raises(DownloadError, match=r"(?i)127\.0\.0\.1:\d+: .*(ssl|tls)"):
        fetch(address)


def test_a_proxy_is_used(fetch, mirrors, monkeypatch):
    address = mirrors.add(CONTENT, serving.well)
    monkeypatch.setattr("urllib.request._opener", None)  # which has looked for proxies already
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{mirrors.server.server_port}")
    assert fetch(f"http://mirror.invalid/{address.rpartition('/')[2]}") == ["well"]


def test_every_mirror_that_failed_is_named(fetch, mirrors):
    with pytest.raises(DownloadError) as caught:
        fetch(serving.missing, "http://no-such-host.invalid/x", serving.corrupted)
    lines = str(caught.value).splitlines()
    port = mirrors.server.server_port
    hosts = [line.split(": ")[0].strip() for line in lines[1:]]
    assert hosts == [f"127.0.0.1:{port}", "no-such-host.invalid", f"127.0.0.1:{port}"]


# Slow and late ones


def test_a_slow_mirror_is_left_and_its_bytes_are_kept(fetch, mirrors, capsys):
    slow = serving.throttled(100_000)
    assert fetch(slow, serving.well) == ["throttled", "well"]
    start = int(mirrors.ranges("well")[0].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start < 200_000
    assert "kB/s; trying another." in capsys.readouterr().out


def test_a_mirror_that_turns_slow_is_left(fetch):
    def tiring(request):
        body = serving.begin(request)
        request.wfile.write(body[:300_000])
        serving.trickle(request, body[300_000:], 50_000)

    patience = Patience(slow=100_000, window=0.2)
    assert fetch(tiring, serving.well, patience=patience) == ["tiring", "well"]


def test_a_mirror_that_is_slow_at_the_very_end_is_checked_like_any_other(fetch):
    def slow_end(request):
        request.content = bytes(len(CONTENT))
        body = serving.begin(request)
        request.wfile.write(body[:-1000])
        time.sleep(0.3)
        request.wfile.write(body[-1000:])

    patience = Patience(slow=10e6, window=0.2)
    assert fetch(slow_end, serving.well, patience=patience) == ["slow_end", "well"]


def test_the_fastest_of_slow_mirrors_goes_on_to_the_end(fetch):
    ways = [
        serving.throttled(30_000, "slowest"),
        serving.throttled(400_000, "fastest"),
        serving.throttled(100_000, "middle"),
    ]
    patience = Patience(slow=10e6, window=0.2)
    assert fetch(*ways, patience=patience) == ["slowest", "fastest", "middle", "fastest"]


@pytest.mark.parametrize("others", [[], [serving.missing], [serving.silent]])
def test_a_slow_mirror_is_kept_where_there_is_no_other(fetch, others):
    patience = Patience(answer=0.2, stall=1, silence=2, slow=10e6, window=0.2)
    order = fetch(*others, serving.throttled(800_000), patience=patience)
    assert order.count("throttled") == 1


def test_a_fast_mirror_is_kept(fetch):
    patience = Patience(slow=100_000, window=0.1)  # in which fewer bytes than 100,000 come
    assert fetch(serving.throttled(400_000), serving.well, patience=patience) == ["throttled"]


def test_a_late_mirror_is_waited_for_once_no_other_answers(fetch):
    patience = Patience(answer=0.2, stall=0.2, silence=10)
    order = fetch(serving.late(0.6), serving.missing, patience=patience)
    assert order == ["late", "missing", "late"]


def test_a_hanging_network_is_given_up(fetch, mirrors):
    start = time.monotonic()
    patience = Patience(answer=0.3, silence=0.8)
    with pytest.raises(DownloadError) as caught:
        fetch(*[serving.silent] * 5, patience=patience)
    assert 0.7 < time.monotonic() - start < 3
    late = str(caught.value).count("no answer within")
    assert 1 <= late <= 3
    assert str(caught.value).count("not tried, since nothing had come for 0.8 s") == 5 - late


def test_by_default_a_hanging_network_costs_twenty_seconds_at_most():
    patience = Patience()
    assert patience.silence <= 20 and 6 * patience.answer < patience.silence


# Where to


def test_a_full_disk_is_told_before_the_download(fetch, mirrors, monkeypatch):
    free = SimpleNamespace(free=399_999)
    monkeypatch.setattr(_files.shutil, "disk_usage", lambda folder: free)
    with pytest.raises(DiskError, match=r"cannot take the 400,000 bytes .*\(the disk is full\)"):
        fetch(serving.well)
    assert mirrors.asked == []


PROGRAM = """
import sys, types
for name in ("resnet_lessons", "resnet_lessons.data", "resnet_lessons.data.sets"):
    package = types.ModuleType(name)  # without its __init__, which takes seconds for torch
    package.__path__ = [name.replace(".", "/")]
    sys.modules[name] = package
from pathlib import Path
from resnet_lessons.data.sets.fetching import Archive, download
size, md5, folder, limit, *mirrors = sys.argv[1:]
if limit != "none":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
download(Archive("file.gz", int(size), md5, tuple(mirrors)), Path(folder))
"""


def program(folder, *mirrors, limit="none"):
    """The same in a process of its own, which may write files of `limit` bytes."""
    command = [sys.executable, "-c", PROGRAM, str(len(CONTENT)), MD5, str(folder), limit, *mirrors]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_disk_that_fills_up_is_told_and_what_came_is_kept(fetch, mirrors, tmp_path):
    process = program(tmp_path, mirrors.add(CONTENT, serving.well), limit="100000")
    errors = process.communicate(timeout=60)[1]
    assert f"DiskError: {tmp_path} cannot take the 300,000 bytes" in errors
    assert "(the disk is full)" in errors.splitlines()[-1]
    assert (tmp_path / "file.gz.part").read_bytes() == CONTENT[:100_000]
    fetch(serving.well)
    assert mirrors.ranges("well")[-1] == "bytes=100000-"


def test_a_piece_that_is_written_in_parts_is_written_whole(tmp_path):
    """A file that is not buffered may take fewer bytes than it is given."""

    class Short(io.BytesIO):
        def write(self, piece):
            return super().write(piece[:7])

    archive = Archive("file.gz", len(CONTENT), MD5, ())
    transfer, file = fetching._Transfer(archive, tmp_path, Patience()), Short()
    transfer.write(file, memoryview(CONTENT[:100]))
    assert file.getvalue() == CONTENT[:100]


# Interruptions


def wait_for_bytes(part, count=30_000):
    end = time.monotonic() + 60
    while not part.exists() or part.stat().st_size < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_process_is_gone_on_with(fetch, mirrors, tmp_path):
    process = program(tmp_path, mirrors.add(CONTENT, serving.throttled(200_000)))
    part = tmp_path / "file.gz.part"
    try:
        wait_for_bytes(part)
    finally:
        process.kill()
        process.communicate()
    came = part.stat().st_size
    assert 30_000 <= came < len(CONTENT)
    fetch(serving.well)
    assert mirrors.ranges("well") == [f"bytes={came}-"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to all processes")
def test_ctrl_c_keeps_what_came_and_says_so(fetch, mirrors, tmp_path, capsys):
    def interrupting(request):
        body = serving.begin(request)
        request.wfile.write(body[:100_000])
        time.sleep(0.6)  # until there is a bar
        request.wfile.write(body[100_000:150_000])
        wait_for_bytes(tmp_path / "file.gz.part", 150_000)
        os.kill(os.getpid(), signal.SIGINT)
        request.over.wait()

    with pytest.raises(KeyboardInterrupt):
        fetch(interrupting, patience=Patience())
    said = capsys.readouterr().out.rpartition("127.0.0.1")[2].partition("\n")[2]
    assert said == (
        f"Stopped: 150,000 of 400,000 bytes are kept in {tmp_path}, and the next call goes on from "
        "there.\n"
    )
    fetch(serving.well)
    assert mirrors.ranges("well") == ["bytes=150000-"]


def test_the_bar_is_on_standard_output_and_shows_the_rate(fetch, capsys):
    fetch(serving.throttled(400_000))
    shown = capsys.readouterr()
    assert "file.gz" in shown.out and "B/s" in shown.out and "127.0.0.1" in shown.out
    assert shown.err == ""


# Files that are whole or not there


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    _files.write_whole(path, 3, lambda file: file.write(b"old"))

    def full(file):
        file.write(b"new")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskError, match=r"cannot take the 3 bytes .*\(the disk is full\)"):
        _files.write_whole(path, 3, full)
    with pytest.raises(KeyboardInterrupt):
        _files.write_whole(path, 3, interrupted)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def interrupted(file):
    file.write(b"ne")
    raise KeyboardInterrupt


def test_a_folder_that_cannot_be_written_is_known(tmp_path):
    assert _files.is_writable(tmp_path / "new" / "folder")
    (tmp_path / "file").touch()
    assert not _files.is_writable(tmp_path / "file" / "folder")
