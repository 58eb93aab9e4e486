"""Colours for pixels that were never seen."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Shaped


def fill_smoothly(image: Float32[np.ndarray, "H W 3"], known: Bool[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W 3"]:
    """Fill the unknown pixels from coarser and coarser averages of the known ones ("push-pull", Gortler et al. 1996).

    Args:
        image: float32 [H, W, 3]; values where not ``known`` are ignored.
        known: bool [H, W].

    Returns:
        float32 [H, W, 3], equal to ``image`` where ``known``; mid grey where nothing is.
    """
    weight = known.astype(np.float32)
    filled = _pull(image * weight[..., None], weight)
    return np.where(known[..., None], image, filled)


def fill_from_nearest(
    image: Shaped[np.ndarray, "H W C"], known: Bool[np.ndarray, "H W"]
) -> Shaped[np.ndarray, "H W C"]:
    """Give each unknown pixel the colour of the nearest known one.

    Args:
        image: [H, W, C], any dtype; values where not ``known`` are ignored.
        known: bool [H, W].

    Returns:
        as ``image``, which comes back itself where all or nothing is known.
    """
    if known.all() or not known.any():
        return image
    unknown = (~known).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((labels.max() + 1, image.shape[2]), image.dtype)
    colours[labels[known]] = image[known]
    return colours[labels]


def _pull(weighted: Float32[np.ndarray, "H W 3"], weight: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W 3"]:
    height, width = weight.shape
    if min(height, width) <= 2 or weight.min() >= 1:
        total = weight.sum()
        mean = weighted.sum((0, 1)) / total if total > 0 else np.full(3, 127.5, np.float32)
        return np.where(weight[..., None] > 0, weighted / np.maximum(weight, 1e-6)[..., None], mean).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    coarse_colour = cv2.resize(weighted, half, interpolation=cv2.INTER_AREA)
    sure = np.minimum(coarse_weight * 4, 1) / np.maximum(coarse_weight, 1e-6)  # one known pixel of four suffices
    coarse = _pull(coarse_colour * sure[..., None], coarse_weight * sure)
    behind = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return weighted + behind * (1 - weight)[..., None]
