"""How far a head is: which of its stages are whole, by their receipts and by what is there."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fleet.farm import Farm, Receipt, Source
from fleet.settings import Settings
from fleet.stages import Stage
from fleet.storage import SharedFolder

SIDE_BY_SIDE = 16  # heads that are looked at: storage that is far away answers late, not slowly


@dataclass(frozen=True)
class Standing:
    """One head."""

    source: Source
    receipts: tuple[Receipt, ...]
    """Of its whole stages, in the order of the way; those that follow are to be done."""


def standings(farm: Farm, way: Sequence[Stage], settings: Settings, sources: Sequence[Source]) -> Iterator[Standing]:
    """How far heads are, in their order. A receipt is withdrawn where somebody has removed what it is of."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield from pool.map(functools.partial(standing, farm, way, settings), sources)


def standing(farm: Farm, way: Sequence[Stage], settings: Settings, source: Source) -> Standing:
    """How far one head is; see :func:`standings`."""
    receipts: list[Receipt] = []
    for stage in way:
        receipt = farm.receipt(source.name, stage.name)
        if receipt is None:
            break
        receipts.append(receipt)
    if len(receipts) < len(way) and isinstance(farm.store, SharedFolder):
        head = farm.head(source)
        for number, stage in enumerate(way[: len(receipts)]):
            if stage.figures(head, settings) is None:
                farm.withdraw_receipt(source.name, stage.name)
                return Standing(source, tuple(receipts[:number]))
    return Standing(source, tuple(receipts))
