"""Where every file of a model folder lies.

output/m/settings.json            model and training settings, shape of the audio features, what it was made from
         checkpoints/fine-00500/  head.safetensors (weights), training.pth (optimizer, pose corrections),
                                  point_cloud.ply (the head at rest, as 3D Gaussian viewers read it), state.json
         training.log             what the trainings in it said, line by line
         metrics.jsonl            losses and validations, a line each
         metrics.json             scores
         wandb_run.txt            id of the training's run at Weights & Biases, if it is logged there
         motion/                  what moves its face: code.safetensors (the expression code, the clip's codes,
                                  blinks and idle motion), speech.safetensors (from sound to codes)
         motion/body.safetensors  how the body moves in the clip, and with the head
         torso.safetensors        neck, shoulders and clothes
         clip.safetensors         what speaking takes of the clip: poses, blinks, background; no frame of it
         motion_report.png        what the speech model does in parts of the clip that it has not learnt from
         validation/*.png         truth, render and error of held-out frames
         train/, test/, custom/   what render.py writes

Older versions also kept best/, the head that did best on the held-out frames. Those frames are what scores are measured
on, so choosing a head by them would flatter it: that folder is neither written nor read any longer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CHECKPOINT_NAME = re.compile(r"(coarse|fine)-(\d{5,})")


@dataclass(frozen=True)
class CheckpointFolder:
    """Paths inside one checkpoint."""

    root: Path

    @property
    def weights(self) -> Path:
        return self.root / "head.safetensors"

    @property
    def training_state(self) -> Path:
        return self.root / "training.pth"

    @property
    def point_cloud(self) -> Path:
        return self.root / "point_cloud.ply"

    @property
    def state(self) -> Path:
        return self.root / "state.json"


@dataclass(frozen=True)
class ModelFolder:
    """Paths inside one model folder; nothing is touched until a path is used."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def log(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def training_log(self) -> Path:
        return self.root / "training.log"

    @property
    def wandb_run(self) -> Path:
        return self.root / "wandb_run.txt"

    @property
    def usage(self) -> Path:
        """What the training took of a GPU; absent where it had none."""
        return self.root / "usage.json"

    @property
    def scores(self) -> Path:
        return self.root / "metrics.json"

    @property
    def all_checkpoints(self) -> Path:
        return self.root / "checkpoints"

    def checkpoint(self, stage: str, iteration: int) -> CheckpointFolder:
        return CheckpointFolder(self.all_checkpoints / f"{stage}-{iteration:05d}")

    def checkpoints(self) -> list[CheckpointFolder]:
        """The checkpoints that are whole, in no order."""
        folder = self.all_checkpoints
        there = [CheckpointFolder(path) for path in (folder.iterdir() if folder.is_dir() else ())]
        return [one for one in there if CHECKPOINT_NAME.fullmatch(one.root.name) and one.state.is_file()]

    @property
    def expression_code(self) -> Path:
        return self.root / "motion" / "code.safetensors"

    @property
    def speech_model(self) -> Path:
        return self.root / "motion" / "speech.safetensors"

    @property
    def body_motion(self) -> Path:
        return self.root / "motion" / "body.safetensors"

    @property
    def torso(self) -> Path:
        return self.root / "torso.safetensors"

    @property
    def motion_report(self) -> Path:
        return self.root / "motion_report.png"

    @property
    def kept_clip(self) -> Path:
        return self.root / "clip.safetensors"

    @property
    def torso_validation(self) -> Path:
        return self.root / "validation" / "torso.png"

    def validation(self, stage: str, iteration: int) -> Path:
        return self.root / "validation" / f"{stage}-{iteration:05d}.png"

    def videos(self, part: str, iteration: int) -> Path:
        """Folder of the videos of a part: train, test or custom."""
        return self.root / part / f"ours_{iteration}"
