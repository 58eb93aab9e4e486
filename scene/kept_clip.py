"""What a model keeps of its clip, so that its head speaks without the dataset: no frame, no sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from scene.cameras import Camera
from scene.clip import Clip

LONGEST = 10 * 60 * 60 * 25  # frames that are believed: ten hours
LARGEST = 8192  # pixels of a side


class Room:
    """The clean background of a clip whose frames are not here."""

    def __init__(self, background: UInt8[np.ndarray, "H W 3"], model: Path) -> None:
        self.background = background
        self._model = model

    def __getitem__(self, i: int) -> UInt8[np.ndarray, "H W 3"]:
        raise self._absent()

    def compose(self, i: int, behind: UInt8[np.ndarray, "H W 3"] | None = None) -> UInt8[np.ndarray, "H W 3"]:
        """Raises EGSTalkerError."""
        raise self._absent()

    def torso(self, i: int) -> UInt8[np.ndarray, "H W 4"]:
        """Raises EGSTalkerError."""
        raise self._absent()

    def cut_out(self, i: int) -> UInt8[np.ndarray, "H W 4"]:
        """Raises EGSTalkerError."""
        raise self._absent()

    def _absent(self) -> EGSTalkerError:
        return EGSTalkerError(
            f"{self._model} keeps no frames of its clip: give --reference_path, or show the learnt torso"
        )


class KeptClip(Clip):
    """A clip as :func:`keep_clip` wrote it into a model folder."""

    def __init__(self, model_path: Path | str) -> None:
        """Raises EGSTalkerError where the model has kept none, or the file is damaged."""
        folder = ModelFolder(Path(model_path))
        self.root = folder.root
        path = folder.kept_clip
        if not path.exists():
            raise EGSTalkerError(
                f"{folder.root} keeps nothing of its clip: give --reference_path, or learn its torso with ./train.sh "
                "and --only torso"
            )
        try:
            with safe_open(path, framework="pt") as file:
                values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                about = file.metadata() or {}
            self._take(values, about)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise EGSTalkerError(
                f"{path} is damaged; ./train.sh with --only torso makes it again, --reference_path does without"
            ) from error

    def _take(self, values: dict[str, torch.Tensor], about: dict[str, str]) -> None:
        views, lenses, eyes = (values[name].float() for name in ("viewmats", "intrinsics", "eyes"))
        speaks, loud, lost, cuts = (values[name] for name in ("speaks", "loudness", "lost", "cuts"))
        room = values["background"]
        self.num_frames = len(views)
        if not 0 < self.num_frames <= LONGEST or views.shape[1:] != (4, 4) or lenses.shape != (self.num_frames, 3, 3):
            raise ValueError("poses")
        if not all(part.shape == (self.num_frames,) for part in (eyes, speaks, loud)):
            raise ValueError("frames")
        if room.dtype != torch.uint8 or room.ndim != 3 or room.shape[2] != 3 or not 0 < max(room.shape) <= LARGEST:
            raise ValueError("background")
        if not all(part.isfinite().all() for part in (views, lenses, eyes, speaks.double(), loud.double())):
            raise ValueError("not finite")
        for numbers in (lost, cuts):
            if numbers.ndim != 1 or (len(numbers) and not 0 <= numbers.min() <= numbers.max() < self.num_frames):
                raise ValueError("frame numbers")
        self.height, self.width = room.shape[:2]
        train = int(about["train"])
        if not 0 < train <= self.num_frames:
            raise ValueError("training part")
        self.train, self.val = range(train), range(train, self.num_frames)
        self.lost, self.cuts = frozenset(lost.tolist()), frozenset(cuts.tolist())
        self.eyes, self.camera = eyes, Camera(views, lenses, self.width, self.height)
        self._voice = speaks.double().numpy(), loud.double().numpy()
        self.backdrops = Room(room.numpy(), self.root)
        self.extractor = about["extractor"] or None
        self.feature_shape = tuple(int(n) for n in about["feature_shape"].split(","))

    def voice(self) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
        """See :class:`scene.clip.Clip`."""
        return self._voice


def keep_clip(folder: ModelFolder, clip: Clip) -> None:
    """Write what a head needs of its clip into the model folder."""
    speaks, loud = clip.voice()
    values = {
        "viewmats": clip.camera.viewmats,
        "intrinsics": clip.camera.intrinsics,
        "eyes": clip.eyes,
        "speaks": torch.from_numpy(speaks),
        "loudness": torch.from_numpy(loud),
        "lost": _numbers(sorted(clip.lost)),
        "cuts": _numbers(sorted(clip.cuts)),
        "background": torch.from_numpy(clip.backdrops.background),
    }
    about = {
        "train": str(len(clip.train)),
        "extractor": clip.extractor or "",
        "feature_shape": ",".join(map(str, clip.feature_shape)),
    }
    with atomic_path(folder.kept_clip) as temporary:
        save_file({name: value.contiguous() for name, value in values.items()}, temporary, metadata=about)


def _numbers(frames: Sequence[int]) -> torch.Tensor:
    return torch.tensor(list(frames), dtype=torch.int64)
