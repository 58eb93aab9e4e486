"""What a clip shows: the face, its size, turn and light, the camera and the cuts, in some of its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from arguments.clock import FPS
from data_utils.clip_report.camera import CameraMotion
from data_utils.face_mesh_model import FaceMesh
from data_utils.face_tracking.face_topology import EAR_LEFT, EAR_RIGHT
from data_utils.scene_cuts import THUMBNAIL, with_cuts
from data_utils.source import Source
from media.video import Picture, read_stretch

WHOLE = 80 * FPS  # frames of a clip that is looked at from end to end
STRETCH = 10 * FPS  # of a longer one, so many frames at a time
STRETCHES = 8
EVERY = FPS // 2  # frames from one in which the face is measured to the next
TURNS = (2, 98)  # percentiles of the turns that are the clip's farthest, as another head's turns are limited to


@dataclass(frozen=True)
class PictureMeasures:
    """Of the K pictures of a clip in which the face was sought."""

    frames: Int[np.ndarray, "K"]  # their numbers
    found: Bool[np.ndarray, "K"]
    looked_at: int  # frames in which cuts were sought
    face_height: float  # pixels of the video, hairline to chin; the median
    picture_side: int  # pixels of the dataset's frames
    yaw: tuple[float, float]  # degrees that the head is turned to the picture's left (negative) and right
    light: float  # standard deviation of the face's mean luminance, grey levels of 255
    camera: float | None  # pixels of the dataset's frames that the background strays; None: not known
    cuts: tuple[int, ...]  # the frames with which a shot begins

    @property
    def face_share(self) -> float:
        """The share of the pictures that show the face."""
        return float(self.found.mean()) if len(self.found) else 0.0


def measure_pictures(source: Source) -> PictureMeasures:
    """Look at a clip of up to 80 s from end to end, and at eight stretches of 10 s of a longer one.

    Raises:
        EGSTalkerError: the video will not do: see :class:`data_utils.source.Source`.
    """
    crop, cuts, looked_at = source.crop, [], 0
    frames: list[int] = []
    faces: list[Float[np.ndarray, "478 3"] | None] = []
    lights: list[float] = []
    camera = CameraMotion()
    with FaceMesh(tracking=False) as mesh:
        for stretch in stretches(source.info.num_frames):
            shown = read_stretch(source.path, source.info, stretch)
            for (number, picture), is_cut in with_cuts(shown, lambda item: item[1].thumbnail(THUMBNAIL)):
                looked_at += 1
                if is_cut:
                    cuts.append(number)
                    camera.restart()
                if (number - stretch.start) % EVERY:
                    continue
                cropped = crop(picture.rgb)
                face = next(iter(mesh.faces(cropped).astype(np.float64)), None)
                frames.append(number)
                faces.append(face)
                if face is not None:
                    lights.append(_luminance(cropped, face))
                camera.see(cv2.cvtColor(cropped, cv2.COLOR_RGB2GRAY), None if face is None else _box(face))
    known = np.array([face for face in faces if face is not None]).reshape(-1, 478, 3)
    heights = np.ptp(known[..., 1], axis=1) * crop.side / crop.size
    turned = np.percentile(yaw(known), TURNS) if len(known) else np.zeros(2)
    return PictureMeasures(
        frames=np.array(frames, np.int64),
        found=np.array([face is not None for face in faces], bool),
        looked_at=looked_at,
        face_height=float(np.median(heights)) if len(known) else 0.0,
        picture_side=crop.size,
        yaw=(float(turned[0]), float(turned[1])),
        light=float(np.std(lights)) if lights else 0.0,
        camera=camera.strays,
        cuts=tuple(cuts),
    )


def stretches(num_frames: int) -> list[range]:
    """The frames of a clip that are looked at."""
    if num_frames <= WHOLE:
        return [range(num_frames)]
    starts = np.linspace(0, num_frames - STRETCH, STRETCHES).round().astype(int)
    return [range(start, start + STRETCH) for start in starts.tolist()]


def yaw(points: Float[np.ndarray, "N 478 3"]) -> Float[np.ndarray, "N"]:
    """How far heads are turned to the picture's right, degrees, by the mesh's outermost points before the ears.

    Of the sample's figure it is at most 10 degrees off, up to a turn of 50 degrees.
    """
    across = points[:, EAR_LEFT] - points[:, EAR_RIGHT]
    return np.degrees(np.arctan2(across[:, 2], across[:, 0]))


def faces_of(pictures: Iterator[tuple[int, Picture]], source: Source) -> Iterator[tuple[int, np.ndarray]]:
    """The numbers and meshes [478, 3] of those of consecutive frames that show the face, in pixels of the crop."""
    with FaceMesh() as mesh:
        for number, picture in pictures:
            for face in mesh.faces(source.crop(picture.rgb))[:1]:
                yield number, face.astype(np.float64)


def _box(face: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "4"]:
    return np.concatenate([face[:, :2].min(0), face[:, :2].max(0)])


def _luminance(image: UInt8[np.ndarray, "H W 3"], face: Float[np.ndarray, "478 3"]) -> float:
    """Mean luminance of a face."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(face[:, :2].round().astype(np.int32)), (1,))
    return float(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), mask)[0])
