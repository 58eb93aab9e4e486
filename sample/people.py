"""The people of the sample by name: how they look and what they do."""

from __future__ import annotations

from dataclasses import dataclass

from arguments.errors import EGSTalkerError
from sample.behaviour import USUAL, Behaviour


@dataclass(frozen=True)
class Person:
    """One talking head: its behaviour, and in one line what is special about it."""

    about: str
    behaviour: Behaviour = USUAL


PEOPLE = {
    "usual": Person("the sample: short hair, calm, in an even light"),
    "fast_turns": Person("turns the head by 25 degrees within 0.3 s", Behaviour(turns="fast")),
    "wide_turns": Person("turns the head to 60 degrees of yaw and back", Behaviour(turns="wide")),
    "hands": Person("raises a hand before the face", Behaviour(hand=True)),
    "rare_blinks": Person("blinks nine times a minute", Behaviour(blinks_per_minute=9.0)),
}


def person(name: str) -> Person:
    """The person of a name. Raises EGSTalkerError for an unknown one."""
    if name not in PEOPLE:
        raise EGSTalkerError(f"nobody is called {name!r}; choose one of {', '.join(PEOPLE)}")
    return PEOPLE[name]
