"""Every setting of the head and of its training, typed, with its meaning.

A configuration file (``arguments/args.py`` is the default) is a Python file of literals only::

    ModelSettings = dict(attention="esaa", feature_dim=32)
    TrainingSettings = dict(iterations=6000, batch=8)

It is parsed, never executed: anything but such assignments of literals is refused.
"""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from arguments.errors import EGSTalkerError


@dataclass(frozen=True)
class ModelSettings:
    """What the head is made of. The ablations come first."""

    drive: Literal["motion", "audio"] = "motion"
    """What drives the face: expression codes, which a speech model beside the head predicts from sound; or, as
    published, windows of audio features, with pictures as the only teacher of lips."""
    attention: Literal["esaa", "cross"] = "esaa"
    """How Gaussians attend to the tokens: through pooled agents (EGSTalker) or directly (GaussianTalker)."""
    decoder: Literal["kan", "mlp"] = "kan"
    """Kolmogorov-Arnold layers or a multi-layer perceptron, in both stages."""
    planes: Literal["hash", "dense"] = "hash"
    """Spatial features: three multi-resolution 2D hash grids, or three dense multi-resolution planes."""
    ppe: bool = True
    """Periodic positional encoding of the audio token over time (drive = audio)."""
    static_init: bool = True
    """Train the static head (coarse stage) before the deformation; off starts the fine stage from the point cloud."""

    initial_gaussians: int = 24_000
    """Points that the head starts from: face surface and visual hull."""
    sh_degree: int = 1
    """Degree of the spherical harmonics, 0..3; 0 is a colour that does not depend on the view. Speech changes the
    constant term alone, whatever the degree."""
    plane_levels: int = 8
    """Resolutions of the hash grids."""
    plane_features: int = 2
    """Features of each grid level."""
    plane_base_resolution: int = 16
    """Cells along the side of the coarsest level."""
    plane_finest_resolution: int = 512
    """Cells along the side of the finest level."""
    plane_log2_entries: int = 14
    """Entries of each level's table (base-2 logarithm); coarser levels that fit are not hashed."""
    feature_dim: int = 64
    """Width of queries, keys, values and hidden layers."""
    heads: int = 4
    """Attention heads; divides feature_dim."""
    agents: int = 32
    """Agent tokens of ESAA."""
    motion_gate: bool = True
    """Learn which Gaussians move at all; those that do not are not deformed."""
    kan_grid: int = 5
    """Intervals of each B-spline."""
    lower_codes: int = 8
    """Expression codes of lips and jaw beside the lips' gap."""
    upper_codes: int = 4
    """Expression codes of the rest of the face: brows and cheeks."""
    motion_window: int = 3
    """Video frames of expression codes that one frame sees, centred on it."""
    motion_noise: float = 0.1
    """Noise on the expression codes while training, in their standard deviations over the clip."""
    audio_window: int = 8
    """Video frames in each window of audio, and windows that one frame attends to (drive = audio)."""
    audio_noise: float = 0.0
    """Noise on the audio features while training, in their standard deviations over the clip (drive = audio)."""
    ppe_period: int = 25
    """Period of the positional encoding, in frames (drive = audio)."""

    @property
    def signal_window(self) -> int:
        """Frames of what drives the face that one frame sees, centred on it."""
        return self.motion_window if self.drive == "motion" else 2 * self.audio_window - 1


@dataclass(frozen=True)
class TrainingSettings:
    """How the head is learnt."""

    coarse_iterations: int = 1_000
    """Iterations of the static stage."""
    iterations: int = 6_000
    """Iterations of the deformation stage."""
    coarse_batch: int = 1
    """Frames a coarse iteration."""
    batch: int = 8
    """Frames a fine iteration."""
    seed: int = 0
    """Seed of everything random."""

    means_lr: float = 2e-4
    """Learning rate of the Gaussians' positions, decimetres."""
    colors_lr: float = 5e-3
    """Learning rate of the spherical harmonics."""
    opacities_lr: float = 3e-2
    """Learning rate of the opacities' logits."""
    scales_lr: float = 5e-3
    """Learning rate of the scales' logarithms."""
    rotations_lr: float = 2e-3
    """Learning rate of the quaternions."""
    planes_lr: float = 5e-3
    """Learning rate of the hash grids or planes."""
    network_lr: float = 2e-3
    """Learning rate of attention, encoders and decoders."""
    gate_lr: float = 1e-2
    """Learning rate of the motion gates."""
    audio_weight_decay: float = 1e-2
    """Decoupled weight decay of the audio encoder (drive = audio)."""
    poses_lr: float = 0.0
    """Learning rate of the pose corrections (radians, decimetres); 0 leaves the tracked poses as they are. Frames that
    the head did not learn from have no corrections: 5e-4 costs them 0.4 to 1.4 dB where tracking is good."""
    final_lr_ratio: float = 0.05
    """Learning rates decay exponentially to this share of their start over the fine stage."""

    closed_eyes_share: float = 0.15
    """Share of the frames shown in which the eyes are closed, at least and below 1: rare blinks are shown again and
    again, at most 20 times as often as other frames; 0 shows every frame as often."""
    dssim_weight: float = 0.2
    """Share of D-SSIM in the image loss; L1 has the rest."""
    lips_weight: float = 5.0
    """Weight of the extra L1 inside the mouth box."""
    eyes_weight: float = 1.0
    """Weight of the extra L1 inside the eye boxes."""
    mask_weight: float = 0.1
    """Weight of the L1 between rendered opacity and the head mask."""
    perceptual_weight: float = 0.1
    """Weight of the perceptual term."""
    perceptual: Literal["gradients", "vgg"] = "gradients"
    """What the perceptual term compares: gradients at several scales, or features of the VGG network, whose weights
    ./download_models.sh fetches."""
    motion_weight: float = 0.05
    """Weight of the tracked face vertices' motion as a guide of the deformation field, in both stages (decays over the
    fine one); 0 leaves it to the pictures."""
    motion_frames: int = 16
    """Frames an iteration whose tracked vertices guide the field."""
    motion_points: int = 468
    """Vertices an iteration that guide the field."""
    learner_share: float = 1.0
    """Share of the Gaussians, drawn anew in each fine iteration, from which the decoders learn for all."""
    gate_from_share: float = 0.4
    """Share of the fine stage after which motion gates count."""
    gate_weight: float = 0.006
    """Weight of the mean motion gate, which closes the gates of what need not move."""
    offset_weight: float = 0.01
    """Weight of the squared offsets, which keeps what need not move still."""

    densify_from: int = 300
    """First iteration (of coarse and fine together) after which Gaussians are cloned, split and pruned."""
    densify_until_share: float = 0.6
    """Share of the fine stage after which their number stays."""
    densify_every: int = 200
    """Iterations between two densifications."""
    densify_gradient: float = 1.5e-4
    """Mean screen-space gradient (per normalised device unit) above which a Gaussian is cloned or split."""
    max_gaussians: int = 40_000
    """Upper bound of the number of Gaussians."""
    min_gaussians: int = 10_000
    """Pruning stops here."""
    prune_opacity: float = 0.01
    """Gaussians fainter than this are removed."""
    prune_scale: float = 0.5
    """Gaussians with a standard deviation above this are removed, decimetres."""
    split_scale: float = 0.03
    """Of the Gaussians to be densified, those with a standard deviation above this are split, the others cloned;
    decimetres, at most prune_scale."""
    split_shrink: float = 1.6
    """The scales of each half of a split Gaussian are the whole's, divided by this; at least 1."""

    torso_iterations: int = 2_000
    """Iterations in which the torso is learnt, after the head; at most as many as its fine stage has."""
    torso_batch: int = 8
    """Frames in each of them."""
    torso_rounds: int = 4
    """Rounds in which the body's motion is measured again by what the torso looks like, halfway and in the end; 0
    leaves it to the corners of the clothes."""
    torso_gaussians: int = 24_000
    """Gaussians of the torso."""

    checkpoint_every: int = 500
    """Iterations between checkpoints."""
    checkpoint_minutes: float = 10.0
    """Minutes after which a checkpoint is written though fewer iterations were done; 0 leaves it to iterations."""
    validate_every: int = 500
    """Iterations between validations (PSNR over a few held-out frames, and a picture)."""
    validation_frames: int = 12
    """Held-out frames of a validation."""


S = TypeVar("S", ModelSettings, TrainingSettings)


def settings_from(kind: type[S], values: dict[str, Any], where: str) -> S:
    """Build ``kind`` from a dictionary, checking names, types and ranges.

    Raises EGSTalkerError naming ``where`` for an unknown name, a wrong type or a number out of range.
    """
    hints = get_type_hints(kind)
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            raise EGSTalkerError(f"{where}: {kind.__name__} has no setting {name!r}")
        checked[name] = _checked(name, value, hints[name], where)
    settings = kind(**checked)
    _check_ranges(settings, where)
    return settings


def _checked(name: str, value: Any, hint: Any, where: str) -> Any:
    choices = get_args(hint)
    if choices:
        if value not in choices:
            raise EGSTalkerError(f"{where}: {name} is one of {', '.join(map(str, choices))}, not {value!r}")
        return value
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise EGSTalkerError(f"{where}: {name} wants {hint.__name__}, not {value!r}")
    return value


def _check_ranges(settings: ModelSettings | TrainingSettings, where: str) -> None:
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, (int, float)) and not (0 <= value < 1e9):
            raise EGSTalkerError(f"{where}: {field.name} must be a finite number of at least 0, not {value!r}")
    at_least_one: tuple[str, ...] = (
        "coarse_batch",
        "batch",
        "checkpoint_every",
        "validate_every",
        "densify_every",
        "motion_frames",
        "motion_points",
        "split_shrink",
        "torso_iterations",
        "torso_batch",
        "torso_gaussians",
    )
    if isinstance(settings, TrainingSettings) and settings.closed_eyes_share >= 1:
        raise EGSTalkerError(f"{where}: closed_eyes_share is below 1")
    if isinstance(settings, TrainingSettings) and settings.split_scale > settings.prune_scale:
        raise EGSTalkerError(f"{where}: split_scale is at most prune_scale")
    if isinstance(settings, ModelSettings):
        at_least_one = ("initial_gaussians", "plane_levels", "plane_features", "feature_dim", "heads", "agents")
        at_least_one += (
            "kan_grid",
            "audio_window",
            "motion_window",
            "ppe_period",
            "plane_base_resolution",
            "lower_codes",
        )
        if settings.feature_dim % max(1, settings.heads) or settings.feature_dim % 2:
            raise EGSTalkerError(f"{where}: feature_dim must be even and a multiple of heads")
        if settings.sh_degree > 3:
            raise EGSTalkerError(f"{where}: sh_degree is 0, 1, 2 or 3")
        if settings.plane_log2_entries > 24 or settings.plane_finest_resolution < settings.plane_base_resolution:
            raise EGSTalkerError(f"{where}: plane_log2_entries is at most 24 and the finest plane not below the base")
    for name in at_least_one:
        if getattr(settings, name) < 1:
            raise EGSTalkerError(f"{where}: {name} must be at least 1")


def load_config(path: Path | str | None) -> tuple[ModelSettings, TrainingSettings]:
    """Read a configuration file of literals; ``None`` gives the defaults.

    Raises EGSTalkerError for a missing file, for anything but ``Name = dict(key=literal, ...)`` and for bad values.
    """
    values: dict[str, dict[str, Any]] = {"ModelSettings": {}, "TrainingSettings": {}}
    if path is not None:
        for name, entries in _literal_assignments(Path(path)).items():
            if name not in values:
                raise EGSTalkerError(f"{path}: unknown group {name!r}; there are ModelSettings and TrainingSettings")
            values[name] = entries
    return (
        settings_from(ModelSettings, values["ModelSettings"], str(path)),
        settings_from(TrainingSettings, values["TrainingSettings"], str(path)),
    )


def _literal_assignments(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tree = ast.parse(path.read_text())
    except OSError as error:
        raise EGSTalkerError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise EGSTalkerError(f"{path} is not a configuration file: {error}") from error
    groups: dict[str, dict[str, Any]] = {}
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # the docstring
        group = _literal_group(node)
        if group is None:
            raise EGSTalkerError(f"{path}, line {node.lineno}: only `Group = dict(name=literal, ...)` is allowed here")
        groups[group[0]] = group[1]
    return groups


def _literal_group(node: ast.stmt) -> tuple[str, dict[str, Any]] | None:
    """``Name = dict(a=1)`` or ``Name = {"a": 1}`` as (name, values); None for anything else."""
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
        return None
    value = node.value
    try:
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
            if value.args or any(keyword.arg is None for keyword in value.keywords):
                return None
            return node.targets[0].id, {str(k.arg): ast.literal_eval(k.value) for k in value.keywords}
        literal = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return (node.targets[0].id, literal) if isinstance(literal, dict) else None
