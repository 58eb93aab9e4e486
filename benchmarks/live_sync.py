"""Whether picture and sound arrive in step: ``python -m benchmarks.live_sync``.

A person who is a lamp (:mod:`benchmarks.lamp`) is served by WebRTC to a real Chromium, which notes when each flash is
shown (``requestVideoFrameCallback``: its expected display time) and when each click is heard (Web Audio on the received
track, on the clock of its output). ``offset``: flash less click, ms, over all pairs. ``slope``: its drift, ms a minute.
``flashes``: those that were shown, of all clicks that were heard. ``--stall N`` stops the renderer's process for two
seconds every N. ``--jitter MS``, ``--jittered PERCENT`` and ``--loss PERCENT`` make a bad line of the way
(:mod:`benchmarks.bad_line`).
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from arguments.atomic import atomic_path
from arguments.clock import FPS
from arguments.errors import EGSTalkerError, door
from benchmarks.bad_line import BadLine, Faults, without_candidates
from benchmarks.browser import PROGRAMS, browser_program
from benchmarks.lamp import clicks, lamp, seconds_between
from benchmarks.serving import Serving
from live.moment import SOUND_RATE
from live.server import Server
from live.stages import Stages

if TYPE_CHECKING:
    from playwright.sync_api import Route

PIECE_SECONDS = 1.0
STALL_SECONDS = 2.0
_BEGIN = 20.0  # seconds in which a receiver brings its two buffers together: not counted

_MEASURE = """
async () => {
  const video = document.getElementById('video');
  const canvas = new OffscreenCanvas(1, 1), paint = canvas.getContext('2d', { willReadFrequently: true });
  window.flashes = []; window.heard = [];
  let lit = false;
  const look = (now, about) => {
    paint.drawImage(video, 0, 0, 1, 1);
    const bright = paint.getImageData(0, 0, 1, 1).data[1] > 128;
    if (bright && !lit) window.flashes.push(about.expectedDisplayTime);
    lit = bright;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const context = new AudioContext({ latencyHint: 'interactive' });
  const code = `registerProcessor('clicks', class extends AudioWorkletProcessor {
    constructor() { super(); this.since = 1e9; }
    process([input]) {
      const sound = input[0];
      if (sound) for (let i = 0; i < sound.length; i++) {
        if (Math.abs(sound[i]) > 0.08) {
          if (this.since > sampleRate / 10) this.port.postMessage((currentFrame + i) / sampleRate);
          this.since = 0;
        } else this.since++;
      }
      return true;
    }
  });`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
  const node = new AudioWorkletNode(context, 'clicks');
  node.port.onmessage = ({ data }) => {
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    window.heard.push(performanceTime + 1000 * (data - contextTime));
  };
  context.createMediaStreamSource(video.srcObject).connect(node).connect(context.destination);
}
"""


def measure(seconds: float, stall: float | None, faults: Faults) -> dict[str, Any]:
    """One row of figures; see the module."""
    from playwright.sync_api import sync_playwright

    program = browser_program()
    if program is None:
        raise EGSTalkerError(f"none of {', '.join(PROGRAMS)} is installed")
    stage = Stages(lamp, 1)
    serving = Serving(Server(stage))
    try:
        with sync_playwright() as play:
            flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
            page = play.chromium.launch(executable_path=program, args=flags).new_page()
            lines: list[BadLine] = []
            if faults.jitter or faults.loss:
                page.route("**/offer", lambda route: _by_bad_line(route, faults, lines))
            page.goto(f"http://{serving.address}/")
            page.click("#connect")
            page.wait_for_function("document.getElementById('video').videoWidth > 0")
            page.evaluate(_MEASURE)
            sound = clicks(round(seconds * FPS))
            size, begin, stalled = round(PIECE_SECONDS * SOUND_RATE), time.monotonic(), time.monotonic()
            for start in range(0, len(sound), size):
                audio = base64.b64encode(sound[start : start + size].tobytes()).decode()
                page.evaluate("(audio) => send({ type: 'speak', audio, rate: 48000 })", audio)
                if stall is not None and time.monotonic() - stalled > stall:
                    os.kill(stage.pids[0], signal.SIGSTOP)
                    time.sleep(STALL_SECONDS)
                    os.kill(stage.pids[0], signal.SIGCONT)
                    stalled = time.monotonic()
                time.sleep(max(0.0, begin + (start + size) / SOUND_RATE - 0.5 - time.monotonic()))
            page.evaluate("send({ type: 'speak_end' })")
            time.sleep(3)
            flashes, heard = (np.array(page.evaluate(f"window.{name}")) for name in ("flashes", "heard"))
            page.context.browser.close()  # type: ignore[union-attr]
            for line in lines:
                line.close()
    finally:
        serving.stop()
    return figures(flashes, heard)


def _by_bad_line(route: Route, faults: Faults, lines: list[BadLine]) -> None:
    """Answer a page's offer so that its packets go over a bad line."""
    offer = json.loads(route.request.post_data or "")
    response = route.fetch(post_data=json.dumps({**offer, "sdp": without_candidates(offer["sdp"])}))
    answer = response.json()
    lines.append(BadLine(answer["sdp"], faults))
    route.fulfill(response=response, json={**answer, "sdp": lines[-1].answer})


def figures(flashes: Float[np.ndarray, "A"], heard: Float[np.ndarray, "B"]) -> dict[str, Any]:
    """What the times of flashes and clicks, ms, come to.

    Raises:
        EGSTalkerError: hardly anything was seen or heard.
    """
    if len(flashes) < 4 or len(heard) < 4:
        raise EGSTalkerError(f"{len(flashes)} flashes were seen and {len(heard)} clicks heard: too few")
    begin = max(flashes[0], heard[0]) + 1000 * _BEGIN
    flashes, heard = flashes[flashes > begin], heard[heard > begin]
    nearest = heard[np.abs(heard[None] - flashes[:, None]).argmin(1)]
    offsets = flashes - nearest
    paired = np.abs(offsets) < 1000 * seconds_between() / 2
    offsets, minutes = offsets[paired], (flashes[paired] - begin) / 60_000
    return {
        "flashes": len(offsets) / max(len(heard), 1),
        "pairs": len(offsets),
        "offset": {
            "mean": float(offsets.mean()),
            "p50": float(np.median(offsets)),
            "p95": float(np.percentile(np.abs(offsets), 95)),
            "worst": float(np.abs(offsets).max()),
        },
        "slope": float(np.polyfit(minutes, offsets, 1)[0]),
        "by_minute": [float(offsets[minutes.astype(int) == each].mean()) for each in np.unique(minutes.astype(int))],
    }


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.live_sync", description="Measure picture against sound."
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of clicks (60)")
    parser.add_argument("--stall", type=float, help="seconds between stops of the renderer, of two seconds each")
    parser.add_argument("--jitter", type=float, default=0.0, help="ms that packets are late, up to this each (0)")
    parser.add_argument("--jittered", type=float, default=100.0, help="percent of packets that are late (100)")
    parser.add_argument("--loss", type=float, default=0.0, help="percent of packets that are lost (0)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    if not 40 <= arguments.seconds <= 3600:
        raise EGSTalkerError("--seconds is from 40 to 3600")
    if not 0 <= arguments.jitter <= 1000 or not 0 <= arguments.loss <= 50:
        raise EGSTalkerError("--jitter is from 0 to 1000 ms, and --loss from 0 to 50 percent")
    if not 0 <= arguments.jittered <= 100:
        raise EGSTalkerError("--jittered is from 0 to 100 percent")
    faults = Faults(arguments.jitter / 1000, arguments.jittered / 100, arguments.loss / 100)
    row = measure(arguments.seconds, arguments.stall, faults)
    print(json.dumps(row, indent=1))
    if arguments.json:
        with atomic_path(arguments.json) as path:
            path.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(door(main)())
