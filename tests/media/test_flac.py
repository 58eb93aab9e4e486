"""FLAC files: every sample as it was, and as many as are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from media.flac import flac
from media.sound import read_audio


@pytest.mark.parametrize("length", [1, 4096, 10_000, 20_000])
def test_samples_are_cut_or_followed_by_silence_and_else_the_same(tmp_path, length):
    sound = np.random.default_rng(0).uniform(-1.1, 1.1, 9000).astype(np.float32)
    path = tmp_path / "a.flac"
    path.write_bytes(flac(np.array_split(sound, 7), 48_000, length))
    heard = read_audio(path, 48_000)
    assert len(heard) == length
    known = min(length, 9000)
    np.testing.assert_allclose(heard[:known], sound[:known].clip(-1, 1), atol=4e-5)
    assert not heard[known:].any()
