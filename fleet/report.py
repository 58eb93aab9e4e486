"""All heads of a farm in one table: a page by itself, and the same as CSV."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
from collections.abc import Sequence
from pathlib import Path

from fleet.farm import PICTURE, Farm
from fleet.overview import FAILED_IN, WHOLE, Row, rows_of
from fleet.stages import OF_VAL, way_of
from fleet.storage import HEADS

PAGE, TABLE = "report.html", "report.csv"
FIGURES = ("frames", "gaussians", "iterations", *OF_VAL)
TEMPLATE = Path(__file__).with_name("report_page.html")
MOST_PICTURES = 2_000  # of heads, in one page; browsers take no gigabytes
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would work out what begins so


def write_report(farm: Farm) -> list[str]:
    """Write report.html and report.csv into the farm; returns their keys. Of very many heads no pictures are shown.

    Raises:
        EGSTalkerError: there is no farm, or its files are damaged.
    """
    rows, stages = rows_of(farm), [stage.name for stage in way_of(farm.settings())]
    names = [row.source.name for row in rows] if len(rows) <= MOST_PICTURES else []
    pictures = {name: farm.store.read(f"{HEADS}/{name}/{PICTURE}") for name in names}
    farm.store.write(PAGE, page(rows, stages, pictures).encode())
    farm.store.write(TABLE, table(rows, stages).encode())
    return [PAGE, TABLE]


def table(rows: Sequence[Row], stages: Sequence[str]) -> str:
    """The rows as CSV: a head a line."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["name", "state", "stage", "why", "kind", *(f"{one}_seconds" for one in stages), *FIGURES, "video"])
    for row in rows:
        times = [row.receipts[stage].seconds if stage in row.receipts else "" for stage in stages]
        figures = [row.figures.get(name, "") for name in FIGURES]
        cells = [row.source.name, row.state, row.stage, row.why, row.kind, *times, *figures, row.source.path]
        writer.writerow([tame(cell) if isinstance(cell, str) else cell for cell in cells])
    return file.getvalue()


def page(rows: Sequence[Row], stages: Sequence[str], pictures: dict[str, bytes | None]) -> str:
    """The rows as a page that asks nothing of the network; a click on a column's head sorts by it."""
    shown = [name for name in FIGURES if any(name in row.figures for row in rows)]
    heads = ["", "head", "state", *(f"{stage} (s)" for stage in stages), *(name.replace("_", " ") for name in shown)]
    titles = "".join(f'<th scope="col"><button type="button">{html.escape(head)}</button></th>' for head in heads)
    body = "\n".join(_row(row, stages, shown, pictures.get(row.source.name)) for row in rows)
    whole = sum(row.state == WHOLE for row in rows)
    failed = sum(row.state == FAILED_IN for row in rows)
    summary = f"{len(rows)} heads: {whole} whole, {failed} failed, {len(rows) - whole - failed} to do"
    text = TEMPLATE.read_text()
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {"{script_digest}": digest, "{summary}": summary, "{titles}": titles, "{rows}": body}
    for mark, part in parts.items():  # one after the other: what is filled in last is never looked through again
        text = text.replace(mark, part, 1)
    return text


def _row(row: Row, stages: Sequence[str], shown: Sequence[str], picture: bytes | None) -> str:
    name, why = html.escape(row.source.name), html.escape(row.why)
    image = ""
    if picture is not None:
        image = f'<img alt="{name}" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}"/>'
    state = html.escape(f"{row.state} in {row.stage}" if row.state == FAILED_IN else row.state)
    reason = f'<p class="why">{why}</p>' if row.why else ""
    times = [row.receipts[stage].seconds if stage in row.receipts else None for stage in stages]
    numbers = [*times, *(row.figures.get(one) for one in shown)]
    cells = "".join(f'<td class="number">{"" if number is None else _short(number)}</td>' for number in numbers)
    kind = row.state.replace(" ", "-")
    return f'<tr class="{kind}"><td>{image}</td><th scope="row">{name}</th><td>{state}{reason}</td>{cells}</tr>'


def _short(number: float) -> str:
    return f"{number:.0f}" if number == int(number) or abs(number) >= 1000 else f"{number:.3g}"


def tame(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
