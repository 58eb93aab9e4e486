"""Adam over the head's parameters, with rates by kind, and moments that follow Gaussians when these are rearranged."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.optim import Adam

from arguments.device import kind_of, on_gpu
from arguments.settings import TrainingSettings
from kernels.table import twin
from scene.gaussian_model import FREE_PARAMETERS
from scene.head import GaussianHead
from training.pose_corrections import PoseCorrections

BETAS = (0.9, 0.99)


def make_optimizer(head: GaussianHead, poses: PoseCorrections, settings: TrainingSettings) -> Adam:
    """One parameter group for each learning rate; a Gaussian's parameters have a group each, named after it."""
    rates = {
        "means": settings.means_lr,
        "log_scales": settings.scales_lr,
        "quats": settings.rotations_lr,
        "logit_opacities": settings.opacities_lr,
        "sh_dc": settings.colors_lr,
        "sh_rest": settings.colors_lr / 20,
    }
    groups: list[dict] = [
        {"name": name, "params": [getattr(head.model, name)], "lr": rate, "eps": 1e-15} for name, rate in rates.items()
    ]
    audio = list(head.deformation.tokens.signal.parameters()) if head.settings.drive == "audio" else []
    chosen = {id(p) for p in audio} | {id(p) for p in head.planes.parameters()}
    chosen |= {id(getattr(head.model, name)) for name in FREE_PARAMETERS}
    gate = [] if head.deformation.gate is None else list(head.deformation.gate.parameters())
    chosen |= {id(p) for p in gate}
    rest = [p for p in head.parameters() if id(p) not in chosen]
    groups += [
        {"name": "planes", "params": list(head.planes.parameters()), "lr": settings.planes_lr, "eps": 1e-12},
        {"name": "audio", "params": audio, "lr": settings.network_lr, "decay": settings.audio_weight_decay},
        {"name": "network", "params": rest, "lr": settings.network_lr},
        {"name": "gate", "params": gate, "lr": settings.gate_lr},
        {"name": "poses", "params": list(poses.parameters()), "lr": settings.poses_lr},
    ]
    for group in groups:
        group["initial_lr"] = group["lr"]
        group.setdefault("decay", 0.0)
    device = head.model.means.device
    if not on_gpu(device):
        return Adam(groups, betas=BETAS)
    for group in groups:  # rates on the device, where a recorded step finds them
        group["lr"] = torch.tensor(group["lr"], device=device)
    make_adam = twin("training.optimizer.make_adam", kind_of(device))
    return make_adam(groups, BETAS) if make_adam else Adam(groups, betas=BETAS, fused=True, capturable=True)


def set_rates(optimizer: Adam, factor: float) -> None:
    """Set every group's rate to ``factor`` of its start."""
    for group in optimizer.param_groups:
        rate = group["initial_lr"] * factor
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def load_state(optimizer: Adam, state: dict[str, Any]) -> None:
    """Take the moments of a saved state; rates and what depends on the device stay this optimizer's own."""
    groups = [
        {**own, "params": saved["params"]}
        for own, saved in zip(optimizer.param_groups, state["param_groups"], strict=True)
    ]
    rates = [group["lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict({**state, "param_groups": groups})
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
        for parameter in group["params"] if isinstance(rate, Tensor) else ():
            if parameter in optimizer.state:
                optimizer.state[parameter]["step"] = optimizer.state[parameter]["step"].to(parameter.device)


@torch.no_grad()
def step(optimizer: Adam) -> None:
    """One step of Adam with decoupled weight decay (Loshchilov and Hutter 2019) where a group has one."""
    for group in optimizer.param_groups:
        if group["decay"] and type(optimizer) is Adam:
            for parameter in group["params"]:
                parameter.mul_(1 - group["lr"] * group["decay"])
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def follow(optimizer: Adam, head: GaussianHead, rows: Int[Tensor, "M"], fresh: Bool[Tensor, "M"]) -> None:
    """Point the optimizer at the head's rearranged Gaussians.

    ``rows``: for each Gaussian now, the row it had before; ``fresh``: it is new, and its moments start at zero.
    """
    for group in optimizer.param_groups:
        if group["name"] not in FREE_PARAMETERS:
            continue
        old, new = group["params"][0], getattr(head.model, group["name"])
        state = optimizer.state.pop(old, {})
        for key in ("exp_avg", "exp_avg_sq"):
            if key in state:
                state[key] = state[key][rows]
                state[key][fresh] = 0
        if state:
            optimizer.state[new] = state
        group["params"] = [new]
