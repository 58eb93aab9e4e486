"""How far every head of a farm is, for people and for the report: from receipts and the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.farm import Farm, Receipt, Source
from fleet.manifest import AGAIN, BEGUN, FAILED, Record, latest
from fleet.stages import Figures, way_of

WHOLE, AT_WORK, FAILED_IN, WAITING = "whole", "at work", "failed", "waiting"


@dataclass(frozen=True)
class Row:
    """One head."""

    source: Source
    receipts: Mapping[str, Receipt]
    """Of the stages that are whole, by their names."""
    stage: str
    """The first that is not whole; empty where all are."""
    state: str
    """WHOLE, AT_WORK, FAILED_IN or WAITING."""
    why: str = ""
    """One line, of a failure."""
    kind: str = ""

    @property
    def seconds(self) -> float:
        """That its whole stages took."""
        return sum(receipt.seconds for receipt in self.receipts.values())

    @property
    def figures(self) -> Figures:
        """Of all whole stages."""
        return {name: value for receipt in self.receipts.values() for name, value in receipt.figures.items()}


def rows_of(farm: Farm) -> list[Row]:
    """All heads of a farm, by their names.

    Raises:
        EGSTalkerError: there is no farm, or its files are damaged.
    """
    stages = [stage.name for stage in way_of(farm.settings())]
    records = latest(farm.records())
    return [_row(farm, source, stages, records) for source in farm.sources()]


def _row(farm: Farm, source: Source, stages: list[str], records: Mapping[tuple[str, str], Record]) -> Row:
    found = {stage: farm.receipt(source.name, stage) for stage in stages}
    receipts = {stage: receipt for stage, receipt in found.items() if receipt is not None}
    stage = next((stage for stage in stages if stage not in receipts), "")
    if not stage:
        return Row(source, receipts, "", WHOLE)
    record = records.get((source.name, stage))
    if record is not None and record.state == FAILED:
        return Row(source, receipts, stage, FAILED_IN, record.why, record.kind)
    if record is not None and record.state in (BEGUN, AGAIN):
        return Row(source, receipts, stage, AT_WORK, record.why, record.kind)
    return Row(source, receipts, stage, WAITING)
