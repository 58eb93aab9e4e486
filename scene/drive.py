"""What makes a person move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scene.cameras import Camera
from scene.signal_window import signal_windows

MODES = 6
BODY = 6 + MODES
"""Numbers that say how a body has moved in the picture: shift in x and y, a 2 x 2 matrix row by row, and modes."""


@dataclass(frozen=True)
class Drive:
    """What makes the head move in B frames."""

    signal: Float[Tensor, "B T *D"]
    """Of the frames around each frame: expression codes, or audio features (``drive`` of the model's settings)."""
    signal_frames: Int[Tensor, "B T"]
    """Absolute numbers of those frames (25 a second)."""
    eye: Float[Tensor, "B 1"]
    """Blink intensity, 0 (open) to 1 (AU45 / 5)."""
    camera: Camera
    """Pose of the head, as the camera's."""
    body: Float[Tensor, "B 12"]
    """How the body has moved in the picture (:class:`scene.torso.Torso`); a head alone does not look at it."""

    @classmethod
    def of(
        cls,
        signal: Float[Tensor, "N *D"],
        rows: Int[Tensor, "B"],
        window: int,
        eyes: Float[Tensor, "B"],
        camera: Camera,
        body: Float[Tensor, "B 12"] | None = None,
    ) -> Drive:
        """The drive of B frames.

        Args:
            signal: expression codes or audio features of a whole recording, one row a frame.
            rows: each frame's row among them, on their device.
            window: rows that one frame sees, centred on its own.
            eyes: blink intensity of each frame, 0..1.
            camera: B views.
            body: its motion; none unless given.
        """
        windows, numbers = signal_windows(signal, rows, window)
        body = camera.viewmats.new_zeros(len(camera), BODY) if body is None else body
        return cls(windows, numbers, eyes[:, None], camera, body)

    @classmethod
    def stack(cls, drives: Sequence[Drive]) -> Drive:
        """One batch from several, of one image size. Raises as :meth:`scene.cameras.Camera.stack`."""
        parts = zip(*((one.signal, one.signal_frames, one.eye, one.body) for one in drives), strict=True)
        signal, frames, eye, body = (torch.cat(part) for part in parts)
        return cls(signal, frames, eye, Camera.stack([one.camera for one in drives]), body)

    def __len__(self) -> int:
        return len(self.eye)

    def to(self, device: torch.device | str) -> Drive:
        """The same drive on a device."""
        parts = (self.signal, self.signal_frames, self.eye, self.body)
        signal, frames, eye, body = (part.to(device) for part in parts)
        return Drive(signal, frames, eye, self.camera.to(device), body)
