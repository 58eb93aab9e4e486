"""Which pieces of a face track are of one person: the one who is seen longest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from data_utils.one_face import PORTRAIT, Sightings, box_of, near
from data_utils.parallel import blocks

_REACH, _SCALE = 0.75, 1.4  # between the places of a person in two shots, see one_face.near
_SAME = 0.68  # correlation of the likest two portraits; of one person in two shots it was 0.76-0.94, of two 0.18-0.62
_PORTRAITS = 200  # of a piece that are compared


@dataclass(frozen=True)
class _Piece:
    """Frames in which a face was followed without a break."""

    frames: Int[np.ndarray, "n"]  # numbers
    to_fit: int  # how many of these are frames to fit
    shot: int
    place: Float[np.ndarray, "3"]  # see one_face.box_of; the median
    portraits: Float32[np.ndarray, "P D"]  # flat, see one_face.Sightings


def of_one_person(sightings: Sightings, fit_frames: int | None = None) -> Bool[np.ndarray, "N"]:
    """The frames that show the person whose track is the longest.

    Two pieces of the track are of one person where they are at one place in the picture and, if a cut lies between
    them, look alike in their likest portraits, which show about the same pose.

    Args:
        sightings: of N frames.
        fit_frames: who the person is, the first so many frames say; all unless given.

    Returns:
        bool [N].
    """
    groups: list[list[_Piece]] = []
    pieces = _pieces(sightings, len(sightings.found) if fit_frames is None else fit_frames)
    for piece in sorted(pieces, key=lambda piece: (-piece.to_fit, -len(piece.frames))):
        home = next((group for group in groups if any(_alike(piece, other) for other in group)), None)
        if home is None:
            groups.append([piece])
        else:
            home.append(piece)
    shown = np.zeros(len(sightings.found), bool)
    longest = max(groups, key=lambda group: sum(piece.to_fit for piece in group), default=[])
    for piece in longest:
        shown[piece.frames] = True
    return shown


def likeness(portraits: Float[np.ndarray, "P D"], others: Float[np.ndarray, "Q D"]) -> float:
    """Correlation of the likest two portraits.

    Args:
        portraits: [P, D], each of mean 0 and norm 1.
        others: [Q, D], the same.

    Returns:
        -1..1; 0 where either has none.
    """
    return float((portraits @ others.T).max(initial=-1.0)) if portraits.size and others.size else 0.0


def _pieces(sightings: Sightings, fit_frames: int) -> list[_Piece]:
    frames = np.flatnonzero(sightings.found)
    if len(frames) == 0:
        return []
    boxes = np.concatenate([box_of(sightings.points[frames[rows]]) for rows in blocks(len(frames))])
    breaks = [
        k
        for k in range(1, len(frames))
        if sightings.begins[frames[k]] or not near(boxes[k], boxes[k - 1])  # the seams of ranges followed apart
    ]
    shots = np.cumsum(sightings.cuts)
    pieces = []
    for part, places in zip(np.split(frames, breaks), np.split(boxes, breaks), strict=True):
        to_fit = int((part < fit_frames).sum())
        shown = slice(to_fit or None)  # the frames to fit speak for the piece where it has some
        portraits = [sightings.portraits[i].ravel() for i in part[shown].tolist() if i in sightings.portraits]
        some = np.array(portraits[:: -(-len(portraits) // _PORTRAITS) or 1], np.float32).reshape(-1, PORTRAIT**2)
        pieces.append(_Piece(part, to_fit, int(shots[part[0]]), np.median(places[shown], axis=0), some))
    return pieces


def _alike(piece: _Piece, other: _Piece) -> bool:
    if not near(piece.place, other.place, _REACH, _SCALE):
        return False
    return piece.shot == other.shot or likeness(piece.portraits, other.portraits) > _SAME
