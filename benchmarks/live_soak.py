"""What live use costs in the long run: ``python -m benchmarks.live_soak [--minutes 30] [--json F]``.

A server with a lamp (:mod:`benchmarks.lamp`) or a trained head. All the while an agent on a WebSocket speaks and
interrupts itself, and sends messages that are none; one after the other, clients come and go: WebRTC peers that leave,
WebRTC peers that are killed, agents whose connection breaks off. ``lost``: utterances that had not exactly one end;
``silent_ms``: from an interruption to the event that says that nothing is heard any more; ``grown_mb``: memory of the
server and its processes from the end of the second minute (or a fifth of the time) to the end; ``files``: how many more
files, sockets and pipes are open then; ``left``: sessions that nobody left but that stayed; ``zombies``: processes that
have ended and are not gone.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import functools
import json
import multiprocessing
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from arguments.errors import EGSTalkerError, door
from benchmarks.lamp import lamp
from benchmarks.live import spread, voice
from benchmarks.live_sessions import speak_as_peer
from benchmarks.serving import Serving
from gaussian_renderer.devices import choose_device
from live.moment import SOUND_RATE
from live.performer import load_performer
from live.server import Server
from live.stages import Stages

SESSIONS = 8
FREE_SECONDS = 60.0  # in which a session ends whose client was killed
_SPOKEN = 3.0  # seconds of an utterance
_NONSENSE = ("", "{", "null", '{"type": "speak", "audio": 7}', '{"type": "what?"}', "[" * 2000, "\x00\xff")


async def _agent(address: str, seconds: float, count: int) -> dict[str, Any]:
    """Speak and interrupt so many times; what became of the utterances."""
    from websockets.asyncio.client import connect

    rng = random.Random(0)
    audio = base64.b64encode(voice(_SPOKEN).tobytes()).decode()
    ends: defaultdict[int, Counter[str]] = defaultdict(Counter)
    silent, asked = [], 0.0
    async with connect(f"ws://{address}/ws") as socket:

        async def listen() -> None:
            async for text in socket:
                said = json.loads(text)
                if said["type"] in ("finished", "interrupted"):
                    ends[said["utterance"]][said["type"]] += 1
                    if said["type"] == "interrupted":
                        silent.append(1000 * (time.monotonic() - asked))

        listening = asyncio.ensure_future(listen())
        begin = time.monotonic()
        for number in range(count):
            await socket.send(rng.choice(_NONSENSE))
            await socket.send(json.dumps({"type": "speak", "audio": audio, "rate": SOUND_RATE}))
            if number % 2:
                await socket.send('{"type": "speak_end"}')
            await asyncio.sleep(rng.uniform(0.1, _SPOKEN - 0.5))
            asked = time.monotonic()
            await socket.send('{"type": "interrupt"}')
            await asyncio.sleep(max(0.5, begin + (number + 1) * seconds / count - time.monotonic()))
        listening.cancel()
    lost = count - sum(each.total() == 1 for each in ends.values())
    return {"interruptions": count, "lost": lost, "silent_ms": spread(silent)}


def _leaves(address: str) -> None:
    asyncio.run(speak_as_peer(f"http://{address}/", 3.0))


def _is_killed(address: str) -> None:
    async def whole() -> None:
        asyncio.get_running_loop().call_later(3.0, os._exit, 1)
        await speak_as_peer(f"http://{address}/", 30.0)

    asyncio.run(whole())


def _breaks_off(address: str) -> None:
    from websockets.sync.client import connect

    with connect(f"ws://{address}/ws?media=jpeg", max_size=None) as socket:
        socket.send(json.dumps({"type": "speak", "audio": base64.b64encode(bytes(48_000)).decode(), "rate": 24_000}))
        for _ in range(50):
            socket.recv(10)
        os._exit(1)


CLIENTS: tuple[Callable[[str], None], ...] = (_leaves, _is_killed, _breaks_off)


def _run_agent(address: str, seconds: float, count: int, answers: Any) -> None:
    try:
        answers.put(asyncio.run(_agent(address, seconds, count)))
    except Exception as error:  # of whatever kind: it is the other process's to say
        answers.put(f"{type(error).__name__}: {error}")


def measure(stage: Stages, address: str, seconds: float, interruptions: int, reconnects: int) -> dict[str, Any]:
    """The figures; see the module."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    agent = context.Process(target=_run_agent, args=(address, seconds, interruptions, answers))
    agent.start()
    begin, first = time.monotonic(), min(120.0, seconds / 5)
    pids, before, codes = [os.getpid(), *stage.pids], None, Counter[int | None]()
    for number in range(reconnects):
        if before is None and time.monotonic() - begin > first:
            before = memory_mb(pids), files(pids)
        client = context.Process(target=CLIENTS[number % len(CLIENTS)], args=(address,))
        client.start()
        client.join(60)
        codes[client.exitcode] += 1
        time.sleep(max(0.0, begin + (number + 1) * seconds / reconnects - time.monotonic()))
    spoken = answers.get(timeout=seconds + 60)
    agent.join()
    if isinstance(spoken, str):
        raise EGSTalkerError(f"the agent was cut off: {spoken}")
    end = time.monotonic() + FREE_SECONDS
    while stage.open_seats and time.monotonic() < end:
        time.sleep(0.2)
    before = before or (memory_mb(pids), files(pids))
    return {
        "minutes": (time.monotonic() - begin) / 60,
        **spoken,
        "reconnects": reconnects,
        "failed_clients": codes.total() - codes[0] - codes[1],
        "grown_mb": memory_mb(pids) - before[0],
        "memory_mb": memory_mb(pids),
        "files": files(pids) - before[1],
        "left": stage.open_seats,
        "zombies": zombies(pids),
    }


def memory_mb(pids: Sequence[int]) -> float:
    """That processes have written to and share with no other; what they share is counted by who else is there."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) / 1024


def files(pids: Sequence[int]) -> int:
    """That processes have open."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def zombies(pids: Sequence[int]) -> int:
    """Children of processes that have ended and were not waited for."""
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):  # it has just gone
            continue
        count += state == "Z" and int(parent) in pids
    return count


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_soak", description="Measure the long run.")
    parser.add_argument("--minutes", type=float, default=30.0, help="that it takes (30)")
    parser.add_argument("--interruptions", type=int, default=200, help="of an agent (200)")
    parser.add_argument("--reconnects", type=int, default=50, help="clients that come and go (50)")
    parser.add_argument("--model_path", type=Path, help="a trained model, or its .head file (a lamp)")
    parser.add_argument("--device", help="cpu or cuda (what is here and can render)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    if not Path("/proc/self/smaps_rollup").exists():
        raise EGSTalkerError("this measures memory as Linux tells it")
    if not 0.2 <= arguments.minutes <= 1440 or arguments.interruptions < 1 or arguments.reconnects < 1:
        raise EGSTalkerError("--minutes is from 0.2 to 1440, --interruptions and --reconnects at least 1")
    make = lamp
    if arguments.model_path is not None:
        make = functools.partial(load_performer, arguments.model_path, choose_device(arguments.device))
    stage = Stages(make, SESSIONS)
    serving = Serving(Server(stage), 300)
    try:
        counts = arguments.interruptions, arguments.reconnects
        row = measure(stage, serving.address, 60 * arguments.minutes, *counts)
    finally:
        serving.stop()
    print(json.dumps(row, indent=1))
    if arguments.json:
        write_json(arguments.json, row)


if __name__ == "__main__":
    raise SystemExit(door(main)())
