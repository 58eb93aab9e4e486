"""The expression code: a few numbers a frame that say what a face does, whatever says it.

Coordinate 0 is the gap between the inner lips as the picture shows it. Then come the principal components of what the
gap leaves unexplained of lips and jaw, then those of the rest of the face, which neither explains: brows and cheeks.
Blinks and the pose of the head are drives of their own. All are in standard deviations of the clip that the code was
fitted to, about its mean.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import eigh

from motion.face_measures import FaceMeasures

MOUTH_RADIUS = 0.4  # decimetres: standard deviation of the weight that makes a point one of lips and jaw
LEAST_DEVIATION = 1e-6  # of a coordinate that does not move


@dataclass(frozen=True)
class ExpressionCode:
    """The map from a face of P points of D dimensions to K = 1 + lower + upper numbers, and back.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> gap = rng.random(200)
        >>> points = rng.normal(0, 0.01, (200, 30, 3)) + np.arange(30)[:, None] * 0.05
        >>> points[:, 3, 1] -= gap
        >>> face = FaceMeasures(points, gap, np.zeros(200))
        >>> code = ExpressionCode.fit(face, np.arange(150), lower=4, upper=2)
        >>> codes = code.measure(face)
        >>> codes.shape, bool(np.corrcoef(codes[:, 0], gap)[0, 1] > 0.999)
        ((200, 7), True)
        >>> code.points(codes).shape
        (200, 30, 3)
    """

    centre: Float[np.ndarray, "P D"]
    """Mean points of the clip."""
    by_gap: Float[np.ndarray, "P D"]
    """How points follow the gap."""
    lower: Float[np.ndarray, "L P D"]
    """Weighted directions of lips and jaw."""
    by_lower: Float[np.ndarray, "L P D"]
    """How points follow those coordinates."""
    by_blink: Float[np.ndarray, "P D"]
    """How points follow blinks."""
    upper: Float[np.ndarray, "U P D"]
    """Weighted directions of the rest of the face."""
    decoder: Float[np.ndarray, "K P D"]
    """How points follow the standardised code; the least squares of the clip."""
    mean: Float[np.ndarray, "K"]
    deviation: Float[np.ndarray, "K"]
    mean_blink: Float[np.ndarray, ""]

    @classmethod
    def fit(cls, face: FaceMeasures, frames: Int[np.ndarray, "M"], *, lower: int, upper: int) -> ExpressionCode:
        """Fit a code to some frames of a face.

        Args:
            face: N frames.
            frames: those to learn from, the usable ones of the training part.
            lower: coordinates of lips and jaw, besides the gap.
            upper: coordinates of the rest of the face.
        """
        shape = face.points.shape[1:]
        centre = face.points[frames].mean(0)
        moved = (face.points[frames] - centre).reshape(len(frames), -1)
        gap, blink = face.gap[frames], face.blink[frames]
        by_gap = _slopes(gap[:, None], moved)
        weights = np.repeat(_mouth_weights(centre, by_gap.reshape(shape)), shape[1])
        left = moved - (gap - gap.mean())[:, None] @ by_gap
        low = _components(left * weights, lower)
        lows = left * weights @ low.T
        by_lower = _slopes(lows, left)
        left = left - (lows - lows.mean(0)) @ by_lower
        by_blink = _slopes(blink[:, None], left)
        left = left - (blink - blink.mean())[:, None] @ by_blink
        high = _components(left * (1 - weights), upper)
        codes = np.concatenate([gap[:, None], lows, left * (1 - weights) @ high.T], axis=1)
        mean, deviation = codes.mean(0), codes.std(0).clip(LEAST_DEVIATION)
        decoder = _slopes((codes - mean) / deviation, moved)
        return cls(
            centre,
            by_gap.reshape(shape),
            (low * weights).reshape(-1, *shape),
            by_lower.reshape(-1, *shape),
            by_blink.reshape(shape),
            (high * (1 - weights)).reshape(-1, *shape),
            decoder.reshape(-1, *shape),
            mean,
            deviation,
            np.asarray(blink.mean(), np.float64),
        )

    def __len__(self) -> int:
        return len(self.mean)

    def measure(self, face: FaceMeasures) -> Float[np.ndarray, "N K"]:
        """The code of every frame of a face of the same P points."""
        flat = (face.points - self.centre).reshape(len(face), -1)
        left = flat - (face.gap - self.mean[0])[:, None] * self.by_gap.reshape(1, -1)
        lows = left @ self.lower.reshape(len(self.lower), -1).T
        middle = self.mean[1 : 1 + len(self.lower)]
        left = left - (lows - middle) @ self.by_lower.reshape(len(self.lower), -1)
        left = left - (face.blink - self.mean_blink)[:, None] * self.by_blink.reshape(1, -1)
        highs = left @ self.upper.reshape(len(self.upper), -1).T
        codes = np.concatenate([face.gap[:, None], lows, highs], axis=1)
        return ((codes - self.mean) / self.deviation).astype(np.float32)

    def points(self, codes: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N P D"]:
        """The face that a code describes, decimetres."""
        return self.centre + np.tensordot(codes, self.decoder, 1)

    def gap(self, codes: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N"]:
        """The lips' gap of a code, in distances of the outer eye corners."""
        return codes[:, 0] * self.deviation[0] + self.mean[0]

    def importance(self) -> Float[np.ndarray, "K"]:
        """How much each coordinate moves lips and jaw: squared decimetres of their points for a standard deviation."""
        weights = _mouth_weights(self.centre, self.by_gap)
        return (np.square(self.decoder) * weights[:, None]).sum((1, 2)) + 1e-9

    def arrays(self) -> dict[str, np.ndarray]:
        """What :meth:`from_arrays` takes, to be written to a file."""
        return {field.name: np.array(getattr(self, field.name), np.float64, order="C") for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> ExpressionCode:
        """Of what :meth:`arrays` made. Raises KeyError or ValueError where it is something else."""
        values = {field.name: arrays[field.name] for field in fields(cls)}
        points, lower, upper = values["centre"].shape, len(values["lower"]), len(values["upper"])
        if len(points) != 2:
            raise ValueError(f"centre has the shape {points}")
        expected = {
            "centre": points,
            "by_gap": points,
            "by_blink": points,
            "lower": (lower, *points),
            "by_lower": (lower, *points),
            "upper": (upper, *points),
            "decoder": (1 + lower + upper, *points),
            "mean": (1 + lower + upper,),
            "deviation": (1 + lower + upper,),
            "mean_blink": (),
        }
        for name, value in values.items():
            if value.shape != expected[name] or not np.isfinite(value).all():
                raise ValueError(f"{name} has the shape {value.shape}, not {expected[name]}, or is not finite")
        if (values["deviation"] <= 0).any():
            raise ValueError("deviations are above 0")
        return cls(**values)


def mouth_of(centre: Float[np.ndarray, "P D"], by_gap: Float[np.ndarray, "P D"]) -> Float[np.ndarray, "D"]:
    """The middle of the mouth of any mesh: where the gap moves the face most.

    Args:
        centre: mean points of a face.
        by_gap: how they follow the gap.
    """
    pull = np.square(by_gap).sum(1)
    return (centre * pull[:, None]).sum(0) / pull.sum().clip(1e-12)


def _mouth_weights(centre: Float[np.ndarray, "P D"], by_gap: Float[np.ndarray, "P D"]) -> Float[np.ndarray, "P"]:
    """How much each point belongs to lips and jaw, 1 to 0, by its distance from where the gap moves the face most."""
    apart = np.linalg.norm((centre - mouth_of(centre, by_gap))[:, :2], axis=1)
    return np.exp(-0.5 * np.square(apart / MOUTH_RADIUS))


def _slopes(causes: Float[np.ndarray, "N C"], effects: Float[np.ndarray, "N F"]) -> Float[np.ndarray, "C F"]:
    """The least squares of effects on causes, both about their means; of a cause that does not change, 0."""
    causes, effects = causes - causes.mean(0), effects - effects.mean(0)
    return np.linalg.pinv(causes.T @ causes, rcond=1e-9, hermitian=True) @ (causes.T @ effects)


def _components(values: Float[np.ndarray, "N F"], count: int) -> Float[np.ndarray, "count F"]:
    """The first principal directions, of length 1; zeros where there are fewer."""
    values = values - values.mean(0)
    last = values.shape[1] - 1
    sizes, columns = eigh(values.T @ values, subset_by_index=(max(0, last - count + 1), last))
    found = columns.T[::-1] * (sizes[::-1, None] > 1e-12 * np.square(values).sum())
    signs = np.sign(found[np.arange(len(found)), np.abs(found).argmax(1)])[:, None]
    return np.concatenate([found * signs, np.zeros((count - len(found), values.shape[1]))])
