"""Speech models in the layout of the Hugging Face hub, from a local folder, nothing of which is executed."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from arguments.errors import EGSTalkerError, one_line
from data_utils.audio_features.speech_encoder import KERNELS, STRIDES

FETCH = "delete the folder and run ./download_models.sh"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_LARGEST = {"num_hidden_layers": 48, "intermediate_size": 8192, "num_conv_pos_embeddings": 1024}
_UNUSED = ("masked_spec_embed",)  # of training alone


def load_speech_model(model_class: Any, folder: Path, width: int) -> Any:
    """A ``Wav2Vec2Model`` or ``HubertModel`` with the weights of ``folder``, in evaluation mode, float32, on the CPU.

    Args:
        model_class: the class of transformers.
        folder: config.json and model.safetensors, or else pytorch_model.bin, of which nothing but tensors is read.
        width: of the hidden states that are wanted.

    Raises:
        EGSTalkerError: a file is absent, damaged, or of another model.
    """
    if not (folder / "config.json").is_file() or not any((folder / name).is_file() for name in _WEIGHTS):
        raise EGSTalkerError(f"{folder} lacks config.json or {' and '.join(_WEIGHTS)}; {FETCH}")
    settings = _read_json(folder / "config.json")
    _check(settings, model_class, folder, width)
    try:
        with _quiet():
            model, report = model_class.from_pretrained(
                folder,
                config=model_class.config_class.from_dict(settings),
                local_files_only=True,
                weights_only=True,
                torch_dtype=torch.float32,
                attn_implementation="eager",
                output_loading_info=True,
            )
    except Exception as error:  # every reader has its own kinds of exception for a damaged or hostile file
        raise EGSTalkerError(f"{folder} is damaged ({one_line(error)[:120]}); {FETCH}") from error
    missing = [key for key in report["missing_keys"] if not key.endswith(_UNUSED)]
    if missing or report["mismatched_keys"]:
        raise EGSTalkerError(f"{folder} lacks weights, {missing[:1] or report['mismatched_keys'][:1]} first; {FETCH}")
    if not all(torch.isfinite(parameter).all() for parameter in model.parameters()):
        raise EGSTalkerError(f"{folder} holds weights that are not finite; {FETCH}")
    return model.eval()


def normalises(folder: Path) -> bool:
    """Whether the model wants its input at zero mean and unit variance (preprocessor_config.json; yes where absent)."""
    path = folder / "preprocessor_config.json"
    return bool(_read_json(path).get("do_normalize", True)) if path.is_file() else True


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise EGSTalkerError(f"{path} is damaged; {FETCH}") from error
    if not isinstance(value, dict):
        raise EGSTalkerError(f"{path} is no JSON object; {FETCH}")
    return value


def _check(settings: dict[str, Any], model_class: Any, folder: Path, width: int) -> None:
    wanted = {
        "model_type": model_class.config_class.model_type,
        "hidden_size": width,
        "conv_kernel": list(KERNELS),
        "conv_stride": list(STRIDES),
    }
    for name, value in wanted.items():
        if settings.get(name, value) != value:
            raise EGSTalkerError(f"{folder} is another model: {name} is {settings[name]!r}, not {value!r}; {FETCH}")
    sane = all(isinstance(settings.get(name, 1), int) and settings.get(name, 1) <= _LARGEST[name] for name in _LARGEST)
    widths = settings.get("conv_dim", [])
    sane &= isinstance(widths, list) and all(isinstance(n, int) and 0 < n <= 4096 for n in widths)
    if not sane or settings.get("add_adapter") or settings.get("adapter_attn_dim") is not None:
        raise EGSTalkerError(f"{folder / 'config.json'} does not describe a model of this kind; {FETCH}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' remarks on weights of heads that are not used."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
