"""Points that turn with the skull, and where the frames of a clip show them.

A table of all points in all frames grows with the clip to gigabytes; here it is put together for some frames at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from data_utils.face_tracking.bundle_adjustment import Priors, choose_key_frames, fit_shape
from data_utils.face_tracking.perspective import Poses, cauchy_weight, fit_poses, project
from data_utils.parallel import blocks

KEY_FRAMES = 120


@dataclass(frozen=True)
class Observed:
    """Where N frames show p points."""

    pixels: Float[np.ndarray, "N p 2"]
    noise: Float64[np.ndarray, "p"]  # pixels, standard deviation; infinite leaves a point out
    seen: Bool[np.ndarray, "N p"] | None = None  # None: everywhere

    def spread(self, frames: slice | Int[np.ndarray, "n"]) -> Float64[np.ndarray, "n p"]:
        """The noise of what some frames show, pixels; infinite where that is nothing."""
        noise = np.broadcast_to(self.noise, self.pixels[frames].shape[:2])
        return noise if self.seen is None else np.where(self.seen[frames], noise, np.inf)


@dataclass(frozen=True)
class RigidPoints:
    """P points of a head, those of one observation after those of the other."""

    places: Float64[np.ndarray, "P 3"]  # decimetres, head frame
    observed: tuple[Observed, ...]  # of N frames

    def __getitem__(
        self, frames: slice | Int[np.ndarray, "n"]
    ) -> tuple[Float64[np.ndarray, "n P 2"], Float64[np.ndarray, "n P"]]:
        """Where some frames show the points, pixels, and the noise of that, pixels."""
        pixels = np.concatenate([part.pixels[frames] for part in self.observed], axis=1).astype(np.float64)
        return pixels, np.concatenate([part.spread(frames) for part in self.observed], axis=1)

    def poses(self, focal: float, centre: tuple[float, float], start: Poses) -> Poses:
        """The N poses that best project the points on where they are seen; see :func:`perspective.fit_poses`."""
        parts = [fit_poses(self.places, *self[rows], focal, centre, start[rows]) for rows in blocks(len(start))]
        return Poses(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("rotation", "translation")))

    def reprojection(
        self, poses: Poses, usable: Bool[np.ndarray, "N"], focal: float, centre: tuple[float, float]
    ) -> Float64[np.ndarray, "N"]:
        """RMS distance of the points, fitted under the poses, from where they are seen, robustly weighted.

        Args:
            poses: N.
            usable: [N], the frames that the points may be fitted in.
            focal: pixels.
            centre: principal point, pixels.

        Returns:
            [N] pixels.
        """
        frames = choose_key_frames(poses.rotation, usable, KEY_FRAMES)
        pixels, spread = self[frames]
        prior = Priors(focal, shape_spread=0.1, evidence=1.0)
        places = fit_shape(pixels, poses[frames], self.places, spread, focal, centre, prior)
        distances = []
        for rows in blocks(len(poses)):
            pixels, spread = self[rows]
            squared = ((pixels - project(poses[rows].transform(places), focal, centre)) ** 2).sum(-1)
            weight = cauchy_weight(squared / spread**2) / spread**2
            distances.append(np.sqrt((weight * squared).sum(1) / np.maximum(weight.sum(1), 1e-12)))
        return np.concatenate(distances)
