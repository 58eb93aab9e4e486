"""Adam on an NVIDIA GPU, in Triton: torch's fused one gives a block 65,536 numbers, and a head's tensors have few more.

Kingma and Ba, "Adam" (ICLR 2015), algorithm 1, with decoupled weight decay (Loshchilov and Hutter 2019).
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch.optim import Adam

LANES = 1024


def make_adam(groups: list[dict[str, Any]], betas: tuple[float, float]) -> Adam:
    """The optimizer of some parameter groups."""
    return GPUAdam(groups, betas=betas)


class GPUAdam(Adam):
    """``torch.optim.Adam`` with its state, whose groups have their rate in a tensor and a "decay" of their own."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step for every parameter that has a gradient; can be recorded."""
        assert closure is None, "there is nothing to evaluate again"
        work = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None and p.numel()]
        if not work:
            return
        for parameter, _ in work:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        torch._foreach_add_([self.state[parameter]["step"] for parameter, _ in work], 1)
        for parameter, group in work:
            state, count = self.state[parameter], parameter.numel()
            _adam[(triton.cdiv(count, LANES),)](
                parameter, parameter.grad.contiguous(), state["exp_avg"], state["exp_avg_sq"], state["step"],
                group["lr"], group["decay"], *group["betas"], group["eps"], count, LANES=LANES,
            )  # fmt: skip


@triton.jit
def _adam(
    parameter_at, gradient_at, mean_at, square_at, step_at, rate_at, decay, beta1, beta2, eps, count,
    LANES: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = at < count
    rate, step = tl.load(rate_at), tl.load(step_at)
    gradient = tl.load(gradient_at + at, mask=inside, other=0.0)
    mean = tl.load(mean_at + at, mask=inside, other=0.0) * beta1 + gradient * (1 - beta1)
    square = tl.load(square_at + at, mask=inside, other=0.0) * beta2 + gradient * gradient * (1 - beta2)
    tl.store(mean_at + at, mean, mask=inside)
    tl.store(square_at + at, square, mask=inside)
    unbiased1, unbiased2 = 1 - tl.exp(step * tl.log(beta1)), 1 - tl.exp(step * tl.log(beta2))
    change = rate / unbiased1 * mean / (tl.sqrt(square / unbiased2) + eps)
    value = tl.load(parameter_at + at, mask=inside, other=0.0)
    tl.store(parameter_at + at, value * (1 - rate * decay) - change, mask=inside)
