"""The point cloud that a torso starts from: the torso of one frame, made solid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from scipy.spatial import cKDTree

from arguments.errors import EGSTalkerError
from data_utils.cures import read_picture
from data_utils.face_parsing.classes import BACKGROUND, NECK, TORSO, to_classes_and_share
from scene.reference_clip import ReferenceClip

BEYOND = 0.08  # of the picture's side: how far the body goes on below and beside it, for when it moves
HIDDEN = 0.04  # of the side: how deep under the head's outline the neck is taken to hang on the head wholly
ROUND = 0.8  # decimetres, of the radius with which the body's outline bends away from the camera
THROAT, CHEST = -0.05, 0.3  # decimetres before the middle of the head, in its frame
CHEST_BELOW = 1.5  # decimetres under the collar, where the chest is as far in front as it gets
UNDER = 0.35  # decimetres that the neck under the head is farther back
BEHIND = 0.15  # decimetres from a collar back to the neck in it
_EVENLY = 0.25  # share of the Gaussians' density that detail does not change
_STRONG = 95  # percentile of the gradient that counts as full detail
_LEAST = 100  # pixels of a torso


class NoTorsoError(EGSTalkerError):
    """A dataset shows no torso."""


@dataclass(frozen=True)
class TorsoCloud:
    """Coloured points of a torso."""

    points: Float[np.ndarray, "M 3"]  # decimetres, head frame
    colours: Float[np.ndarray, "M 3"]  # 0..1
    spacing: Float[np.ndarray, "M"]  # decimetres, mean distance to the three nearest
    attached: Float[np.ndarray, "M"]  # how much each goes along with the head, 0..1


def torso_cloud(clip: ReferenceClip, rest: int, count: int, seed: int = 0) -> TorsoCloud:
    """Points of the torso of the frame ``rest``: as it is seen, under the head, and a little beyond the picture.

    There are more of them where there is more to see. How deep they lie is a guess: the throat is behind the chin, the
    chest in front of it, and the outline bends away.

    Args:
        clip: whose frame it is.
        rest: its number.
        count: of the points.
        seed: of their random places.

    Raises:
        NoTorsoError: the frame shows no torso.
        EGSTalkerError: a file of it is missing or damaged.
    """
    pad = round(BEYOND * clip.width)
    torso = _extended(clip.backdrops.torso(rest), pad)
    maps = read_picture(clip.folder, clip.folder.parsing_map(rest), alpha=None)
    classes, share = (_extended(part, pad) for part in to_classes_and_share(maps))
    solid = torso[..., 3] > 127
    if solid.sum() < _LEAST:
        raise NoTorsoError(f"frame {rest} of {clip.folder.root} shows no torso; train with --torso frames")
    random = np.random.default_rng(seed)
    density = (_detail(torso) * solid).ravel()
    chosen = random.choice(density.size, count, p=density / density.sum())
    rows, columns = np.divmod(chosen, torso.shape[1])
    camera = clip.camera[rest]
    pose, lens = camera.viewmats[0].double().numpy(), camera.intrinsics[0].double().numpy()
    focal, principal = np.array([lens[0, 0], lens[1, 1]]), lens[:2, 2]
    relief = _relief(classes, share, pose[2, 3] / focal.mean())
    depth = pose[2, 3] - relief[rows, columns]
    pixels = np.stack([columns - pad, rows], axis=1) + random.uniform(0, 1, (count, 2))
    plane = (pixels - principal) / focal
    in_camera = np.concatenate([plane * depth[:, None], depth[:, None]], axis=1)
    points = (in_camera - pose[:3, 3]) @ pose[:3, :3]
    distances, _ = cKDTree(points).query(points, k=min(4, count))
    return TorsoCloud(
        points.astype(np.float32),
        (torso[rows, columns, :3] / 255).astype(np.float32),
        distances[:, 1:].mean(1).astype(np.float32),
        _attached(classes, share)[rows, columns].astype(np.float32),
    )


def _extended(picture: UInt8[np.ndarray, "H W *C"], pad: int) -> UInt8[np.ndarray, "H+{pad} W+2*{pad} *C"]:
    """A picture that goes on as it ends, to the left, to the right and below."""
    return cv2.copyMakeBorder(picture, 0, pad, pad, pad, cv2.BORDER_REPLICATE)


def _detail(torso: UInt8[np.ndarray, "H W 4"]) -> Float32[np.ndarray, "H W"]:
    """How densely Gaussians should lie."""
    grey = cv2.cvtColor(torso[..., :3], cv2.COLOR_RGB2GRAY).astype(np.float32)
    strength = np.hypot(cv2.Scharr(grey, cv2.CV_32F, 1, 0), cv2.Scharr(grey, cv2.CV_32F, 0, 1))
    strength = cv2.GaussianBlur(strength, (0, 0), 1.5)
    full = np.percentile(strength[torso[..., 3] > 127], _STRONG)
    return _EVENLY + np.minimum(strength / max(float(full), 1e-6), 1)


def _attached(classes: UInt8[np.ndarray, "H W"], share: UInt8[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """How much of the head's motion a place goes along with: all deep under the head, nothing where clothes are."""
    head, clothes = share == 255, (classes == TORSO) & (share == 0)
    reach = max(1, round(HIDDEN * classes.shape[1]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    deep = cv2.erode(head.astype(np.uint8), kernel) > 0
    if not clothes.any():  # bare shoulders: all that is not the head's ends at the bottom
        clothes[-1] = True
    if not deep.any():
        deep = head
    if not deep.any():
        return np.zeros(classes.shape, np.float32)
    to_clothes, to_head = _distance(clothes), _distance(deep)
    attached = to_clothes / np.maximum(to_clothes + to_head, 1)
    return cv2.GaussianBlur(attached, (0, 0), 0.01 * classes.shape[1]) * ~clothes


def _relief(
    classes: UInt8[np.ndarray, "H W"], share: UInt8[np.ndarray, "H W"], pixel: float
) -> Float[np.ndarray, "H W"]:
    """How far in front of the head's middle places are, decimetres; ``pixel``: the size of one there."""
    head, person = share == 255, classes != BACKGROUND
    from_outline = np.minimum(_distance(~person) * pixel, ROUND)
    bend = np.sqrt(from_outline * (2 * ROUND - from_outline)) - ROUND
    rows = np.arange(len(classes))[:, None]
    collar = np.flatnonzero((classes == TORSO).any(1))
    top = collar[0] if len(collar) else len(classes)
    forward = THROAT + (CHEST - THROAT) * np.clip((rows - top) * pixel / CHEST_BELOW, 0, 1)
    under = UNDER * np.clip(_distance(~head) / max(1.0, HIDDEN * classes.shape[1]), 0, 1)
    return forward + bend - under - BEHIND * (classes == NECK)


def _distance(mask: Bool[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """Pixels to the nearest one of ``mask``; very many where there are none."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
