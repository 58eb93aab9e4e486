"""Films the sample's figure in made-up rooms: camera, light, noise and compression, but no story."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sample.background import paint_background
from sample.behaviour import Framing
from sample.character import Character, Expression, rotation_x, rotation_y
from sample.performance import NECK_PIVOT, STAND
from sample.renderer import render

SIDE = 128  # pixels of the pictures
FRAMES = 28  # of a clip
_YAWS = np.arange(-36.0, 36.1, 3.0)  # degrees of the figures that are drawn
_PITCHES = np.arange(-15.0, 15.1, 3.0)
_ROOM = 2 * SIDE  # pixels of a room's side, of which a picture shows half
_FLASH = 1.9  # times the light

Picture = NDArray[np.uint8]  # [SIDE, SIDE, 3] RGB


@dataclass(frozen=True)
class Figures:
    """The sample's figure in every pose, drawn once."""

    turned: NDArray[np.float32]  # [Y, SIDE, SIDE, 4] RGB (0..255) and cover (0..1), by yaw
    nodding: NDArray[np.float32]  # [P, SIDE, SIDE, 4], by pitch

    @classmethod
    def draw(cls) -> Figures:
        """Render the poses; the lips open and close from one to the next."""
        character, behind = Character(), np.zeros((SIDE, SIDE, 3), np.float32)

        def drawn(yaw: float, pitch: float, jaw: float) -> NDArray[np.float32]:
            rotation = rotation_x(np.radians(pitch)) @ rotation_y(np.radians(yaw))
            place = STAND + NECK_PIVOT - rotation @ NECK_PIVOT
            vertices, normals = character.pose(Expression(jaw=jaw), rotation, place, STAND)
            looks = (character.albedo, character.occlusion, character.gloss, character.faces, character.labels)
            grain = np.zeros((SIDE, SIDE), np.float32)
            picture, labels = render(vertices, normals, *looks, Framing().focal * SIDE, behind, grain)
            cover = cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), 0.7)
            return np.concatenate([picture.astype(np.float32), cover[..., None]], -1)

        jaws = 0.25 + 0.25 * np.sin(np.arange(len(_YAWS)))
        return cls(
            np.stack([drawn(yaw, 0, jaw) for yaw, jaw in zip(_YAWS.tolist(), jaws.tolist(), strict=True)]),
            np.stack([drawn(0, pitch, 0.2) for pitch in _PITCHES.tolist()]),
        )


@dataclass(frozen=True)
class Scene:
    """What a shot shows: a room, who is in it, and the colours of both."""

    room: NDArray[np.float32]  # [_ROOM, _ROOM, 3] 0..255
    tint: NDArray[np.float32]  # [3, 3] of the figure's colours
    mirrored: bool
    x: float  # where the figure stands in the picture, shares of its side from the middle
    y: float
    scale: float


@dataclass(frozen=True)
class Moment:
    """What has moved until one frame."""

    camera: tuple[float, float] = (0.0, 0.0)  # shares of the picture's side
    zoom: float = 1.0
    roll: float = 0.0  # degrees
    body: tuple[float, float] = (0.0, 0.0)  # of the figure, shares of the picture's side
    nearer: float = 1.0
    yaw: float = 0.0  # degrees
    pitch: float | None = None  # degrees; None: turned by yaw instead
    hand: tuple[float, float] | None = None  # where one is raised, shares of the side
    light: float = 1.0
    lamp: float = 0.0  # light from the left, as a share
    noise: float = 2.0  # grey levels


@dataclass(frozen=True)
class Take:
    """A scene over time."""

    scene: Scene
    moment: Callable[[float], Moment]  # at a time in frames, fractions included
    held: int = 1  # frames for which a picture is shown, where the recording stutters
    flashes: tuple[int, ...] = ()  # frames that a flash lights


def filmed(takes: list[Take], cut: int | None, figures: Figures, rng: np.random.Generator) -> Iterator[Picture]:
    """The pictures of a clip, [SIDE, SIDE, 3] RGB each.

    Args:
        takes: the one before the cut and the one after; one alone where there is none.
        cut: the picture with which the second begins.
        figures: who is filmed.
        rng: of the camera's noise, its shutter and its compression.
    """
    quality, blurred = int(rng.integers(45, 90)), bool(rng.random() < 0.6)
    for i in range(FRAMES):
        take = takes[-1] if cut is not None and i >= cut else takes[0]
        time = float(i - i % take.held)
        exposures = np.arange(3) / 6 if blurred else np.zeros(1)  # a shutter open for half of the frame
        picture = np.mean([_exposed(take.scene, take.moment(time + t), figures) for t in exposures.tolist()], axis=0)
        moment = take.moment(time)
        picture = picture * (moment.light * (_FLASH if i in take.flashes else 1.0))
        picture = picture * (1 + moment.lamp * np.linspace(1, -0.3, SIDE)[:, None]) if moment.lamp else picture
        picture = picture + rng.normal(0, moment.noise, picture.shape)
        stored = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
        yield np.asarray(cv2.imdecode(stored[1], cv2.IMREAD_COLOR), np.uint8)


def _exposed(scene: Scene, moment: Moment, figures: Figures) -> NDArray[np.float32]:
    view = np.asarray(cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), moment.roll, moment.zoom), np.float64)
    view[:, 2] += SIDE * np.array(moment.camera)
    around = view.copy()
    around[:, 2] -= view[:, :2] @ np.full(2, (_ROOM - SIDE) / 2)
    behind = cv2.warpAffine(scene.room, around, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    if moment.pitch is None:
        drawn = figures.turned[int(np.abs(_YAWS - moment.yaw).argmin())]
    else:
        drawn = figures.nodding[int(np.abs(_PITCHES - moment.pitch).argmin())]
    drawn = np.ascontiguousarray(drawn[:, ::-1] if scene.mirrored else drawn)
    size = scene.scale * moment.nearer
    stands = SIDE * (0.5 + np.array([scene.x + moment.body[0], scene.y + moment.body[1]]) - size / 2)
    placed = view[:, :2] @ np.column_stack([size * np.eye(2), stands]) + [[0, 0, view[0, 2]], [0, 0, view[1, 2]]]
    figure = cv2.warpAffine(drawn, placed, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    cover = figure[..., 3:]
    picture = np.asarray(behind * (1 - cover) + (figure[..., :3] @ scene.tint) * cover, np.float32)
    if moment.hand is not None:
        x, y = SIDE * moment.hand[0], SIDE * moment.hand[1]
        skin = (np.array([206, 150, 128], np.float32) @ scene.tint).tolist()
        cv2.line(picture, (int(x), int(y)), (int(x + 0.12 * SIDE), int(y + SIDE)), [0.5 * c for c in skin], SIDE // 9)
        cv2.ellipse(picture, (int(x), int(y)), (SIDE // 13, SIDE // 9), 10, 0, 360, skin, -1)
    return picture


def random_scene(rng: np.random.Generator) -> Scene:
    """The sample's room or another, in front of it the figure, in its colours or others."""
    room = _painted_room() if rng.random() < 0.3 else _random_room(rng)
    tint = np.eye(3, dtype=np.float32) * rng.uniform(0.55, 1.1, 3).astype(np.float32)
    tint = tint[:, rng.permutation(3)] if rng.random() < 0.3 else tint
    place = rng.uniform(-0.1, 0.1), rng.uniform(-0.02, 0.08)
    return Scene(room, tint, bool(rng.random() < 0.5), *place, float(rng.uniform(0.75, 1.25)))


def _random_room(rng: np.random.Generator) -> NDArray[np.float32]:
    """A wall in two colours with things on it, more or less out of focus."""
    across = np.linspace(0, 1, _ROOM)[None, :, None]
    wall = rng.uniform(30, 220, 3) * (1 - across) + rng.uniform(30, 220, 3) * across
    room = np.repeat(wall.astype(np.float32), _ROOM, 0)
    for _ in range(int(rng.integers(3, 25))):
        x, y = rng.integers(0, _ROOM, 2).tolist()
        width, height = rng.integers(_ROOM // 30, _ROOM // 4, 2).tolist()
        cv2.rectangle(room, (x, y), (x + width, y + height), rng.uniform(10, 245, 3).tolist(), -1)
    return np.asarray(cv2.GaussianBlur(room, (0, 0), float(rng.uniform(0.6, 5))), np.float32)


@lru_cache
def _painted_room() -> NDArray[np.float32]:
    """The sample's own."""
    return np.asarray(cv2.resize(255 * paint_background(SIDE) ** (1 / 2.2), (_ROOM, _ROOM)), np.float32)
