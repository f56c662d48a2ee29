"""Muon with parameters of one shape stepped together.

torch.optim.Muon takes matrices one by one, thousands of tiny kernels a step for a small model; here matrices (and
convolution kernels, flattened) of equal shape are stacked. The update has the root mean square of AdamW's, so learning
rates are of AdamW's size (Liu et al., arXiv 2502.16982).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Newton-Schulz towards the nearest orthogonal matrix: (N, rows, columns) -> the same shape, in bfloat16."""
    a, b, c = _COEFFICIENTS
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: torch.Tensor = x.mT if tall else x
    return result


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; for weights with at least two dimensions.

    Args:
        parameters: Dimensions after the first are flattened.
        lr: As for AdamW, a few times larger.
        weight_decay: Decoupled.
        momentum: Nesterov.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float | torch.Tensor,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step on the gradients that are there."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[torch.nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[len(parameter), parameter[0].numel()].append(parameter)
            for shape, parameters in by_shape.items():
                self._step_together(parameters, max(shape), group)

    def _step_together(self, parameters: list[torch.nn.Parameter], largest: int, group: dict[str, float]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        means = [self.state[p].setdefault("mean", torch.zeros_like(p)) for p in parameters]
        torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, means, group["momentum"])
        update = orthogonalised(torch.stack([u.flatten(1) for u in ahead])).float() * (0.2 * largest**0.5)
        update = update * -group["lr"]  # which may be a tensor, in a recorded step
        weights: list[torch.Tensor] = list(parameters)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, [part.view(p.shape) for part, p in zip(update, parameters, strict=True)])
