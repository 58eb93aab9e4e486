"""What one step of training sees of a batch of frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Bool, Float, Int
from torch import Tensor

from scene.drive import Drive


@dataclass(frozen=True)
class FrameBatch:
    """B frames of a dataset: what drives them and what they should look like, cut to one size."""

    index: Int[Tensor, "B"]
    """Frame numbers in the dataset."""
    drive: Drive
    image: Float[Tensor, "B H W 3"]
    """The frame over the clean background, 0..1."""
    background: Float[Tensor, "B H W 3"]
    """Clean background with the torso over it, 0..1."""
    head: Float[Tensor, "B H W"]
    """How much of each pixel is the head's (face, hair and ears), 0..1: fractions where hair lies on the shoulders."""
    mouth: Bool[Tensor, "B H W"]
    """Pixels of the box around the lips."""
    eyes: Bool[Tensor, "B H W"]
    """Pixels of the boxes around the eyes."""
    corner: Int[Tensor, "B 2"]
    """Top left pixel (x, y) of the cut in the whole picture."""

    def to(self, device: str) -> FrameBatch:
        """The same batch on a device."""
        names = ("index", "drive", "image", "background", "head", "mouth", "eyes", "corner")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})
