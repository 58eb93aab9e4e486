"""What all heads of a farm are made with; the farm remembers it, as heads made otherwise are not to be compared."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments.digest import sha256
from arguments.errors import EGSTalkerError

EXPORTS = ("head", "ply", "splat", "glb")
OURS = {  # options of the programs that the farm itself gives
    "preprocess": {"--task", "--inspect", "--json"},
    "train": {"-s", "--source_path", "-m", "--model_path", "--configs", "--only", "--device", "--gpus"},
    "metrics": {"-s", "--source_path", "--model_path", "--splits", "--custom_wav", "--iteration", "--device"},
}


@dataclass(frozen=True)
class Settings:
    """farm.json."""

    configs: str = "arguments/args.py"
    """The configuration, as for train.sh: of the checkout, or an absolute path that every machine has."""
    digest: str = ""
    """SHA-256 of it."""
    preprocess_options: tuple[str, ...] = ()
    """Further arguments of data_utils/process.py."""
    train_options: tuple[str, ...] = ()
    """Further arguments of train.py."""
    metrics_options: tuple[str, ...] = ()
    """Further arguments of metrics.py."""
    export: tuple[str, ...] = ()
    """Kinds of file that are made of each head."""

    def to_json(self) -> bytes:
        """As it stands in farm.json."""
        return json.dumps({"format": 1, **dataclasses.asdict(self)}, indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Settings:
        """Of what :meth:`to_json` made.

        Raises:
            EGSTalkerError: it is something else.
        """
        try:
            value = json.loads(data)
            if not isinstance(value, dict) or value.pop("format", None) != 1:
                raise TypeError
            settings = cls(**{name: _checked(name, one) for name, one in value.items()})
        except (ValueError, TypeError) as error:
            raise EGSTalkerError(f"{where} is damaged; give another --out") from error
        settings.check()
        return settings

    def check(self) -> None:
        """Raise EGSTalkerError where a farm cannot be made so."""
        for program, names in OURS.items():
            for option in getattr(self, f"{program}_options"):
                if option.partition("=")[0] in names:
                    raise EGSTalkerError(f"--{program}_options: {option} is the farm's own to say")
        if unknown := [kind for kind in self.export if kind not in EXPORTS]:
            raise EGSTalkerError(f"--export {unknown[0]}: the kinds are {', '.join(EXPORTS)}")


def with_configuration(settings: Settings, checkout: Path) -> Settings:
    """The settings with where their configuration is, and what is in it.

    Raises:
        EGSTalkerError: there is no such file.
    """
    given = Path(settings.configs)
    if not (checkout / given).is_file() and not given.is_file():
        raise EGSTalkerError(f"there is no configuration {given}; give --configs, such as arguments/cpu.py")
    path = given.resolve() if given.is_file() else (checkout / given).resolve()
    inside = path.is_relative_to(checkout)
    configs = str(path.relative_to(checkout)) if inside else str(path)  # checkouts may lie elsewhere on each machine
    return dataclasses.replace(settings, configs=configs, digest=sha256(path))


def _checked(name: str, value: Any) -> Any:
    if name in ("configs", "digest"):
        if isinstance(value, str):
            return value
    elif isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise TypeError
