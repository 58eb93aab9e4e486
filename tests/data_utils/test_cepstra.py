from itertools import pairwise

import numpy as np
import pytest
import torch

from data_utils.audio_features.cepstra import cepstra, with_deltas


def of_one_window(samples):
    """The definition, term by term, for the 410 samples around the middle of piece 5 and the one before them."""
    window = samples[5 * 160 - 126 :][:411].astype(float)
    emphasised = [b - 0.97 * a for a, b in pairwise(window)]
    tapered = [x * (0.54 - 0.46 * np.cos(2 * np.pi * i / 409)) for i, x in enumerate(emphasised)]
    times = np.arange(410)
    power = [abs(np.sum(tapered * np.exp(-2j * np.pi * k * times / 512))) ** 2 for k in range(257)]
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)  # noqa: E731
    step = (mel(6800) - mel(130)) / 26
    corners = [700 * (10 ** ((mel(130) + i * step) / 2595) - 1) for i in range(27)]
    corners = [round(hertz / 31.25) * 31.25 for hertz in corners]
    bands = []
    for low, peak, high in zip(corners, corners[1:], corners[2:], strict=False):
        hertz = 31.25 * np.arange(257)
        bands.append(np.log(np.dot(power, np.interp(hertz, [low, peak, high], [0, 2 / (high - low), 0])) + 1e-6))
    values = []
    for i in range(13):
        cosine = [np.cos(np.pi * i * (j + 0.5) / 25) for j in range(25)]
        lifter = 1 + 11 * np.sin(np.pi * i / 22)
        values.append(lifter * np.dot(bands, cosine) * np.sqrt((2 if i else 1) / 25))
    return values


def test_cepstra_are_what_their_definition_says():
    samples = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    np.testing.assert_allclose(cepstra(samples, 0, 5, 2.0, 1e-6)[5], of_one_window(2 * samples), rtol=1e-3, atol=1e-3)


def test_a_gain_shifts_the_first_value_alone():
    samples = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    difference = cepstra(samples, 1, 24, 3.0, 0.0) - cepstra(samples, 1, 24, 1.0, 0.0)
    np.testing.assert_allclose(difference[:, 0], 5 * 2 * np.log(3), atol=1e-3)
    np.testing.assert_allclose(difference[:, 1:], 0, atol=1e-3)


@pytest.mark.parametrize("rate", [0.0, 1.5])
def test_deltas_of_a_slope_are_its_slope_and_of_a_parabola_its_curve(rate):
    time = np.arange(20.0)[:, None].repeat(13, 1)
    static, delta, second = with_deltas(torch.from_numpy(rate * time + time**2)).numpy().transpose(1, 0, 2)
    inner = time[4:-4]
    np.testing.assert_allclose(static, rate * inner + inner**2)
    np.testing.assert_allclose(delta, 4 * rate + 8 * inner)  # over four pieces
    np.testing.assert_allclose(second, 16)
