"""Convert the Basel Face Model of 2009 for the BFM tracker: python data_utils/face_tracking/convert_BFM.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first on the path; the packages lie two above
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

import numpy as np
from jaxtyping import Float32

from arguments.errors import EGSTalkerError, door
from data_utils.face_tracking import bfm_files, morphable_model
from data_utils.face_tracking.bfm_files import MICROMETRES, Components, Face
from data_utils.face_tracking.morphable_model import FOLDER, MorphableModel

IDENTITIES = TEXTURES = 100  # components of 199; what the rest adds is below a landmark's noise
_MISFIT = 1e-3  # decimetres by which two files may differ on the same vertex


def parse_arguments() -> argparse.Namespace:
    """The command line's settings."""
    parser = argparse.ArgumentParser(prog="convert_BFM.py", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files lie, and where the model goes")
    return parser.parse_args()


def convert(folder: Path) -> tuple[MorphableModel, str]:
    """The tracker's model of the files in a folder, and which expressions it has.

    It takes Deng et al.'s face with Guo et al.'s expressions where Exp_Pca.bin is there, else with those of
    BFM09_model_info.mat, else AD-NeRF's face (see :mod:`bfm_files`). Lengths become decimetres, colours 0..1.

    Raises:
        EGSTalkerError: files are missing, damaged, or do not belong together.
    """
    face, source = _read_face(folder)
    shape = bfm_files.read_components(folder, "shape", IDENTITIES)
    _check_indices(face, len(shape.mean) // 3)
    mean, identity = shape.of(face.selected, MICROMETRES)
    del shape  # half of the memory that is used
    if source == bfm_files.EXPRESSION_BASE:
        _check_same_vertices(folder, mean)
    texture_mean, texture = _texture(folder, len(mean), face)
    arrays = {
        "mean": mean + face.expression_mean,
        "identity": identity,
        "expression": face.expression,
        "texture_mean": texture_mean,
        "texture": texture,
        "faces": face.faces.astype(np.int32),
        "landmarks": face.landmarks.astype(np.int32),
        "skin": face.skin,
    }
    try:
        return morphable_model.in_head_frame(MorphableModel.of(arrays)), source
    except EGSTalkerError as error:
        raise EGSTalkerError(f"the files in {folder} do not belong together: {error}") from error


def _read_face(folder: Path) -> tuple[Face, str]:
    def there(*names: str) -> bool:
        return all((folder / name).is_file() for name in names)

    base = bfm_files.MORPHABLE_MODEL
    selection = there(bfm_files.SELECTED) or there(bfm_files.WITH_EXPRESSION, bfm_files.FRONT)
    if there(base, bfm_files.FACE, bfm_files.WITH_EXPRESSION, bfm_files.FRONT, bfm_files.EXPRESSION_PCA):
        return bfm_files.read_front_face(folder), bfm_files.EXPRESSION_PCA
    if selection and there(base, bfm_files.FACE, bfm_files.EXPRESSION_BASE):
        return bfm_files.read_front_face(folder), bfm_files.EXPRESSION_BASE
    if there(base, *bfm_files.AD_NERF):
        return bfm_files.read_ad_nerf_face(folder), bfm_files.AD_NERF[0]
    raise EGSTalkerError(f"{folder} lacks {', '.join(bfm_files.missing(folder))}; run ./download_bfm.sh")


def _texture(folder: Path, count: int, face: Face) -> tuple[Float32[np.ndarray, "V 3"], Float32[np.ndarray, "T V 3"]]:
    texture: Components = bfm_files.read_components(folder, "tex", TEXTURES)
    _check_indices(face, len(texture.mean) // 3)
    return texture.of(face.selected, 1 / 255)


def _check_indices(face: Face, vertices: int) -> None:
    if face.selected.min(initial=0) < 0 or face.selected.max(initial=-1) >= vertices:
        raise EGSTalkerError(f"the chosen vertices are not among the {vertices} of {bfm_files.MORPHABLE_MODEL}")


def _check_same_vertices(folder: Path, mean: Float32[np.ndarray, "V 3"]) -> None:
    """The expressions' file carries the mean shape, too: its vertices must be the ones that were chosen."""
    path = folder / bfm_files.EXPRESSION_BASE
    stated = bfm_files.read_mat(path, "meanshape")["meanshape"].ravel()
    apart = np.inf if stated.size != mean.size else stated.reshape(-1, 3) - mean
    if np.abs(apart - np.mean(apart, axis=0)).max() > _MISFIT:
        raise EGSTalkerError(f"{path} is of other vertices than {bfm_files.SELECTED}; run ./download_bfm.sh again")


@door
def main() -> None:
    """Convert, and say what came of it."""
    folder: Path = parse_arguments().folder
    model, source = convert(folder)
    target = folder / morphable_model.FILE.name
    morphable_model.save(model, target, source)
    print(
        f"{target}: {len(model.mean)} vertices, {len(model.faces)} triangles, {len(model.identity)} identity, "
        f"{len(model.expression)} expression ({source}) and {len(model.texture)} texture components"
    )


if __name__ == "__main__":
    sys.exit(main())
