"""The example client, and what the documentation says of messages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("aiortc")

from tests.live.test_server import Running
from tests.tiny_head import write_wav

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_makes_a_head_speak(tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 12_000), 24_000)
    running = Running()
    try:
        command = [sys.executable, ROOT / "examples" / "agent.py", sound, f"ws://{running.address}/ws"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    finally:
        running.stop()
    assert "'type': 'started'" in done.stdout and "'type': 'finished', 'utterance': 1, 'played_ms': 500" in done.stdout


def test_messages_in_the_documentation_are_messages() -> None:
    text = (ROOT / "docs" / "live.md").read_text()
    known = set(re.findall(r'kind == "(\w+)"', (ROOT / "live" / "protocol.py").read_text()))
    asked, said = text.split("| from the head | |")
    messages = [json.loads(found.replace("BASE64", '""')) for found in re.findall(r"^\| `(\{.*?\})` \|", asked, re.M)]
    assert {message["type"] for message in messages} == known
    answers = {json.loads(found)["type"] for found in re.findall(r"^\| `(\{.*?\})` \|", said, re.M)}
    assert answers == {"session", "started", "finished", "interrupted", "error", "closed"}
