"""One person's face through consecutive frames, whoever else appears.

FaceMesh follows a face until it loses it, and then takes whichever it finds: another person's, as a rule, where there
are two. Here a face is accepted while it goes on where the last one was; else it is sought again near that place, with
the rest of the picture blotted out. At a cut, and after a second without it, the face that is large and central is
taken, and a new piece of the track begins. Which pieces are of one person is for :mod:`data_utils.person` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from data_utils.face_mesh_model import NUM_POINTS, FaceMesh
from data_utils.scene_cuts import with_cuts

PATIENCE = 25  # frames for which a lost face is sought where it was
OTHERS_EVERY = 25  # frames between looks for other faces
_REACH = 0.5  # of the face's height: how far it may move between frames
_SCALE = 1.5  # by which it may grow or shrink
_SURROUNDINGS = 0.8  # of the face's height, seen around its last place when it is sought
PORTRAIT = 64  # pixels of the portraits' side
_PORTRAIT_EVERY = 5  # frames
_OUTER_CORNERS, _MOUTH = (33, 263), (61, 291)
_MOST_FACES = 4

Picture = UInt8[np.ndarray, "H W 3"]
Face = Float32[np.ndarray, "478 3"]
Place = Float[np.ndarray, "3"]  # centre x, y and height, pixels
Portrait = Float32[np.ndarray, "64 64"]


@dataclass(frozen=True)
class Sightings:
    """What was seen in N consecutive frames."""

    points: Float32[np.ndarray, "N 478 3"]  # pixels, zeros where no face was accepted
    found: Bool[np.ndarray, "N"]
    begins: Bool[np.ndarray, "N"]  # a new piece of the track begins here
    cuts: Bool[np.ndarray, "N"]  # a new shot begins here
    others: Bool[np.ndarray, "N"]  # another face was seen, in the frames that were looked at for one
    portraits: dict[int, Portrait]  # by frame: the face set upright, mean 0 and norm 1

    def __getitem__(self, frames: slice) -> Sightings:
        """The sightings from ``frames.start`` on."""
        kept = {i - frames.start: portrait for i, portrait in self.portraits.items() if i >= frames.start}
        return Sightings(
            self.points[frames], self.found[frames], self.begins[frames], self.cuts[frames], self.others[frames], kept
        )

    @classmethod
    def join(cls, parts: Sequence[Sightings]) -> Sightings:
        """The sightings of consecutive ranges of frames as those of one."""
        starts = np.cumsum([0, *(len(part.found) for part in parts)])
        portraits = {
            start + i: portrait
            for start, part in zip(starts.tolist(), parts, strict=False)
            for i, portrait in part.portraits.items()
        }

        def joined(name: str) -> np.ndarray:
            return np.concatenate([getattr(part, name) for part in parts])

        return cls(joined("points"), joined("found"), joined("begins"), joined("cuts"), joined("others"), portraits)


def box_of(points: Float[np.ndarray, "*B 478 3"]) -> Float[np.ndarray, "*B 3"]:
    """Centre x, y and height of faces."""
    low, high = points[..., :2].min(-2), points[..., :2].max(-2)
    return np.concatenate([(low + high) / 2, (high - low)[..., 1:]], -1)


def near(box: Place, place: Place, reach: float = _REACH, scale: float = _SCALE) -> bool:
    """Whether a face goes on where another was.

    Args:
        box: centre x, y and height, pixels.
        place: the same of the other.
        reach: heights that it may move.
        scale: factor by which it may grow or shrink.
    """
    distance = np.hypot(*(box[:2] - place[:2]))
    return bool(distance < reach * place[2] and 1 / scale < box[2] / max(place[2], 1e-6) < scale)


def follow(images: Iterable[Picture]) -> Sightings:
    """Follow one face through RGB images of consecutive frames."""
    points, begins, cuts, others = [], [], [], []
    portraits: dict[int, Portrait] = {}
    with _Follower() as follower:
        for i, (image, is_cut) in enumerate(with_cuts(images, lambda image: image)):
            cuts.append(is_cut)
            face, begin = follower(image, is_cut)
            points.append(face)
            begins.append(begin)
            others.append(face is not None and (begin or i % OTHERS_EVERY == 0) and follower.sees_others(image))
            if face is not None and (begin or i % _PORTRAIT_EVERY == 0):
                portraits[i] = _portrait(image, face)
    found = np.array([face is not None for face in points], bool)
    nothing = np.zeros((NUM_POINTS, 3), np.float32)
    stacked = np.array([nothing if face is None else face for face in points], np.float32)
    stacked = stacked.reshape(-1, NUM_POINTS, 3)
    return Sightings(stacked, found, np.array(begins), np.array(cuts), np.array(others), portraits)


class _Follower:
    def __init__(self) -> None:
        self._mesh, self._all = FaceMesh(), FaceMesh(max_faces=_MOST_FACES, tracking=False)
        self._place: Place | None = None
        self._lost_for = 0

    def __enter__(self) -> _Follower:
        return self

    def __exit__(self, *trace: object) -> None:
        for mesh in (self._mesh, self._all):
            mesh.__exit__(None, None, None)

    def __call__(self, image: Picture, is_cut: bool) -> tuple[Face | None, bool]:
        """The face, and whether it begins a new piece of the track."""
        if is_cut or self._lost_for > PATIENCE:
            self._place = None
        begins = self._place is None
        face = self._first(image) if self._place is None else self._next(image, self._place)
        if face is None:
            self._lost_for += 1
            return None, False
        self._place, self._lost_for = box_of(face), 0
        return face, begins

    def sees_others(self, image: Picture) -> bool:
        """Whether there is a face away from the one that is followed."""
        place = self._place
        return (
            any(not near(box_of(face), place, 0.7, 4) for face in self._all.faces(image))
            if place is not None
            else False
        )

    def _first(self, image: Picture) -> Face | None:
        """The face to begin with: the one that is large and central."""
        candidates = self._all.faces(image)
        if len(candidates) < 2:
            return next(iter(self._mesh.faces(image)), None)
        centre = np.array(image.shape[1::-1]) / 2
        boxes = box_of(candidates)
        best = int(np.argmax(boxes[:, 2] - 0.5 * np.hypot(*(boxes[:, :2] - centre).T)))
        return self._sought(image, boxes[best])

    def _next(self, image: Picture, place: Place) -> Face | None:
        for face in self._mesh.faces(image):
            if near(box_of(face), place):
                return face
        return self._sought(image, place)

    def _sought(self, image: Picture, place: Place) -> Face | None:
        """The face at ``place`` and nowhere else."""
        radius = (0.5 + _SURROUNDINGS) * place[2]
        left, top = np.maximum(place[:2] - radius, 0).astype(int)
        right, bottom = (place[:2] + radius).astype(int)
        alone = np.full_like(image, 127)
        alone[top:bottom, left:right] = image[top:bottom, left:right]
        return next((face for face in self._mesh.faces(alone) if near(box_of(face), place)), None)


def _portrait(image: Picture, face: Face) -> Portrait:
    """The face cut out with eyes and mouth at fixed places, free of brightness and contrast."""
    eyes, mouth = face[list(_OUTER_CORNERS), :2], face[list(_MOUTH), :2].mean(0)
    here = np.array([*eyes, mouth], np.float32)
    there = PORTRAIT * np.array([(0.2, 0.3), (0.8, 0.3), (0.5, 0.78)], np.float32)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    upright = cv2.warpAffine(grey, cv2.getAffineTransform(here, there), (PORTRAIT, PORTRAIT)).astype(np.float32)
    flat = upright - cv2.GaussianBlur(upright, (0, 0), PORTRAIT / 6)  # without the light's direction
    flat -= flat.mean()
    return flat / max(float(np.linalg.norm(flat)), 1e-6)
