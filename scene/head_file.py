"""One file that a head travels in: NAME.head, all that speaking takes.

It is a safetensors file of a model folder's tensors, each under the name of its file and its own; its metadata hold the
folder's small JSON files and a SHA-256 over everything. Nothing in it is ever run or unpickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from scene.head_files import checkpoints

SUFFIX = ".head"
FORMAT = "egstalker.head/1"
LARGEST = 1 << 30  # bytes that are believed to be a head
_PARTS = {  # of a model folder: their names in the file
    "code": "expression_code",
    "speech": "speech_model",
    "body": "body_motion",
    "torso": "torso",
    "clip": "kept_clip",
}
_NEEDED = ("torso", "clip", "body")
_HEAD = "head"


def pack(model_path: Path, target: Path) -> int:
    """Write a model's last checkpoint, and all that goes with it, into one file; returns its bytes.

    Raises:
        EGSTalkerError: the model lacks something, is damaged, or ``target`` cannot be written.
    """
    folder = ModelFolder(model_path)
    there = checkpoints(model_path)
    if not there or there[-1].progress.stage != "fine":
        raise EGSTalkerError(f"{model_path} has learnt no head that moves yet; let ./train.sh finish")
    latest = there[-1]
    files = {_HEAD: latest.folder.weights} | {part: getattr(folder, name) for part, name in _PARTS.items()}
    for part in _NEEDED:
        if not files[part].is_file():
            raise EGSTalkerError(
                f"{model_path} does not hold all that speaking takes ({files[part].name} is missing); ./train.sh with "
                "--only torso makes it"
            )
    tensors: dict[str, Tensor] = {}
    about = {
        "format": FORMAT,
        "settings": folder.settings.read_text(),
        "state": latest.folder.state.read_text(),
    }
    for part, path in files.items():
        if path.is_file():
            values, metadata = _read(path)
            tensors |= {f"{part}/{name}": value for name, value in values.items()}
            about[part] = json.dumps(metadata, sort_keys=True)
    about["sha256"] = _digest(tensors, about)
    try:
        with atomic_path(target) as temporary:
            save_file(tensors, temporary, metadata=about)
    except OSError as error:
        raise EGSTalkerError(f"cannot write {target}: {error.strerror}; choose another place for it") from error
    return target.stat().st_size


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The model folder ``path``, or that of the head file ``path``, which is there as long as the context.

    Raises:
        EGSTalkerError: the head file is missing, damaged, or of a version that is not known.
    """
    if path.suffix != SUFFIX or path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="egstalker-head-") as folder:
        root = Path(folder) / path.stem
        unpack(path, root)
        yield root


def unpack(path: Path, root: Path) -> None:
    """Make a model folder of a head file. Raises as :func:`opened` does; the folder is then not there."""
    if not path.is_file():
        raise EGSTalkerError(f"there is no head file {path}")
    if path.stat().st_size > LARGEST:
        raise EGSTalkerError(f"{path} is too large to be a head")
    damaged = EGSTalkerError(f"{path} is no head, or damaged; make it again with export.py")
    try:
        tensors, about = _read(path)
        if about.get("format") != FORMAT:
            raise EGSTalkerError(
                f"{path} is of another version ({about.get('format', 'unknown')!s:.40}); export it anew"
            )
        if _digest(tensors, about) != about["sha256"]:
            raise damaged
        _write(tensors, about, root)
    except EGSTalkerError:
        shutil.rmtree(root, ignore_errors=True)
        raise
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        shutil.rmtree(root, ignore_errors=True)
        raise damaged from error


def _write(tensors: Mapping[str, Tensor], about: Mapping[str, str], root: Path) -> None:
    state = json.loads(about["state"])
    folder = ModelFolder(root)
    checkpoint = folder.checkpoint("fine", int(state["iteration"]))
    files = {_HEAD: checkpoint.weights} | {part: getattr(folder, name) for part, name in _PARTS.items()}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        part, _, own = name.partition("/")
        if part not in files or not own:
            raise ValueError(f"a part that is not known: {name}")
        parts.setdefault(part, {})[own] = value
    for part, values in parts.items():
        metadata = {str(key): str(value) for key, value in json.loads(about[part]).items()}
        files[part].parent.mkdir(parents=True, exist_ok=True)
        save_file(values, files[part], metadata=metadata)
    folder.settings.write_text(about["settings"])
    checkpoint.state.write_text(about["state"])


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise EGSTalkerError(f"{path} is no head, or damaged; make it again") from error


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(about):
        if name != "sha256":
            digest.update(f"{name}\0{about[name]}\0".encode())
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return digest.hexdigest()
