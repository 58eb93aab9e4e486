"""Datasets as the programs of AD-NeRF's family leave them, and as people have them, are read as they mean them.

Names, keys, shapes and units are facts about the files, read in the programs that write or open them; each layout names
its program.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.audio_features.feature_file import read_feature_file
from data_utils.clip_sound import read_clip_sound
from media.images import read_rgb, write_image
from motion.model_motion import ModelMotion, measure_clip
from synthesis.script import script_of_split
from tests.tiny_head import make_dataset
from training.dataset import TalkingHeadDataset
from training.initialization import initial_cloud
from training.motion_guide import MotionGuide

N = 22
Change = Callable[[DatasetFolder], object]
VALUES = np.random.default_rng(0).normal(0, 3, (N, 16, 29)).astype(np.float32)
SHUT = np.where(np.arange(N) % 7 == 3, 0.8, 0.04)


def poses_as(change: Callable[[dict], object]) -> Change:
    def rewrite(folder: DatasetFolder) -> None:
        for path in (folder.transforms_train, folder.transforms_val):
            content = json.loads(path.read_text())
            change(content)
            path.write_text(json.dumps(content))

    return rewrite


def in_metres(content: dict) -> None:
    for entry in content["frames"]:
        entry["face_rect"] = [10, 10, 30, 30]  # GeneFace's
        for row in entry["transform_matrix"][:3]:
            row[3] /= 10


def tracked(unit: float = 1.0) -> Change:
    """A track without vertices; ``unit`` in a decimetre."""
    trans = unit * torch.tensor([(0.02 * i, 0, -6) for i in range(N)])
    coefficients = {"id": torch.zeros(1, 100), "exp": torch.zeros(N, 79), "euler": torch.zeros(N, 3)}
    return lambda folder: torch.save(
        {**coefficients, "trans": trans, "focal": torch.tensor([120.0])}, folder.track_params
    )


def features(name: str, values: np.ndarray) -> Change:
    def write(folder: DatasetFolder) -> None:
        folder.audio_features.unlink()
        np.save(folder.root / name, values)

    return write


def openface(folder: DatasetFolder) -> None:
    head = "frame, face_id, timestamp, confidence, success, AU01_r, AU25_r, AU45_r, AU45_c\n"
    rows = (f"{i + 1}, 0, {i / 25:.3f}, 0.98, 1, 0.10, 0.20, {5 * shut:.2f}, 0.00\n" for i, shut in enumerate(SHUT))
    folder.action_units.write_text(head + "".join(rows))


def blendshapes(folder: DatasetFolder) -> None:
    folder.action_units.unlink()
    values = np.random.default_rng(1).uniform(0, 1, (N, 52))
    values[:, 8:10] = SHUT[:, None]
    np.save(folder.root / "bs.npy", values)


def hair_in_black(folder: DatasetFolder) -> None:
    for i in range(N):
        parsing = read_rgb(folder.parsing_map(i))
        rows = np.arange(len(parsing))[:, None]
        head = (parsing == (0, 0, 255)).all(axis=2)
        parsing[head & (rows < 20)] = 0
        parsing[head & (rows > 32) & (rows < 36)] = 100
        write_image(folder.parsing_map(i), parsing)


def as_png(folder: DatasetFolder) -> None:
    for path in [*folder.frames.glob("*.jpg"), *folder.ground_truth.glob("*.jpg"), folder.background]:
        write_image(path.with_suffix(".png"), read_rgb(path))
        path.unlink()


AVERAGED = VALUES.reshape(N, 2, -1)
LAYOUTS: dict[str, tuple[list[Change], tuple[int, ...]]] = {
    # deepspeech_features.py, face_tracker.py (with vertices), talking_dataset_readers.py
    "GaussianTalker": ([features("aud_ds.npy", VALUES), openface], (16, 29)),
    # data_utils/hubert.py: pairs of 20 ms; face_tracker.py saves no vertices
    "ER-NeRF, HuBERT": ([features("aud_hu.npy", AVERAGED), openface, tracked()], (232,)),
    # nerf/asr.py: windows of 16 steps, one window more than frames
    "RAD-NeRF": ([features("aud_eo.npy", np.zeros((N + 1, 16, 44), np.float32)), openface, tracked()], (16, 44)),
    # data_utils/face_parsing/test.py: hair and mouth in colours of their own
    "TalkingGaussian": ([features("aud_ds.npy", VALUES), openface, tracked(), hair_in_black], (16, 29)),
    # bundle_adjustment.py: track in millimetres, poses in metres; blendshape_capture/main.py instead of OpenFace
    "SyncTalk": ([features("aud_ave.npy", np.zeros((N, 512), np.float32)), blendshapes, tracked(100.0)], (512,)),
    # data_gen/nerf/extract_hubert_mel_f0.py: 50 rows a second
    "GeneFace": ([features("aud_hubert.npy", AVERAGED.reshape(2 * N, -1)), openface, tracked()], (232,)),
}  # fmt: skip


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> DatasetFolder:
    folder = make_dataset(tmp_path_factory.mktemp("ours") / "obama", N)
    folder.record.unlink()
    poses_as(in_metres)(folder)
    track = torch.load(folder.track_params, weights_only=True)
    trans = torch.tensor([(0.02 * i, 0, -6) for i in range(N)])
    torch.save({**track, "euler": torch.zeros(N, 3), "trans": trans}, folder.track_params)
    return folder


@pytest.fixture
def folder(ours, tmp_path) -> DatasetFolder:
    return DatasetFolder(shutil.copytree(ours.root, tmp_path / "obama"))


@pytest.mark.parametrize("program", LAYOUTS)
def test_what_another_program_leaves_is_read(ours, folder, program):
    changes, shape = LAYOUTS[program]
    for change in changes:
        change(folder)
    expected, dataset = TalkingHeadDataset(ours.root), TalkingHeadDataset(folder.root)
    assert (dataset.num_frames, dataset.train, dataset.val) == (N, range(20), range(20, 22))
    assert dataset.feature_shape == shape and dataset.audio.isfinite().all()
    assert dataset.eyes.numpy() == pytest.approx(SHUT, abs=0.01)
    assert torch.allclose(dataset.camera.viewmats, expected.camera.viewmats, atol=1e-4)
    assert (dataset.head_mask(5) == expected.head_mask(5)).all()
    dataset.crop(5)
    face = measure_clip(dataset.folder, dataset.eyes)
    motion = ModelMotion.of_clip(face, np.array(dataset.learnt), 20, lower=2, upper=1)
    assert motion.measured[:, 0].std() > 0.5  # lips that open and close
    cloud = initial_cloud(dataset, 1_000)
    assert len(cloud.points) >= 1_000 and np.isfinite(cloud.points).all()
    assert torch.isfinite(MotionGuide(dataset, "cpu").at_rest).all()


@pytest.mark.parametrize("program", ["ER-NeRF, HuBERT", "GeneFace"])
def test_two_rows_of_20_ms_become_their_mean_as_our_own_hubert_does(folder, program):
    LAYOUTS[program][0][0](folder)
    assert TalkingHeadDataset(folder.root).audio.numpy() == pytest.approx(AVERAGED.mean(axis=1), abs=1e-6)


def test_landmarks_lie_on_the_face_where_the_track_has_no_vertices(folder):
    tracked()(folder)
    dataset = TalkingHeadDataset(folder.root)
    landmarks = np.stack([np.loadtxt(folder.landmarks(i)) for i in range(N)])
    assert np.abs(dataset.camera.project(dataset.vertices).numpy() - landmarks).max() < 0.02
    assert dataset.faces.max() == 67 and dataset.vertices[..., 2].abs().max() < 2


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ((1, 9, 1024), (9, 1024)),
        ((9, 1, 512), (9, 512)),
        ((9, 2, 1024), (9, 1024)),
        ((9, 44, 2), (9, 44)),
        ((1, 9, 16, 29), (9, 16, 29)),
        ((9, 16, 44), (9, 16, 44)),
    ],
)
def test_features_of_any_usual_shape_are_read(tmp_path, shape, read):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=shape))
    assert read_feature_file(tmp_path / "x.npy").shape == read


@pytest.mark.parametrize(("count", "remark"), [(17, "the last is held"), (27, "the rest is left out")])
def test_rows_that_are_a_few_off_are_held_or_cut_and_that_is_said(folder, caplog, count, remark):
    rows = np.arange(count, dtype=np.float32)[:, None] * np.ones(7, np.float32)
    np.save(folder.audio_features, rows)
    with caplog.at_level(logging.WARNING):
        audio = TalkingHeadDataset(folder.root).audio
    assert audio[:, 0].tolist() == [min(i, count - 1) for i in range(N)]
    assert f"{count} rows for 22 frames: {remark}" in caplog.text


@pytest.mark.parametrize("count", [16, 28, 33])
def test_rows_that_are_further_off_are_refused(folder, count):
    np.save(folder.audio_features, np.zeros((count, 7), np.float32))
    with pytest.raises(EGSTalkerError, match=rf"{count} rows for 22 frames; .*remove it and run .*--task 2"):
        TalkingHeadDataset(folder.root)


def test_pictures_may_be_png(ours, folder):
    as_png(folder)
    expected, dataset = TalkingHeadDataset(ours.root), TalkingHeadDataset(folder.root)
    assert (dataset.crop(3).image == expected.crop(3).image).all()
    assert (dataset.crop(3).background == expected.crop(3).background).all()


def test_a_background_of_another_size_is_brought_to_the_frames(ours, folder):
    write_image(folder.background, cv2.resize(read_rgb(folder.background), (128, 128)))
    difference = TalkingHeadDataset(ours.root).backdrops[3].astype(int) - TalkingHeadDataset(folder.root).backdrops[3]
    assert np.abs(difference).max() < 4


def replaced(names: dict[str, float], *gone: str) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        for name in gone:
            del content[name]
        content.update(names)

    return change


@pytest.mark.parametrize(
    ("names", "gone", "focal"),
    [
        ({"fl_x": 120.0, "fl_y": 110.0, "w": 64, "h": 64}, ("focal_len",), (120, 110)),
        ({"fl_y": 110.0}, ("focal_len", "cx", "cy"), (110, 110)),
        ({"camera_angle_x": 2 * np.arctan(32 / 120), "w": 64, "h": 64}, ("focal_len", "cx", "cy"), (120, 120)),
    ],
)
def test_focal_lengths_go_by_any_of_their_names(folder, names, gone, focal):
    poses_as(replaced(names, *gone))(folder)
    camera = TalkingHeadDataset(folder.root).camera
    assert camera.intrinsics[0].diagonal().tolist() == pytest.approx([*focal, 1])
    assert camera.intrinsics[0, :2, 2].tolist() == [32, 32]


def renumbered(number: Callable[[int], int]) -> Change:
    def change(folder: DatasetFolder) -> None:
        for inner in (folder.frames, folder.parsing, folder.torso, folder.ground_truth):
            for path in sorted(inner.iterdir(), key=lambda path: -int(path.stem)):
                path.rename(path.with_name(f"{number(int(path.stem))}{path.suffix}"))
        poses_as(
            lambda content: [
                entry.update(img_id=number(entry["img_id"]), aud_id=number(entry["aud_id"]))
                for entry in content["frames"]
            ]
        )(folder)

    return change  # fmt: skip


def with_a_hole(i: int) -> int:
    return i if i < 8 else i + 3


def test_frames_numbered_from_one_are_the_same_frames(ours, folder):
    renumbered(lambda i: i + 1)(folder)
    expected, dataset = TalkingHeadDataset(ours.root), TalkingHeadDataset(folder.root)
    assert torch.equal(dataset.audio, expected.audio) and torch.equal(dataset.eyes, expected.eyes)
    assert (dataset.crop(7).image == expected.crop(7).image).all()
    assert torch.equal(dataset.vertices, expected.vertices)


def test_frames_that_are_left_out_leave_their_sound_and_blinks_out_too(ours, folder):
    renumbered(with_a_hole)(folder)
    numbers = [with_a_hole(i) for i in range(N)]
    np.save(folder.audio_features, np.arange(25, dtype=np.float32)[:, None] * np.ones(7, np.float32))
    rows = "".join(f"{i + 1}, 1, {i / 5}\n" for i in range(25))
    folder.action_units.write_text("frame, success, AU45_r\n" + rows)
    dataset = TalkingHeadDataset(folder.root)
    assert dataset.audio[:, 0].tolist() == numbers
    assert dataset.eyes.numpy() == pytest.approx(np.array(numbers) / 25)
    assert dataset.folder.landmarks(8).name == "11.lms"
    sound = read_clip_sound(dataset.folder, N)
    whole = read_clip_sound(folder, N)
    assert (sound[: 8 * 640] == whole[: 8 * 640]).all() and (
        sound[8 * 640 : 9 * 640] == whole[11 * 640 : 12 * 640]
    ).all()
    signal = dataset.audio
    assert script_of_split(dataset, dataset.train, signal).sound is None
    assert script_of_split(dataset, dataset.val, signal).sound_start == pytest.approx(23 / 25)


def test_frames_without_truth_are_left_out_and_that_is_said(folder, caplog):
    for i in (4, 5, 21):
        folder.ground_truth_image(i).unlink()
    with caplog.at_level(logging.WARNING):
        dataset = TalkingHeadDataset(folder.root)
    assert (len(dataset.train), len(dataset.val)) == (18, 1) and "lacks 3 of 22 frames" in caplog.text
    assert dataset.folder.ground_truth_image(4).name == "6.jpg"


def test_splits_that_share_frames_are_parted_anew(folder, caplog):
    train, val = (json.loads(path.read_text()) for path in (folder.transforms_train, folder.transforms_val))
    folder.transforms_val.write_text(json.dumps({**val, "frames": train["frames"][-4:] + val["frames"]}))
    with caplog.at_level(logging.WARNING):
        dataset = TalkingHeadDataset(folder.root)
    assert (dataset.train, dataset.val) == (range(20), range(20, 22)) and "share frames" in caplog.text
