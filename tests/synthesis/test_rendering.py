"""What is behind heads on its way to their device."""

from __future__ import annotations

import numpy as np
import torch

from arguments.device import CPU
from synthesis.rendering import Behind


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (6, 4, 3), np.uint8)


def test_pictures_behind_are_brought_as_they_are_in_their_order():
    pictures = [picture(0), picture(1), picture(0)]
    brought = Behind(torch.device(CPU))(pictures)
    assert torch.equal(brought, torch.from_numpy(np.stack(pictures)).float() / 255)


def test_a_picture_that_stays_is_brought_once_until_another_comes():
    behind, room, other = Behind(torch.device(CPU)), picture(0), picture(1)
    first = behind([room] * 3)
    assert torch.equal(first, torch.from_numpy(np.stack([room] * 3)).float() / 255)
    assert behind([room] * 2).data_ptr() == first.data_ptr()
    between = behind([room, other])
    assert torch.equal(between[1], torch.from_numpy(other).float() / 255)
    assert torch.equal(behind([other] * 2), between[1:].expand(2, -1, -1, -1))
    assert torch.equal(behind([room]), first[:1])
