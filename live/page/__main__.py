"""Serve the page: ./app.sh [--port N] [--host H] [--home FOLDER]."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import warnings
from pathlib import Path

from arguments.errors import EGSTalkerError, door, end_on_sigterm
from live.access import token_for

QUICK_END = 2  # seconds that pages have to hear that the server ends
LAST_SECONDS = 20.0  # that jobs have to keep what they have done, where they end with the page


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="app.sh", description=__doc__)
    parser.add_argument("--port", type=int, default=7860, help="of the server (7860; 0: any that is free)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1: this machine alone)")
    parser.add_argument(
        "--token",
        default=os.environ.get("EGSTALKER_TOKEN") or None,
        help="that a browser must bring where --host is another (EGSTALKER_TOKEN of the environment; else one is made)",
    )
    parser.add_argument(
        "--home", type=Path, default=Path("output/page"), help="folder of heads, films and jobs (output/page)"
    )
    parser.add_argument("--max_upload", type=int, default=4096, metavar="MB", help="size of a video (4096)")
    parser.add_argument(
        "--end_jobs", action="store_true", help="end work in progress with the page, as a container does; it can go on"
    )
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= 65535:
        parser.error("--port is a number from 0 to 65535")
    if options.max_upload < 1:
        parser.error("--max_upload is at least 1")
    return options


@door
def main() -> None:
    """Serve until Ctrl-C."""
    options = parse()
    end_on_sigterm()
    warnings.filterwarnings("ignore", module="gradio")  # of names that its own dependencies have renamed
    place = _listen(options.host, options.port)

    import uvicorn

    from live.page.home import Home
    from live.page.jobs import Line
    from live.page.server import web_application
    from live.page.uploads import Limits

    token = token_for(options.host, options.token)
    home = Home(options.home.resolve())
    app = web_application(home, Limits(megabytes=options.max_upload), token)
    ending = " and work in progress, which can go on later" if options.end_jobs else "; work in progress goes on"
    print(f"{_address(place, options.host, token)}  (Ctrl-C ends the page{ending})", flush=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=QUICK_END)
    try:
        uvicorn.Server(config).run(sockets=[place])
    except KeyboardInterrupt:
        return
    finally:
        if options.end_jobs:
            Line(home.jobs).break_off(LAST_SECONDS)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise EGSTalkerError(f"cannot listen at {host}, port {port} ({why}); give another --port or --host") from error


def _address(place: socket.socket, host: str, token: str | None) -> str:
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{place.getsockname()[1]}/" + (f"?token={token}" if token else "")


if __name__ == "__main__":
    sys.exit(main())
