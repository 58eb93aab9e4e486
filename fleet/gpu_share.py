"""Which share of a GPU a stage takes, so that several pack on a card.

A training says how much of its card's memory it took. As many go on a card as fit by what the largest of the farm took,
up to three: README.md has three trainings of ``arguments/args.py`` at once on an H100, of 512 x 512 and of 1024 x 1024,
and what more of them gain was not measured. Before a first one has ended, only what was measured so is packed; of
anything else a stage has the card alone. Whoever knows better says so (``--gpu_share``).
"""

from __future__ import annotations

from collections.abc import Collection

MEASURED = {("arguments/args.py", "H100"): 1 / 3, ("arguments/args.py", "H200"): 1 / 3}
"""By configuration and Ray's name of the card; an H200 is an H100 with more memory."""
MOST = 3  # on a card
USABLE = 0.9  # of its memory: CUDA takes some for each process, and longer clips take more


def gpu_share(configs: str, cards: Collection[str], memory: float = 0.0) -> float:
    """The share of one card that a training takes.

    Args:
        configs: its configuration.
        cards: the kinds of card that it may come to, as Ray names them; none where that is not known.
        memory: the share of a card's memory that a training of this farm took at most; 0 where none has ended.

    Returns:
        Above 0, at most 1: without ``memory``, the largest of the kinds' shares.
    """
    if memory > 0:
        return 1 / max(1, min(MOST, int(USABLE / memory)))
    return max((MEASURED.get((configs, card), 1.0) for card in cards), default=1.0)
