"""Guests: outputs of a running server, whose session agents speak to by its name."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("aiortc")
pytest.importorskip("fastapi")

from websockets.sync.client import connect

from benchmarks.lamp import clicks, lamp
from benchmarks.serving import Serving
from live.outputs import Outputs
from live.server import Server
from live.stages import Stages
from media.outlet import outlet_of
from tests.live.test_outputs import FRAMES, Received

ROOT = Path(__file__).resolve().parents[2]


class Running(Serving):
    """A server with an output."""

    def __init__(self, address: str) -> None:
        super().__init__(Server(Stages(lamp, 1), guests={"output": Outputs([outlet_of(address)], str)}))


def speak(address: str, file: Path) -> None:
    """All clicks, by an agent of the session named output, when its file is open."""
    for _ in range(400):
        if not file.exists():
            time.sleep(0.05)
    time.sleep(0.3)
    for _ in range(100):
        with connect(f"ws://{address}/ws?session=output") as socket:
            if json.loads(socket.recv(5))["type"] != "session":  # it is not there yet
                time.sleep(0.05)
                continue
            for start in range(0, len(sound := clicks(FRAMES)), 24_000):
                audio = base64.b64encode(sound[start : start + 24_000].tobytes()).decode()
                socket.send(json.dumps({"type": "speak", "audio": audio, "rate": 48_000}))
            socket.send(json.dumps({"type": "speak_end"}))
            while json.loads(socket.recv(20))["type"] != "finished":
                pass
            return
    raise AssertionError("there is no such session")


def test_an_agent_speaks_by_an_output_and_another_session_has_a_file_of_its_own(tmp_path):
    running = Running(str(tmp_path / "talk.mkv"))
    speak(running.address, tmp_path / "talk.mkv")
    delete = urllib.request.Request(f"http://{running.address}/whep/output", method="DELETE")
    assert urllib.request.urlopen(delete, timeout=5).status == 200
    speak(running.address, tmp_path / "talk-2.mkv")
    running.stop()
    assert running.error is None
    for name in ("talk.mkv", "talk-2.mkv"):
        received = Received()
        received.read(str(tmp_path / name))
        received.is_in_step(missing=6)


def test_an_output_that_cannot_be_opened_ends_the_server_in_one_line():
    running = Running("/dev/video99")
    running.thread.join(30)
    assert "cannot be opened" in str(running.error) and "\n" not in str(running.error)


_PROGRAM = """
import asyncio, sys
from live.outputs import Outputs
from live.server import Server
from live.stages import Stages
from media.outlet import outlet_of
from benchmarks.lamp import lamp

if __name__ == "__main__":
    server = Server(Stages(lamp, 1), guests={"output": Outputs([outlet_of(sys.argv[1])], str)})
    asyncio.run(server.serve("127.0.0.1", 0, lambda port: print(f"127.0.0.1:{port}", flush=True)))
"""


@pytest.mark.slow
def test_ctrl_c_leaves_a_whole_file(tmp_path):
    (tmp_path / "program.py").write_text(_PROGRAM)
    program = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "talk.mp4")],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        speak(program.stdout.readline().strip(), tmp_path / "talk.mp4")
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=30)
    finally:
        program.kill()
    received = Received()
    received.read(str(tmp_path / "talk.mp4"))
    received.is_in_step(missing=6)
