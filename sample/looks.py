"""How a person of the sample looks: the choices, all of whose defaults are the demo's figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arguments.errors import EGSTalkerError
from sample.parts import linear
from sample.shape import Array

SKINS = {"light": (232, 176, 150), "tan": (202, 142, 108), "brown": (148, 94, 66), "dark": (96, 60, 44)}  # sRGB
HAIR_COLOURS = {
    "brown": (98, 62, 40),
    "black": (40, 32, 30),
    "blond": (176, 138, 86),
    "red": (146, 70, 34),
    "grey": (150, 146, 142),
}
HAIR_STYLES = ("short", "long", "braids", "bald")


@dataclass(frozen=True)
class Looks:
    """What a person looks like and wears. Raises EGSTalkerError for what is not in the wardrobe."""

    skin: str = "light"
    """light, tan, brown or dark."""
    hair: str = "short"
    """short; long: loose, over the shoulders; braids: two, over the shoulders; bald."""
    hair_colour: str = "brown"
    """brown, black, blond, red or grey; of brows and beard too."""
    beard: bool = False
    glasses: bool = False
    hat: bool = False
    """A knitted hat over the hair, down to the forehead."""
    earrings: bool = False
    scarf: bool = False

    def __post_init__(self) -> None:
        for what, known in (("skin", SKINS), ("hair", HAIR_STYLES), ("hair_colour", HAIR_COLOURS)):
            if getattr(self, what) not in known:
                raise EGSTalkerError(f"no {what} is called {getattr(self, what)!r}; choose one of {', '.join(known)}")

    @property
    def skin_tint(self) -> Array:
        """What a linear albedo of the default skin is multiplied with [3]."""
        return _ratio(SKINS[self.skin], SKINS["light"])

    @property
    def hair_tint(self) -> Array:
        """What a linear albedo of the default hair is multiplied with [3]."""
        return _ratio(HAIR_COLOURS[self.hair_colour], HAIR_COLOURS["brown"])


def _ratio(colour: tuple[int, int, int], of: tuple[int, int, int]) -> Array:
    return (linear(*colour) / linear(*of)).astype(np.float32)


PLAIN = Looks()
