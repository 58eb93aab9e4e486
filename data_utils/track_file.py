"""track_params.pt as it lies on the disk: ours, or one of the programs of AD-NeRF's family.

AD-NeRF's, ER-NeRF's, TalkingGaussian's, GeneFace's and SyncTalk's have no vertices, GaussianTalker's and ours do.
SyncTalk's counts millimetres, the others decimetres.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.cures import cure
from data_utils.rows import rows_of_frames

if TYPE_CHECKING:
    from torch import Tensor

_NEAREST, _FARTHEST = 2.5, 100.0  # decimetres from a head to a camera that films it


@dataclass(frozen=True)
class Track:
    """What a track says of N frames; lengths in decimetres.

    Attributes:
        distance: of the head's origin from the camera, the median; None where the track does not say.
        vertices: of the face [N, V, 3] (head frame; float16 or 32), mapped from the disk; None where there are none.
        faces: their triangles [F, 3]; none where the track has none.
    """

    distance: float | None
    vertices: Tensor | None
    faces: Tensor


def open_track(path: Path) -> dict[str, Any]:
    """The tensors of a track, mapped from the disk where it can be: a mesh of every frame may be gigabytes.

    Nothing but tensors and plain containers is read. Raises what ``torch.load`` raises, of many types, on a missing or
    damaged file.
    """
    import torch  # takes seconds to load

    return torch.load(str(path), map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def read_track(folder: DatasetFolder, num_frames: int) -> Track:
    """A dataset's track. Whether its vertices are finite is not looked at: they are mapped, and may be gigabytes.

    Raises:
        EGSTalkerError: it is damaged or of another length; says what to do.
    """
    import torch

    path = folder.track_params
    try:
        content = open_track(path)
        distance = float(content["trans"].double().norm(dim=1).median()) if "trans" in content else None
        vertices = content.get("vertices")
        faces = content["faces"].long() if "faces" in content else torch.zeros(0, 3, dtype=torch.long)
        unit = 1.0 if distance is None else decimetres_in(distance)
        if vertices is not None:
            vertices = _of_frames(vertices, faces, folder, num_frames)
            vertices = vertices if unit == 1.0 else vertices * unit
    except Exception as error:  # torch.load raises many types on damaged files
        raise damaged(folder) from error
    if distance is not None and not 0 < distance < math.inf:
        raise damaged(folder)
    return Track(None if distance is None else distance * unit, vertices, faces)


def check_track(folder: DatasetFolder, num_frames: int) -> None:
    """Raises what :func:`read_track` does, also where vertices are not finite or poses are missing."""
    from data_utils.transforms import read_poses

    read_poses(folder, num_frames)
    check_finite(folder, read_track(folder, num_frames).vertices)


def check_finite(folder: DatasetFolder, vertices: Tensor | None) -> None:
    """Raises EGSTalkerError where vertices are there and not finite; reads them all, piece by piece."""
    import torch

    if vertices is not None and not all(torch.isfinite(part).all() for part in vertices.split(256)):
        raise damaged(folder)


def decimetres_in(distance: float) -> float:
    """How many decimetres the unit has in which a head is ``distance`` from its camera: metres, these, millimetres.

    A head fills a picture from a quarter of a metre to ten metres away, so the number tells the unit.
    """
    if distance < _NEAREST:
        return 10.0
    return 1.0 if distance < _FARTHEST else 0.01


def damaged(folder: DatasetFolder) -> EGSTalkerError:
    """Of a dataset's track, with what to do."""
    return EGSTalkerError(f"{folder.track_params} is damaged; {cure(folder, 8)}")


def _of_frames(vertices: Tensor, faces: Tensor, folder: DatasetFolder, num_frames: int) -> Tensor:
    """The frames' vertices. Raises ValueError where they or their triangles are of another shape or kind."""
    numbers = range(num_frames) if folder.numbers is None else folder.numbers
    rows = rows_of_frames(len(vertices), numbers)
    if rows is None or len(vertices) < num_frames or not vertices.is_floating_point():
        raise ValueError("vertices of other frames")
    if vertices.ndim != 3 or vertices.shape[2] != 3 or vertices.shape[1] < 4 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError("vertices or triangles of another shape")
    if len(faces) and not 0 <= faces.min() <= faces.max() < vertices.shape[1]:
        raise ValueError("triangles of other vertices")
    return vertices[:num_frames] if folder.numbers is None else vertices[rows.tolist()]
