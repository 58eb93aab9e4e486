#!/usr/bin/env python3
"""Let a trained head answer live: ``serve.py --model_path output/m`` and open the address that it prints.

Browsers come by WebRTC, agents by a WebSocket; docs/live.md says how.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import sys
from pathlib import Path

from arguments.errors import EGSTalkerError, door


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="live.sh", description=__doc__)
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model, or its .head file")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1: this machine alone)")
    parser.add_argument("--port", type=int, default=8010, help="port to listen at (8010)")
    parser.add_argument("--token", help="what whoever comes has to know; made up where others can reach the host")
    parser.add_argument("--sessions", type=int, help="at once (1 on a CPU, 20 on a GPU)")
    parser.add_argument(
        "--background", default="clip", metavar="KIND", help="clip (default), a colour, a picture or a video"
    )
    parser.add_argument(
        "--voice",
        default="joe",
        help="of texts: joe, built in (default); a command or a server, as for predict.sh; none",
    )
    parser.add_argument("--device", help="cpu, cuda, or cuda:1 of several (what is here and can render)")
    options = parser.parse_args(arguments)
    if not 0 < options.port < 65536:
        parser.error("--port is from 1 to 65535")
    if options.sessions is not None and not 1 <= options.sessions <= 1000:
        parser.error("--sessions are 1 to 1000")
    if options.background == "transparent":
        parser.error("live pictures are not transparent: --background clip, a colour, a picture or a video")
    return options


@door
def main() -> None:
    options = parse()
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
    background, device = Background.of(options.background), choose_device(options.device)
    voice = None if options.voice == "none" else voice_of(options.voice)
    token = token_for(options.host, options.token)
    most = options.sessions or (1 if kind_of(device) == CPU else 20)
    stage = Stages(functools.partial(load_performer, options.model_path, device, background), most)

    def ready(port: int) -> None:
        host = f"[{options.host}]" if ":" in options.host else options.host
        print(
            f"open http://{host}:{port}/{'?token=' + token if token else ''} in a browser; Ctrl-C ends it", flush=True
        )

    asyncio.run(Server(stage, token, voice).serve(options.host, options.port, ready))


if __name__ == "__main__":
    sys.exit(main())
