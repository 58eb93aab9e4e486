"""One stage on one machine, with programs that take a moment: in a shared folder and from an object store."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from fleet.farm import Farm, Source
from fleet.manifest import INPUT, MACHINE
from fleet.settings import Settings
from fleet.work import Order, Outcome, run_stage
from tests.fleet.fake_checkout import make_checkout, make_videos, runs

SETTINGS = Settings(export=("head", "ply"))
WAY = ("preprocess", "train", "metrics", "export")


class Place:
    """A farm and the checkout that works on it."""

    def __init__(self, address: str, folder: Path, **behaviour) -> None:
        self.address, self.folder, self.checkout = address, folder, make_checkout(folder / "checkout")
        farm = self.farm("driver")
        farm.take_settings(SETTINGS)
        (self.source,) = farm.add(list(make_videos(folder / "videos", anna=behaviour).iterdir()))

    def farm(self, machine: str) -> Farm:
        return Farm(self.address, str(self.folder / machine))

    def do(self, stage: str, machine: str = "here", source: Source | None = None) -> Outcome:
        return run_stage(
            Order(
                *(self.address, str(self.folder / machine), source or self.source, stage, SETTINGS, 1, False),
                checkout=str(self.checkout),
                last=stage == WAY[-1],
            )
        )


@pytest.fixture(params=["folder", "object store"])
def address(request, tmp_path: Path) -> str:
    return str(tmp_path / "farm") if request.param == "folder" else f"file://{tmp_path}/bucket/farm"


@pytest.fixture
def place(address, tmp_path) -> Place:
    return Place(address, tmp_path)


def test_each_stage_finds_what_the_one_before_has_left_on_whatever_machine(place):
    outcomes = [place.do(stage, f"machine {number}") for number, stage in enumerate(WAY)]
    assert [outcome.failure for outcome in outcomes] == [None] * 4
    assert outcomes[0].figures == {"frames": 1.0}
    assert outcomes[1].figures == {"iterations": 7.0, "gaussians": 4.0}
    assert outcomes[2].figures == {"head_psnr": 34.0}
    assert runs(place.checkout) == [
        *("preprocess anna", "train anna", "metrics anna", "export anna", "export anna")
    ]  # two kinds of export
    farm = place.farm("reader")
    for stage in ("train", "export"):
        receipt = farm.receipt("anna", stage)
        assert receipt is not None
        farm.store.bring("anna", {"train": "model", "export": "export"}[stage], receipt.version)
    head = farm.head(place.source)
    assert head.exported("ply").read_text() == "anna"
    assert (head.model.checkpoint("fine", 7).weights).read_text() == "anna"


def test_a_stage_that_is_whole_is_not_done_again(place):
    first = place.do("preprocess")
    again = place.do("preprocess", "another machine")
    assert again.skipped and again.figures == first.figures
    assert runs(place.checkout) == ["preprocess anna"]


def test_a_stage_without_what_it_reads_says_so(place):
    failure = place.do("train").failure
    assert failure is not None
    assert (failure.kind, failure.why) == (INPUT, "train needs what preprocess makes, which is not whole")


def test_a_bad_video_is_told_in_its_programs_line(address, tmp_path):
    place = Place(address, tmp_path, error="no face in it")
    failure = place.do("preprocess").failure
    assert failure is not None and (failure.kind, failure.why) == (INPUT, "no face in it")
    assert place.farm("reader").receipt("anna", "preprocess") is None
    log = place.farm("reader").store.read("heads/anna/logs/preprocess.log")
    assert log == b"== preprocess\nerror: no face in it\n"


@pytest.mark.parametrize("lacking", ["aud.npy", "transforms_val.json", "gt_imgs/0.jpg"])
def test_a_program_that_ends_well_and_leaves_less_than_it_should_is_not_believed(place, lacking):
    program = place.checkout / "data_utils/process.py"
    program.write_text(program.read_text() + f"\n(root / {lacking!r}).unlink()\n")
    failure = place.do("preprocess").failure
    assert failure is not None and failure.kind == MACHINE and "not whole" in failure.why
    assert place.farm("reader").receipt("anna", "preprocess") is None


def test_a_training_that_was_cut_short_is_not_whole(place):
    place.do("preprocess")
    program = place.checkout / "train.py"
    program.write_text(program.read_text().replace('"iteration": 7', '"iteration": 6'))
    failure = place.do("train").failure
    assert failure is not None and "not whole" in failure.why


def test_a_disk_that_is_full_when_the_receipt_is_written_is_the_machines_fault(place, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Farm, "write_receipt", full)
    failure = place.do("preprocess").failure
    assert failure is not None and (failure.kind, failure.why) == (MACHINE, "the disk is full")
    monkeypatch.undo()
    assert place.do("preprocess").failure is None


def test_an_object_store_keeps_one_version_and_its_scratch_is_emptied_at_the_end(tmp_path):
    place = Place(f"file://{tmp_path}/bucket/farm", tmp_path)
    (tmp_path / "bucket/farm/heads/anna/dataset-00.tar").write_bytes(b"what an upload that broke off has left")
    for stage in WAY:
        assert place.do(stage).failure is None
    there = sorted(path.name.partition("-")[0] for path in (tmp_path / "bucket/farm/heads/anna").glob("*.tar"))
    assert there == ["dataset", "export", "model"]
    assert not (tmp_path / "here/heads/anna").exists()
    scores = json.loads((tmp_path / "bucket/farm/heads/anna/metrics.json").read_text())
    assert scores["val"]["head_psnr"] == 34.0
