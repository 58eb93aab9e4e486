"""What a person of the sample does and how it is filmed: the choices, all of whose defaults are today's sample."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from arguments.clock import FPS
from arguments.errors import EGSTalkerError

TURNS = ("usual", "fast", "wide")
USUAL_BLINKS = 17.0  # a minute


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

    def __post_init__(self) -> None:
        if self.turns not in TURNS:
            raise EGSTalkerError(f"no turns are called {self.turns!r}; choose one of {', '.join(TURNS)}")
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
