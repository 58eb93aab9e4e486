"""How well the head does on held-out frames while it trains: head-box PSNR and a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gaussian_renderer.render import render
from imaging.error_map import error_map
from media.images import write_image
from scene.head import GaussianHead
from scene.torso import Torso
from training.frame_store import FrameStore

ROWS = 4  # frames of the picture


@torch.no_grad()
def validate(
    head: GaussianHead, store: FrameStore, count: int, *, moving: bool, picture: Path, torso: Torso | None = None
) -> float:
    """Mean PSNR (dB) of held-out frames as the store cuts them; writes a picture of truth, render and error.

    Args:
        store: the frames; those in which the person was not seen are left out.
        count: frames at most.
        moving: deform the head; else it is shown at rest (coarse stage).
        picture: where the picture of the first frames is written.
        torso: is shown with the moving head.
    """
    first, held_out = store.dataset.val.start, store.dataset.usable(store.dataset.val)
    chosen = np.unique(np.linspace(first, first + len(held_out) - 1, min(count, len(held_out))).round())
    frames = [held_out[int(place) - first] for place in chosen]
    head.eval()
    at_rest = head.at_rest(torso)
    scores: list[float] = []
    rows: list[np.ndarray] = []
    for number, i in enumerate(frames):
        batch = store.batch([i])
        gaussians = head.deform(batch.drive, at_rest) if moving else head.static()
        image = render(gaussians, batch.drive.camera, batch.background).image.clamp(0, 1)
        scores.append(float(-10 * torch.log10((image - batch.image).square().mean().clamp(min=1e-10))))
        if number % max(1, len(frames) // ROWS) == 0 and len(rows) < ROWS:
            shown, truth = ((x[0] * 255).round().byte().cpu().numpy() for x in (image, batch.image))
            rows.append(np.concatenate([truth, shown, error_map(shown, truth)], axis=1))
    head.train()
    write_image(picture, np.concatenate(rows, axis=0))
    return float(np.mean(scores))
