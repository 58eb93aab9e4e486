"""A diary that survives crashes, full disks and strangers."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from arguments.foreign_text import printable
from fleet import manifest as module
from fleet.manifest import DONE, FAILED, INPUT, LONGEST, Manifest, Record, latest, read_manifest


def write(path: Path, *records: Record) -> None:
    manifest = Manifest(path)
    for record in records:
        manifest.add(record)
    manifest.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "farm" / "manifest.jsonl"


def test_what_is_added_is_read_again_in_its_order(path):
    records = [
        Record("anna", "train", DONE, 12.5, 3.25, place="here"),
        Record("anna", "metrics", FAILED, 13.0, why="ä"),
    ]
    write(path, *records[:1])
    write(path, *records[1:])
    assert read_manifest(path) == records
    assert latest([*records, Record("anna", "train", FAILED)])["anna", "train"].state == FAILED


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_is_no_record_and_does_not_spoil_the_next(path, cut):
    write(path, Record("anna", "train", DONE, 1.0), Record("bert", "train", DONE, 2.0))
    os.truncate(path, path.stat().st_size - cut)
    assert [record.name for record in read_manifest(path)] == ["anna"]
    write(path, Record("carl", "train", DONE, 3.0))
    assert [record.name for record in read_manifest(path)] == ["anna", "carl"]
    assert path.read_bytes().count(b"\n") == 2


def test_a_torn_tail_without_any_line_is_closed_or_cut_off(path):
    path.parent.mkdir()
    for torn in (b'{"name": "an', b"x" * (3 * LONGEST)):
        path.write_bytes(torn)
        write(path, Record("carl", "train", DONE, 3.0))
        assert [record.name for record in read_manifest(path)] == ["carl"]


def test_a_full_disk_leaves_the_file_as_it_was(path, monkeypatch):
    write(path, Record("anna", "train", DONE, 1.0))
    before, manifest, real = path.read_bytes(), Manifest(path), os.write
    monkeypatch.setattr(module.os, "write", lambda file, data: real(file, data[:10]))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        manifest.add(Record("bert", "train", DONE, 2.0))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../etc"}, {"name": 7}, {"name": ""}, {"stage": "a b"}, {"state": "exploded"}, {"kind": "fate"},
        {"when": "now"}, {"when": -1}, {"when": float("nan")}, {"when": 10**400}, {"seconds": True}, {"why": ["x"]},
    ],
)  # fmt: skip
def test_what_is_no_record_is_passed_over(path, change):
    good = {"name": "anna", "stage": "train", "state": "done", "when": 1.0}
    path.parent.mkdir()
    lines = [json.dumps({**good, **change}), "[1]", "", "{" * 5000, "null", json.dumps(good)]
    path.write_text("\n".join(lines) + "\n")
    assert read_manifest(path) == [Record("anna", "train", DONE, 1.0)]


def test_a_line_obeys_no_terminal(path):
    write(path, Record("anna", "train", FAILED, 1.0, why="red \x1b[31m and\nmore", kind=INPUT))
    assert read_manifest(path)[0].why == "red  [31m and more"
    assert len(printable("x" * 9000)) == 500


def _add_for_ever(path: Path) -> None:
    manifest = Manifest(path)
    for number in range(10**6):
        manifest.add(Record(f"head{number}", "train", DONE, 1.0))


def test_a_kill_in_the_middle_loses_no_line_that_was_written(path):
    process = multiprocessing.get_context("spawn").Process(target=_add_for_ever, args=(path,))
    process.start()
    deadline = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size > 20_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    names = [record.name for record in read_manifest(path)]
    assert len(names) > 50
    assert names == [f"head{number}" for number in range(len(names))]
