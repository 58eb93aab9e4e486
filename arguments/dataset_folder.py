"""Where every file of a dataset folder lies (the layout that GaussianTalker, ER-NeRF and EGSTalker read)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError

TRAIN_SHARE = (10, 11)  # the first 10/11 of the frames train, the rest validate


def num_train_frames(num_frames: int) -> int:
    """How many of ``num_frames`` belong to the training split."""
    return num_frames * TRAIN_SHARE[0] // TRAIN_SHARE[1]


@dataclass(frozen=True)
class DatasetFolder:
    """Paths inside one dataset folder; nothing is touched until a path is used."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))

    @property
    def video(self) -> Path:
        return self.root / "video.mp4"

    @property
    def audio(self) -> Path:
        return self.root / "aud.wav"

    @property
    def audio_train(self) -> Path:
        return self.root / "aud_train.wav"

    @property
    def audio_novel(self) -> Path:
        return self.root / "aud_novel.wav"

    @property
    def audio_features(self) -> Path:
        return self.root / "aud.npy"

    @property
    def audio_features_ds(self) -> Path:
        return self.root / "aud_ds.npy"

    @property
    def action_units(self) -> Path:
        return self.root / "au.csv"

    @property
    def frames(self) -> Path:
        return self.root / "ori_imgs"

    @property
    def parsing(self) -> Path:
        return self.root / "parsing"

    @property
    def background(self) -> Path:
        return self.root / "bc.jpg"

    @property
    def torso(self) -> Path:
        return self.root / "torso_imgs"

    @property
    def ground_truth(self) -> Path:
        return self.root / "gt_imgs"

    @property
    def face_mesh(self) -> Path:
        return self.root / "face_mesh.npz"

    @property
    def track_params(self) -> Path:
        return self.root / "track_params.pt"

    @property
    def tracking_report(self) -> Path:
        return self.root / "tracking_report.png"

    @property
    def transforms_train(self) -> Path:
        return self.root / "transforms_train.json"

    @property
    def transforms_val(self) -> Path:
        return self.root / "transforms_val.json"

    @property
    def record(self) -> Path:
        """dataset.json: what the dataset was made from and with."""
        return self.root / "dataset.json"

    def frame(self, i: int) -> Path:
        return self.frames / f"{i}.jpg"

    def landmarks(self, i: int) -> Path:
        return self.frames / f"{i}.lms"

    def parsing_map(self, i: int) -> Path:
        return self.parsing / f"{i}.png"

    def torso_image(self, i: int) -> Path:
        return self.torso / f"{i}.png"

    def ground_truth_image(self, i: int) -> Path:
        return self.ground_truth / f"{i}.jpg"

    def read_record(self) -> dict[str, Any]:
        """dataset.json as a dictionary; empty where the file is absent (a dataset made by another program).

        Raises EGSTalkerError where the file is there and is not a JSON object.
        """
        try:
            value = json.loads(self.record.read_text())
        except FileNotFoundError:
            return {}
        except (ValueError, UnicodeDecodeError):
            value = None
        if not isinstance(value, dict):
            raise EGSTalkerError(f"{self.record} is not a JSON object; delete it and run preprocess.sh again")
        return value

    def lost_frames(self) -> list[int]:
        """The frames in which the face is lost, as dataset.json has them; none where it does not say."""
        return self._frame_numbers("lost_frames")

    def scene_cuts(self) -> list[int]:
        """The frames with which a shot begins, as dataset.json has them; none where it does not say."""
        return self._frame_numbers("scene_cuts")

    def _frame_numbers(self, name: str) -> list[int]:
        numbers = self.read_record().get(name)
        return [i for i in numbers if isinstance(i, int)] if isinstance(numbers, list) else []

    def update_record(self, **entries: Any) -> None:
        """Set entries of dataset.json, keeping the others."""
        write_json(self.record, {**self.read_record(), **entries})
