"""How many sessions at once: ``python -m benchmarks.live_sessions --model_path M [--sessions 1 5 10 20] [--json F]``.

A server with a trained head, and for each session a WebRTC peer in another process that speaks to it in real time and
takes what comes, all through this machine's loopback. A row for each number of sessions, over all of them and the time
between the first five seconds and the last: ``pictures`` a second of a session, the least of all; ``sound``, how much
of it came, 1 is all; ``late``: how much later than the quickest of its session a picture came, on the session's own
clock, ms; and ``cores``, how many the server and its processes kept busy.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import functools
import json
import multiprocessing
import os
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arguments.atomic import atomic_path
from arguments.clock import FPS
from arguments.errors import EGSTalkerError, door
from benchmarks.live import spread, voice
from benchmarks.serving import Serving
from gaussian_renderer.devices import choose_device
from live.moment import SOUND_RATE
from live.performer import load_performer
from live.server import Server
from live.stages import Stages

PEERS_A_PROCESS = 4
PIECE = SOUND_RATE // 10  # samples of a message
_WARM_UP, _PARTING = 5.0, 1.0  # seconds: connections do not begin and end all at once

Came = list[tuple[float, float]]
"""When something came, and of which time of the session it is; seconds."""


async def speak_as_peer(address: str, seconds: float) -> tuple[Came, Came]:
    """Pictures and packets of sound of a session that is spoken to."""
    from aiortc import RTCPeerConnection, RTCSessionDescription
    from aiortc.mediastreams import MediaStreamError

    peer = RTCPeerConnection()
    came: dict[str, Came] = {"video": [], "audio": []}
    tasks: list[asyncio.Task[None]] = []
    channel = peer.createDataChannel("control")
    is_open = asyncio.Event()
    channel.on("open", is_open.set)

    async def take(track: Any) -> None:
        try:
            while True:
                frame = await track.recv()
                came[track.kind].append((time.monotonic(), float(frame.pts * frame.time_base)))
        except MediaStreamError:
            return

    peer.on("track", lambda track: tasks.append(asyncio.ensure_future(take(track))))
    for kind in ("video", "audio"):
        peer.addTransceiver(kind, direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    offer = json.dumps({"sdp": peer.localDescription.sdp, "type": "offer"}).encode()

    def post() -> Any:
        with urllib.request.urlopen(urllib.request.Request(f"{address}offer", offer), timeout=60) as response:
            return json.load(response)

    answer = await asyncio.to_thread(post)
    await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
    await asyncio.wait_for(is_open.wait(), 30)
    sound, begin = voice(seconds), time.monotonic()
    for start in range(0, len(sound), PIECE):
        audio = base64.b64encode(sound[start : start + PIECE].tobytes()).decode()
        channel.send(json.dumps({"type": "speak", "audio": audio, "rate": SOUND_RATE}))
        await asyncio.sleep(max(0.0, begin + (start + PIECE) / SOUND_RATE - time.monotonic()))
    for task in tasks:
        task.cancel()
    await peer.close()
    return came["video"], came["audio"]


def _peers(address: str, count: int, seconds: float, results: Any) -> None:
    async def all_of_them() -> list[tuple[Came, Came]]:
        return await asyncio.gather(*(speak_as_peer(address, seconds) for _ in range(count)))

    try:
        results.put(asyncio.run(all_of_them()))
    except Exception as error:  # of whatever kind: it is the other process's to say
        results.put(f"{type(error).__name__}: {error}")


def figures(sessions: Sequence[tuple[Came, Came]], seconds: float) -> dict[str, Any]:
    """What came to all sessions in ``seconds``."""
    counted = seconds - _WARM_UP - _PARTING
    rates, sounds, late = [], [], []
    for pictures, packets in sessions:
        begin = min(when for when, _ in packets) + _WARM_UP if packets else 0.0
        shown = np.array([pair for pair in pictures if begin <= pair[0] < begin + counted]).reshape(-1, 2)
        heard = [when for when, _ in packets if begin <= when < begin + counted]
        rates.append(len(shown) / counted)
        sounds.append(len(heard) / 50 / counted)
        after = shown[:, 0] - shown[:, 1]
        late += list(1000 * (after - after.min())) if len(after) else []
    return {"pictures": min(rates), "sound": min(sounds), "late": spread(late)}


def measure(stage: Stages, address: str, count: int, seconds: float) -> dict[str, Any]:
    """One row; see the module."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    shares = [min(PEERS_A_PROCESS, count - start) for start in range(0, count, PEERS_A_PROCESS)]
    processes = [context.Process(target=_peers, args=(address, share, seconds, results)) for share in shares]
    before, begin = _cpu(stage.pids), time.monotonic()
    for process in processes:
        process.start()
    answers = [results.get(timeout=seconds + 120) for _ in shares]
    cores = (_cpu(stage.pids) - before) / (time.monotonic() - begin)
    for process in processes:
        process.join()
    failed = [answer for answer in answers if isinstance(answer, str)]
    if failed:
        raise EGSTalkerError(f"a peer saw nothing: {failed[0]}")
    sessions = [session for answer in answers for session in answer]
    return {"sessions": count, **figures(sessions, seconds), "cores": cores}


def line(row: dict[str, Any]) -> str:
    """A row in words."""
    late = row["late"] or {}
    delays = ", ".join(f"{name} {value:.0f}" for name, value in late.items()) or "-"
    return (
        f"{row['sessions']:3} sessions: {row['pictures']:5.1f} pictures a second (of {FPS}), sound {row['sound']:.3f}, "
        f"late {delays} ms, {row['cores']:.2f} cores"
    )


def _cpu(pids: Sequence[int]) -> float:
    """Seconds of a core that this process and others have used; of this one alone where there is no /proc."""
    used = sum(os.times()[:2])
    for stat in (Path(f"/proc/{pid}/stat") for pid in pids):
        if stat.exists():
            fields = stat.read_text().rpartition(")")[2].split()
            used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def main() -> None:
    """Measure and print a row for each number of sessions."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_sessions", description="Measure sessions at once.")
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model, or its .head file")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1], help="at once, one row each (1)")
    parser.add_argument("--seconds", type=float, default=25.0, help="of each row (25)")
    parser.add_argument("--device", help="cpu or cuda (what is here and can render)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    if not 10 <= arguments.seconds <= 3600 or min(arguments.sessions) < 1:
        raise EGSTalkerError("--seconds is from 10 to 3600, and --sessions are at least 1")
    make = functools.partial(load_performer, arguments.model_path, choose_device(arguments.device))
    stage = Stages(make, max(arguments.sessions))
    serving = Serving(Server(stage), 300)
    try:
        rows = []
        for count in arguments.sessions:
            rows.append(measure(stage, f"http://{serving.address}/", count, arguments.seconds))
            print(line(rows[-1]), flush=True)
            while stage.open_seats:
                time.sleep(0.1)
    finally:
        serving.stop()
    if arguments.json:
        with atomic_path(arguments.json) as path:
            path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(door(main)())
