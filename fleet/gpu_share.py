"""Which share of a GPU a stage or a program of films takes, so that several pack on a card.

A training says how much of its card's memory it took. As many go on a card as fit by what the largest of the farm took,
up to three: README.md has three trainings of ``arguments/args.py`` at once on an H100, of 512 x 512 and of 1024 x 1024,
and what more of them gain was not measured. Before a first one has ended, only what was measured so is packed; of
anything else a stage has the card alone. Whoever knows better says so (``--gpu_share``).

A program of films leaves most of a card idle: Python lets one thread at a time hear, hand over and write. So several
share a card, as many as its cores and its memory bear (measured: docs/fleet.md).
"""

from __future__ import annotations

from collections.abc import Collection

MEASURED = {("arguments/args.py", "H100"): 1 / 3, ("arguments/args.py", "H200"): 1 / 3}
"""By configuration and Ray's name of the card; an H200 is an H100 with more memory."""
MOST = 3  # on a card
USABLE = 0.9  # of its memory: CUDA takes some for each process, and longer clips take more

MEMORY = {
    **{"T4": 16, "V100": 16, "A10G": 24, "L4": 24, "A100": 40, "L40S": 48, "RTX-PRO-6000": 96},
    **{"H100": 80, "H20": 96, "H200": 141, "B200": 180},
    **{"GeForce-RTX-3090": 24, "GeForce-RTX-4090": 24, "GeForce-RTX-5090": 32},
}
"""Of cards, GB, by Ray's names for them; the smallest that bears the name (NVIDIA's data sheets)."""
FILMS_MEMORY = 10  # GB that a program of films may take: 2.1 of 512 x 512 pixels, of four times as many up to 9.6
FILMS_CORES = 2.5  # of a program of films
MOST_FILMS = 6  # programs of films on a card: what more of them gain was not measured


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


def film_share(cards: Collection[str], cores: float) -> float:
    """The share of one card that a program of films takes.

    Args:
        cards: the kinds of card that it may come to, as Ray names them; none where that is not known.
        cores: that go with a card.

    Returns:
        Above 0, at most 1; 1 where the memory of a kind is not known.
    """
    memory = min((MEMORY.get(card, 0.0) for card in cards), default=0.0)
    programs = max(1, min(MOST_FILMS, int(memory / FILMS_MEMORY), int(cores / FILMS_CORES)))
    return 1 / programs
