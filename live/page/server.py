"""The page as a web application: Gradio's part of it, and the pictures and films of the home beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.types import ASGIApp

from arguments.errors import EGSTalkerError, one_line
from live.page.given_paths import GivenPaths
from live.page.guard import Guard
from live.page.home import Home
from live.page.jobs import Line
from live.page.on_stage import OnStage
from live.page.own_words import OwnWords
from live.page.uploads import Limits

MOST_LOG = 1 << 20  # bytes of a log that are shown
MEDIA = {".mp4": "video/mp4", ".webm": "video/webm", ".png": "image/png"}


def web_application(home: Home, limits: Limits, token: str | None = None) -> ASGIApp:
    """All that the server answers.

    Args:
        home: its folder, made if need be; jobs that wait in it begin.
        limits: of uploads.
        token: that whoever asks must have; None: asks of the loopback alone are answered.
    """
    home.make()
    # Gradio reads both when it is imported or its parts are made.
    os.environ["GRADIO_TEMP_DIR"] = str(home.uploads.resolve())
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

    import gradio

    from live.page.layout import HEAD, STYLE, build, theme

    line = Line(home.jobs)
    line.advance()
    app = _files(home, line)
    gradio.mount_gradio_app(
        app,
        build(home, line, limits),
        path="/",
        footer_links=[],
        max_file_size=f"{max(limits.megabytes, limits.sound_megabytes)}mb",
        ssr_mode=False,
        enable_monitoring=False,
        theme=theme(),
        css=STYLE,
        head=HEAD,
        show_error=False,
    )
    return Guard(OnStage(GivenPaths(OwnWords(app), home), home), token)


def _files(home: Home, line: Line) -> FastAPI:
    """The routes of what lies in the home."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(EGSTalkerError)
    async def refuse(_: Any, error: EGSTalkerError) -> PlainTextResponse:
        return PlainTextResponse(one_line(error), 404)

    @app.get("/health")
    def health() -> dict[str, bool]:
        return {"ready": True}

    @app.get("/heads/{name}/pictures/{picture}")
    def picture(name: str, picture: str) -> FileResponse:
        return _file(home.picture(name, picture))

    @app.get("/heads/{name}/films/{number}")
    def film(name: str, number: str, download: bool = False) -> FileResponse:
        path = home.film(name, number)
        return _file(path, f"{name}-{number}{path.suffix}" if download else None)

    @app.get("/jobs/{number}/log")
    def log(number: str) -> PlainTextResponse:
        path = home.inside(line.find(number).log)
        if not path.is_file():
            raise EGSTalkerError("this job has not begun yet")
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_LOG))
            return PlainTextResponse(file.read().decode(errors="replace"))

    return app


def _file(path: Path, name: str | None = None) -> FileResponse:
    kept = {"cache-control": "no-cache"}  # asked for anew: a picture of this name may be another by now
    return FileResponse(path, media_type=MEDIA[path.suffix], filename=name, headers=kept)
