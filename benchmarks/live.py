"""Live use in real time: ``python -m benchmarks.live --model_path M [--device cpu|cuda] [--json F]``.

A voice of noise is spoken into a session as it would come over a line, in pieces of 20 ms in real time; four times,
each 10 ms later in the frames than before, for how long a piece waits for the next frame may depend on that.
``latency`` is the time from a piece's last sample to the moment with the frame that this sample is in, in ms: over all
moments, whose sound it is, and over those with a picture. Of it 160 ms are what hearing has to know of what follows.
``step`` is the time that a moment with a picture takes to make, ``quiet`` one without; ``real_time`` is the share of
the time in which the session was at work, ``pictures`` how many a second it gave.
"""

from __future__ import annotations

import argparse
import io
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int16

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError, door
from gaussian_renderer.devices import choose_device
from live.clock import Clock
from live.moment import SOUND_RATE, SOUND_SAMPLES, Moment
from live.performer import ModelPerformer, Performer
from live.session import Session
from scene.head_file import opened

PIECE_MS = 20
PHASES_MS = (0, 10, 20, 30)
_MARK = 64  # bytes by which a piece is found
_WARM_UP = 15  # moments: what is compiled is compiled then


@dataclass
class Timed:
    """A session that notes how long it takes, and when each frame of the utterance was given out."""

    session: Session
    given: list[tuple[float, bool]] = field(default_factory=list)
    """When a moment of the utterance was, and whether with a picture."""
    took: list[tuple[float, bool]] = field(default_factory=list)
    """Seconds, and whether with a picture."""
    sound: io.BytesIO = field(default_factory=io.BytesIO)
    """Of these."""
    spoken: list[tuple[bytes, float]] = field(default_factory=list)
    """Each piece, and when its last sample was due; where this program is late, so is the moment."""
    ahead: float = 0.0
    """Seconds of work between steps."""
    wall: float = 0.0
    """Seconds that all took."""

    def latencies(self) -> list[tuple[float, bool]]:
        """From each piece's last sample to the moment that it is in, ms, and whether that has a picture.

        Raises:
            EGSTalkerError: the session has left out some of the sound.
        """
        whole, after, late = self.sound.getvalue(), 0, []
        for piece, at in self.spoken:
            begin = whole.find(piece[-_MARK:], after)
            if begin < 0:
                raise EGSTalkerError("some of the sound was not played")
            after = begin + _MARK
            when, pictured = self.given[(after - 1) // (2 * SOUND_SAMPLES)]
            late.append((1000 * (when - at), pictured))
        return late

    def prepare(self) -> None:
        """As of the session; it counts as work, not as a step."""
        begin = time.perf_counter()
        self.session.prepare()
        self.ahead += time.perf_counter() - begin

    def step(self, *, picture: bool = True) -> Moment:
        """As of the session."""
        begin = time.perf_counter()
        moment = self.session.step(picture=picture)
        self.took.append((time.perf_counter() - begin, picture))
        return moment

    def skip(self, moments: int) -> None:
        """As of the session."""
        self.session.skip(moments)

    def take(self, moment: Moment) -> None:
        """What the clock hands out."""
        if moment.utterance is not None:
            self.given.append((time.perf_counter(), moment.picture is not None))
            self.sound.write(moment.sound.tobytes())


def voice(seconds: float) -> Int16[np.ndarray, "T"]:
    """Noise in syllables, 48 kHz; never quite silent, so that a few samples tell which part it is."""
    time_of = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    loudness = 4000 * np.clip(np.sin(2 * np.pi * 3 * time_of), 0.05, 1)
    return (loudness * np.random.default_rng(0).normal(size=len(time_of))).clip(-20000, 20000).astype(np.int16)


def measure(performer: Performer, seconds: float) -> dict[str, Any]:
    """One row of figures; see the module."""
    runs = [run(performer, seconds / len(PHASES_MS), phase) for phase in PHASES_MS]
    pairs = [pair for one in runs for pair in one.latencies()]
    took = [each for one in runs for each in one.took]
    wall = sum(one.wall for one in runs)
    return {
        "latency": spread([late for late, _ in pairs]),
        "latency_of_pictures": spread([late for late, pictured in pairs if pictured]),
        "step": spread([1000 * seconds for seconds, pictured in took if pictured]),
        "quiet": spread([1000 * seconds for seconds, pictured in took if not pictured]),
        "real_time": (sum(seconds for seconds, _ in took) + sum(one.ahead for one in runs)) / wall,
        "pictures": sum(pictured for _, pictured in took) / wall,
    }


def run(performer: Performer, seconds: float, phase_ms: int) -> Timed:
    """Speak for so long, so much later than the first frame begins."""
    timed = Timed(Session(performer))
    for _ in range(_WARM_UP):
        timed.session.step()
    clock = Clock(timed, timed.take)
    sound, size = voice(seconds), SOUND_RATE * PIECE_MS // 1000
    pause = threading.Event().wait
    begin = time.perf_counter()
    clock.start()
    for number in range(len(sound) // size):
        due = begin + ((number + 1) * PIECE_MS + phase_ms) / 1000
        pause(max(0.0, due - time.perf_counter()))
        piece = sound[number * size : (number + 1) * size]
        timed.session.speak(piece, SOUND_RATE)
        timed.spoken.append((piece.tobytes(), due))
    timed.session.end()
    pause(0.5)
    clock.close()
    timed.wall = time.perf_counter() - begin
    return timed


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median, 95th percentile and largest; None of nothing."""
    if not values:
        return None
    return {"p50": float(np.median(values)), "p95": float(np.percentile(values, 95)), "max": float(max(values))}


def table(row: dict[str, Any]) -> str:
    """The figures in lines."""
    lines = []
    for name, value in row.items():
        words = "-" if value is None else f"{value:.2f}" if isinstance(value, float) else ""
        if isinstance(value, dict):
            words = "  ".join(f"{kind} {number:6.1f} ms" for kind, number in value.items())
        lines.append(f"{name:20} {words}")
    return "\n".join(lines)


def main() -> None:
    """Measure a model and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description="Measure live use in real time.")
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model, or its .head file")
    parser.add_argument("--device", help="cpu or cuda (what is here and can render)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of speech (20)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    if not 4 <= arguments.seconds <= 600:
        raise EGSTalkerError("--seconds is from 4 to 600")
    with opened(arguments.model_path) as model:
        performer = ModelPerformer.load(model, choose_device(arguments.device))
    row = measure(performer, arguments.seconds)
    print(table(row))
    if arguments.json:
        with atomic_path(arguments.json) as path:
            path.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(door(main)())
