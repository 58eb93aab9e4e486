"""How much of the pixels at a head's rim is the head's: there its colours are mixed with what is behind it."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from data_utils.inpaint import fill_from_nearest

_RIM = 1 / 170  # of the picture's side, on either side of the outline
_SMOOTH = 2.0  # pixels, of the head's colour along its rim
_DISTINCT = 48.0  # levels between the colours of head and background, from which on a mixture tells their shares


def matted(
    share: UInt8[np.ndarray, "H W"],
    picture: UInt8[np.ndarray, "H W 3"],
    behind: UInt8[np.ndarray, "H W 3"],
    side: int,
) -> UInt8[np.ndarray, "H W"]:
    """A head's share of each pixel as the colours at its rim say.

    Of a mixture C = a F + (1 - a) B the share a is known where F and B are (Smith and Blinn, "Blue Screen Matting",
    1996): B is what is behind the head, F the colour a little within its outline. A head that learns from shares that
    are too large paints the room's colour on its rim.

    Args:
        share: of the head, 0..255, from parsing; between them, where hair lies on the shoulders, it stays as it is.
        picture: the frame.
        behind: the same without the head.
        side: of the whole frame, pixels.
    """
    reach = max(1, round(_RIM * side))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    whole = (share == 255).astype(np.uint8)
    inner = cv2.erode(whole, kernel, borderType=cv2.BORDER_REPLICATE) > 0
    if not inner.any():
        return share
    rim = (cv2.dilate(whole, kernel) > 0) & ~inner & ((share == 0) | (share == 255))
    front = cv2.GaussianBlur(fill_from_nearest(picture, inner), (0, 0), _SMOOTH).astype(np.float32)
    contrast = front - behind
    strength = (contrast**2).sum(-1)
    mixed = ((picture - behind.astype(np.float32)) * contrast).sum(-1) / np.maximum(strength, 1)
    told = rim & (strength > _DISTINCT**2)
    return np.where(told, np.rint(np.clip(mixed, 0, 1) * 255).astype(np.uint8), share)
