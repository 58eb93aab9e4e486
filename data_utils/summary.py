"""What a run over a dataset did, task by task, in one table."""

from __future__ import annotations

from collections.abc import Sequence

from data_utils.preprocess import Outcome


def summary(outcomes: Sequence[Outcome]) -> str:
    """A line for each task: its time, frames a second and warnings; then one for all."""
    lines = [f"{'task':<26}{'time':>9}{'frames/s':>10}  warnings"]
    for outcome in outcomes:
        name = f"{outcome.task.number} {outcome.task.name}"
        if outcome.skipped:
            lines.append(f"{name:<26}{'-':>9}{'-':>10}  (whole already)")
        else:
            lines.append(_line(name, outcome.seconds, outcome.num_frames) + "  " + "; ".join(outcome.warnings))
    if outcomes:
        lines.append(_line("all", sum(outcome.seconds for outcome in outcomes), outcomes[-1].num_frames))
    return "\n".join(line.rstrip() for line in lines)


def _line(name: str, seconds: float, num_frames: int) -> str:
    return f"{name:<26}{f'{seconds:.1f} s':>9}{num_frames / max(seconds, 1e-6):>10.0f}"
