"""Drivers of several machines and one object store."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from fleet import claim
from fleet.farm import MANIFEST, Farm, driving
from fleet.manifest import DONE, Record


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return Farm(f"file://{tmp_path}/bucket/farm", str(tmp_path / "here"))


@pytest.fixture
def other(tmp_path: Path) -> Farm:
    return Farm(f"file://{tmp_path}/bucket/farm", str(tmp_path / "there"))


def on(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim.socket, "gethostname", lambda: machine)


def test_another_machines_driver_is_refused_while_one_is_at_work(farm, other, monkeypatch):
    on("one", monkeypatch)
    with driving(farm):
        on("two", monkeypatch)
        with (
            pytest.raises(EGSTalkerError, match=r"written by another run \(process \d+ on one, \d s ago\)"),
            driving(other),
        ):
            pass
        on("one", monkeypatch)
    on("two", monkeypatch)
    with driving(other):
        pass


def test_a_driver_that_was_killed_is_forgotten_after_a_minute_and_at_once_on_its_own_machine(farm, other, monkeypatch):
    on("one", monkeypatch)
    claim.keep_claim(farm.store)
    with driving(farm):  # the lock of this machine is free, so that one is gone
        pass
    claim.keep_claim(farm.store)
    on("two", monkeypatch)
    now = time.time()
    monkeypatch.setattr(claim.time, "time", lambda: now + 70)
    with driving(other):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{", '{"host": 7, "seen": 1}', json.dumps({"host": "x", "seen": "now"})])
def test_what_is_no_claim_holds_nobody_off(farm, text):
    farm.store.write(claim.KEY, text.encode())
    with driving(farm):
        pass


def test_another_machine_goes_on_with_what_the_manifest_says(farm, other):
    with driving(farm) as manifest:
        manifest.add(Record("anna", "train", DONE, 1.0))
        farm.store.write(MANIFEST, farm.manifest.read_bytes())
    assert [record.name for record in other.records()] == ["anna"]
    with driving(other) as manifest:
        manifest.add(Record("bert", "train", DONE, 2.0))
        other.store.write(MANIFEST, other.manifest.read_bytes())
    with driving(farm) as manifest:
        manifest.add(Record("carl", "train", DONE, 3.0))
    assert [record.name for record in farm.records()] == ["anna", "bert", "carl"]
