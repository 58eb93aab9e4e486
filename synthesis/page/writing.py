"""A script becomes one page that plays it: no other file, no network, nothing but a browser with WebGL2."""

from __future__ import annotations

import base64
import gzip
import html
import itertools
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from arguments.atomic import atomic_path
from arguments.clock import FPS
from arguments.device import CPU, kind_of
from arguments.errors import EGSTalkerError
from kernels import conventions
from media.flac import flac
from media.images import encoded
from media.sound import iter_audio
from scene.cameras import Camera
from scene.clip import Clip
from scene.head import GaussianHead
from scene.rigid_motion import RigidMotion
from scene.torso import Torso
from synthesis.compact_motion import CompactMotion, MotionRecorder
from synthesis.rendering import BATCHES, drive_of, rooms_of
from synthesis.script import Script

Watch = Callable[[Iterable[int], int], Iterable[int]]
"""Passes the numbers of frames through and shows how many of them have passed."""

SOUND_RATE = 48_000  # Hz
MOST_BYTES = {"head": 11_000_000, "torso": 5_000_000}  # of shapes: the page stays below 25 MB, and its browser awake
_FOLDER = Path(__file__).resolve().parent
_SCRIPTS = ("person.js", "renderer.js", "player.js")
_LEVELS = 65535  # of the numbers at rest
_UPRIGHT = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # from x right, y down, z forward to y up, z to the viewer
_KINDS = {np.dtype("<f4"): "f4", np.dtype("<u4"): "u4", np.dtype("<u2"): "u2", np.dtype("i1"): "i1"}

Arrays = dict[str, np.ndarray]


@torch.no_grad()
def write_page(
    head: GaussianHead, clip: Clip, script: Script, target: Path, *, watch: Watch = lambda frames, total: frames
) -> int:
    """Write the page of a script whose torso is learnt; returns its bytes.

    Args:
        head: that is driven.
        clip: of the script.
        script: what is shown and said.
        target: the page.
        watch: a progress bar over the frames.

    Raises:
        EGSTalkerError: the script has no torso of Gaussians, its background is a video, or its sound cannot be read.
    """
    if script.torso is None:
        raise EGSTalkerError("a page shows a learnt torso, which the model has not; ./train.sh with --only torso")
    poses, parts = _moving(head, script.torso.torso, clip, script, watch)
    arrays = {"poses": _stored(poses)}
    for name, part in parts.items():
        arrays |= {f"{name}.{key}": value for key, value in _arrays(part).items()}
    table, blob = _laid_out(arrays)
    about = {
        "frames": len(script),
        "fps": FPS,
        "width": clip.width,
        "height": clip.height,
        "pivot": poses[:, [3, 7, 11]].mean(0).tolist(),
        "room": _room(clip, script),
        "parts": [_about(name, part) for name, part in parts.items()],
        "arrays": table,
        "conventions": {
            "near": conventions.NEAR,
            "low_pass": conventions.LOW_PASS,
            "margin": conventions.FRUSTUM_MARGIN,
            "min_alpha": conventions.MIN_ALPHA,
            "max_alpha": conventions.MAX_ALPHA,
        },
    }
    texts = {
        "title": html.escape(target.stem, quote=True),
        "sound": _base64(_sound(script)),
        "about": json.dumps(about, allow_nan=False).replace("<", "\\u003c"),
        "person": _base64(gzip.compress(blob, 6, mtime=0)),
        "script": "\n".join((_FOLDER / name).read_text() for name in _SCRIPTS),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda place: texts[place[1]], (_FOLDER / "page.html").read_text())
    with atomic_path(target) as temporary:
        temporary.write_text(page)
    return target.stat().st_size


def _moving(
    head: GaussianHead, torso: Torso, clip: Clip, script: Script, watch: Watch
) -> tuple[Float[Tensor, "F 16"], dict[str, CompactMotion]]:
    """The poses of the head and the lens in each frame, and the parts of the person: the head in its own frame, the
    torso in the camera's."""
    batch = BATCHES[kind_of(next(head.parameters()))]
    frames = iter(watch(range(len(script)), len(script)))
    at_rest, torso_at_rest = head.at_rest(), torso.at_rest()
    poses, recorders = [], {}
    while chosen := list(itertools.islice(frames, batch)):
        drive = drive_of(head, clip, script, slice(chosen[0], chosen[-1] + 1))
        camera = drive.camera.to(CPU)
        world = _UPRIGHT @ camera.viewmats[:, :3]
        poses.append(torch.cat([world.flatten(1), _lens(camera)], dim=1))
        turn = Rotation.from_matrix(world[:, :, :3].double().numpy()).as_quat()
        to_world = RigidMotion.of(torch.from_numpy(turn[:, [3, 0, 1, 2]]).float(), world[:, :, 3])
        parts = {
            "head": head.deform(drive, at_rest).to(CPU),
            "torso": to_world.move(torso.deform(drive, torso_at_rest).to(CPU)),
        }
        for name, part in parts.items():
            if name not in recorders:
                recorders[name] = MotionRecorder(float(_lens(camera)[0, 0] / world[0, 2, 3].abs()))
            recorders[name].add(part)
    return torch.cat(poses), {name: recorder.result(MOST_BYTES[name]) for name, recorder in recorders.items()}


def _lens(camera: Camera) -> Float[Tensor, "B 4"]:
    return camera.intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]]


def _about(name: str, part: CompactMotion) -> dict[str, object]:
    return {
        "name": name,
        "posed": name == "head",
        "count": part.mean.shape[1],
        "harmonics": len(part.higher),
        "rank": len(part.shapes),
        "columns": list(part.columns),
    }


def _arrays(part: CompactMotion) -> Arrays:
    """The numbers of a part as the page reads them."""
    low, high = part.mean.amin(1), part.mean.amax(1)
    step = ((high - low) / _LEVELS).clamp(min=1e-12)
    unit = part.higher.abs().amax(2).clamp(min=1e-12) / 127
    return {
        "mean": ((part.mean - low[:, None]) / step[:, None]).round().clamp(0, _LEVELS).numpy().astype("<u2"),
        "range": _stored(torch.stack([low, step], dim=1)),
        "higher": (part.higher / unit[..., None]).round().numpy().astype("i1"),
        "unit": _stored(unit),
        "moving": part.moving.numpy().astype("<u4"),
        "shapes": part.shapes.numpy(),
        "scales": _stored(part.scales),
        "coefficients": _stored(part.coefficients),
    }


def _stored(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.numpy(), "<f4")


def _laid_out(arrays: Arrays) -> tuple[list[tuple[str, str, list[int], int]], bytes]:
    """Name, kind, shape and first byte of each array, and all of them one after the other."""
    table: list[tuple[str, str, list[int], int]] = []
    blob = bytearray()
    for name, array in arrays.items():
        blob += bytes(-len(blob) % 4)
        table.append((name, _KINDS[array.dtype], list(array.shape), len(blob)))
        blob += np.ascontiguousarray(array).tobytes()
    return table, bytes(blob)


def _room(clip: Clip, script: Script) -> str | None:
    """What is behind the person, as a picture's URL; None where nothing is."""
    if script.background.is_transparent:
        return None
    if script.background.is_video:
        raise EGSTalkerError(f"{script.background.path} moves, and a page's background is a picture")
    data = encoded(next(rooms_of(clip, script.background)), ".jpg")
    if data is None:
        raise EGSTalkerError("the background is too large for a page")
    return f"data:image/jpeg;base64,{_base64(data)}"


def _sound(script: Script) -> bytes:
    length = len(script) * SOUND_RATE // FPS
    if script.sound is None:
        return flac([], SOUND_RATE, length)
    return flac(
        iter_audio(script.sound, SOUND_RATE, origin=script.sound_start, track=script.sound_track), SOUND_RATE, length
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
