"""Numbered picture files: read, listed and written whole."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError

JPEG_QUALITY = 95
PNG_STRATEGY = cv2.IMWRITE_PNG_STRATEGY_RLE  # with OpenCV's fastest level and one filter: others are 2-3 times as slow


def numbered(folder: Path, suffix: str) -> list[Path]:
    """The files 0{suffix}, 1{suffix}, ... of ``folder`` up to the first that is missing, in order."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    paths: list[Path] = []
    while f"{len(paths)}{suffix}" in names:
        paths.append(folder / f"{len(paths)}{suffix}")
    return paths


def read_rgb(path: Path) -> np.ndarray:
    """Read an image file in colour.

    Returns:
        RGB uint8 [H, W, 3].

    Raises:
        EGSTalkerError: it is missing, or not a readable image.
    """
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_rgba(path: Path) -> np.ndarray:
    """Read a PNG file with its transparency.

    Returns:
        RGBA uint8 [H, W, 4].

    Raises:
        EGSTalkerError: it is missing, not a readable image, or has no alpha channel.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 3 or image.shape[2] != 4:
        raise EGSTalkerError(f"{path} has no alpha channel; delete it and run preprocess.sh again")
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)


def read_rgb_or_rgba(path: Path) -> np.ndarray:
    """Read an image file in colour, with its transparency where it has one.

    Returns:
        RGB or RGBA uint8 [H, W, 3 or 4].

    Raises:
        EGSTalkerError: it is missing, or not a readable image.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint8 or image.ndim != 3:
        return read_rgb(path)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def read_grey(path: Path) -> np.ndarray:
    """Read an image file in grey.

    Returns:
        Grey levels uint8 [H, W].

    Raises:
        EGSTalkerError: it is missing, or not a readable image.
    """
    return _decode(path, cv2.IMREAD_GRAYSCALE)


def write_image(path: Path, image: np.ndarray) -> None:
    """Write a picture, atomically.

    Args:
        path: ends in .png, or in .jpg or .jpeg for a JPEG of quality 95.
        image: RGB or RGBA, uint8 [H, W, 3 or 4].

    Raises:
        EGSTalkerError: its encoder refuses it (a side longer than a JPEG may have).
    """
    data = encoded(image, path.suffix)
    if data is None:
        raise EGSTalkerError(f"{path} cannot be encoded; check that the frame has a sane size")
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def encoded(image: np.ndarray, suffix: str) -> bytes | None:
    """A picture as the bytes of a file with that suffix, as :func:`write_image` says; None where that cannot be."""
    code = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    options = [cv2.IMWRITE_PNG_STRATEGY, PNG_STRATEGY] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, data = cv2.imencode(suffix, cv2.cvtColor(image, code), options)
    return data.tobytes() if done else None


def _decode(path: Path, mode: int) -> np.ndarray:
    try:
        data = np.fromfile(path, np.uint8)  # cv2.imread writes its complaints to stderr
    except OSError:
        raise EGSTalkerError(f"{path} is missing; run preprocess.sh again") from None
    image = cv2.imdecode(data, mode) if data.size else None
    if image is None:
        raise EGSTalkerError(f"{path} is not a whole image; delete it and run preprocess.sh again")
    return image
