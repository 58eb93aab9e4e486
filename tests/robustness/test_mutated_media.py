"""Whatever is wrong in a film's container: it is read, or refused in one line; what is left out is said."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from arguments.clock import FPS, SAMPLE_RATE
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.soundtrack import write_audio
from data_utils.source import Source
from media.sound import read_audio
from media.video import read_frames
from synthesis.source import heard_track
from synthesis.speech import speech_features
from tests.robustness.damage import at_most
from tests.robustness.mutated_media import RECIPES, write_mutated, write_whole

LENIENCE = 0.5  # seconds that may be missing at the ends without a word


def said(work: Callable[[], None], caplog: pytest.LogCaptureFixture) -> str | None:
    """What is said by a refusal, a line; None where the work was done."""
    caplog.clear()
    with at_most(30), caplog.at_level(logging.WARNING):
        try:
            work()
        except EGSTalkerError as error:
            assert str(error) and "\n" not in str(error)
            return str(error)
    return None


def decoded_seconds(path: Path, kind: str) -> float:
    """Seconds of sound or picture that FFmpeg decodes of a file, counted, whatever their times."""
    total = 0.0
    with contextlib.suppress(av.FFmpegError), av.open(str(path)) as container:
        for packet in container.demux(*[stream for stream in container.streams if stream.type == kind][:1]):
            with contextlib.suppress(av.FFmpegError):
                for frame in packet.decode():
                    total += frame.samples / frame.sample_rate if kind == "audio" else 1 / FPS
    return total


def cut_out(caplog: pytest.LogCaptureFixture) -> float:
    """Seconds of sound that were said to be cut out."""
    return sum(float(found) for text in caplog.messages for found in re.findall(r"overlaps itself by ([\d.]+) s", text))


def preprocess(clip: Path, folder: DatasetFolder, caplog: pytest.LogCaptureFixture) -> None:
    source = Source(clip)
    count = write_audio(source, folder)
    assert sum(1 for _ in read_frames(clip, count)) == count
    lost = min(decoded_seconds(clip, "audio"), decoded_seconds(clip, "video")) - count / FPS
    assert lost < LENIENCE or caplog.messages


def predict(clip: Path, folder: DatasetFolder, caplog: pytest.LogCaptureFixture) -> None:
    track = heard_track(clip)
    assert speech_features(clip, "log_mel", folder.root).isfinite().all()
    lost = decoded_seconds(clip, "audio") - len(read_audio(clip, track=track)) / SAMPLE_RATE - cut_out(caplog)
    assert lost < 0.1 or any("clock is" in text for text in caplog.messages)


@pytest.mark.parametrize("container", RECIPES)
@pytest.mark.parametrize("rounds", [3, pytest.param(170, marks=pytest.mark.matrix)])
def test_a_mutated_film_is_read_or_refused_and_nothing_is_lost_without_a_word(container, rounds, tmp_path, caplog):
    whole, other = write_whole(tmp_path, container)
    generator = np.random.default_rng(len(container) * 1000 + rounds)
    clip, folder = tmp_path / f"clip{whole.suffix}", DatasetFolder(tmp_path / "clip")
    folder.root.mkdir()
    outcomes = []
    for number in range(rounds):
        kind = write_mutated(clip, whole, other, generator)
        for command in (preprocess, predict):
            try:
                outcomes.append(said(lambda command=command: command(clip, folder, caplog), caplog))
            except Exception as error:
                raise AssertionError(f"mutation {number} ({kind}), {command.__name__}: {error}") from error
    assert any(outcome is None for outcome in outcomes)
