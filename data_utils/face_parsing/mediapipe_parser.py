"""Head, neck, torso and background from FaceMesh geometry, selfie segmentation and the clip's own colours.

The person comes from MediaPipe's selfie segmentation, as far as it hangs together with the face. Above the earlobes the
person is head (skull, hair, ears), inside the face's outline as well; elsewhere hair, neck and torso are told apart by
colour: histograms that the training part gives (hair above the forehead, skin in the face, clothes at the bottom), with
a prior that follows the head's pose. Hair passes from head to torso below the chin.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8
from scipy.ndimage import gaussian_filter

from arguments.dataset_folder import DatasetFolder, num_train_frames
from data_utils.face_mesh import load_or_detect
from data_utils.face_parsing.class_map import steadied, write_map
from data_utils.face_parsing.head_region import HeadRegion, fall, head_region
from data_utils.face_parsing.person_outline import of_the_face
from data_utils.lost_frames import frames_to_fit, spread
from data_utils.parallel import ranges, run_jobs
from data_utils.quiet import import_mediapipe, quiet_stderr
from media.images import read_rgb

WORKING_SIDE = 256  # pixels; classes are weighed at this size and their edges drawn at the frame's own
_COLOUR_FRAMES = 16  # sampled for the histograms
_COLOUR_BITS = 5  # of each channel, in the histograms
_COLLAR = 0.12  # clothes' share beside the jaw before any colour is seen
_BEHIND_STRANDS = 0.5  # hair's prior between neck and strands
_HAIR, _SKIN, _CLOTHES = range(3)
_UNSEEN = (0.02, 0.02, 0.2)  # of a uniform distribution, for colours that no histogram has: clothes, as a rule
_SHADES = (0.55, 0.75, 0.9)  # of skin and hair that shadows make of them, such as the chin's on the neck


def parse(folder: DatasetFolder, target: Path, done: Callable[[int], None] = lambda frames: None) -> None:
    """Write the parsing map of every frame of ``folder`` as ``target``/i.png (see DatasetFolder.parsing_map).

    Raises:
        EGSTalkerError: no frames, or no face in them.
    """
    mesh = load_or_detect(folder)
    fit_frames = num_train_frames(len(mesh.points))
    colours = _clip_colours(folder, mesh.points, frames_to_fit(mesh.found, fit_frames))
    jobs = []
    for frames in ranges(fit_frames, 50) + ranges(len(mesh.points), 50, fit_frames):
        end = fit_frames if frames.stop <= fit_frames else len(mesh.points)  # held-out frames steady no others
        around = range(max(frames.start - 1, 0), min(frames.stop + 1, end))
        jobs.append((frames, around, mesh.points[around.start : around.stop]))
    run_jobs(partial(_parse_range, folder, target, colours), jobs, done=lambda i: done(len(jobs[i][0])))


class PersonMask:
    """MediaPipe's selfie segmentation: the probability that a pixel is a person's. A context manager."""

    def __init__(self) -> None:
        mediapipe = import_mediapipe()
        with quiet_stderr():
            self._model = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
            self._model.process(np.zeros((64, 64, 3), np.uint8))

    def __enter__(self) -> PersonMask:
        return self

    def __exit__(self, *_: object) -> None:
        self._model.close()

    def __call__(self, image: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "H W"]:
        """0..1 from an RGB image."""
        return self._model.process(np.ascontiguousarray(image)).segmentation_mask


def _parse_range(
    folder: DatasetFolder,
    target: Path,
    colours: Float32[np.ndarray, "C 3"],
    job: tuple[range, range, Float32[np.ndarray, "n 478 3"]],
) -> None:
    """Write the maps of some frames, those around them and the landmarks of these being given, too."""
    cv2.setNumThreads(1)
    frames, around, landmarks = job
    with PersonMask() as person:
        images = ((read_rgb(folder.frame(i)), points) for i, points in zip(around, landmarks, strict=True))
        seen = ((image, _probabilities(image, points, person, colours)) for image, points in images)
        for i, (image, probabilities) in zip(around, steadied(seen), strict=True):
            if i in frames:
                write_map(target / f"{i}.png", image, probabilities)


def _probabilities(
    image: UInt8[np.ndarray, "H W 3"],
    points: Float32[np.ndarray, "478 3"],
    person: Callable[[UInt8[np.ndarray, "h w 3"]], Float32[np.ndarray, "h w"]],
    colours: Float32[np.ndarray, "C 3"],
) -> Float32[np.ndarray, "h w 5"]:
    """How likely each pixel of the picture at working size is of each class, and hair that moves with the torso."""
    small, points = _at_working_size(image, points)
    region = head_region(points, *small.shape[:2])
    is_person, above = of_the_face(person(small), region)
    likelihood = cv2.split(np.take(colours, _colour_index(small), axis=0))
    hair, neck, torso = (prior * of_colour for prior, of_colour in zip(_priors(region), likelihood, strict=True))
    hair_colour = cv2.blur(likelihood[_HAIR] / sum(likelihood), (5, 5)) > 0.4
    hair = cv2.blur(hair / (hair + neck + torso), (5, 5))
    hair *= _hangs_from_crown((hair > 0.4) | (above & hair_colour), region, is_person)
    behind = _behind_strands(hair > 0.5, region)
    if behind.any():
        inner = _BEHIND_STRANDS * behind * likelihood[_HAIR]
        hair = np.maximum(hair, cv2.blur(inner / (inner + neck + (1 - behind) * torso), (5, 5)))
    hair[above | region.oval] = 1
    evidence = np.where((hair < 0.5) & (is_person > 0.5), np.log(neck / torso), np.float32(0))
    neck = (1 - hair) * _above_collar(evidence)
    torso, hold = 1 - hair - neck, region.hold
    return cv2.merge([1 - is_person, *(part * is_person for part in (hair * hold, neck, torso, hair * (1 - hold)))])


def _priors(
    region: HeadRegion,
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Hair, neck and torso before any colour is seen, outside the parts that are head for sure."""
    below = region.down - region.chin  # in face heights
    off_axis = np.abs(region.across)
    neck = 0.02 + fall(off_axis, 0.75, 1.05) * fall(below, 0.15, 0.55)
    hair = (0.53 - 0.5 * fall(off_axis, 0.45, 0.9)) * fall(below, 0.0, 1.2) * fall(off_axis, 1.3, 2.0)
    torso = np.maximum(0.62 - 0.6 * fall(below, 0.0, 0.5) + np.float32(0.3) * (off_axis > 1.2), _COLLAR)
    return hair, neck, torso


def _behind_strands(hair: Bool[np.ndarray, "h w"], region: HeadRegion) -> Float32[np.ndarray, "h w"]:
    """0..1, how little a collar is to be expected: beside the jaw, where a strand hangs further out in the same row.

    What is between it and the neck is hair in its own shadow, which the colour of dark clothes resembles.
    """
    to_the_left = np.maximum.accumulate(hair, axis=1)
    to_the_right = np.maximum.accumulate(hair[:, ::-1], axis=1)[:, ::-1]
    outside = np.where(region.across < 0, to_the_left, to_the_right) & (region.down > 0)
    beside_neck = 1 - fall(np.abs(region.across), 0.55, 0.8)
    return outside * beside_neck * fall(region.down - region.chin, 0.1, 0.4)


def _hangs_from_crown(
    hair: Bool[np.ndarray, "h w"], region: HeadRegion, is_person: Float32[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """The parts of ``hair`` that reach up to the crown or, beside the face, to the ears; a dark collar does not."""
    strand = np.ones((7, 7), np.uint8)  # thinner links do not count: outlines are dark, too
    likely = cv2.erode((hair & ~region.oval & (is_person > 0.5)).astype(np.uint8), strand)
    _, labels = cv2.connectedComponents(likely, connectivity=4)
    off_axis, count = np.abs(region.across), labels.max() + 1
    beside_ear = (region.down < 0.15) & (off_axis > 0.85) & (off_axis < 1.1)  # where braids begin
    crown, ears, wide = (
        np.bincount(labels[where], minlength=count) > 0
        for where in (region.above & (region.down < -0.15), beside_ear, off_axis > 1.4)  # as shoulders are
    )
    from_crown = crown | (ears & ~wide)
    from_crown[0] = False
    return cv2.dilate(from_crown[labels].astype(np.uint8), strand) > 0


def _above_collar(evidence: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Above the row where neck turns into clothes, in each column the likeliest.

    Args:
        evidence: log odds of neck against clothes; 0 where the pixel is neither.
    """
    total = np.cumsum(np.vstack([np.zeros_like(evidence[:1]), evidence]), axis=0)
    collar = cv2.medianBlur(cv2.reduceArgMax(total, axis=0).astype(np.float32), 5)
    return np.arange(len(evidence), dtype=np.float32)[:, None] < collar


def _clip_colours(
    folder: DatasetFolder, points: Float32[np.ndarray, "N 478 3"], usable: Bool[np.ndarray, "N"]
) -> Float32[np.ndarray, "C 3"]:
    """How likely each of C colours is on hair, skin and clothes, learnt from some ``usable`` frames."""
    bins = 1 << _COLOUR_BITS
    counts = np.zeros((3, bins**3))
    with PersonMask() as person:
        for i in spread(np.flatnonzero(usable), _COLOUR_FRAMES):
            image = read_rgb(folder.frame(i))
            small, mesh = _at_working_size(image, points[i])
            region = head_region(mesh, *small.shape[:2])
            is_person = person(small) > 0.9
            below = region.down - region.chin
            index = _colour_index(small)
            crown = region.above & ~region.oval & (region.down < -0.6) & (np.abs(region.across) < 1.2)
            bottom = np.arange(len(small))[:, None] > 0.93 * len(small)
            clothes = (below > 0.5) | ((below > 0.15) & (bottom | (np.abs(region.across) > 1.15)))
            for kind, seeds in ((_HAIR, crown), (_SKIN, region.skin), (_CLOTHES, clothes & ~region.above)):
                counts[kind] += np.bincount(index[seeds & is_person], minlength=bins**3)
            for shade in _SHADES:
                darker = _colour_index((small * shade).astype(np.uint8))
                counts[_SKIN] += 0.3 * np.bincount(darker[region.skin & is_person], minlength=bins**3)
                counts[_HAIR] += 0.3 * np.bincount(darker[crown & is_person], minlength=bins**3)
    likelihood = np.empty((bins**3, 3), np.float32)
    for kind in range(3):
        smooth = gaussian_filter(counts[kind].reshape(bins, bins, bins), 1.2).reshape(-1)
        likelihood[:, kind] = smooth / max(smooth.sum(), 1e-9)
    likelihood += np.array(_UNSEEN, np.float32) / bins**3
    return np.sqrt(likelihood)  # the root, since neighbouring pixels do not err independently


def _at_working_size(
    image: UInt8[np.ndarray, "H W 3"], points: Float32[np.ndarray, "478 3"]
) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "478 3"]]:
    scale = min(1.0, WORKING_SIDE / max(image.shape[:2]))
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), points * scale


def _colour_index(image: UInt8[np.ndarray, "h w 3"]) -> Int[np.ndarray, "h w"]:
    """The histogram cell of each pixel of an RGB image."""
    cells = image.astype(np.int32) >> (8 - _COLOUR_BITS)
    return (cells[..., 0] << (2 * _COLOUR_BITS)) + (cells[..., 1] << _COLOUR_BITS) + cells[..., 2]
