"""Where every file of a dataset folder lies (the layout that GaussianTalker, ER-NeRF and EGSTalker read).

Other programs of that family name a few files otherwise, and number frames with holes: both are looked up here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError

PICTURES = (".jpg", ".png")  # suffixes of frames, ground truth and background; the first is ours
FEATURES = (  # ours; ER-NeRF's, TalkingGaussian's and GeneFace's DeepSpeech, HuBERT and wav2vec; SyncTalk's AVE
    *("aud.npy", "aud_ds.npy", "aud_deepspeech.npy", "aud_hu.npy", "aud_hubert.npy", "aud_hu_cn.npy"),
    *("aud_eo.npy", "aud_esperanto.npy", "aud_ave.npy"),
)
TRAIN_SHARE = (10, 11)  # the first 10/11 of the frames train, the rest validate


def num_train_frames(num_frames: int) -> int:
    """How many of ``num_frames`` belong to the training split."""
    return num_frames * TRAIN_SHARE[0] // TRAIN_SHARE[1]


@dataclass(frozen=True)
class DatasetFolder:
    """Paths inside one dataset folder.

    Attributes:
        root: where it lies.
        numbers: of the files of frame 0, 1, ...; the same as the frame's unless given.
        heard: for each frame, the number of the 40 ms of sound that belong to it; the same as the frame's unless given.
    """

    root: Path
    numbers: Sequence[int] | None = None
    heard: Sequence[int] | None = None

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
        """aud.npy; where that is missing, the features that another program left."""
        return self._there(*FEATURES)

    @property
    def audio_features_ds(self) -> Path:
        return self.root / "aud_ds.npy"

    @property
    def action_units(self) -> Path:
        return self.root / "au.csv"

    @property
    def blendshapes(self) -> Path:
        """SyncTalk's; they say how far the eyes are shut where au.csv is missing."""
        return self.root / "bs.npy"

    @property
    def blinks(self) -> Path:
        """What blinks are read from."""
        return self._there("au.csv", "bs.npy")

    @property
    def frames(self) -> Path:
        return self.root / "ori_imgs"

    @property
    def parsing(self) -> Path:
        return self.root / "parsing"

    @property
    def background(self) -> Path:
        return self._there(*(f"bc{suffix}" for suffix in PICTURES))

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
    def clip_report(self) -> Path:
        """What the video is like: nobody reads it but people and their scripts."""
        return self.root / "clip_report.json"

    @property
    def record(self) -> Path:
        """dataset.json: what the dataset was made from and with."""
        return self.root / "dataset.json"

    def frame(self, i: int) -> Path:
        return self._there(*(f"ori_imgs/{self._number(i)}{suffix}" for suffix in PICTURES))

    def landmarks(self, i: int) -> Path:
        return self.frames / f"{self._number(i)}.lms"

    def parsing_map(self, i: int) -> Path:
        return self.parsing / f"{self._number(i)}.png"

    def torso_image(self, i: int) -> Path:
        return self.torso / f"{self._number(i)}.png"

    def ground_truth_image(self, i: int) -> Path:
        return self._there(*(f"gt_imgs/{self._number(i)}{suffix}" for suffix in PICTURES))

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
        """The frames in which the face is lost or its track is not trusted, as dataset.json has them, in order."""
        return sorted({*self._frame_numbers("lost_frames"), *self._frame_numbers("untrusted_frames")})

    def scene_cuts(self) -> list[int]:
        """The frames with which a shot begins, as dataset.json has them; none where it does not say."""
        return self._frame_numbers("scene_cuts")

    def _number(self, i: int) -> int:
        return i if self.numbers is None else self.numbers[i]

    def _there(self, *names: str) -> Path:
        """The first of these files that is there; the first of all where none is."""
        paths = [self.root / name for name in names]
        return next((path for path in paths if path.is_file()), paths[0])

    def _frame_numbers(self, name: str) -> list[int]:
        numbers = self.read_record().get(name)
        return [i for i in numbers if isinstance(i, int)] if isinstance(numbers, list) else []

    def update_record(self, **entries: Any) -> None:
        """Set entries of dataset.json, keeping the others."""
        write_json(self.record, {**self.read_record(), **entries})
