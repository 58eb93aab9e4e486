"""A rendered video against its truth, in one pass over its frames."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from evaluation.landmarks import (
    FaceWatcher,
    blink_correlation,
    blink_depth,
    landmark_distance,
    landmark_distance_relative,
)
from evaluation.mouth import mouth_figures, why_undefined
from evaluation.neck import neck_band, steps_across
from evaluation.scores import Scores
from evaluation.truth import TrueFrame
from imaging.boxes import head_box, mouth_box
from imaging.lpips import LPIPS
from imaging.psnr import masked_psnr, psnr
from imaging.ssim import WINDOW, ssim

_PICTURE_FIGURES = ("raw_psnr", "composite_psnr", "head_psnr", "mouth_psnr", "face_psnr", "ssim", "lpips")
_TORSO_FIGURES = ("torso_psnr", "neck_psnr")
_NO_TORSO = "neck and torso are the truth's own, or not in the picture"


class PictureScores:
    """Gathers the scores of a video whose frames are shown to it in order, next to their truth. A context manager."""

    def __init__(self, *, lpips: LPIPS | None = None, torso: bool = False) -> None:
        """``torso``: whether neck and torso are rendered, too, and not the truth's."""
        self.lpips, self._torso = lpips, torso
        self._values: dict[str, list[float]] = {name: [] for name in (*_PICTURE_FIGURES, *_TORSO_FIGURES)}
        self._steps = np.zeros(2)  # across the neck's line: of the render, of the truth
        self._render = FaceWatcher()
        self._truth = FaceWatcher()
        self._frames = 0
        self._last: int | None = None

    def __enter__(self) -> PictureScores:
        return self

    def __exit__(self, *exception) -> None:
        self._render.__exit__(*exception)
        self._truth.__exit__(*exception)

    @torch.no_grad()
    def add(self, render: UInt8[np.ndarray, "H W 3"], truth: TrueFrame) -> None:
        """Score the next frame (RGB). Where frames before it were left out, motion is not compared across the gap."""
        left_out = 0 if self._last is None else truth.number - self._last - 1
        self._last = truth.number
        self._frames += 1
        self._render.skip(left_out)
        self._truth.skip(left_out)
        self._render.see(render)
        self._truth.see(truth.composite)
        image, composite, raw = (_as_float(picture) for picture in (render, truth.composite, truth.raw))
        self._values["raw_psnr"].append(psnr(image, raw).item())
        self._values["composite_psnr"].append(psnr(image, composite).item())
        height, width = truth.head.shape
        boxes = {"head_psnr": head_box(truth.head), "mouth_psnr": mouth_box(truth.landmarks, height, width)}
        for name, box in boxes.items():
            if box is not None:
                self._values[name].append(psnr(box.crop(image), box.crop(composite)).item())
        if truth.head.any():
            self._values["face_psnr"].append(masked_psnr(image, composite, torch.from_numpy(truth.head)).item())
        if self._torso:
            self._add_torso(render, truth, image, composite)
        if min(image.shape[:2]) >= WINDOW:
            self._values["ssim"].append(ssim(image, composite).item())
        if self.lpips is not None:
            self._values["lpips"].append(self.lpips(image[None], composite[None]).item())

    def _add_torso(self, render: np.ndarray, truth: TrueFrame, image: Tensor, composite: Tensor) -> None:
        for name, where in (("torso_psnr", truth.body), ("neck_psnr", neck_band(truth.head, truth.body))):
            if where.any():
                self._values[name].append(masked_psnr(image, composite, torch.from_numpy(where)).item())
        self._steps += [steps_across(picture, truth.head, truth.body) for picture in (render, truth.composite)]

    def result(self, *, lpips_absent: str = "") -> Scores:
        """The scores of the frames seen so far; ``lpips_absent`` is the reason to give for a missing LPIPS."""
        reasons: dict[str, str] = {}

        def mean(name: str, *, if_none: str) -> float | None:
            values = self._values[name]
            average = float(np.mean(values)) if values else math.nan
            if math.isfinite(average):
                return average
            reasons[name] = "the pictures are equal" if values else if_none
            return None

        render, truth = self._render.motion, self._truth.motion
        motion: dict[str, Any] = {
            "landmark_distance": landmark_distance(render, truth),
            "landmark_distance_relative": landmark_distance_relative(render, truth),
            **mouth_figures(render, truth),
            "blink_correlation": blink_correlation(render, truth),
            "blink_depth": blink_depth(render, truth),
        }
        reasons.update({name: why_undefined(name, render, truth) for name, value in motion.items() if value is None})
        rendered, true = self._steps
        if true == 0:
            reasons["neck_step"] = _NO_TORSO
        return Scores(
            torso_psnr=mean("torso_psnr", if_none=_NO_TORSO),
            neck_psnr=mean("neck_psnr", if_none=_NO_TORSO),
            neck_step=float(rendered / true) if true else None,
            raw_psnr=mean("raw_psnr", if_none="there are no frames"),
            composite_psnr=mean("composite_psnr", if_none="there are no frames"),
            head_psnr=mean("head_psnr", if_none="no frame shows head pixels"),
            mouth_psnr=mean("mouth_psnr", if_none="no frame has mouth landmarks inside it"),
            face_psnr=mean("face_psnr", if_none="no frame shows head pixels"),
            ssim=mean("ssim", if_none=f"the pictures are smaller than {WINDOW} pixels"),
            lpips=mean("lpips", if_none=lpips_absent),
            **motion,
            frames=self._frames,
            reasons=reasons,
        )


def score_video(
    renders: Iterable[UInt8[np.ndarray, "H W 3"]],
    truths: Iterable[TrueFrame],
    *,
    lpips: LPIPS | None = None,
    lpips_absent: str = "",
    torso: bool = False,
) -> Scores:
    """Score a rendered video against its truth, holding one frame of each at a time.

    Args:
        renders: composites (RGB), as many as ``truths``.
        truths: in the order of their numbers.
        lpips: the perceptual metric, or None to leave it out for the reason ``lpips_absent``.
        torso: whether neck and torso are rendered, too, and not the truth's.

    Raises:
        ValueError: one of the two videos is longer.
    """
    with PictureScores(lpips=lpips, torso=torso) as scores:
        for render, truth in zip(renders, truths, strict=True):
            scores.add(render, truth)
        return scores.result(lpips_absent=lpips_absent)


def _as_float(picture: UInt8[np.ndarray, "H W 3"]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).float() / 255
