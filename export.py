#!/usr/bin/env python3
"""Make one file of a trained model: ``export.py --model_path output/m --to NAME.head|.ply|.splat|.glb|.html``.

A .head is all that speaking takes, for predict.sh on any machine; .ply, .splat and .glb hold the person at rest, for
viewers; .html is a page that plays what a sound file says, seen from where one likes.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from arguments.errors import EGSTalkerError, door

PAGE = ".html"
KINDS = (".head", ".ply", ".splat", ".glb", PAGE)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="export.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model, or its .head file")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help=f"its ending says what: {', '.join(KINDS)}"
    )
    page = parser.add_argument_group(f"for {PAGE}")
    page.add_argument("--audio_path", type=Path, help="any sound or video file with speech: what is said")
    page.add_argument("--pose", metavar="KIND", help="how the head is held: own (default), reference, still, or a csv")
    page.add_argument("--background", metavar="KIND", help="clip (default), transparent, a colour or a picture")
    page.add_argument("--seed", type=int, help="of blinks, poses and the idle motion of brows and cheeks (0)")
    page.add_argument("--device", help="cpu, cuda, or cuda:1 of several (what is here and can render)")
    options = parser.parse_args(arguments)
    if options.to.suffix not in KINDS:
        parser.error(f"--to ends in one of {', '.join(KINDS)}")
    given = [
        name for name in ("audio_path", "pose", "background", "seed", "device") if getattr(options, name) is not None
    ]
    if options.to.suffix == PAGE and options.audio_path is None:
        parser.error(f"a {PAGE} page plays speech: give --audio_path")
    if options.to.suffix != PAGE and given:
        parser.error(f"--{given[0]} is for {PAGE}")
    if options.seed is not None and options.seed < 0:
        parser.error("--seed is at least 0")
    return options


@door
def main() -> None:
    options = parse()
    from scene.head_file import opened, pack
    from scene.head_files import load_head
    from scene.ply import write_ply
    from scene.splats import write_glb, write_splat
    from scene.torso import joined
    from scene.torso_files import load_torso

    target = options.to
    if target.is_dir():
        raise EGSTalkerError(f"{target} is a folder; name a file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened(options.model_path) as folder:
            if target.suffix == ".head":
                size = pack(folder, target)
                print(f"{target}: {size / 1e6:.1f} MB")
                return
            if target.suffix == PAGE:
                speak(options, folder)
                return
            head, torso = load_head(folder)[0], load_torso(folder)
            person = head.static().detach()
            if torso is not None:
                person = joined(person, torso.static().detach())
    except OSError as error:
        raise EGSTalkerError(f"cannot write {target}: {error.strerror}; choose another place for it") from error
    {".ply": write_ply, ".splat": write_splat, ".glb": write_glb}[target.suffix](target, person)
    print(f"{target}: {person.count} Gaussians, {target.stat().st_size / 1e6:.1f} MB")


def speak(options: argparse.Namespace, model: Path) -> None:
    """Write the page that the options ask for, with the model of a folder."""
    from arguments.clock import FPS
    from data_utils.progress import track
    from gaussian_renderer.devices import choose_device
    from scene.head_files import load_head
    from scene.kept_clip import KeptClip
    from synthesis.background import Background
    from synthesis.film import make_writable, staged
    from synthesis.page.writing import write_page
    from synthesis.poses import Posing
    from synthesis.signal import motion_of
    from synthesis.source import Source
    from synthesis.torso import own_torso

    if not options.audio_path.is_file():
        raise EGSTalkerError(f"there is no audio file {options.audio_path}")
    target = options.to
    background, posing = Background.of(options.background or "clip"), Posing.of(options.pose or "own")
    device = choose_device(options.device)
    head = load_head(model, None, device)[0]
    clip = KeptClip(model)
    make_writable(target.parent)
    script = staged(
        *(head, clip, Source(options.audio_path), target.parent),
        motion=motion_of(head, model),
        torso=own_torso(model, device),
        background=background,
        posing=posing,
        seed=options.seed or 0,
    )
    size = write_page(head, clip, script, target, watch=functools.partial(track, title="page"))
    print(f"{target}: {len(script)} frames, {len(script) / FPS:.1f} s, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
