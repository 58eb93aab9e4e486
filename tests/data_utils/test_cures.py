"""Whatever a dataset's readers refuse, what their message says to do makes the folder readable."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

from arguments import dataset_folder
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils import action_units, blinks, cures, landmark_file, track_file, transforms_file
from data_utils.audio_features import feature_file
from data_utils.face_parsing import PARSERS
from data_utils.face_tracking import TRACKERS
from data_utils.process import main
from data_utils.transforms import write_transforms
from data_utils.wholeness import count_frames
from evaluation import truth
from media.sound import read_audio, write_wav
from motion.model_motion import measure_clip
from scene import backdrop, reference_clip
from training import dataset as training_dataset
from training.dataset import TalkingHeadDataset

READERS = (
    *(action_units, backdrop, blinks, cures, dataset_folder, feature_file, landmark_file, reference_clip),
    *(track_file, training_dataset, transforms_file),
)
N = 22  # frames of the dataset
FRAME = 2  # the one whose files are damaged
Damage = Callable[[DatasetFolder], object]


def read(root: Path) -> TalkingHeadDataset:
    """All that training, prediction and evaluation read."""
    dataset = TalkingHeadDataset(root)
    dataset.crop(FRAME)
    dataset.feature_boxes(FRAME)
    truth.read_true_frame(dataset.folder, FRAME)
    measure_clip(dataset.folder, dataset.eyes)
    return dataset


def gone(*names: str) -> Damage:
    def remove(folder: DatasetFolder) -> None:
        for path in (folder.root / name for name in names):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def text(name: str, content: str = "none") -> Damage:
    return lambda folder: (folder.root / name).write_text(content)


def array(name: str, values: np.ndarray) -> Damage:
    return lambda folder: np.save(folder.root / name, values)


def smaller(name: str) -> Damage:
    def shrink(folder: DatasetFolder) -> None:
        path = folder.root / name
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), picture[::2, ::2])

    return shrink


def opaque(folder: DatasetFolder) -> None:
    path = str(folder.torso_image(FRAME))
    cv2.imwrite(path, cv2.imread(path))


def track_with(**entries: torch.Tensor) -> Damage:
    def change(folder: DatasetFolder) -> None:
        torch.save({**torch.load(folder.track_params, weights_only=True), **entries}, folder.track_params)

    return change


def then(*damages: Damage) -> Damage:
    return lambda folder: [damage(folder) for damage in damages]


NEED_THE_VIDEO = ("no frames", "no folder")  # and so all of its frames
TABLE = "frame, success, AU45_r\n"
FAULTS: dict[str, Damage] = {
    "no features": gone("aud.npy"),
    "no features and no sound": gone("aud.npy", "aud.wav"),
    "features that are text": text("aud.npy"),
    "features that are labels": array("aud.npy", np.zeros((N, 16), np.int64)),
    "features that are no numbers": array("aud.npy", np.full((N, 44), np.nan)),
    "too few features": array("aud.npy", np.zeros((16, 44), np.float32)),
    "features at another rate": array("aud.npy", np.zeros((33, 44), np.float32)),
    "no frames": gone("ori_imgs"),
    "no parsing": gone("parsing"),
    "parsing that is no picture": text(f"parsing/{FRAME}.png"),
    "parsing of another size": smaller(f"parsing/{FRAME}.png"),
    "no background": gone("bc.jpg"),
    "a background that is no picture": text("bc.jpg"),
    "no parsing and no background": gone("parsing", "bc.jpg"),
    "no torso": gone("torso_imgs"),
    "torso without parsing": gone("torso_imgs", "parsing", "bc.jpg"),
    "a torso without alpha": opaque,
    "a torso of another size": smaller(f"torso_imgs/{FRAME}.png"),
    "no truth": gone("gt_imgs"),
    "truth of one frame": gone(*(f"gt_imgs/{i}.jpg" for i in range(1, N))),
    "a truth that is no picture": text(f"gt_imgs/{FRAME}.jpg"),
    "a truth of another size": smaller(f"gt_imgs/{FRAME}.jpg"),
    "no blinks": gone("au.csv"),
    "blinks without their column": text("au.csv", "frame, AU01_r\n1, 2\n"),
    "blinks that failed": text("au.csv", TABLE + "".join(f"{i + 1}, 0, 1.0\n" for i in range(N))),
    "blinks of another clip": text("au.csv", TABLE + "".join(f"{i + 1}, 1, 1.0\n" for i in range(10))),
    "blendshapes that are text": then(gone("au.csv"), text("bs.npy")),
    "blendshapes of another clip": then(gone("au.csv"), array("bs.npy", np.zeros((9, 52)))),
    "no track": gone("track_params.pt"),
    "a track that is text": text("track_params.pt"),
    "a track before the camera": track_with(trans=torch.zeros(N, 3)),
    "vertices that are no numbers": track_with(vertices=torch.full((N, 478, 3), torch.nan)),
    "vertices of other frames": track_with(vertices=torch.zeros(N - 4, 478, 3)),
    "vertices without depth": track_with(vertices=torch.zeros(N, 478, 2)),
    "triangles of another mesh": track_with(faces=torch.tensor([[0, 1, 478]])),
    "no poses": gone("transforms_train.json"),
    "no held-out poses": gone("transforms_val.json"),
    "poses that are text": text("transforms_val.json"),
    "poses without matrices": text("transforms_val.json", '{"frames": [{"img_id": 21, "transform_matrix": [[1]]}]}'),
    "poses without a focal length": lambda folder: folder.transforms_train.write_text(
        folder.transforms_train.read_text().replace("focal_len", "focus")
    ),
    "no landmarks": gone(f"ori_imgs/{FRAME}.lms"),
    "landmarks that are text": text(f"ori_imgs/{FRAME}.lms"),
    "landmarks of another kind": text(f"ori_imgs/{FRAME}.lms", "1 2\n" * 67),
    "frames of another size": lambda folder: folder.update_record(asked_size=768, tasks={"3": {"size": 768}}),
    "a record that is text": text("dataset.json"),
    "no folder": lambda folder: shutil.rmtree(folder.root),
}


def first_frames(count: int, source: DatasetFolder, root: Path) -> DatasetFolder:
    """A dataset's beginning as another program leaves it: no video, nothing that our preprocessing alone writes."""
    folder = DatasetFolder(root)
    for i in range(count):
        for path in (source.frame(i), source.landmarks(i), source.parsing_map(i), source.torso_image(i)):
            copied = root / path.relative_to(source.root)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copied)
        folder.ground_truth.mkdir(exist_ok=True)
        shutil.copy2(source.ground_truth_image(i), folder.ground_truth_image(i))
    shutil.copy2(source.background, folder.background)
    np.save(folder.audio_features, np.load(source.audio_features)[:count])
    write_wav(folder.audio, read_audio(source.audio, 16_000)[: count * 640])
    folder.action_units.write_text("\n".join(source.action_units.read_text().splitlines()[: count + 1]))
    torch.save(first_poses(count, source), folder.track_params)
    write_transforms(folder, count, (192, 192))
    with np.load(source.face_mesh) as mesh:  # found already: the face need not be sought each time
        np.savez(folder.face_mesh, points=mesh["points"][:count], found=mesh["found"][:count])
    return folder


def first_poses(count: int, source: DatasetFolder) -> dict[str, torch.Tensor]:
    track = torch.load(source.track_params, weights_only=True)
    return {name: values[:count] if len(values) == len(track["trans"]) else values for name, values in track.items()}


@pytest.fixture(scope="module")
def theirs(dataset: DatasetFolder, tmp_path_factory) -> Path:
    return first_frames(N, dataset, tmp_path_factory.mktemp("theirs") / "obama").root


@pytest.fixture
def run(dataset, monkeypatch, capsys) -> Callable[..., str]:
    """``run(...)`` the command; returns what it says. Its parser and tracker give at once what the dataset had."""

    def track(folder: DatasetFolder) -> None:
        torch.save(first_poses(count_frames(folder), dataset), folder.track_params)

    def parse(folder: DatasetFolder, target: Path, done: Callable[[int], None]) -> None:
        for i in range(count_frames(folder)):
            shutil.copy(dataset.parsing_map(i), target)

    monkeypatch.setitem(TRACKERS, "mediapipe", track)
    monkeypatch.setitem(PARSERS, "mediapipe", parse)

    def command(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["process.py", *map(str, arguments)])
        capsys.readouterr()
        code = main()
        said = capsys.readouterr()
        assert code in (0, None), said.err
        return said.out

    return command


def follow(message: str, root: Path, dataset: DatasetFolder, video: Path, run: Callable[..., str]) -> None:
    """Do what a message says, word for word."""
    fault, _, advice = message.partition("; ")
    path = next((Path(word) for word in fault.split() if Path(word).is_absolute()), None)
    if re.search("delete it|remove it", advice):
        assert path is not None
        path.unlink()
    if "put its sound there as aud.wav" in advice:
        shutil.copy(dataset.audio, root / "aud.wav")
    elif match := re.search(r"put the video .* as (\S+\.mp4)", advice):
        shutil.copy(video, root.parent / match[1])
    if "make it with ./preprocess.sh VIDEO.mp4" in advice:
        shutil.copy(video, root.with_suffix(".mp4"))
        run(root.with_suffix(".mp4"))
        return
    tasks = re.findall(r"with --task (\d)((?: --asr \w+)?)", advice)
    assert tasks or "run preprocess.sh again" in advice, message
    for number, options in tasks:
        assert "whole already" not in run(root, "--task", number, *options.split()), message
    if not tasks:
        run(root)


def lines_of(error: BaseException | None) -> set[tuple[str, int]]:
    """File and line of every call that an error, or what caused it, came through."""
    lines = set()
    while error is not None:
        lines |= {(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)}
        error = error.__cause__
    return lines


def raise_sites(module: ModuleType) -> set[tuple[str, int]]:
    """File and line of each place of a module that raises an error."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))
    return {(str(module.__file__), node.lineno) for node in nodes if isinstance(node, ast.Raise)}


def test_what_a_message_says_to_do_makes_the_folder_readable(theirs, dataset, talking_head, tmp_path, run):
    raised: set[tuple[str, int]] = set()
    for fault, damage in FAULTS.items():
        root = tmp_path / fault.replace(" ", "_") / "obama"
        if fault in NEED_THE_VIDEO:
            first_frames(60, dataset, root)
        else:
            shutil.copytree(theirs, root)
        damage(DatasetFolder(root))
        for _ in range(5):
            try:
                read(root)
                break
            except EGSTalkerError as error:
                raised |= lines_of(error)
                follow(str(error), root, dataset, talking_head, run)
        else:
            pytest.fail(f"{fault} is not mended by what the messages say")
        shutil.rmtree(root.parent)
    unseen = {site for module in READERS for site in raise_sites(module)} - raised
    lines = {Path(file).read_text().splitlines()[number - 1].strip() for file, number in unseen}
    assert lines == {'raise EGSTalkerError(f"{path} is missing; {remedy()}") from None'}  # of a file that a user names


@pytest.mark.parametrize("fault", ["features that are text", "a track that is text", "poses that are text"])
def test_the_same_goes_for_a_dataset_of_ours(dataset, tmp_path, run, fault):
    root = Path(shutil.copytree(dataset.root, tmp_path / "head"))
    FAULTS[fault](DatasetFolder(root))
    with pytest.raises(EGSTalkerError) as refused:
        read(root)
    follow(str(refused.value), root, dataset, tmp_path, run)
    assert read(root).num_frames == 60
