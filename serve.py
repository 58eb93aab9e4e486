#!/usr/bin/env python3
"""Let a trained head answer live: ``serve.py --model_path output/m`` and open the address that it prints.

Browsers come by WebRTC, agents by a WebSocket; docs/live.md says how. With --output a session of the name "output" goes
to a stream, a camera or a file; with --livekit one goes to a LiveKit room, where an agent speaks by it.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from arguments.errors import EGSTalkerError, door, end_on_sigterm

if TYPE_CHECKING:
    from live.guests import Guest


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="live.sh", description=__doc__)
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model, or its .head file")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1: this machine alone)")
    parser.add_argument("--port", type=int, default=8010, help="port to listen at (8010)")
    parser.add_argument(
        "--token",
        default=os.environ.get("EGSTALKER_TOKEN") or None,
        help="what whoever comes has to know (EGSTALKER_TOKEN of the environment; else made up where others can reach "
        "the host)",
    )
    parser.add_argument("--sessions", type=int, help="at once (1 on a CPU, 4 on a GPU)")
    parser.add_argument(
        "--background", default="clip", metavar="KIND", help="clip (default), a colour, a picture or a video"
    )
    parser.add_argument(
        "--voice",
        default="joe",
        help="of texts: joe, built in (default); a command or a server, as for predict.sh; none",
    )
    parser.add_argument(
        "--output",
        action="append",
        metavar="ADDRESS",
        help="send a session there: rtmp://, https:// (WHIP; its token is WHIP_TOKEN of the environment), udp://, "
        "srt://, tcp://, /dev/videoN, alsa:NAME, or a file (.ts, .mkv, .mp4); several get the same. env:NAME takes the "
        "address from the environment",
    )
    parser.add_argument(
        "--livekit",
        action="store_true",
        help="be the avatar of an agent in a LiveKit room: LIVEKIT_URL and LIVEKIT_TOKEN of the environment say which",
    )
    parser.add_argument("--device", help="cpu, cuda, or cuda:1 of several (what is here and can render)")
    options = parser.parse_args(arguments)
    if not 0 < options.port < 65536:
        parser.error("--port is from 1 to 65535")
    if options.sessions is not None and not 1 <= options.sessions <= 1000:
        parser.error("--sessions are 1 to 1000")
    if options.background == "transparent":
        parser.error("live pictures are not transparent: --background clip, a colour, a picture or a video")
    if options.sessions is not None and options.sessions < _guests_of(options):
        parser.error(f"--sessions are at least {_guests_of(options)}: --output and --livekit have one each")
    return options


def _guests_of(options: argparse.Namespace) -> int:
    return bool(options.output) + options.livekit


@door
def main() -> None:
    options = parse()
    end_on_sigterm()
    try:
        from live.server import Server
    except ModuleNotFoundError as error:
        raise EGSTalkerError(
            f"live use needs the packages of requirements/live.txt ({error.name}): ./live.sh installs them"
        ) from error
    from arguments.device import CPU, kind_of
    from gaussian_renderer.devices import choose_device
    from live.access import token_for
    from live.performer import load_performer
    from live.stages import Stages
    from synthesis.background import Background
    from synthesis.voices import voice_of

    if not options.model_path.exists():
        raise EGSTalkerError(f"there is no model {options.model_path}")
    guests = _guests(options)
    background, device = Background.of(options.background), choose_device(options.device)
    voice = None if options.voice == "none" else voice_of(options.voice)
    token = token_for(options.host, options.token)
    most = options.sessions or max(1 if kind_of(device) == CPU else 4, _guests_of(options))
    stage = Stages(functools.partial(load_performer, options.model_path, device, background), most)

    def ready(port: int) -> None:
        host = f"[{options.host}]" if ":" in options.host else options.host
        print(
            f"open http://{host}:{port}/{'?token=' + token if token else ''} in a browser; Ctrl-C ends it", flush=True
        )

    asyncio.run(Server(stage, token, voice, guests).serve(options.host, options.port, ready))


def _guests(options: argparse.Namespace) -> dict[str, Guest]:
    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    guests: dict[str, Guest] = {}
    if options.output:
        from live.outputs import Outputs
        from media.outlet import outlet_of

        token = os.environ.get("WHIP_TOKEN")
        guests["output"] = Outputs([outlet_of(_address(one), token) for one in options.output], say)
    if options.livekit:
        from live.livekit_worker import worker_of

        guests[secrets.token_urlsafe(12)] = worker_of(os.environ, say)  # a name for nobody: the agent alone speaks
    return guests


def _address(text: str) -> str:
    """What is meant: an address may hold a key, and a command line is for all to see."""
    if not text.startswith("env:"):
        return text
    name = text.removeprefix("env:")
    if not os.environ.get(name):
        raise EGSTalkerError(f"--output {text}: there is no {name} in the environment")
    return os.environ[name]


if __name__ == "__main__":
    sys.exit(main())
