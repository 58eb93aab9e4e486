"""What a person of the sample does and how it is filmed: the choices, all of whose defaults are today's sample."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from arguments.clock import FPS
from arguments.errors import EGSTalkerError

TURNS = ("usual", "fast", "wide")
LIGHTS = ("steady", "changing")
CUTS = ("none", "jump", "scene")
USUAL_BLINKS = 17.0  # a minute


@dataclass(frozen=True)
class Framing:
    """Where the camera is. Raises EGSTalkerError for a picture that nobody films."""

    aspect: float = 1.0
    """Width over height; the shorter side is the sample's size."""
    distance: float = 8.0
    """Of the head from the camera, dm."""
    across: float = 0.0
    """How far the person sits to the right of the picture's middle, dm."""
    up: float = 0.0
    """How far above it, dm."""
    focal: float = 830 / 384
    """Focal length in shorter sides: 2.2 is a portrait lens, 1 a telephone's or a laptop's camera."""

    def __post_init__(self) -> None:
        if not 0.4 <= self.aspect <= 2.5 or not 3.0 <= self.distance <= 30.0 or not 0.5 <= self.focal <= 6.0:
            raise EGSTalkerError(
                "a picture is filmed with an aspect of 0.4 to 2.5, from 3 to 30 dm, and a focal length of 0.5 to 6 of "
                f"its shorter side, not {self.aspect:g}, {self.distance:g} and {self.focal:g}; choose other numbers"
            )

    def picture(self, size: int) -> tuple[int, int]:
        """Width and height in pixels, even, of a sample whose shorter side is ``size``."""
        longer = 2 * round(size * max(self.aspect, 1 / self.aspect) / 2)
        return (longer, size) if self.aspect >= 1 else (size, longer)


PORTRAIT = Framing()


@dataclass(frozen=True)
class Behaviour:
    """How a person acts. Raises EGSTalkerError for what nobody does."""

    blinks_per_minute: float = USUAL_BLINKS
    """Blinks a minute of the training part; the held-out end of a long clip always has two."""
    turns: str = "usual"
    """usual: a slow drift within +-16 degrees of yaw; fast: 25 degrees within 0.3 s, again and again; wide: to 60
    degrees and back, in 3 to 6 s."""
    hand: bool = False
    """Whether a hand is raised before the lower part or the side of the face, for about a second every four."""
    fps: float = float(FPS)
    """Frames a second of the film; 29.97 is NTSC's 30000/1001."""
    light: str = "steady"
    """steady; changing: clouds before the window, and a lamp that is switched."""
    noise: float = 0.8
    """Standard deviation of the camera's noise, of 255."""
    framing: Framing = PORTRAIT
    cuts: str = "none"
    """none; jump: pieces are missing; scene: another scene is shown for a moment, without the person."""

    def __post_init__(self) -> None:
        for what, known in (("turns", TURNS), ("light", LIGHTS), ("cuts", CUTS)):
            if getattr(self, what) not in known:
                raise EGSTalkerError(f"no {what} is called {getattr(self, what)!r}; choose one of {', '.join(known)}")
        if not 0 <= self.noise <= 40:
            raise EGSTalkerError(f"a camera's noise is not {self.noise:g} of 255; choose 0 to 40")
        if not 1 <= self.blinks_per_minute <= 40:
            raise EGSTalkerError(f"nobody blinks {self.blinks_per_minute:g} times a minute; choose 1 to 40")
        if not 5 <= self.fps <= 120:
            raise EGSTalkerError(f"a film of {self.fps:g} frames a second cannot be made; choose 5 to 120")

    @property
    def rate(self) -> Fraction:
        """Frames a second, exactly: 29.97 is 30000/1001."""
        broadcast = Fraction(round(self.fps) * 1000, 1001)
        return broadcast if abs(float(broadcast) - self.fps) < 0.005 else Fraction(self.fps).limit_denominator(1000)


USUAL = Behaviour()
