"""How far heads are: which of their stages are whole, by their receipts and by what is there."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fleet.farm import Farm, Receipt, Source
from fleet.settings import Settings
from fleet.stages import Stage
from fleet.storage import SharedFolder

SIDE_BY_SIDE = 16  # heads that are looked at: storage that is far away answers late, not slowly
MOST_LOOKED_AT = 1_000  # heads: a look at all files of one that is begun takes a quarter of a second


@dataclass(frozen=True)
class Standing:
    """One head."""

    source: Source
    receipts: tuple[Receipt, ...]
    """Of its whole stages, in the order of the way; those that follow are to be done."""


def standings(farm: Farm, way: Sequence[Stage], settings: Settings, sources: Sequence[Source]) -> list[Standing]:
    """How far heads are, in their order.

    A receipt is withdrawn where somebody has removed what it is of. That is looked at in a shared folder, as long as
    few heads are begun; of many, the stage that misses something fails, and ``retry`` makes it again.
    """

    def receipts_of(source: Source) -> Standing:
        receipts: list[Receipt] = []
        for stage in way:
            receipt = farm.receipt(source.name, stage.name)
            if receipt is None:
                break
            receipts.append(receipt)
        return Standing(source, tuple(receipts))

    def is_begun(one: Standing) -> bool:
        return 0 < len(one.receipts) < len(way)

    def looked_at(one: Standing) -> Standing:
        head = farm.head(one.source)
        for number, stage in enumerate(way[: len(one.receipts)]):
            if is_begun(one) and stage.figures(head, settings) is None:
                farm.withdraw_receipt(one.source.name, stage.name)
                return Standing(one.source, one.receipts[:number])
        return one

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = list(pool.map(receipts_of, sources))
        if isinstance(farm.store, SharedFolder) and sum(map(is_begun, found)) <= MOST_LOOKED_AT:
            found = list(pool.map(looked_at, found))
    return found
