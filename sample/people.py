"""The people of the sample by name: how they look and what they do."""

from __future__ import annotations

from dataclasses import dataclass

from arguments.errors import EGSTalkerError
from sample.behaviour import USUAL, Behaviour
from sample.looks import PLAIN, Looks


@dataclass(frozen=True)
class Person:
    """One talking head: its looks and behaviour, and in one line what is special about it."""

    about: str
    looks: Looks = PLAIN
    behaviour: Behaviour = USUAL


PEOPLE = {
    "usual": Person("the sample: short hair, calm, in an even light"),
    "fast_turns": Person("turns the head by 25 degrees within 0.3 s", behaviour=Behaviour(turns="fast")),
    "wide_turns": Person("turns the head to 60 degrees of yaw and back", behaviour=Behaviour(turns="wide")),
    "hands": Person("raises a hand before the face", behaviour=Behaviour(hand=True)),
    "rare_blinks": Person("blinks nine times a minute", behaviour=Behaviour(blinks_per_minute=9.0)),
    "long_hair": Person("dark loose hair over the shoulders", Looks(hair="long", hair_colour="black", skin="tan")),
    "braids": Person(
        "blond braids over the shoulders, earrings", Looks(hair="braids", hair_colour="blond", earrings=True)
    ),
    "beard": Person(
        "a full beard and glasses, dark skin", Looks(skin="dark", hair_colour="black", beard=True, glasses=True)
    ),
    "hat": Person("a knitted hat and a scarf", Looks(hat=True, scarf=True, hair_colour="red")),
    "bald": Person("no hair, brown skin, glasses", Looks(skin="brown", hair="bald", hair_colour="grey", glasses=True)),
}


def person(name: str) -> Person:
    """The person of a name. Raises EGSTalkerError for an unknown one."""
    if name not in PEOPLE:
        raise EGSTalkerError(f"nobody is called {name!r}; choose one of {', '.join(PEOPLE)}")
    return PEOPLE[name]
