"""The people of the sample by name: how they look and what they do."""

from __future__ import annotations

from dataclasses import dataclass

from arguments.errors import EGSTalkerError
from sample.behaviour import USUAL, Behaviour, Framing
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
    "light": Person("the light changes: clouds, and a lamp that is switched", behaviour=Behaviour(light="changing")),
    "noise": Person("a camera with much noise, 60 pictures a second", behaviour=Behaviour(noise=9.0, fps=60.0)),
    "webcam": Person(
        "close to a laptop's camera and off the middle, 15 pictures a second",
        Looks(hair_colour="grey", glasses=True),
        Behaviour(fps=15.0, framing=Framing(16 / 9, distance=4.2, across=0.8, up=0.0, focal=1.0)),
    ),
    "phone": Person(
        "filmed upright with a telephone, 29.97 pictures a second",
        Looks(skin="brown", hair_colour="black", earrings=True),
        Behaviour(fps=29.97, framing=Framing(9 / 16, distance=6.5, across=-0.4, up=0.9, focal=1.5)),
    ),
    "jump_cuts": Person("edited: pieces of the speech are missing", behaviour=Behaviour(cuts="jump")),
    "scenes": Person("edited: another scene is shown for a moment", behaviour=Behaviour(cuts="scene")),
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
