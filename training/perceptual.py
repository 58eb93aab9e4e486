"""The perceptual term of a training, with its weights where it has some."""

from __future__ import annotations

from arguments.errors import EGSTalkerError
from imaging.lpips import load_lpips
from training.losses import Perceptual, multi_scale_gradients


def perceptual_of(kind: str, device: str) -> Perceptual:
    """The perceptual term that the settings name. Raises EGSTalkerError where its weights are not there."""
    if kind == "gradients":
        return multi_scale_gradients
    network = load_lpips(net="vgg")
    if network is None:
        raise EGSTalkerError(
            'perceptual = "vgg" needs weights that are not here; ./download_models.sh fetches them, '
            'or set perceptual = "gradients"'
        )
    network = network.to(device)
    return lambda image, truth: network(image.clamp(0, 1), truth).mean()
