"""Pictures as an encoder takes them: YUV 4:2:0, converted where they were rendered."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

# ITU-R BT.601, video range (Y 16..235, Cb and Cr 16..240), of R, G and B in 0..1
LUMA = (65.481, 128.553, 24.966)
BLUE = (-37.797, -74.203, 112.0)
RED = (112.0, -93.786, -18.214)


def yuv420(images: Float[Tensor, "B H W 3"]) -> UInt8[Tensor, "B R W"]:
    """Planes of RGB pictures, 0..1, of even sides: R = 3 H / 2 rows, Y, then Cb, then Cr, as ``yuv420p`` has them.

    A chroma sample is the mean of its four pixels.
    """
    red, green, blue = images.unbind(-1)
    luma = 16 + LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    red, green, blue = functional.avg_pool2d(images.movedim(-1, 1), 2).unbind(1)
    chroma = [128 + row[0] * red + row[1] * green + row[2] * blue for row in (BLUE, RED)]
    planes = torch.cat([plane.flatten(1) for plane in (luma, *chroma)], dim=1)
    return planes.round_().clamp_(0, 255).byte().reshape(len(images), -1, images.shape[2])
