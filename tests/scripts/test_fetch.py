"""scripts/downloads/fetch.py against a server that breaks off, and folders."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from scripts.downloads.fetch import Mismatch, NoRoom, Unreachable, fetch
from tests.http_server import QuietHandler, serving

CONTENT = bytes(range(256)) * 40_000  # 10 MB: several blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Source:
    """A server of one file; breaks off every answer after ``limit`` bytes, and notes what it was asked for."""

    url: str = ""
    content: bytes = CONTENT
    limit: int | None = None
    ranges: bool = True
    status: int = 200
    asked: list[int] = field(default_factory=list)


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            source.asked.append(start)
            if source.status != 200:
                self.send_error(source.status)
                return
            start = start if source.ranges else 0
            if start >= len(source.content) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(source.content)}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(source.content) - start))
            self.end_headers()
            self.wfile.write(source.content[start:][: source.limit])

    with serving(Handler) as address:
        source.url = f"{address}/a%20file.bin"
        yield source


@pytest.fixture
def target(tmp_path):
    return tmp_path / "models/a file.bin"


def _part(target):
    return target.with_name(f".{target.name}.part")


def test_a_file_is_fetched_verified_and_alone(source, target):
    assert fetch([source.url], target, size=len(CONTENT), sha256=SHA256) == SHA256
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_server_that_breaks_off_is_asked_for_the_rest(source, target):
    source.limit = 4_000_000
    assert fetch([source.url], target, sha256=SHA256) == SHA256
    assert source.asked == [0, 4_000_000, 8_000_000]


def test_what_a_stopped_run_left_is_kept(source, target):
    target.parent.mkdir()
    _part(target).write_bytes(CONTENT[:9_000_000])
    fetch([source.url], target, size=len(CONTENT), sha256=SHA256)
    assert source.asked == [9_000_000]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("told", [True, False], ids=["size told", "size not told"])
def test_a_part_that_is_whole_is_not_fetched_again(source, target, told):
    target.parent.mkdir()
    _part(target).write_bytes(CONTENT)
    fetch([source.url], target, size=len(CONTENT) if told else None, sha256=SHA256)
    assert source.asked == ([] if told else [len(CONTENT)])
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 5_000_000, b"x" * 20_000_000, b"x" * len(CONTENT)])
def test_a_part_of_another_file_is_found_out_and_replaced(source, target, left):
    target.parent.mkdir()
    _part(target).write_bytes(left)
    assert fetch([source.url], target, size=len(CONTENT), sha256=SHA256) == SHA256
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_anew(source, target):
    source.ranges = False
    target.parent.mkdir()
    _part(target).write_bytes(CONTENT[:9_000_000])
    fetch([source.url], target, sha256=SHA256)
    assert target.read_bytes() == CONTENT


def test_a_file_that_nothing_can_verify_is_never_pieced_together(source, target):
    target.parent.mkdir()
    _part(target).write_bytes(b"x" * 100)
    assert fetch([source.url], target) == SHA256
    assert source.asked == [0]


@pytest.mark.parametrize(("size", "sha256"), [(len(CONTENT) + 1, None), (None, "0" * 64), (5, SHA256)])
def test_what_is_not_as_stated_replaces_nothing(source, target, size, sha256):
    target.parent.mkdir()
    target.write_bytes(b"good before")
    with pytest.raises(Mismatch):
        fetch([source.url], target, size=size, sha256=sha256)
    assert target.read_bytes() == b"good before"
    assert list(target.parent.iterdir()) == [target]


def test_a_source_that_refuses_is_said_without_what_is_secret_in_its_address(source, target):
    source.status = 404
    with pytest.raises(Unreachable) as refused:
        fetch([f"{source.url}?token=word"], target, sha256=SHA256)
    assert "404" in str(refused.value) and "word" not in str(refused.value)
    assert list(target.parent.iterdir()) == []


def test_a_server_that_fails_for_a_while_is_tried_again(source, target, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: setattr(source, "status", 200))
    source.status = 503
    fetch([source.url], target, sha256=SHA256)
    assert source.asked == [0, 0]


def test_nobody_there_is_one_line(target, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(Unreachable, match=r"^http://127.0.0.1/x cannot be fetched .*refused.*; run again to go on$"):
        fetch(["http://127.0.0.1:9/x"], target)


def test_a_folder_serves_and_is_gone_on_with(tmp_path, target):
    (tmp_path / "a mirror").mkdir()
    file = tmp_path / "a mirror/a file.bin"
    file.write_bytes(CONTENT)
    target.parent.mkdir()
    _part(target).write_bytes(CONTENT[:6_000_000])
    came = []
    fetch([file.as_uri()], target, sha256=SHA256, progress=lambda there, total: came.append((there, total)))
    assert target.read_bytes() == CONTENT
    assert came[0][0] > 6_000_000 and came[-1] == (len(CONTENT), len(CONTENT))


def test_the_next_place_is_tried_where_the_first_lacks_the_file(tmp_path, target):
    file = tmp_path / "file"
    file.write_bytes(b"here")
    fetch([(tmp_path / "nowhere").as_uri(), file.as_uri()], target)
    assert target.read_bytes() == b"here"
    with pytest.raises(Unreachable, match="No such file"):
        fetch([(tmp_path / "nowhere").as_uri()], target)


def _zip(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in members:
            bundle.writestr(name, content)
    return stream.getvalue()


def test_a_member_is_taken_out_of_an_archive(source, target):
    source.content = _zip(("readme", b"x"), ("graph.pb", CONTENT))
    assert fetch([source.url], target, member="graph.pb", sha256=SHA256) == SHA256
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("damage", ["no archive", "another member", "a flipped bit"])
def test_a_damaged_archive_is_refused(source, target, damage):
    content = bytearray(_zip(("graph.pb" if damage != "another member" else "other", CONTENT)))
    if damage == "a flipped bit":
        content[len(content) // 2] ^= 1
    source.content = b"<html>" if damage == "no archive" else bytes(content)
    with pytest.raises(Mismatch, match="not a whole zip archive"):
        fetch([source.url], target, member="graph.pb")
    assert list(target.parent.iterdir()) == []


def test_two_runs_do_not_write_one_file(source, target):
    target.parent.mkdir()
    with _part(target).open("ab") as other:
        import fcntl

        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(NoRoom, match="by another run"):
            fetch([source.url], target)


def test_a_full_disk_is_one_line(source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NoRoom, match="cannot be written"):
        fetch([source.url], tmp_path / "file/below")
