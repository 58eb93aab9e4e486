#!/usr/bin/env python3
"""Make one file of a trained model: ``export.py --model_path output/m --to NAME.head|.ply|.splat|.glb``.

A .head is all that speaking takes, for predict.sh on any machine; the others hold the person at rest, for viewers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from arguments.errors import EGSTalkerError, door

KINDS = (".head", ".ply", ".splat", ".glb")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="export.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model, or its .head file")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help=f"its ending says what: {', '.join(KINDS)}"
    )
    options = parser.parse_args(arguments)
    if options.to.suffix not in KINDS:
        parser.error(f"--to ends in one of {', '.join(KINDS)}")
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
            head, torso = load_head(folder)[0], load_torso(folder)
            person = head.static().detach()
            if torso is not None:
                person = joined(person, torso.static().detach())
    except OSError as error:
        raise EGSTalkerError(f"cannot write {target}: {error.strerror}; choose another place for it") from error
    {".ply": write_ply, ".splat": write_splat, ".glb": write_glb}[target.suffix](target, person)
    print(f"{target}: {person.count} Gaussians, {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
