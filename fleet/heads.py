"""The commands that make heads: all of a folder's videos, or those that have failed once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from arguments.errors import EGSTalkerError
from fleet.cluster import started_cluster
from fleet.driver import Driver, Options
from fleet.farm import Farm, Source, driving
from fleet.manifest import ASKED, FAILED, Manifest, Record, latest
from fleet.report import write_report
from fleet.settings import Settings, with_configuration
from fleet.videos import videos_in
from fleet.work import ROOT

Say = Callable[[str], None]


def make_heads(
    farm: Farm,
    videos: Sequence[Path],
    settings: Settings,
    options: Options,
    say: Say,
    *,
    copy: bool = False,
    checkout: str = "",
) -> int:
    """Make a head of each video, or go on with those that are begun.

    Args:
        videos: files, and folders of them; a farm's earlier videos are not touched unless they are named again.
        copy: whether the farm gets copies of the videos rather than links.
        checkout: whose programs are run; each machine's own where it is empty.

    Returns:
        How many of them have failed.

    Raises:
        EGSTalkerError: there is no video, the farm was begun with other settings, another driver is at work on it, or
            Ray does not start.
    """
    files = videos_in(videos)
    settings = with_configuration(settings, Path(checkout) if checkout else ROOT)
    with driving(farm) as manifest:
        farm.take_settings(settings)
        farm.add(files, copy=copy)
        wanted = {str(file) for file in files}
        sources = [source for source in farm.sources() if source.path in wanted]
        return _drive(farm, manifest, sources, options, say, checkout)


def go_on(farm: Farm, options: Options, say: Say, *, checkout: str = "") -> int:
    """Go on with all heads of a farm, with the settings that it has; the videos need not be where they were.

    Returns:
        How many of them have failed.

    Raises:
        EGSTalkerError: there is no farm, another driver is at work on it, or Ray does not start.
    """
    farm.settings()
    with driving(farm) as manifest:
        return _drive(farm, manifest, farm.sources(), options, say, checkout)


def retry(farm: Farm, names: Sequence[str], options: Options, say: Say, *, checkout: str = "") -> int:
    """Try again what has failed, whatever was at fault.

    Args:
        names: of heads; none means all that have failed.

    Returns:
        How many of them have failed again.

    Raises:
        EGSTalkerError: there is no such head, or what :func:`make_heads` raises.
    """
    farm.settings()
    with driving(farm) as manifest:
        sources = {source.name: source for source in farm.sources()}
        if unknown := [name for name in names if name not in sources]:
            raise EGSTalkerError(f"{farm.store.address} has no head {unknown[0]}; ./fleet.sh status lists them")
        failed = [record for record in latest(farm.records()).values() if record.state == FAILED]
        chosen = [record for record in failed if record.name in (names or sources) and record.name in sources]
        for record in chosen:
            manifest.add(Record(record.name, record.stage, ASKED))
        again = sorted({record.name for record in chosen})
        if not again:
            say("nothing has failed")
            return 0
        return _drive(farm, manifest, [sources[name] for name in again], options, say, checkout)


def _drive(farm: Farm, manifest: Manifest, sources: Sequence[Source], options: Options, say: Say, checkout: str) -> int:
    with started_cluster(say, options.cpu_label) as cluster:
        try:
            return Driver(farm, manifest, cluster, options, say, checkout).run(sources)
        finally:
            say(f"{farm.store.address}/{write_report(farm)[0]}")
