"""What figures were made from: enough to tell whether others may stand beside them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from arguments.version import VERSION
from motion.model_motion import ModelMotion
from scene.head import GaussianHead
from scene.reference_clip import ReferenceClip
from scene.torso import Torso


@dataclass(frozen=True)
class Origin:
    """A checkpoint, a dataset, and what they were measured with."""

    iteration: int
    """Of the fine stage; 0 is a head that has only learnt to be at rest."""
    weights: str
    """SHA-256 of the checkpoint's tensors and of the speech model's."""
    dataset: str
    """Folder of the dataset."""
    poses: str
    """SHA-256 of its transforms_train.json, which tells datasets apart wherever they lie."""
    device: str
    version: str
    """Of the project."""
    torso: str = ""
    """SHA-256 of the tensors of the learnt torso that is shown; empty where none is."""

    @classmethod
    def of(
        cls,
        head: GaussianHead,
        clip: ReferenceClip,
        iteration: int,
        motion: ModelMotion | None = None,
        torso: Torso | None = None,
    ) -> Origin:
        """The origin of what is measured now, of a head as it was loaded, of what moves it, and of its torso."""
        return cls(
            iteration=iteration,
            weights=weights_digest(head, motion),
            dataset=str(clip.folder.root.resolve()),
            poses=clip.poses_digest(),
            device=str(next(head.parameters()).device),
            version=VERSION,
            torso="" if torso is None else _digest(torso.state_dict()),
        )

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Origin:
        """Of what ``dataclasses.asdict`` made. Raises TypeError or ValueError for anything else."""
        known = cls(**value)
        for field in dataclasses.fields(cls):
            if type(getattr(known, field.name)).__name__ != field.type:
                raise ValueError(f"{field.name} is no {field.type}")
        return known

    def same_work(self, other: Origin | None) -> bool:
        """Whether ``other`` figures are of the same weights on the same dataset, on whatever device.

        Of figures without a learnt torso it does not matter which there is.
        """
        if other is None or (self.weights, self.poses) != (other.weights, other.poses):
            return False
        return self.torso == other.torso or not (self.torso and other.torso)

    def of_head_alone(self) -> Origin:
        """The same without a torso."""
        return dataclasses.replace(self, torso="")


def weights_digest(head: GaussianHead, motion: ModelMotion | None = None) -> str:
    """SHA-256 over the names and values of a head's tensors, wherever they are, and of its speech model's."""
    values = dict(sorted(head.state_dict().items()))
    if motion is not None and motion.speech is not None:
        values |= sorted((f"speech.{name}", value) for name, value in motion.speech.state_dict().items())
    return _digest(values)


def _digest(values: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in values.items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
