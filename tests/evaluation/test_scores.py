"""The table of figures: each one where it belongs, none where it is undefined."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from evaluation.landmarks import FaceWatcher
from evaluation.origin import Origin
from evaluation.scores import TORSO_FIGURES, Scores, kept_sets, read_scores, write_scores
from evaluation.scoring import PictureScores, score_video
from evaluation.tables import reasons_for_dashes
from evaluation.truth import TrueFrame

FIGURES = [
    *("raw_psnr", "composite_psnr", "head_psnr", "mouth_psnr", "face_psnr", "torso_psnr", "neck_psnr"),
    *("neck_step", "ssim", "lpips"),
    *("landmark_distance", "landmark_distance_relative", "mouth_correlation", "mouth_correlation_by_chance"),
    *("mouth_velocity_correlation", "mouth_velocity_correlation_by_chance", "mouth_amplitude"),
    *("lip_closures_kept", "lip_closures_kept_by_chance", "lip_closures_false", "lip_closures_false_by_chance"),
    *(
        "blink_correlation",
        "blink_depth",
        "own_blink_rate",
        "blink_rate_truth",
        "render_fps",
        "end_to_end_fps",
        "frames",
        "lost_frames",
    ),
]


ORIGIN = Origin(iteration=500, weights="w" * 64, dataset="/data/set", poses="p" * 64, device="cpu", version="0.1.0")


def _truth(seed: int) -> TrueFrame:
    generator = np.random.default_rng(seed)
    composite = generator.integers(40, 200, (60, 50, 3), dtype=np.uint8)
    raw = (composite + generator.integers(0, 20, composite.shape)).astype(np.uint8)
    head = np.zeros((60, 50), dtype=bool)
    head[10:40, 10:40] = True
    landmarks = np.full((68, 2), 25.0)
    landmarks[48:] = np.array([25, 32]) + generator.uniform(-5, 5, (20, 2))
    return TrueFrame(seed, composite, raw, head, ~head, landmarks)


def test_each_psnr_is_taken_where_its_name_says() -> None:
    truths = [_truth(0), _truth(1)]
    renders = [truth.composite.copy() for truth in truths]
    renders[0][50:58, 45:48] ^= 16  # outside the head
    renders[1][31:33, 24:26] ^= 16  # in the mouth
    renders[1][12:14, 12:14] ^= 16  # in the head
    renders[0][25, 11] ^= 16
    renders[0][32, 25] ^= 16
    scores = score_video(iter(renders), iter(truths))

    def mean(crop: tuple[slice, slice], picture: str) -> float:
        pairs = [(getattr(truth, picture)[crop], render[crop]) for truth, render in zip(truths, renders, strict=True)]
        return float(np.mean([peak_signal_noise_ratio(*pair) for pair in pairs]))

    whole = (slice(None), slice(None))
    assert scores.composite_psnr == pytest.approx(mean(whole, "composite"), abs=1e-3)
    assert scores.raw_psnr == pytest.approx(mean(whole, "raw"), abs=1e-3)
    assert scores.head_psnr == pytest.approx(mean((slice(8, 42), slice(8, 42)), "composite"), abs=1e-3)
    assert scores.mouth_psnr is not None and scores.mouth_psnr < scores.head_psnr
    assert scores.face_psnr == pytest.approx(mean((slice(10, 40), slice(10, 40)), "composite"), abs=1e-3)
    pairs = [(truth.composite, render) for truth, render in zip(truths, renders, strict=True)]
    options = {"channel_axis": -1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    assert scores.ssim == pytest.approx(np.mean([structural_similarity(*pair, **options) for pair in pairs]), abs=1e-5)
    assert scores.frames == 2


def test_what_is_undefined_is_null_with_a_reason_and_never_nan(tmp_path: Path) -> None:
    truth = _truth(0)
    scores = score_video([truth.composite], [truth], lpips_absent="no weights")
    assert scores.composite_psnr is None and scores.reasons["composite_psnr"] == "the pictures are equal"
    assert scores.raw_psnr is not None
    assert "no face in 1 of 1 rendered" in scores.reasons["mouth_correlation"]
    write_scores(tmp_path / "metrics.json", {"custom": Scores(frames=3), "val": scores})
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert list(written) == ["val", "custom"]
    assert list(written["val"]) == list(written["custom"]) == FIGURES
    lines = reasons_for_dashes({"val": scores})
    assert "val: no lpips: no weights" in lines
    undefined = [name for name, value in written["val"].items() if value is None]
    assert len(lines) == len(undefined) - len(TORSO_FIGURES)
    assert len(reasons_for_dashes({"val_torso": scores})) == len(undefined)


def test_a_frame_without_head_or_mouth_does_not_spoil_the_mean() -> None:
    truth = _truth(0)
    blind = TrueFrame(1, truth.composite, truth.raw, np.zeros_like(truth.head), truth.body, np.full((68, 2), np.nan))
    render = truth.composite ^ 8
    both, one = score_video([render, render], [truth, blind]), score_video([render], [truth])
    assert both.head_psnr == one.head_psnr and both.mouth_psnr == one.mouth_psnr and both.face_psnr == one.face_psnr
    none = score_video([render], [blind])
    assert none.face_psnr is None and none.reasons["face_psnr"] == "no frame shows head pixels"
    assert none.head_psnr is None and none.reasons["head_psnr"] == "no frame shows head pixels"
    assert none.mouth_psnr is None


def test_the_faces_psnr_knows_nothing_of_what_is_beside_the_head() -> None:
    truths = [_truth(0), _truth(1)]
    off = [np.where(truth.head[..., None], truth.composite + 4 * i, 0) for i, truth in enumerate(truths, 2)]
    scores = score_video((render.astype(np.uint8) for render in off), truths)
    decibels = [20 * np.log10(255 / 8), 20 * np.log10(255 / 12)]  # 8 and 12 of 255 in every pixel of the head
    assert scores.face_psnr == pytest.approx(np.mean(decibels), abs=1e-4)
    assert scores.head_psnr is not None and scores.head_psnr < scores.face_psnr


def test_frames_that_are_left_out_keep_their_place_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(FaceWatcher, "see", lambda self, frame: seen.append("frame"))
    monkeypatch.setattr(FaceWatcher, "skip", lambda self, frames: seen.extend(["gap"] * frames))
    with PictureScores() as scores:
        for number in (7, 8, 11, 12):
            scores.add(_truth(0).raw, dataclasses.replace(_truth(0), number=number))
    assert seen == [*["frame"] * 4, *["gap"] * 4, *["frame"] * 4]  # render and truth in turn


def test_a_render_that_is_too_short_is_not_scored_as_if_it_were_whole() -> None:
    one, two = [_truth(0)], [_truth(0), _truth(1)]
    for renders, truths in ((one, two), (two, one)):
        with pytest.raises(ValueError, match="zip"):
            score_video([truth.composite for truth in renders], truths)


def test_scores_are_read_back_and_anything_else_is_not(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    assert read_scores(path) == {}
    write_scores(path, {"val": Scores(ssim=0.5, frames=4)})
    assert read_scores(path)["val"] == Scores(ssim=0.5, frames=4)
    of_something = Scores(ssim=0.5, frames=4, made_from=ORIGIN)
    write_scores(path, {"val": of_something, "train": Scores()})
    assert read_scores(path) == {"val": of_something, "train": Scores()}
    origins = ('{"val": {"made_from": 3}}', '{"val": {"made_from": {"iteration": 1}}}')
    wrong_type = json.dumps({"val": {"made_from": {**dataclasses.asdict(ORIGIN), "iteration": "500"}}})
    for content in ("{", "[]", '{"val": {"other": 1}}', '{"val": 3}', *origins, wrong_type):
        path.write_text(content)
        assert read_scores(path) == {}


def test_sets_of_the_same_head_and_dataset_stay_and_the_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    assert kept_sets(path, ["val"], ORIGIN) == ({}, [])
    elsewhere = dataclasses.replace(ORIGIN, device="cuda:0", dataset="/moved/set")
    write_scores(path, {"val": Scores(made_from=elsewhere), "train": Scores(frames=9, made_from=elsewhere)})
    assert kept_sets(path, ["val"], ORIGIN) == ({"train": Scores(frames=9, made_from=elsewhere)}, [])

    older = dataclasses.replace(ORIGIN, iteration=100, weights="v" * 64)
    write_scores(path, {"val": Scores(made_from=older), "train": Scores(made_from=older)})
    kept, lines = kept_sets(path, ["train"], ORIGIN)  # measured anew, and left behind
    assert (
        kept == {} and len(lines) == 1 and "its figures of val, of iteration 100 on /data/set, are dropped" in lines[0]
    )

    stranger = dataclasses.replace(ORIGIN, poses="q" * 64, dataset="/data/other")
    write_scores(path, {"val": Scores(made_from=stranger)})
    kept, lines = kept_sets(path, ["val"], ORIGIN)
    assert kept == {} and len(lines) == 1 and "on /data/other, are dropped" in lines[0]

    write_scores(path, {"val": Scores(), "train": Scores()})  # of a version that did not say
    kept, lines = kept_sets(path, ["train"], ORIGIN)
    assert kept == {} and len(lines) == 1 and "val, of unknown origin, are dropped" in lines[0]
