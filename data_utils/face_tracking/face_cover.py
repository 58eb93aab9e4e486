"""Where something hides the face: a hand, a microphone, a cup before the chin.

The skin at each point of the mesh keeps its colour, but for light, which changes slowly over the face. What is before
it has another colour in many points at once. Lids, brows and lips, and the skin that they move, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, UInt8
from scipy.ndimage import label, median_filter

from data_utils.face_tracking import face_topology
from data_utils.face_tracking.face_surface import vertex_normals
from data_utils.face_tracking.feature_tracks import angles, choose_references
from data_utils.face_tracking.perspective import Poses, cauchy_weight, project
from data_utils.face_tracking.smoothing import shots
from data_utils.parallel import in_threads
from media.images import read_rgb

COVERED, _STILL_COVERED = 0.1, 0.05  # of the visible face: from when and until when something hides it
_MOMENT = 5  # frames: what is shorter is a highlight or a blurred turn, not a hand
_PATCH = 0.03  # decimetres: the spread of the skin that a point's colour is the mean of
_FACING = 0.3  # cosine to the view from which on a point is seen well enough
_LEAST_SPREAD = 2.5  # grey levels that the colour of skin strays by at least
_CLEAR, _CLEAR_DEVIATION = 30, 0.385  # percentile that a face hidden for half of the time leaves alone; its deviation
_UNLIKE = 3.5  # spreads from which on a colour is another's
_ROUNDS = 4
_FEWEST = 30  # points that must be seen
_VIEWS, _VIEWS_APART = 12, 0.2  # rad between views of their own
_KNOWN_WITHIN = 0.3  # rad of a view: farther off, nobody knows how the face looks
_VIEW_FRAMES = 8  # frames of a view in which a point must be seen, for the view to have a say


def covered(share: Float64[np.ndarray, "N"], cuts: Sequence[int] = ()) -> Bool[np.ndarray, "N"]:
    """Frames in which something hides the face, by how much of it looks unlike itself.

    From when a tenth of it does, back to where that began and on to where it ends (Canny's hysteresis, over time).

    Args:
        share: [N], of :func:`covered_share`.
        cuts: frames at which a new shot begins.
    """
    parts = []
    for shot in shots(len(share), cuts):
        lasting = median_filter(share[shot], _MOMENT, mode="nearest")
        runs, _ = label(lasting > _STILL_COVERED)
        parts.append(np.isin(runs, np.setdiff1d(runs[lasting > COVERED], 0)))
    return np.concatenate(parts)


def covered_share(
    frames: Sequence[Path],
    poses: Poses,
    trusted: Bool[np.ndarray, "N"],
    to_fit: Bool[np.ndarray, "N"],
    shape: Float64[np.ndarray, "478 3"],
    focal: float,
    centre: tuple[float, float],
) -> Float64[np.ndarray, "N"]:
    """How much of the visible face, 0..1, looks unlike itself in each of N frames.

    It is 0 in those not ``trusted``, and in those that are turned as none that may be learnt from is.

    Args:
        frames: N image files.
        poses: N.
        trusted: [N] frames whose poses are good to a few pixels.
        to_fit: [N] the frames that tell what the face looks like.
        shape: [478, 3] landmarks, decimetres, head frame.
        focal: pixels.
        centre: principal point, pixels.

    Raises:
        EGSTalkerError: an image is unreadable.
    """
    points = _steady_points(shape)
    normals = vertex_normals(shape)[points]
    places = shape[points]
    wanted = np.flatnonzero(trusted)
    colours = np.full((len(frames), len(points), 3), np.nan, np.float32)

    def look(i: int) -> None:
        camera = poses[i : i + 1].transform(places)[0]
        towards = -camera / np.linalg.norm(camera, axis=-1, keepdims=True)
        seen = ((normals @ poses.rotation[i].T) * towards).sum(-1) > _FACING
        colours[i] = _colours(
            read_rgb(frames[i]), project(camera, focal, centre), _PATCH * focal / -camera[:, 2].mean()
        )
        colours[i, ~seen] = np.nan

    in_threads(look, wanted.tolist())
    fitted = trusted & to_fit
    seen_often = np.isfinite(colours[fitted, :, 0]).sum(axis=0) > 0.1 * max(fitted.sum(), 1)
    if seen_often.sum() < _FEWEST:
        return np.zeros(len(frames))
    colours, places = colours[:, seen_often], places[seen_often]
    usual, view, away = _usual(colours, poses, fitted)
    off = np.stack([_without_light(colours[i] - usual[view[i]], places) for i in wanted])
    spread = np.nanpercentile(np.abs(off[fitted[wanted]]), _CLEAR, axis=0) / _CLEAR_DEVIATION + _LEAST_SPREAD
    unlike = (np.abs(off) > _UNLIKE * spread).any(axis=-1)
    share = np.zeros(len(frames))
    seen = np.isfinite(off[..., 0]).sum(axis=1)
    share[wanted] = np.where(seen < _FEWEST, 0.0, unlike.sum(axis=1) / np.maximum(seen, 1))
    share[away > _KNOWN_WITHIN] = 0.0
    return share


def _usual(
    colours: Float32[np.ndarray, "N P 3"], poses: Poses, fitted: Bool[np.ndarray, "N"]
) -> tuple[Float32[np.ndarray, "V P 3"], Int[np.ndarray, "N"], Float64[np.ndarray, "N"]]:
    """What the points look like in each of V views; which of them each frame is like, and by how much (rad) it is not.

    Light stays while a head turns, and a cheek that is turned away from it is no hand.
    """
    references = choose_references(poses.rotation, fitted, _VIEWS_APART, _VIEWS)
    apart = angles(poses.rotation, poses.rotation[references])
    view = apart.argmin(axis=1)
    always = np.nanmedian(colours[fitted], axis=0)
    usual = []
    for k in range(len(references)):
        like = colours[fitted & (view == k)]
        often = np.isfinite(like[..., 0]).sum(axis=0) >= _VIEW_FRAMES
        own = always.copy()
        own[often] = np.nanmedian(like[:, often], axis=0)
        usual.append(own)
    return np.stack(usual), view, apart.min(axis=1)


def _steady_points(shape: Float64[np.ndarray, "478 3"]) -> Int[np.ndarray, "P"]:
    """The mesh's points whose skin neither lids, brows nor lips move: none of theirs, nor two edges away."""
    moving = np.zeros(face_topology.NUM_LANDMARKS, bool)
    moving[np.concatenate(face_topology.openings())] = True
    above = shape[:, 1] > shape[face_topology.NOSE_BASE, 1]  # below, skin moves with the jaw, which shows skin again
    moving |= above & (face_topology.landmark_noise(shape) >= face_topology.RIGID_BELOW)
    a, b = face_topology.mesh_edges().T
    for _ in range(2):
        near = moving.copy()
        near[a[moving[b]]] = near[b[moving[a]]] = True
        moving = near
    return np.flatnonzero(~moving[: face_topology.NUM_MESH])


def _colours(
    image: UInt8[np.ndarray, "H W 3"], pixels: Float64[np.ndarray, "P 2"], spread: float
) -> Float32[np.ndarray, "P 3"]:
    """Mean colours around pixels of an RGB image, 0..255; nan outside it."""
    low = np.floor(pixels.min(axis=0) - 3 * spread).clip(0).astype(int)
    high = np.ceil(pixels.max(axis=0) + 3 * spread).astype(int)
    cut = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    if min(cut.shape[:2]) < 2:
        return np.full((len(pixels), 3), np.nan, np.float32)
    smooth = cv2.GaussianBlur(cut, (0, 0), max(spread, 0.5))
    column, row = np.floor(pixels - low).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < cut.shape[1]) & (row < cut.shape[0])
    found = smooth[row.clip(0, cut.shape[0] - 1), column.clip(0, cut.shape[1] - 1)]
    return np.where(inside[:, None], found, np.float32(np.nan))


def _without_light(off: Float32[np.ndarray, "P 3"], places: Float64[np.ndarray, "P 3"]) -> Float64[np.ndarray, "P 3"]:
    """How far colours are off, less what changes evenly over the face: robust regression on the place."""
    seen = np.isfinite(off[:, 0])
    basis = np.concatenate([np.ones((len(places), 1)), places], axis=1)[seen]
    values, left = off[seen].astype(np.float64), np.full(off.shape, np.nan)
    if len(values) < _FEWEST:
        return left
    rest = values - np.median(values, axis=0)
    for _ in range(_ROUNDS):
        weight = cauchy_weight((rest**2).sum(-1) / (3 * _LEAST_SPREAD**2))[:, None]
        normal = basis.T @ (basis * weight) + 1e-6 * np.eye(4)
        rest = values - basis @ np.linalg.solve(normal, basis.T @ (values * weight))
    left[seen] = rest
    return left
