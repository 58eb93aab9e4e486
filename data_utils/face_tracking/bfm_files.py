"""The files that the Basel Face Model of 2009 and its expressions come in, read and checked.

- ``01_MorphableModel.mat`` (Paysan et al., 2009): shapeMU [3M, 1] and shapePC [3M, 199] in micrometres, shapeEV
  [199, 1] their standard deviations, texMU, texPC and texEV the same for RGB in 0..255; M = 53,490.
- ``BFM_exp_idx.mat`` (trimIndex: the 53,215 vertices that have expressions), ``BFM_front_idx.mat`` (idx: the 35,709 of
  those that make the face without ears and neck), ``select_vertex_id.mat`` (select_id: both at once),
  ``facemodel_info.mat`` (tri, 68 keypoints, skinmask of the 35,709) and ``BFM09_model_info.mat`` (exBase [3V, 64]:
  their expressions in decimetres, scaled by the standard deviations; meanshape) as Deng et al., "Accurate 3D Face
  Reconstruction with Weakly-Supervised Learning" (2019), define them. Indices count from 1.
- ``Exp_Pca.bin`` and ``std_exp.txt`` (Guo et al., "CNN-based Real-time Dense Face Reconstruction", 2018): a count, the
  mean and 79 expressions of the 53,215 vertices in micrometres, and their standard deviations.
- ``exp_info.npy``, ``topology_info.npy``, ``keys_info.npy`` (Guo et al., "AD-NeRF", 2021): the same 79 expressions, the
  triangles and the landmarks of 34,650 vertices. Indices count from 0.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat

from arguments.errors import EGSTalkerError
from data_utils.face_tracking.morphable_model import NUM_LANDMARKS
from data_utils.face_tracking.pickled_arrays import read_pickled_arrays

MORPHABLE_MODEL = "01_MorphableModel.mat"
EXPRESSION_BASE, FACE = "BFM09_model_info.mat", "facemodel_info.mat"
SELECTED, WITH_EXPRESSION, FRONT = "select_vertex_id.mat", "BFM_exp_idx.mat", "BFM_front_idx.mat"
EXPRESSION_PCA, EXPRESSION_SPREAD = "Exp_Pca.bin", "std_exp.txt"
AD_NERF = ("exp_info.npy", "topology_info.npy", "keys_info.npy")

MICROMETRES = 1e-5  # decimetres
_LARGEST = 200_000_000  # numbers in one variable of a .mat file

Array = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Face:
    """The V vertices of a face within BFM's M: their expressions, triangles and landmarks, as the files have them.

    Whether they fit each other is for :meth:`MorphableModel.of` to say.
    """

    selected: Indices  # [V] of M
    expression_mean: Array  # [V, 3] decimetres
    expression: Array  # [E, V, 3] decimetres, scaled by the standard deviations
    faces: Indices  # [F, 3]
    landmarks: Indices  # [68]
    skin: NDArray[np.bool_]  # [V]


@dataclass(frozen=True)
class Components:
    """A mean [3M] and its components [3M, K], scaled by their standard deviations."""

    mean: Array
    components: Array

    def of(self, selected: Indices, scale: float) -> tuple[Array, Array]:
        """Mean [V, 3] and components [K, V, 3] of some vertices [V], times ``scale``."""
        mean = self.mean.reshape(-1, 3)[selected] * scale
        picked = self.components.reshape(len(self.mean) // 3, 3, -1)[selected] * scale
        return mean.astype(np.float32), np.ascontiguousarray(np.moveaxis(picked, -1, 0), np.float32)


def missing(folder: Path) -> list[str]:
    """Which files ./download_bfm.sh would bring that a conversion needs and the folder lacks."""
    return [name for name in (MORPHABLE_MODEL, FACE, EXPRESSION_BASE, SELECTED) if not (folder / name).is_file()]


def read_components(folder: Path, kind: str, count: int) -> Components:
    """The first ``count`` components of ``kind``, ``shape`` or ``tex``, in the file's units. Raises EGSTalkerError."""
    path = folder / MORPHABLE_MODEL
    names = (f"{kind}MU", f"{kind}PC", f"{kind}EV")
    mean, components, spread = (value for value in read_mat(path, *names).values())
    mean, spread = mean.ravel(), spread.ravel()
    if len(mean) % 3 or components.shape != (len(mean), len(spread)):
        raise EGSTalkerError(
            f"{path}: {names[1]} is {list(components.shape)} where [{len(mean)}, {len(spread)}] belongs"
        )
    return Components(mean.astype(np.float32), (components[:, :count] * spread[:count]).astype(np.float32))


def read_front_face(folder: Path) -> Face:
    """The face of Deng et al., with the 79 expressions of Guo et al. where they are there and else with its own 64."""
    info = read_mat(folder / FACE, "tri", "keypoints", "skinmask")
    if (folder / SELECTED).is_file():
        selected = _indices(read_mat(folder / SELECTED, "select_id")["select_id"], 1)
    else:
        expressive = _expressive(folder)
        selected = expressive[_front(folder, len(expressive))]
    count = len(selected)
    if (folder / EXPRESSION_PCA).is_file():
        mean, expression = _expression_pca(folder, len(_expressive(folder)))
        front = _front(folder, len(mean))
        mean, expression = mean[front], expression[:, front]
    else:
        base = read_mat(folder / EXPRESSION_BASE, "exBase")["exBase"]
        if base.ndim != 2 or base.shape[0] != 3 * count:
            raise EGSTalkerError(f"{folder / EXPRESSION_BASE}: exBase is {list(base.shape)} for {count} vertices")
        mean = np.zeros((count, 3), np.float32)
        expression = np.ascontiguousarray(base.T.reshape(-1, count, 3), np.float32)
    skin = np.asarray(info["skinmask"]).ravel() > 0
    keypoints, faces = _indices(info["keypoints"], 1), _indices(info["tri"], 1).reshape(-1, 3)
    return Face(selected, mean, expression, faces, keypoints, skin)


def read_ad_nerf_face(folder: Path) -> Face:
    """The face of AD-NeRF with its 79 expressions."""
    paths = [folder / name for name in AD_NERF]
    expressions, topology, keys = (read_pickled_arrays(path) for path in paths)
    base, mean, spread = (_entry(expressions, paths[0], name) for name in ("base_exp", "mu_exp", "sig_exp"))
    selected, faces = (_indices(_entry(topology, paths[1], name), 0) for name in ("sub_inds", "tris"))
    landmarks = _indices(_entry(keys, paths[2], "keyinds"), 0)
    count, spread = len(selected), spread.ravel()
    if base.size != len(spread) * 3 * count or mean.size != 3 * count or faces.size % 3:
        raise EGSTalkerError(f"{paths[0]} does not fit the {count} vertices of {paths[1]}; download both again")
    expression = base.reshape(-1, count, 3) * (spread * MICROMETRES)[:, None, None]
    return Face(
        selected,
        (mean.reshape(-1, 3) * MICROMETRES).astype(np.float32),
        expression.astype(np.float32),
        faces.reshape(-1, 3),
        landmarks[:NUM_LANDMARKS],
        np.ones(count, bool),
    )


def read_mat(path: Path, *names: str) -> dict[str, NDArray]:
    """Some variables of a .mat file (version 4 to 7), in the order asked for, finite numbers all.

    Raises EGSTalkerError where the file is missing, damaged, of another kind, or lacks a variable.
    """
    if not path.is_file():
        raise EGSTalkerError(f"{path} is missing; run ./download_bfm.sh")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            declared = {name: shape for name, shape, _ in whosmat(str(path), appendmat=False)}
            lacking = [name for name in names if name not in declared]
            if any(np.prod(declared.get(name, ()), dtype=float) > _LARGEST for name in names):
                raise ValueError("it declares far more numbers than a face model has")
            values = {} if lacking else loadmat(str(path), variable_names=names, appendmat=False, mat_dtype=True)
    except Exception as error:  # scipy raises many types on damaged files
        what = "of MATLAB version 7.3, which is not read" if isinstance(error, NotImplementedError) else "not whole"
        raise EGSTalkerError(f"{path} is {what}; run ./download_bfm.sh again") from error
    if lacking:
        raise EGSTalkerError(f"{path} has no {' and no '.join(lacking)}; it is not the file of that name")
    for name in names:
        value = values[name]
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub" or not np.isfinite(value).all():
            raise EGSTalkerError(f"{path}: {name} does not hold finite numbers; run ./download_bfm.sh again")
    return {name: values[name] for name in names}


def _expressive(folder: Path) -> Indices:
    return _indices(read_mat(folder / WITH_EXPRESSION, "trimIndex")["trimIndex"], 1)


def _front(folder: Path, count: int) -> Indices:
    front = _indices(read_mat(folder / FRONT, "idx")["idx"], 1)
    if front.min(initial=0) < 0 or front.max(initial=-1) >= count:
        raise EGSTalkerError(f"{folder / FRONT} does not fit {WITH_EXPRESSION}; run ./download_bfm.sh again")
    return front


def _expression_pca(folder: Path, count: int) -> tuple[Array, Array]:
    """Mean [count, 3] and expressions [E, count, 3], decimetres, of Exp_Pca.bin and std_exp.txt."""
    path = folder / EXPRESSION_PCA
    numbers = np.fromfile(path, "<f4")
    kinds = int(numbers[:1].view("<i4")[0]) if len(numbers) else 0
    if kinds < 1 or len(numbers) != 1 + 3 * count * (1 + kinds) or not np.isfinite(numbers[1:]).all():
        raise EGSTalkerError(f"{path} does not hold expressions of {count} vertices; download it again")
    try:
        spread = np.loadtxt(folder / EXPRESSION_SPREAD, ndmin=1).ravel()
    except (OSError, ValueError) as error:
        raise EGSTalkerError(f"{folder / EXPRESSION_SPREAD} is missing or no list of numbers; download it") from error
    if len(spread) < kinds or not np.isfinite(spread).all():
        raise EGSTalkerError(f"{folder / EXPRESSION_SPREAD} holds {len(spread)} numbers for {kinds} expressions")
    table = numbers[1:].reshape(1 + kinds, count, 3) * np.float32(MICROMETRES)
    return table[0], table[1:] * spread[:kinds, None, None].astype(np.float32)


def _indices(values: NDArray, first: int) -> Indices:
    """Flat indices from 0 on of indices that count from ``first`` on."""
    return np.asarray(values).astype(np.int64).ravel() - first


def _entry(arrays: dict[str, NDArray], path: Path, name: str) -> NDArray:
    if name not in arrays or arrays[name].dtype.kind not in "fiu" or not np.isfinite(arrays[name]).all():
        raise EGSTalkerError(f"{path} has no finite {name}; download it again")
    return arrays[name]
