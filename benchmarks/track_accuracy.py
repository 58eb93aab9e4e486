"""How far a head's track is from the truth, whatever its head frame: that is the tracker's to choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from benchmarks.sample_truth import SampleTruth
from data_utils.face_tracking.rotations import euler_to_matrix
from data_utils.track_file import open_track

TRUSTED = 0.5  # of a track's trust, from which on a pose is believed
OFF = 3.0  # pixels at the head's corners, from which on a rendered head is seen beside its place
LEAST = 10  # trusted frames that say where the track's head frame is
_ROUNDS = 8  # of reweighting; the corners no longer move by then


@dataclass(frozen=True)
class TrackAccuracy:
    """What is wrong with a track of N frames. Frames without the person count for nothing.

    Pixels are what a rendered head shows. Angles can be off by degrees where pixels are right: in a short clip, or of a
    head that hardly turns, a smaller turn of a deeper head looks the same (the bas-relief ambiguity).
    """

    rotation_degrees: float  # root mean square over the trusted frames
    jitter_degrees: float  # the same of its change from one trusted frame to the next
    frames_off: float  # share of the frames whose head's corners are off by more than 3 px
    trusted_off: float  # share of the frames that are trusted all the same
    untrusted: float  # share of the frames without trust
    median_pixels: float  # that the corners are off by


def track_accuracy(folder: DatasetFolder, truth: SampleTruth) -> TrackAccuracy:
    """Compare a dataset's track with the truth. Raises EGSTalkerError for a track that trusts no frame."""
    track = open_track(folder.track_params)
    rotation = euler_to_matrix(track["euler"].double().numpy())
    translation, focal = track["trans"].double().numpy(), float(track["focal"].reshape(-1)[0])
    trusted = trust_of(track)
    good = trusted & truth.present
    if good.sum() < LEAST:
        raise EGSTalkerError(f"the track trusts {good.sum()} of {len(good)} frames; that is nothing to compare")
    errors = np.full((len(rotation), 3), np.nan)
    errors[good] = angle_errors(rotation[good], truth.rotation[good])
    steps = np.diff(errors, axis=0)
    off = corner_errors(rotation, translation, focal, truth, good)[truth.present]
    return TrackAccuracy(
        rotation_degrees=rms(errors[good]),
        jitter_degrees=rms(steps[np.isfinite(steps[:, 0])]),
        frames_off=float((off > OFF).mean()),
        trusted_off=float(((off > OFF) & trusted[truth.present]).mean()),
        untrusted=float((~trusted[truth.present]).mean()),
        median_pixels=float(np.median(off)),
    )


def trust_of(track: dict[str, Any]) -> Bool[np.ndarray, "N"]:
    """Which poses of a track_params.pt are to be believed: what it says itself, else where the face was found and its
    picture fits."""
    if "trust" in track:
        return track["trust"].double().numpy() >= TRUSTED
    trusted = track["found"].numpy().astype(bool)
    return trusted & (track["correlation"].numpy() >= TRUSTED) if "correlation" in track else trusted


def angle_errors(found: Float[np.ndarray, "N 3 3"], true: Float[np.ndarray, "N 3 3"]) -> Float[np.ndarray, "N 3"]:
    """Rotation vectors in degrees from true to found, after the constant turn of the head frame is taken out."""
    gauge = Rotation.from_matrix(np.swapaxes(true, 1, 2) @ found).mean().as_matrix()
    return np.degrees(Rotation.from_matrix(np.swapaxes(true @ gauge, 1, 2) @ found).as_rotvec())


def rms(vectors: Float[np.ndarray, "*N D"]) -> float:
    """Root of the mean squared length of vectors."""
    return float(np.sqrt((np.asarray(vectors) ** 2).sum(-1).mean()))


def corner_errors(
    rotation: Float[np.ndarray, "N 3 3"],
    translation: Float[np.ndarray, "N 3"],
    focal: float,
    truth: SampleTruth,
    good: Bool[np.ndarray, "N"],
) -> Float[np.ndarray, "N"]:
    """How far (pixels) the head's corners, carried along by a track, are from where they truly are: RMS of the eight.

    Where a corner is in the track's own head frame is what fits the good frames best: the point whose projections are
    off the least (linear triangulation, reweighted towards the least sum of distances).
    """
    wanted = (truth.corners - truth.size / 2) / focal  # [N, 8, 2]: x right, y down, over the depth
    squared = np.zeros(len(rotation))
    (row_x, row_y, row_z), (shift_x, shift_y, shift_z) = np.moveaxis(rotation, 1, 0), translation.T
    for u, v in np.moveaxis(wanted, (1, 2), (0, 1)):
        # u = -X / Z and v = Y / Z of R p + t: two equations a frame, linear in p.
        rows = np.stack([row_x + u[:, None] * row_z, row_y - v[:, None] * row_z], 1)
        right = -np.stack([shift_x + u * shift_z, shift_y - v * shift_z], 1)
        weight = good.astype(float)
        for _ in range(_ROUNDS):
            scale = np.sqrt(weight)[:, None]
            point = np.linalg.lstsq((scale[..., None] * rows).reshape(-1, 3), (scale * right).ravel(), rcond=None)[0]
            x, y, z = (rotation @ point + translation).T
            distance = focal * np.hypot(-x / z - u, y / z - v)
            weight = good / np.maximum(distance, 0.5)
        squared += distance**2
    return np.sqrt(squared / wanted.shape[1])
