"""Which share of a GPU a stage takes, so that several pack on a card.

Only what has been measured is packed: README.md has three trainings of ``arguments/args.py`` at once on an H100,
of 512 x 512 and of 1024 x 1024. Other cards and configurations get a whole card each; whoever knows better says so
(``--gpu_share``).
"""

from __future__ import annotations

from collections.abc import Collection

MEASURED = {("arguments/args.py", "H100"): 1 / 3, ("arguments/args.py", "H200"): 1 / 3}
"""By configuration and Ray's name of the card; an H200 is an H100 with more memory."""


def gpu_share(configs: str, cards: Collection[str]) -> float:
    """The share of one card that a training takes.

    Args:
        configs: its configuration.
        cards: the kinds of card that it may come to, as Ray names them; none where that is not known.

    Returns:
        Above 0, at most 1: the largest of the kinds' shares.
    """
    return max((MEASURED.get((configs, card), 1.0) for card in cards), default=1.0)
