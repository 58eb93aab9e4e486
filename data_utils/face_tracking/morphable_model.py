"""A linear morphable face model: a shape is a mean plus identity plus expression, a texture a mean plus components.

Blanz and Vetter, "A Morphable Model for the Synthesis of 3D Faces" (1999); Paysan et al., "A 3D Face Model for Pose and
Illumination Invariant Face Recognition" (2009), the Basel Face Model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError

NUM_LANDMARKS = 68
FOLDER = Path(__file__).parent / "3DMM"
FILE = FOLDER / "3DMM_info.safetensors"
_FORMAT = "egstalker-bfm-1"
_TYPES = {"faces": np.int32, "landmarks": np.int32, "skin": np.bool_}  # of arrays; the others are float32


@dataclass(frozen=True)
class MorphableModel:
    """V vertices in the head frame: decimetres, x to the image's right, y up, z out of the face, origin between ears.

    Each component is scaled by its standard deviation, so that coefficients are of unit variance.
    """

    mean: Float32[np.ndarray, "V 3"]  # decimetres
    identity: Float32[np.ndarray, "I V 3"]  # decimetres
    expression: Float32[np.ndarray, "E V 3"]  # decimetres
    texture_mean: Float32[np.ndarray, "V 3"]  # RGB, 0..1
    texture: Float32[np.ndarray, "T V 3"]  # RGB
    faces: Int32[np.ndarray, "F 3"]  # counter-clockwise seen from outside the head
    landmarks: Int32[np.ndarray, "68"]  # vertices, in iBUG's order
    skin: Bool[np.ndarray, "V"]  # neither eyes nor the inside of the mouth

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> MorphableModel:
        """The model of arrays by the names of its fields.

        Raises EGSTalkerError, saying what is wrong, where they are not all there, finite, and of shapes that fit.
        """
        if absent := [field.name for field in fields(cls) if field.name not in arrays]:
            raise EGSTalkerError(f"{', '.join(absent)} missing")
        chosen = {field.name: arrays[field.name] for field in fields(cls)}
        _check(chosen)
        return cls(**chosen)

    def person(self, identity: Float[np.ndarray, "I"]) -> Float32[np.ndarray, "V 3"]:
        """The shape at rest [V, 3] of identity coefficients [I]."""
        return self.mean + np.tensordot(np.asarray(identity, np.float32), self.identity, 1)

    def vertices(
        self, person: Float32[np.ndarray, "V 3"], expression: Float[np.ndarray, "N E"]
    ) -> Float32[np.ndarray, "N V 3"]:
        """Shapes [N, V, 3] of a person [V, 3] with expression coefficients [N, E]."""
        basis = self.expression.reshape(len(self.expression), -1)
        return (np.asarray(expression, np.float32) @ basis).reshape(-1, *person.shape) + person

    def colors(self, texture: Float[np.ndarray, "T"]) -> Float32[np.ndarray, "V 3"]:
        """Albedo [V, 3], RGB 0..1, of texture coefficients [T]."""
        return self.texture_mean + np.tensordot(np.asarray(texture, np.float32), self.texture, 1)


def in_head_frame(model: MorphableModel) -> MorphableModel:
    """The model with its origin between the ears and its triangles turned outward; its axes are kept.

    Raises EGSTalkerError where the axes are not those of the head frame.
    """
    points = model.mean[model.landmarks]
    right, left, chin, brow, nose = points[0], points[16], points[8], points[19:25].mean(0), points[30]
    if not (left[0] > right[0] and brow[1] > chin[1] and nose[2] > (right[2] + left[2]) / 2):
        raise EGSTalkerError("the model's landmarks do not lie on a face that looks along z; use the files of BFM 2009")
    mean = model.mean - (points[1] + points[15]) / 2  # as MediaPipe's ears, see initial_shape.head_frame
    a, b, c = np.moveaxis(mean[model.faces], 1, 0)
    outward = (np.cross(b - a, c - a) * (a + b + c)).sum()
    faces = model.faces if outward > 0 else model.faces[:, [0, 2, 1]]
    return MorphableModel(**{**_arrays(model), "mean": mean, "faces": np.ascontiguousarray(faces)})


def _check(arrays: dict[str, np.ndarray]) -> None:
    count, triangles = len(arrays["mean"]), len(arrays["faces"])
    shapes = {
        "mean": (count, 3),
        "identity": (len(arrays["identity"]), count, 3),
        "expression": (len(arrays["expression"]), count, 3),
        "texture_mean": (count, 3),
        "texture": (len(arrays["texture"]), count, 3),
        "faces": (triangles, 3),
        "landmarks": (NUM_LANDMARKS,),
        "skin": (count,),
    }
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape or 0 in shape:
            raise EGSTalkerError(f"{name} is {list(array.shape)} where {list(shape)} belongs")
        kind = np.dtype(_TYPES.get(name, np.float32))
        if array.dtype != kind:
            raise EGSTalkerError(f"{name} holds {array.dtype} where {kind} belongs")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise EGSTalkerError(f"{name} holds values that are not finite")
    for name in ("faces", "landmarks"):
        if arrays[name].min() < 0 or arrays[name].max() >= count:
            raise EGSTalkerError(f"{name} points beyond the {count} vertices")


def save(model: MorphableModel, path: Path, source: str) -> None:
    """Write a model as safetensors, atomically; ``source`` says what it was made from."""
    arrays = {name: np.ascontiguousarray(array) for name, array in _arrays(model).items()}
    with atomic_path(path) as part:
        save_file(arrays, part, metadata={"format": _FORMAT, "source": source})


def load(path: Path) -> MorphableModel:
    """A model that :func:`save` wrote. Raises EGSTalkerError where it is missing, damaged or something else."""
    again = "make it with python data_utils/face_tracking/convert_BFM.py"
    if not path.is_file():
        raise EGSTalkerError(f"{path} is missing; {again}")
    try:
        return MorphableModel.of(load_file(path))
    except (SafetensorError, OSError, ValueError, TypeError, EGSTalkerError) as error:
        raise EGSTalkerError(f"{path} is no whole face model ({error}); {again}") from error


def _arrays(model: MorphableModel) -> dict[str, np.ndarray]:
    return {field.name: getattr(model, field.name) for field in fields(model)}
