"""Scores as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from evaluation.scores import TORSO_FIGURES, Scores

_LABELS = {
    "raw_psnr": "PSNR, raw frame (dB)",
    "composite_psnr": "PSNR, composite (dB)",
    "head_psnr": "PSNR, head box (dB)",
    "mouth_psnr": "PSNR, mouth box (dB)",
    "face_psnr": "PSNR, head pixels alone (dB)",
    "torso_psnr": "PSNR, neck and torso (dB)",
    "neck_psnr": "PSNR, band at the neck (dB)",
    "neck_step": "step at the neck (1: as the truth)",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "landmark_distance": "mouth landmark distance (px)",
    "landmark_distance_relative": "  as a share of the eyes' distance",
    "mouth_correlation": "mouth correlation",
    "mouth_correlation_by_chance": "  by chance",
    "mouth_velocity_correlation": "mouth velocity correlation",
    "mouth_velocity_correlation_by_chance": "  by chance",
    "mouth_amplitude": "mouth amplitude (1: as the truth)",
    "lip_closures_kept": "lip closures kept",
    "lip_closures_kept_by_chance": "  by chance",
    "lip_closures_false": "lip closures that are false",
    "lip_closures_false_by_chance": "  by chance",
    "blink_correlation": "blink correlation (blinks are given)",
    "blink_depth": "blink depth (1: as the truth)",
    "own_blink_rate": "blinks a minute, made anew",
    "blink_rate_truth": "  of the person in the clip",
    "render_fps": "render only (frames/s)",
    "end_to_end_fps": "sound to video (frames/s)",
    "frames": "frames",
    "lost_frames": "  left out: the person is away",
}
_DECIMALS = {"ssim": 4, "lpips": 4, "landmark_distance_relative": 4, "frames": 0, "lost_frames": 0}
_DECIMALS |= {"own_blink_rate": 1, "blink_rate_truth": 1}
_DECIMALS |= {name: 3 for name in _LABELS if name.startswith(("mouth_", "lip_", "blink_c")) and name != "mouth_psnr"}


def scores_table(sets: Mapping[str, Scores]) -> Table:
    """One row a figure, one column a set; a figure that is undefined is a dash."""
    table = Table("", *(name for name in sets))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, label in _LABELS.items():
        values = (scores.as_dict()[name] for scores in sets.values())
        decimals = _DECIMALS.get(name, 2)
        table.add_row(label, *("-" if value is None else f"{value:.{decimals}f}" for value in values))
    return table


def reasons_for_dashes(sets: Mapping[str, Scores]) -> list[str]:
    """One line for every figure that is undefined, saying why."""
    return [
        f"{split}: no {name}: {scores.reasons.get(name) or 'not measured'}"
        for split, scores in sets.items()
        for name, value in scores.as_dict().items()
        if value is None and (split == "val_torso" or name not in TORSO_FIGURES)
    ]
