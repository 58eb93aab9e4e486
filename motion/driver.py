"""What every driver of a face gives, whatever it reads: speech, a table, blendshapes or another face in a video."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

LONGEST = 3600.0  # seconds that a driver gives at most


@dataclass(frozen=True)
class DrivenMotion:
    """What a head does in N frames, 25 a second."""

    codes: Float[Tensor, "N K"]
    """Of the head's own expression code."""
    eyes: Float[Tensor, "N"] | None = None
    """Blink intensity, 0 (open) to 1; None: blinks are borrowed."""
    poses: Float[Tensor, "N 4 4"] | None = None
    """Head to camera as a reference clip's cameras have them (OpenCV, decimetres); None: poses are borrowed."""

    def __len__(self) -> int:
        return len(self.codes)
