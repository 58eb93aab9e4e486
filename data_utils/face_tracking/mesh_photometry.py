"""Match the textured, lit mesh with the pictures: analysis by synthesis, rasterised by pytorch3d.

Blanz and Vetter (1999); light is three bands of spherical harmonics (Ramamoorthi and Hanrahan, "An Efficient
Representation for Irradiance Environment Maps", 2001). The texture and what it leaves out are learnt from some frames;
then every frame's pose, expression and light follow the gradient of the colours' difference. pytorch3d's
``rasterize_meshes`` takes meshes whose x runs left and y up, -1..1 on the picture's shorter side, z being the depth.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from arguments.device import GPU, gpu_count
from data_utils.face_tracking.mesh_track import MeshTrack
from data_utils.face_tracking.morphable_model import MorphableModel
from data_utils.lost_frames import frames_to_fit, spread
from media.images import read_rgb

TEXTURE_FRAMES = 16
BATCH = 16
_TEXTURE_STEPS, _MOTION_STEPS = 80, 40
_COLOR_NOISE = 0.05  # of 0..1
_DETAIL = 0.1  # of 0..1: what the texture components leave out
_TURN, _SHIFT, _EXPRESSION = 0.01, 0.02, 0.3  # rad, decimetres, deviations: how far off the start may be
_JITTER = 0.2  # of these: how much of it may change from frame to frame


@dataclass(frozen=True)
class _Scene:
    """The model and the camera as tensors."""

    person: Float[Tensor, "V 3"]
    expression: Float[Tensor, "E 3*V"]
    faces: Int[Tensor, "F 3"]
    skin_faces: Bool[Tensor, "F"]
    focal: float
    size: tuple[int, int]  # width, height


def available() -> bool:
    """Whether pytorch3d is installed beside a GPU (on a CPU its rasteriser takes minutes a frame)."""
    return gpu_count() > 0 and importlib.util.find_spec("pytorch3d") is not None


def refine(
    track: MeshTrack,
    model: MorphableModel,
    frames: list[Path],
    size: tuple[int, int],
    device: str = GPU,
    fit_frames: int | None = None,
) -> MeshTrack:
    """The track with poses and expressions that match the pictures; frames that are not trusted keep theirs.

    Args:
        track: good to about a pixel.
        frames: N image files.
        size: their width and height, pixels.
        device: of PyTorch.
        fit_frames: texture and light are learnt from the first so many frames; from all unless given.

    Raises:
        EGSTalkerError: an image is unreadable.
    """
    scene = _Scene(
        torch.from_numpy(model.person(track.identity)).to(device),
        torch.from_numpy(model.expression.reshape(len(model.expression), -1)).to(device),
        torch.from_numpy(model.faces.astype(np.int64)).to(device),
        torch.from_numpy(model.skin[model.faces].all(axis=1)).to(device),
        track.focal,
        size,
    )
    known = np.flatnonzero(track.trust > 0)
    usable = np.flatnonzero(frames_to_fit(track.trust > 0, fit_frames))
    some = spread(usable, TEXTURE_FRAMES)
    albedo, light = _learn_texture(scene, model, track, frames, some, device)
    steps = np.zeros((len(frames), 6 + len(model.expression)))
    last: Tensor | None = None
    parts = (usable, np.setdiff1d(known, usable))
    for batch in (part[first : first + BATCH] for part in parts for first in range(0, len(part), BATCH)):
        last = _match(scene, track, frames, batch, albedo, light, last, device)
        steps[batch] = last.double().cpu().numpy()
        last = last[-1]
    steps = steps * np.repeat([_TURN, _SHIFT, _EXPRESSION], [3, 3, steps.shape[1] - 6])
    return replace(track, poses=track.poses.moved(steps[:, :6]), expression=track.expression + steps[:, 6:])


def _learn_texture(
    scene: _Scene, model: MorphableModel, track: MeshTrack, frames: list[Path], some: Int[np.ndarray, "n"], device: str
) -> tuple[Float[Tensor, "V 3"], Float[Tensor, "9 3"]]:
    """Albedo and the mean light, from frames whose poses are taken as they are."""
    mean, components = (torch.from_numpy(a).to(device) for a in (model.texture_mean, model.texture))
    texture = torch.zeros(len(components), device=device, requires_grad=True)
    detail = torch.zeros_like(mean, requires_grad=True)
    light = _white_light(len(some), device)
    still = torch.zeros(len(some), 6 + len(model.expression), device=device)
    with torch.no_grad():
        camera = _camera_vertices(scene, *_start(track, some, device), still)
        fragments = _rasterise(scene, camera)
    pictures = _pictures(frames, some, device)
    optimiser = torch.optim.Adam([{"params": [texture], "lr": 0.1}, {"params": [detail, light], "lr": 0.02}])
    for _ in range(_TEXTURE_STEPS):
        albedo = mean + torch.tensordot(texture, components, 1) + detail
        loss = _color_loss(scene, camera, albedo, light, fragments, pictures)
        loss = loss + 1e-3 * texture.square().mean() + 1e-2 * (detail / _DETAIL).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    albedo = mean + torch.tensordot(texture, components, 1) + detail
    return albedo.detach(), light.detach().mean(0)


def _match(
    scene: _Scene,
    track: MeshTrack,
    frames: list[Path],
    batch: Int[np.ndarray, "B"],
    albedo: Float[Tensor, "V 3"],
    light: Float[Tensor, "9 3"],
    before: Float[Tensor, "S"] | None,
    device: str,
) -> Float[Tensor, "B S"]:
    """Steps (S = 6 + E) of consecutive frames, in units of what they may be; ``before`` is the last batch's last."""
    start = _start(track, batch, device)
    pictures = _pictures(frames, batch, device)
    steps = torch.zeros(len(batch), 6 + len(scene.expression), device=device)
    steps = (steps if before is None else steps + before).requires_grad_()
    lights = light.expand(len(batch), 9, 3).clone().requires_grad_()
    optimiser = torch.optim.Adam([{"params": [steps], "lr": 0.1}, {"params": [lights], "lr": 0.01}])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _MOTION_STEPS, eta_min=1e-3)
    for _ in range(_MOTION_STEPS):
        camera = _camera_vertices(scene, *start, steps)
        loss = _color_loss(scene, camera, albedo, lights, _rasterise(scene, camera), pictures)
        chain = steps if before is None else torch.cat([before[None], steps])
        jitter = chain.diff(dim=0) / _JITTER
        loss = loss + 1e-3 * (steps.square().mean() + (jitter.square().mean() if len(jitter) else 0.0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return steps.detach()


def _start(
    track: MeshTrack, rows: Int[np.ndarray, "B"], device: str
) -> tuple[Float[Tensor, "B 3 3"], Float[Tensor, "B 3"], Float[Tensor, "B E"]]:
    """Rotation, translation and expression of some frames."""
    arrays = (track.poses.rotation[rows], track.poses.translation[rows], track.expression[rows])
    rotation, translation, expression = (torch.from_numpy(a).float().to(device) for a in arrays)
    return rotation, translation, expression


def _pictures(frames: list[Path], rows: Int[np.ndarray, "B"], device: str) -> Float[Tensor, "B H W 3"]:
    """Pictures, 0..1."""
    return torch.from_numpy(np.stack([read_rgb(frames[i]) for i in rows])).to(device).float() / 255


def _camera_vertices(
    scene: _Scene,
    rotation: Float[Tensor, "B 3 3"],
    translation: Float[Tensor, "B 3"],
    expression: Float[Tensor, "B E"],
    steps: Float[Tensor, "B S"],
) -> Float[Tensor, "B V 3"]:
    """Vertices before the OpenGL camera, after steps (S = 6 + E) as of :meth:`Poses.moved`."""
    moved = (expression + _EXPRESSION * steps[:, 6:]) @ scene.expression
    shape = scene.person + moved.reshape(len(steps), -1, 3)
    turned = shape @ rotation.transpose(1, 2)
    vector = _TURN * steps[:, None, :3].expand_as(turned)
    cross = torch.linalg.cross(vector, turned)  # exp(v) x to second order: a step is of a hundredth of a radian
    turned = turned + cross + torch.linalg.cross(vector, cross) / 2
    return turned + (translation + _SHIFT * steps[:, 3:6])[:, None]


def _rasterise(scene: _Scene, camera: Float[Tensor, "B V 3"]) -> tuple[Int[Tensor, "B H W"], Float[Tensor, "B H W 3"]]:
    """Which triangle each pixel shows (-1: none) and where in it."""
    from pytorch3d.renderer.mesh import rasterize_meshes
    from pytorch3d.structures import Meshes

    width, height = scene.size
    depth = -camera[..., 2]
    scale = 2 * scene.focal / (min(width, height) * depth)
    placed = torch.stack([-camera[..., 0] * scale, camera[..., 1] * scale, depth], dim=-1)
    meshes = Meshes(verts=placed, faces=scene.faces.expand(len(camera), -1, -1))
    face, _, share, _ = rasterize_meshes(
        meshes, image_size=(height, width), blur_radius=0.0, faces_per_pixel=1, perspective_correct=True
    )
    face = face[..., 0]
    return torch.where(face < 0, face, face % len(scene.faces)), share[..., 0, :]


def _color_loss(
    scene: _Scene,
    camera: Float[Tensor, "B V 3"],
    albedo: Float[Tensor, "V 3"],
    light: Float[Tensor, "B 9 3"],
    fragments: tuple[Int[Tensor, "B H W"], Float[Tensor, "B H W 3"]],
    pictures: Float[Tensor, "B H W 3"],
) -> Float[Tensor, ""]:
    """Cauchy's loss of the colours' difference over the skin that is seen."""
    face, share = fragments
    colors = albedo * (_harmonics(_normals(camera, scene.faces)) @ light)  # [B, V, 3]
    frame, row, column = torch.nonzero((face >= 0) & scene.skin_faces[face.clamp(min=0)], as_tuple=True)
    corners = scene.faces[face[frame, row, column]]
    shown = (colors[frame[:, None], corners] * share[frame, row, column, :, None]).sum(1)
    off = (shown - pictures[frame, row, column]).square().sum(-1) / _COLOR_NOISE**2
    return torch.log1p(off / 2).mean()


def _normals(vertices: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "B V 3"]:
    """Unit normals, the triangles' weighted by area."""
    a, b, c = vertices[:, faces].unbind(2)
    normal = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(1, faces[:, corner], normal)
    return torch.nn.functional.normalize(total, dim=-1)


def _harmonics(normal: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 9"]:
    """The nine real spherical harmonics of bands 0 to 2 at unit vectors."""
    x, y, z = normal.unbind(-1)
    second = [x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    factors = normal.new_tensor(
        [0.282095, 0.488603, 0.488603, 0.488603, 1.092548, 1.092548, 0.315392, 1.092548, 0.546274]
    )
    return torch.stack([torch.ones_like(x), y, z, x, *second], dim=-1) * factors


def _white_light(count: int, device: str) -> Float[Tensor, "{count} 9 3"]:
    """Light that shows the albedo as it is."""
    light = torch.zeros(count, 9, 3, device=device)
    light[:, 0] = 1 / 0.282095
    return light.requires_grad_()
