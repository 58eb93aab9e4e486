"""A driver in a process of its own, which tests kill: ``drive.py FARM VIDEOS CHECKOUT ATTEMPTS SCRATCH``."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from arguments.errors import door
from fleet.driver import Options
from fleet.farm import Farm
from fleet.heads import go_on, make_heads
from fleet.settings import Settings


@door
def main() -> int:
    farm, videos, checkout, attempts, scratch = sys.argv[1:]
    options = Options(cores=1, first_wait=0.2, attempts=int(attempts))
    say = functools.partial(print, flush=True)
    if not videos:
        return 1 if go_on(Farm(farm, scratch), options, say, checkout=checkout) else 0
    return 1 if make_heads(Farm(farm, scratch), [Path(videos)], Settings(), options, say, checkout=checkout) else 0


if __name__ == "__main__":
    sys.exit(main())
