"""A small made-up face model in the formats of the Basel Face Model and its companions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat
from scipy.spatial import cKDTree

IBUG_PLACES = np.array([
    *((-0.66, 0.05, -0.1), (-0.66, -0.1, -0.05), (-0.64, -0.25, 0.0), (-0.6, -0.42, 0.08), (-0.54, -0.58, 0.18)),
    *((-0.44, -0.71, 0.3), (-0.31, -0.81, 0.42), (-0.16, -0.88, 0.5), (0, -0.9, 0.52), (0.16, -0.88, 0.5)),
    *((0.31, -0.81, 0.42), (0.44, -0.71, 0.3), (0.54, -0.58, 0.18), (0.6, -0.42, 0.08), (0.64, -0.25, 0.0)),
    *((0.66, -0.1, -0.05), (0.66, 0.05, -0.1)),
    *((-0.55, 0.4, 0.5), (-0.45, 0.47, 0.6), (-0.34, 0.48, 0.67), (-0.23, 0.45, 0.72), (-0.12, 0.42, 0.76)),
    *((0.12, 0.42, 0.76), (0.23, 0.45, 0.72), (0.34, 0.48, 0.67), (0.45, 0.47, 0.6), (0.55, 0.4, 0.5)),
    *((0, 0.28, 0.8), (0, 0.16, 0.86), (0, 0.04, 0.92), (0, -0.08, 0.98)),
    *((-0.13, -0.17, 0.8), (-0.07, -0.19, 0.84), (0, -0.21, 0.87), (0.07, -0.19, 0.84), (0.13, -0.17, 0.8)),
    *((-0.43, 0.25, 0.58), (-0.35, 0.29, 0.64), (-0.26, 0.29, 0.67), (-0.18, 0.24, 0.67), (-0.26, 0.21, 0.67)),
    *((-0.35, 0.21, 0.64), (0.18, 0.24, 0.67), (0.26, 0.29, 0.67), (0.35, 0.29, 0.64), (0.43, 0.25, 0.58)),
    *((0.35, 0.21, 0.64), (0.26, 0.21, 0.67)),
    *((-0.25, -0.42, 0.7), (-0.16, -0.38, 0.78), (-0.06, -0.36, 0.83), (0, -0.37, 0.84), (0.06, -0.36, 0.83)),
    *((0.16, -0.38, 0.78), (0.25, -0.42, 0.7), (0.16, -0.49, 0.77), (0.07, -0.52, 0.81), (0, -0.53, 0.82)),
    *((-0.07, -0.52, 0.81), (-0.16, -0.49, 0.77)),
    *((-0.22, -0.42, 0.71), (-0.07, -0.42, 0.8), (0, -0.42, 0.81), (0.07, -0.42, 0.8), (0.22, -0.42, 0.71)),
    *((0.07, -0.44, 0.8), (0, -0.44, 0.81), (-0.07, -0.44, 0.8)),
])  # fmt: skip

ORIGIN = np.array([0.01, -0.1, 0.3])  # of the head frame in the file


@dataclass(frozen=True)
class MadeUpFace:
    """What the files say, in decimetres and indices from 0: V vertices of a face within a model of M."""

    mean: np.ndarray  # [V, 3]
    identity: np.ndarray  # [I, V, 3] scaled by the standard deviations
    expression: np.ndarray  # [E, V, 3] scaled
    colors: np.ndarray  # [V, 3] 0..1
    texture: np.ndarray  # [T, V, 3] scaled
    faces: np.ndarray  # [F, 3]
    landmarks: np.ndarray  # [68]
    within: np.ndarray  # [V] the vertex of the whole model
    kept: np.ndarray | None = None  # [V] the vertex of the mesh that the face was cut from


def make_face(side: int = 45, identities: int = 12, expressions: int = 8, seed: int = 0) -> MadeUpFace:
    """A relief over a grid that passes through the 68 places, with smooth components."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(-0.8, 0.8, side), np.linspace(-1.05, 0.95, side + 10))
    flat = np.stack([x.ravel(), y.ravel()], axis=-1)
    distance, nearest = cKDTree(IBUG_PLACES[:, :2]).query(flat, k=6)
    weight = 1 / (distance + 0.03) ** 3
    relief = (weight * IBUG_PLACES[nearest, 2]).sum(1) / weight.sum(1) - 0.25 * np.clip(distance[:, 0] - 0.15, 0, None)
    mean = np.concatenate([flat, relief[:, None]], axis=1)
    landmarks = np.empty(68, int)
    for i, place in enumerate(IBUG_PLACES):  # the nearest free vertex is moved to the place
        order = np.linalg.norm(flat - place[:2], axis=1).argsort()
        landmarks[i] = next(v for v in order if v not in landmarks[:i])
        mean[landmarks[i]] = place
    index = np.arange(len(mean)).reshape(side + 10, side)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)])
    mouth = np.exp(-(((mean - (0, -0.44, 0.8)) / (0.3, 0.22, 0.4)) ** 2).sum(1))
    brows = np.exp(-(((mean[:, 1] - 0.42) / 0.15) ** 2))
    jaw = np.clip((-0.38 - mean[:, 1]) / 0.5, 0, 1) ** 0.5
    regions = (mouth, brows, jaw)
    expression = np.stack([waves(mean, rng) * regions[k % 3][:, None] * 0.05 for k in range(expressions)])
    expression[2] = jaw[:, None] * (0, -0.09, -0.04)
    identity = np.stack([unmoved(waves(mean, rng), mean) * 0.05 / (1 + 0.2 * k) for k in range(identities)])
    colors = 0.55 + 0.3 * np.sin(mean @ rng.normal(0, 9, (3, 3)) + (0, 1, 2)) * (0.6 + 0.4 * np.sin(25 * mean[:, :1]))
    texture = np.stack([waves(mean, rng) * 0.05 for _ in range(5)])
    within = np.sort(rng.permutation(len(mean) + 300)[: len(mean)])
    return MadeUpFace(mean, identity, expression, colors, texture, faces, landmarks, within)


def waves(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth field of vectors [V, 3] of unit size or so."""
    return np.sin(points @ rng.normal(0, 2.2, (3, 3)) + rng.uniform(0, 6, 3))


def unmoved(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A field without what moves, turns or scales the whole: faces are aligned before components are made."""
    centred = points - points.mean(0)
    rigid = [np.tile(axis, (len(points), 1)) for axis in np.eye(3)] + [np.cross(axis, centred) for axis in np.eye(3)]
    basis = np.stack([part.ravel() for part in [*rigid, centred]], axis=1)
    return field - (basis @ np.linalg.lstsq(basis, field.ravel(), rcond=None)[0]).reshape(field.shape)


def write_morphable_model(face: MadeUpFace, folder: Path, rng_seed: int = 1) -> None:
    """01_MorphableModel.mat: micrometres, components of unit length, standard deviations apart."""
    rng = np.random.default_rng(rng_seed)
    whole = int(face.within.max()) + 1

    def spread_out(values: np.ndarray, fill: float) -> np.ndarray:
        table = rng.normal(0, fill, (len(values), whole, 3))
        table[:, face.within] = values
        return table.reshape(len(values), -1).T

    content = {"tl": np.ones((4, 3)), "segbin": np.zeros((whole, 4))}
    for kind, mean, components, unit in (
        ("shape", face.mean + ORIGIN, face.identity, 1e5),
        ("tex", face.colors, face.texture, 255.0),
    ):
        table = spread_out(components, 0.01) * unit
        deviation = np.linalg.norm(table, axis=0)
        content |= {
            f"{kind}MU": spread_out(mean[None], 0.5).astype(np.float32) * unit,
            f"{kind}PC": (table / deviation).astype(np.float32),
            f"{kind}EV": deviation[:, None].astype(np.float32),
        }
    savemat(folder / "01_MorphableModel.mat", content, do_compression=True)


def write_front_files(face: MadeUpFace, folder: Path) -> None:
    """The files of ./download_bfm.sh but the first."""
    count = len(face.mean)
    info = {"tri": face.faces[:, ::-1] + 1.0, "keypoints": face.landmarks[None] + 1.0, "skinmask": np.ones((1, count))}
    savemat(folder / "facemodel_info.mat", info)
    base = face.expression.reshape(len(face.expression), -1).T
    stated = (face.mean + ORIGIN).reshape(1, -1)
    savemat(folder / "BFM09_model_info.mat", info | {"exBase": base, "meanshape": stated})
    savemat(folder / "select_vertex_id.mat", {"select_id": face.within[:, None] + 1.0})
    whole = int(face.within.max()) + 1
    expressive = np.flatnonzero(np.isin(np.arange(whole), face.within) | (np.arange(whole) % 2 == 0))
    savemat(folder / "BFM_exp_idx.mat", {"trimIndex": expressive[:, None] + 1.0})
    savemat(folder / "BFM_front_idx.mat", {"idx": np.searchsorted(expressive, face.within)[:, None] + 1.0})


def write_expression_pca(face: MadeUpFace, folder: Path) -> np.ndarray:
    """Exp_Pca.bin and std_exp.txt; returns their mean expression [V, 3] in decimetres."""
    from scipy.io import loadmat

    expressive = loadmat(folder / "BFM_exp_idx.mat")["trimIndex"].ravel() - 1
    rows = np.searchsorted(expressive, face.within)
    deviation = np.linspace(2.0, 0.5, len(face.expression)) * 1e5
    table = np.zeros((1 + len(deviation), len(expressive), 3))
    mean = np.full((len(face.mean), 3), 0.01)
    table[0, rows] = mean * 1e5
    table[1:, rows] = face.expression * 1e5 / deviation[:, None, None]
    with (folder / "Exp_Pca.bin").open("wb") as file:
        file.write(np.array([len(deviation)], "<i4").tobytes() + table.astype("<f4").tobytes())
    np.savetxt(folder / "std_exp.txt", deviation)
    return mean


def write_ad_nerf_files(face: MadeUpFace, folder: Path) -> None:
    """The three dictionaries that AD-NeRF brings, as numpy pickles them."""
    deviation = np.linspace(2.0, 0.5, len(face.expression))
    base = face.expression * 1e5 / deviation[:, None, None]
    entries = {
        "exp_info": {
            "mu_exp": np.zeros(3 * len(face.mean)),
            "base_exp": base.reshape(len(base), -1),
            "sig_exp": deviation,
        },
        "topology_info": {"sub_inds": face.within, "tris": face.faces.astype(np.int32), "vert_tris": face.faces[:5]},
        "keys_info": {"keyinds": face.landmarks, "left_contour": face.landmarks[:8, None], "rigid_ids": np.arange(3)},
    }
    for name, content in entries.items():
        np.save(folder / f"{name}.npy", content, allow_pickle=True)  # type: ignore[arg-type]
