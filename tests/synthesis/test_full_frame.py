"""The person back at her place in a larger video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import predict
from arguments.errors import EGSTalkerError
from media.images import read_rgb
from media.video import probe, read_frames
from media.video_writer import VideoWriter
from motion.frame_path import FramePath
from scene.reference_clip import ReferenceClip
from synthesis.background import Background
from synthesis.full_frame import Place, pasted
from synthesis.rendering import synthesise
from synthesis.script import script_of_frames
from tests.tiny_head import make_dataset, make_head, make_moving_model, speech_like, write_wav

WIDTH, HEIGHT, X, Y, SIDE = 208, 160, 40, 20, 128


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ReferenceClip:
    """A dataset whose frames are a part of a larger, patterned video beside it."""
    root = tmp_path_factory.mktemp("data") / "a clip"
    folder = make_dataset(root, num_frames=44)
    pattern = np.random.default_rng(0).integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3)).astype(np.uint8)
    around = cv2.resize(pattern, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    video = root.with_suffix(".mp4")
    with VideoWriter(video, WIDTH, HEIGHT, audio=speech_like(44 / 25), crf=8) as writer:
        for i in range(44):
            frame = around.copy()
            own = cv2.resize(read_rgb(folder.frame(i)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            frame[Y : Y + SIDE, X : X + SIDE] = own
            writer.write(frame)
    folder.update_record(crop=[X, Y, SIDE], source={"name": video.name, "size": video.stat().st_size})
    return ReferenceClip(root)


def _cutouts(clip: ReferenceClip, frames: list[int]) -> list[np.ndarray]:
    script = replace(script_of_frames(clip, frames, clip.audio), background=Background(is_transparent=True))
    return list(synthesise(make_head(), clip, script, batch=2))


def test_what_is_not_near_the_person_stays_bit_for_bit(clip):
    frames = [5, 6, 7, 8]
    place = Place.of(clip)
    assert (place.x, place.y, place.side) == (X, Y, SIDE)
    full = list(pasted(_cutouts(clip, frames), FramePath.of(frames), clip, place))
    true = list(read_frames(place.video, 44))
    for i, picture in zip(frames, full, strict=True):
        apart = np.abs(picture.astype(int) - true[i]).max(-1)
        assert picture.shape == (HEIGHT, WIDTH, 3)
        outside = np.ones((HEIGHT, WIDTH), bool)
        outside[Y : Y + SIDE, X : X + SIDE] = False
        assert (apart[outside] == 0).all()
        assert (apart[Y : Y + 6, X : X + 20] == 0).all()  # the wall far from her, within the crop
        inside = apart[Y + 40 : Y + 70, X + 40 : X + 80]
        assert inside.max() > 5  # the head is the model's


def test_there_is_no_edge_where_the_crop_ends(clip):
    full = next(iter(pasted(_cutouts(clip, [9]), FramePath.of([9]), clip, Place.of(clip))))
    true = list(read_frames(Place.of(clip).video, 44))[9]
    bottom = full[Y + SIDE - 1].astype(int) - true[Y + SIDE - 1]
    assert np.abs(bottom).max() <= 2  # the torso goes on below: made anew above, the video's own at the edge


def test_returns_fade_in_the_video_too(clip):
    mix = np.array([0, 0.25, 0.75, 0, 0])
    path = FramePath(np.array([30, 31, 32, 6, 7]), np.array([30, 4, 5, 6, 7]), mix)
    true = list(read_frames(Place.of(clip).video, 44))
    full = list(pasted(_cutouts(clip, [30, 31, 32, 6, 7]), path, clip, Place.of(clip)))
    for number in (0, 3, 4):
        assert (full[number][:Y] == true[path.first[number]][:Y]).all()
    mixed = 0.75 * true[31][:Y].astype(float) + 0.25 * true[4][:Y]
    assert np.abs(full[1][:Y] - mixed).max() <= 1


def test_colours_meet_those_of_the_video(clip):
    cutouts = _cutouts(clip, [9, 10])
    for cutout in cutouts:
        cutout[..., :3] = np.clip(cutout[..., :3].astype(int) + 6, 0, 255)
    plain, lighter = (
        next(iter(pasted(made, FramePath.of([9]), clip, Place.of(clip)))) for made in (_cutouts(clip, [9]), cutouts[:1])
    )
    torso = (slice(Y + 104, Y + 120), slice(X + 20, X + 100))
    assert np.abs(lighter[torso].astype(int) - plain[torso]).mean() < 6


def test_what_cannot_be_put_back_is_told(clip, tmp_path):
    whole = ReferenceClip(make_dataset(tmp_path / "set").root)
    with pytest.raises(EGSTalkerError, match="is the whole of its video"):
        Place.of(whole)
    whole.folder.update_record(crop=[0, 0, 64])
    with pytest.raises(EGSTalkerError, match="is gone: give it with --full_frame VIDEO"):
        Place.of(whole)
    with pytest.raises(EGSTalkerError, match="there is no video"):
        Place.of(clip, tmp_path / "none.mp4")
    other = write_wav(tmp_path / "other.wav", speech_like(0.5))
    with pytest.raises(EGSTalkerError, match="is not the video that"):
        Place.of(clip, other)


def test_predict_writes_a_full_size_film(clip, tmp_path):
    model = make_moving_model(tmp_path / "m", clip.folder)
    sound = write_wav(tmp_path / "a.wav", speech_like(1.0))
    usual = ("--audio_path", sound, "--model_path", model, "--output_dir", tmp_path / "out")

    def run(*words: object) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["predict.py", *map(str, (*usual, *words))])
            return predict.main()

    assert run("--reference_path", clip.folder.root, "--full_frame") == 0
    info = probe(tmp_path / "out" / "a.mp4")
    assert (info.width, info.height, info.num_frames) == (WIDTH, HEIGHT, 25)
    assert run("--reference_path", clip.folder.root, "--full_frame", Place.of(clip).video) == 0
    for words in (["--full_frame"], ["--reference_path", clip.folder.root, "--full_frame", "--pose", "own"]):
        with pytest.raises(SystemExit):
            run(*words)
    assert Path(tmp_path / "out" / "a.mp4").is_file()
