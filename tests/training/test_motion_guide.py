"""Where a tracked mesh guides the motion, and which frames of it do."""

from __future__ import annotations

import torch

from tests.tiny_head import make_dataset
from training.dataset import TalkingHeadDataset
from training.motion_guide import BLINK_PREFERENCE, MotionGuide


def guide_of(folder) -> MotionGuide:
    return MotionGuide(TalkingHeadDataset(folder.root), "cpu")


def test_the_guide_wants_the_tracked_moves_from_the_median_face(tmp_path):
    folder = make_dataset(tmp_path / "set")
    guide, tracked = guide_of(folder), TalkingHeadDataset(folder.root).vertices[:20]
    rest = tracked.median(dim=0).values
    frames, vertices = torch.tensor([3, 8]), torch.arange(5)
    assert torch.equal(guide.at_rest, rest)
    assert guide.loss(tracked[frames] - rest, frames, vertices) == 0
    assert guide.loss(tracked[frames] - rest + 0.1, frames, vertices) > 0
    assert torch.isclose(guide.chances[3] / guide.chances[4], torch.tensor(1 + BLINK_PREFERENCE * 0.8).double() / 1.4)


def test_lost_frames_have_no_say_in_the_guide(tmp_path):
    folder = make_dataset(tmp_path / "set")
    lost = list(range(11))  # most of the twenty: a median alone would follow them
    folder.update_record(lost_frames=lost)
    expected = guide_of(folder)
    track = torch.load(folder.track_params, weights_only=True)
    track["vertices"][lost] += 3.0
    torch.save(track, folder.track_params)
    guide = guide_of(folder)
    assert torch.equal(guide.at_rest, expected.at_rest)
    moves, frames, vertices = torch.zeros(2, 5, 3), torch.tensor([12, 15]), torch.arange(5)
    assert torch.equal(guide.loss(moves, frames, vertices), expected.loss(moves, frames, vertices))
    assert not guide.chances[lost].any() and (guide.chances[11:] > 0).all()
    assert torch.isclose(guide.chances.sum(), torch.ones((), dtype=torch.float64))
