"""How far a farm is, as text and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arguments.command_log import lines_of
from arguments.foreign_text import printable
from arguments.locks import is_held
from fleet.farm import Farm
from fleet.overview import AT_WORK, FAILED_IN, WAITING, WHOLE, Row, rows_of
from fleet.progress import length
from fleet.stages import way_of

MOST = 100  # letters of a program's last line


def as_text(farm: Farm) -> str:
    """A line for each head, then how many are how far.

    Raises:
        EGSTalkerError: there is no farm, or its files are damaged.
    """
    rows, stages = rows_of(farm), len(way_of(farm.settings()))
    wide = max((len(row.source.name) for row in rows), default=0)
    lines = [
        f"{row.source.name:<{wide}}  {len(row.receipts)}/{stages}  {_words(row, farm.head(row.source).log(row.stage))}"
        for row in rows
    ]
    driver = "" if is_held(farm.store.local) else _goes_on(rows)
    counts = [f"{sum(row.state == state for row in rows)} {state}" for state in (WHOLE, AT_WORK, FAILED_IN, WAITING)]
    return "\n".join([*lines, f"{len(rows)} heads: {', '.join(counts)}{driver}"])


def as_json(farm: Farm) -> dict[str, Any]:
    """The same for programs, with all figures.

    Raises:
        EGSTalkerError: there is no farm, or its files are damaged.
    """
    return {
        row.source.name: {
            "video": row.source.path,
            "state": row.state,
            "stage": row.stage,
            "why": row.why,
            "kind": row.kind,
            "seconds": {stage: receipt.seconds for stage, receipt in row.receipts.items()},
            "figures": row.figures,
        }
        for row in rows_of(farm)
    }


def _goes_on(rows: list[Row]) -> str:
    left = any(row.state in (AT_WORK, WAITING) for row in rows)
    return "; no driver is at work here: ./fleet.sh heads goes on" if left else ""


def _words(row: Row, log: Path) -> str:
    if row.state == WHOLE:
        return f"whole, in {length(row.seconds)}"
    if row.state == FAILED_IN:
        return f"failed in {row.stage}: {row.why}"
    if row.state == AT_WORK:
        last = next((line for line in reversed(lines_of(log)) if line.strip()), "")
        return f"{row.stage} is begun: {printable(row.why or last)[:MOST]}"
    return f"waits for {row.stage}"
