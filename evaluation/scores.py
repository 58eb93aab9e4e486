"""The figures that say how good a head is, and metrics.json, which holds them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arguments.atomic import write_json
from evaluation.origin import Origin

SPLITS = ("val", "val_measured", "val_torso", "train", "custom")

TORSO_FIGURES = ("torso_psnr", "neck_psnr", "neck_step")
"""What is only measured where neck and torso are the model's own."""


@dataclass(frozen=True)
class Scores:
    """One set's figures, in the order of metrics.json; None where a figure is undefined (``reasons`` says why).

    Averages over frames are averages of per-frame values. Pictures are the 8-bit ones that the encoder gets.
    """

    raw_psnr: float | None = None
    """dB, the same picture as composite against the frame as it was filmed (``ori_imgs``)."""
    composite_psnr: float | None = None
    """dB, the head rendered over the true torso and background against ``gt_imgs``, whole picture."""
    head_psnr: float | None = None
    """dB, composite inside the box around each frame's head pixels."""
    mouth_psnr: float | None = None
    """dB, composite inside the box around each frame's mouth landmarks."""
    face_psnr: float | None = None
    """dB, composite over the head's pixels alone (``parsing``'s head class): the boxes hold copied truth too."""
    torso_psnr: float | None = None
    """dB, composite over the pixels of neck and torso (``parsing``'s), where these are the model's own."""
    neck_psnr: float | None = None
    """dB, the same in a band along the line where the head ends upon them."""
    neck_step: float | None = None
    """Mean absolute step of the composite's colours across that line, over the truth's; 1 is right, more is a seam."""
    ssim: float | None = None
    """-1..1, of the composite."""
    lpips: float | None = None
    """LPIPS v0.1 (AlexNet) of the composite, where its weights are there."""
    landmark_distance: float | None = None
    """Pixels, the mouth landmarks of the composite from those of ``gt_imgs``."""
    landmark_distance_relative: float | None = None
    """The same as a share of the distance of the person's outer eye corners."""
    mouth_correlation: float | None = None
    """-1..1, of the mouth's opening over time."""
    mouth_correlation_by_chance: float | None = None
    """The same of the rendered motion at the wrong times: see :func:`evaluation.mouth.by_chance`."""
    mouth_velocity_correlation: float | None = None
    """-1..1, of the change of the mouth's opening from frame to frame."""
    mouth_velocity_correlation_by_chance: float | None = None
    """The same of the rendered motion at the wrong times."""
    mouth_amplitude: float | None = None
    """Standard deviation of the rendered mouth's opening over that of the true one; 1 is right."""
    lip_closures_kept: float | None = None
    """0..1, of the frames with truly closed lips the share with closed lips in the render; 1 is right."""
    lip_closures_kept_by_chance: float | None = None
    """The same of the rendered motion at the wrong times."""
    lip_closures_false: float | None = None
    """0..1, of the frames with closed lips in the render the share with lips that are truly open; 0 is right."""
    lip_closures_false_by_chance: float | None = None
    """The same of the rendered motion at the wrong times."""
    blink_correlation: float | None = None
    """-1..1, of the eyes' opening over time. The head is given the true blinks (``au.csv``): this is how well it
    follows them, not whether it would blink so by itself."""
    blink_depth: float | None = None
    """How far the eyes close in the true blinks, which are given, as a share of how far they truly do; 1 is right."""
    own_blink_rate: float | None = None
    """Blinks a minute in a film of other speech, which the system has made itself."""
    blink_rate_truth: float | None = None
    """Blinks a minute of the person in the clip."""
    render_fps: float | None = None
    """Frames a second of deformation and rasterization, synchronised, inputs at hand."""
    end_to_end_fps: float | None = None
    """Frames a second from a sound file to a finished video file."""
    frames: int = 0
    """Frames that were scored."""
    lost_frames: int = 0
    """Frames of the set that show no person (``dataset.json``) and were left out."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why a figure is None, by its name; not a part of metrics.json."""
    made_from: Origin | None = None
    """What was measured; None where figures come without it."""

    def as_dict(self) -> dict[str, float | int | None]:
        """The figures by name, in their fixed order, rounded to what is meaningful."""
        names = [f.name for f in dataclasses.fields(self) if f.name not in ("reasons", "made_from")]
        values = {name: getattr(self, name) for name in names}
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}

    def as_json(self) -> dict[str, Any]:
        """The set as it stands in metrics.json: the figures, then ``made_from`` where it is known."""
        origin = {} if self.made_from is None else {"made_from": dataclasses.asdict(self.made_from)}
        return {**self.as_dict(), **origin}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Scores:
        """Of what :meth:`as_json` made. Raises TypeError, ValueError or AttributeError for anything else."""
        origin = value.get("made_from")
        figures = {name: figure for name, figure in value.items() if name != "made_from"}
        return cls(**figures, made_from=None if origin is None else Origin.from_dict(origin))


def write_scores(path: Path, sets: Mapping[str, Scores]) -> None:
    """metrics.json: the sets in the order of ``SPLITS``, each with its figures in their fixed order."""
    write_json(path, {split: sets[split].as_json() for split in SPLITS if split in sets})


def kept_sets(path: Path, new: Collection[str], origin: Origin) -> tuple[dict[str, Scores], list[str]]:
    """What of a metrics.json may stay when sets are written into it.

    Args:
        path: the metrics.json; none is there before the first scores.
        new: names of the sets that are written.
        origin: what those were made from.

    Returns:
        The other sets that are of the same weights on the same dataset; and a line for each set that must go although
        it was not measured anew, or was measured on another dataset.
    """
    kept, lines = {}, []
    for split, scores in read_scores(path).items():
        other = scores.made_from
        if origin.same_work(other):
            if split not in new:
                kept[split] = scores
        elif split not in new or (other is not None and other.poses != origin.poses):
            of = "unknown origin" if other is None else f"iteration {other.iteration} on {other.dataset}"
            lines.append(f"{path}: its figures of {split}, of {of}, are dropped: these are of another head or dataset")
    return kept, lines


def read_scores(path: Path) -> dict[str, Scores]:
    """The sets of a metrics.json; none where there is no such file or another program wrote it."""
    try:
        return {split: Scores.from_json(value) for split, value in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
