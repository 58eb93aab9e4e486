"""What stands behind and around the head: torso pictures, and frames over the clean background.

A rendered head is laid over ``background + torso picture`` and compared with the ground-truth frame, so outside the
head the two agree to the pixel. Under the head the torso goes on for a while, so that no hole opens when the head moves
a little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from arguments.dataset_folder import DatasetFolder
from data_utils.face_parsing.classes import BACKGROUND, HEAD, to_classes
from data_utils.frame_files import read_rgb, write_image
from data_utils.inpaint import fill_from_nearest
from data_utils.parallel import ranges, run_jobs

UNDER_HEAD = 0.10  # of the frame's side: how far the torso goes on under the head
_RIM = 0.012  # of the side, along the head's outline against the background, where it does not
_EDGE_SIGMA = 1.0  # pixels; how soft the person's outline is against the new background
_STAINED = 0.004  # of the side: torso pixels this near the head are tinged by it and are no source of colour


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


def separate(image: np.ndarray, classes: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Torso picture and ground truth of one frame.

    Args:
        image, background: RGB uint8 [H, W, 3].
        classes: of the parsing map, [H, W].

    Returns:
        RGBA uint8 [H, W, 4]: torso and neck, in-painted under the head's lower edge, elsewhere transparent;
        RGB uint8 [H, W, 3]: the frame with ``background`` outside the person.
    """
    side = image.shape[1]
    person = cv2.GaussianBlur((classes != BACKGROUND).astype(np.float32), (0, 0), _EDGE_SIGMA)
    person = np.rint(person * 255) / 255  # as the torso's alpha channel keeps it
    truth = background + person[..., None] * (image.astype(np.float32) - background)

    head = classes == HEAD
    body = (classes != BACKGROUND) & ~head
    source = body & ~_grown(head, _STAINED * side)
    fill = fill_from_nearest(image, source if source.any() else body)
    fill = cv2.GaussianBlur(fill, (0, 0), 0.008 * side)
    under = head & _grown(body, UNDER_HEAD * side) & ~_grown(classes == BACKGROUND, _RIM * side)
    beside = ~head & ~_nearer_to_head(head, body)
    alpha = np.where(under, 1, np.where(beside, person, 0)) if body.any() else np.zeros_like(person)
    colour = np.where(head[..., None], fill, image) * (alpha > 0)[..., None]
    rgba = np.concatenate([colour, np.rint(alpha * 255)[..., None]], -1).astype(np.uint8)
    return rgba, np.rint(truth).astype(np.uint8)


def _make_range(folder: DatasetFolder, torso: Path, ground_truth: Path, frames: range) -> None:
    cv2.setNumThreads(1)
    background = read_rgb(folder.background)
    for i in frames:
        classes = to_classes(read_rgb(folder.parsing_map(i)))
        picture, truth = separate(read_rgb(folder.frame(i)), classes, background)
        write_image(torso / f"{i}.png", picture)
        write_image(ground_truth / f"{i}.jpg", truth)


def _grown(mask: np.ndarray, pixels: float) -> np.ndarray:
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3) <= max(1.0, pixels)


def _nearer_to_head(head: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Bool [H, W]: outside the person, the soft fringe that belongs to the head's outline rather than the torso's."""
    if not head.any() or not body.any():
        return np.full(head.shape, head.any())
    to_head, to_body = (cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3) for mask in (head, body))
    return ~body & (to_head < to_body)
