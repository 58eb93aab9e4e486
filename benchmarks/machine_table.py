"""A machine's figures as one Markdown table, beside those that were kept."""

from __future__ import annotations

from collections.abc import Sequence

from arguments.version import VERSION
from benchmarks.figures import Change, Figure, digits
from benchmarks.reference import Entry


def markdown(entry: Entry, kept: Entry | None, changes: Sequence[Change], failed: Sequence[str]) -> str:
    """The table: commit and machine, then a row for each figure; below it the tests that failed.

    Args:
        entry: what was measured now.
        kept: what it is compared with; the table is narrower without.
        changes: its figures beside those that were kept.
        failed: names of tests.
    """
    rows = [
        ("commit", entry.commit, kept.commit if kept else ""),
        ("date", entry.date, kept.date if kept else ""),
        ("version", VERSION, ""),
        ("machine", entry.subject.device, ""),
        ("software", entry.software, kept.software if kept else ""),
        ("dataset", entry.subject.dataset, ""),
        ("configuration", f"{entry.subject.configuration}, {entry.subject.iterations:,} iterations", ""),
    ]
    lines = [_line("", "now", "noise", "reference", "difference", "")] if kept else [_line("", "now", "noise")]
    lines.append("|---|---:|---:|---:|---:|---|" if kept else "|---|---:|---:|")
    lines += [_line(name, now, "", then, "", "") if kept else _line(name, now, "") for name, now, then in rows]
    for change in changes:
        cells = [change.name, _shown(change.now), "" if change.noise is None else digits(change.noise)]
        lines.append(_line(*cells, *([_shown(change.kept), _difference(change), change.flag] if kept else [])))
    lines += ["", *(f"failed: {name}" for name in failed)] if failed else []
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in escaped)


def _shown(figure: Figure | None) -> str:
    return "" if figure is None else f"{digits(figure.value)} {figure.unit}".rstrip()


def _difference(change: Change) -> str:
    if change.now is None or change.kept is None or change.now.value == change.kept.value:
        return ""
    difference = change.now.value - change.kept.value
    if not change.kept.value:
        return f"{'+' if difference > 0 else ''}{digits(difference)}"
    return f"{100 * difference / abs(change.kept.value):+.1f} %"
