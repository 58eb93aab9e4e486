"""What stands behind and around the head: torso pictures, and frames over the clean background.

A rendered head is laid over ``background + torso picture`` and compared with the ground-truth frame, so outside the
head the two agree to the pixel. Under the head the torso goes on for a while and fades, so that no hole opens when the
head moves a little. Hair that is shared between the two is in both: the head's lies over the torso's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from arguments.dataset_folder import DatasetFolder
from data_utils.face_parsing.classes import BACKGROUND, NECK, to_classes_and_share
from data_utils.inpaint import fill_from_nearest
from data_utils.parallel import ranges, run_jobs
from media.images import read_rgb, read_rgb_or_rgba, write_image

UNDER_HEAD = 0.10  # of the frame's side: how far the torso goes on under the head
_RIM = 0.012  # of the side, along the head's outline against the background, where it does not
_EDGE_SIGMA = 1 / 512  # of the side, and a pixel at least: how soft the outline is against the new background
_STAINED = 0.004  # of the side: torso pixels this near something else are tinged by it and are no source of colour
_CLOTHES_LAST = 0.1  # of the side: neck and hair go on under the head where clothes are nearer by less than this
_FILL_SIGMA = 0.012  # of the side; blurs the streaks of what goes on under the head
_FADE = 0.015  # of the side, over which what goes on under the head ends
_MIX_SIGMA = 0.015  # of the side, over which neck, hair and clothes pass into each other there
_COARSE = 4  # pixels to one, where colours that nobody sees are made up


def make_torso_images(
    folder: DatasetFolder,
    num_frames: int,
    torso: Path,
    ground_truth: Path,
    done: Callable[[int], None] = lambda frames: None,
) -> None:
    """Write ``torso``/i.png (RGBA) and ``ground_truth``/i.jpg for every frame, from frames, parsing maps and bc.jpg."""
    jobs = ranges(num_frames, 50)
    run_jobs(partial(_make_range, folder, torso, ground_truth), jobs, done=lambda i: done(len(jobs[i])))


def separate(
    image: UInt8[np.ndarray, "H W 3"], parsing: UInt8[np.ndarray, "H W C"], background: UInt8[np.ndarray, "H W 3"]
) -> tuple[UInt8[np.ndarray, "H W 4"], UInt8[np.ndarray, "H W 3"]]:
    """Torso picture and ground truth of one frame.

    Args:
        image, background: RGB uint8 [H, W, 3].
        parsing: the parsing map, RGB or RGBA uint8 [H, W, 3 or 4].

    Returns:
        RGBA uint8 [H, W, 4]: torso and neck, in-painted under the head's lower edge, elsewhere transparent;
        RGB uint8 [H, W, 3]: the frame with ``background`` outside the person.
    """
    side = image.shape[1]
    classes, share = to_classes_and_share(parsing)
    head, behind = share == 255, classes == BACKGROUND
    body = ~(head | behind)
    to_head, to_behind, to_body = (_distance_to(mask) for mask in (head, behind, body))
    person = cv2.GaussianBlur(np.where(behind, np.uint8(0), np.uint8(255)), (0, 0), max(1.0, _EDGE_SIGMA * side))
    truth = _blended(image, background, person)

    alpha = np.zeros_like(person)
    if body.any():
        beside = ~head & (body | (to_head >= to_body))
        alpha[beside] = person[beside]
        inward = np.minimum(UNDER_HEAD * side - to_body, np.minimum(to_behind - to_body, to_behind - _RIM * side))
        alpha[head] = np.rint(np.clip(inward[head] / (_FADE * side), 0, 1) * 255)
        clean = body & (np.minimum(to_head, to_behind) > max(1.5, _STAINED * side))
        source, neck = clean if clean.any() else body, classes == NECK
        hanging = body & (share > 0)
        kinds = source & ~neck & ~hanging, source & neck & ~hanging, source & hanging
        fill = _continued(image, tuple(kind for k, kind in enumerate(kinds) if k == 0 or kind.any()))
        colour = cv2.copyTo(fill, head.astype(np.uint8), image.copy())
    else:
        colour = image
    visible = cv2.copyTo(colour, alpha, np.zeros_like(image))
    return cv2.merge([*cv2.split(visible), alpha]), truth


def _make_range(folder: DatasetFolder, torso: Path, ground_truth: Path, frames: range) -> None:
    cv2.setNumThreads(1)
    background = read_rgb(folder.background)
    for i in frames:
        parsing = read_rgb_or_rgba(folder.parsing_map(i))
        picture, truth = separate(read_rgb(folder.frame(i)), parsing, background)
        write_image(torso / f"{i}.png", picture)
        write_image(ground_truth / f"{i}.jpg", truth)


def _distance_to(mask: Bool[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """Pixels to the nearest one of ``mask``, very many where it is empty."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)


def _blended(
    image: UInt8[np.ndarray, "H W 3"], background: UInt8[np.ndarray, "H W 3"], alpha: UInt8[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """``image`` over ``background`` by ``alpha``."""
    blended = cv2.copyTo(image, alpha, background.copy())
    fringe = (alpha > 0) & (alpha < 255)
    share = alpha[fringe][:, None].astype(np.float32) / 255
    front, back = image[fringe].astype(np.float32), background[fringe].astype(np.float32)
    blended[fringe] = np.rint(back + share * (front - back)).astype(np.uint8)
    return blended


def _continued(
    image: UInt8[np.ndarray, "H W 3"], parts: tuple[Bool[np.ndarray, "H W"], ...]
) -> UInt8[np.ndarray, "H W 3"]:
    """What goes on under the head: the colours of the nearest of ``parts``, of the first of them at a disadvantage.

    They are clothes, neck and hanging hair. A collar that touches the jaw hides the neck only there, and the strands
    that fall over a coat come from above: under the head these two go on.
    """
    height, width = image.shape[:2]
    small = (max(1, width // _COARSE), max(1, height // _COARSE))
    fills, distances = [], []
    for part in parts:
        weight = cv2.resize(part.astype(np.float32), small, interpolation=cv2.INTER_AREA)
        seen = cv2.copyTo(image, part.astype(np.uint8), np.zeros_like(image))
        colours = cv2.resize(seen, small, interpolation=cv2.INTER_AREA).astype(np.float32)
        known = weight > min(0.2, weight.max() / 2)
        fills.append(fill_from_nearest(colours / np.where(known, weight, 1)[..., None], known))
        distances.append(_distance_to(known))
    distances[0] += _CLOTHES_LAST * max(small)
    nearest = np.argmin(distances, axis=0)
    shares = [
        cv2.GaussianBlur((nearest == k).astype(np.float32), (0, 0), _MIX_SIGMA * max(small)) for k in range(len(parts))
    ]
    fill = sum(share[..., None] * fill for share, fill in zip(shares, fills, strict=True))
    fill = cv2.GaussianBlur(fill, (0, 0), _FILL_SIGMA * max(small))
    return cv2.resize(np.clip(np.rint(fill), 0, 255).astype(np.uint8), (width, height))
