"""The page's live part: one head at a time, started when somebody comes and gone when nobody is there."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("aiortc")
pytest.importorskip("gradio")

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from websockets.sync.client import connect

from arguments.model_folder import ModelFolder
from benchmarks.lamp import lamp
from live.page import on_stage
from live.page.home import Home
from live.page.on_stage import OnStage
from live.performer import Performer


def lamp_of(_: Path) -> Performer:
    return lamp()


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture
def address(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(on_stage, "IDLE_SECONDS", 2.0)
    monkeypatch.setattr(on_stage, "has_gpu", lambda: False)
    monkeypatch.setattr(on_stage, "_voice", lambda: None)
    for name in ("anna", "ben", "half"):
        head = home.new_head(name)
        model = ModelFolder(head.model.root)
        _touch(head.record)
        _touch(model.checkpoint("fine", 10).weights)
        for path in (model.checkpoint("fine", 10).state, model.speech_model, model.torso, model.kept_clip):
            _touch(path)
    shutil.rmtree(home.head("half").model.root / "motion", ignore_errors=True)
    home.head("half").model.torso.unlink()
    rest = Starlette(routes=[Route("/other", lambda _: PlainTextResponse("the rest"))])
    app = OnStage(rest, home, lamp_of)
    before = set(multiprocessing.active_children())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    assert set(multiprocessing.active_children()) <= before


def _get(address: str, path: str) -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=60) as answer:
        return answer.read().decode()


def test_a_head_is_on_stage_while_somebody_is_there(address: str) -> None:
    assert _get(address, "/other") == "the rest"
    assert "<video" in _get(address, "/live/anna/")
    with connect(f"ws://{address}/live/anna/ws", open_timeout=60) as socket:
        assert json.loads(socket.recv(10))["type"] == "session"
        assert json.loads(_get(address, "/live/anna/health"))["sessions"] == 1
        with connect(f"ws://{address}/live/ben/ws", open_timeout=60) as other:  # another head takes the stage
            assert json.loads(other.recv(10))["type"] == "session"
            assert json.loads(socket.recv(10))["type"] == "closed"


@pytest.mark.parametrize("name", ["half", "nobody", "..", "%2e%2e", "anna%2f..%2fben"])
def test_what_cannot_be_live_is_said(address: str, name: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _get(address, f"/live/{name}/health")
    assert refused.value.code == 404
    assert "\n" not in "".join(json.load(refused.value).values())
