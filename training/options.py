"""What a user asks of a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arguments.settings import ModelSettings, TrainingSettings


@dataclass(frozen=True)
class TrainOptions:
    """What a user asks for."""

    source_path: Path
    model_path: Path
    model: ModelSettings
    training: TrainingSettings
    device: str = "cpu"
    use_wandb: bool = False
    test_iterations: tuple[int, ...] = ()
    """Fine iterations to validate after, besides every ``validate_every``-th."""
    save_iterations: tuple[int, ...] = ()
    """Fine iterations to save after, besides every ``checkpoint_every``-th."""
    speech_prior: tuple[Path, ...] = ()
    """Other people's datasets, or models, from which the speech model learns what mouths have in common."""
    speech: bool = True
    """Whether a speech model is learnt, too; without one the head follows measured codes alone."""
    torso: bool = False
    """Whether a torso is learnt, too; without one films borrow the clip's."""
    processes: int = 1
    """That share each batch; on GPUs each has a card of its own."""
