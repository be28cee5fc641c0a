"""The noise schedule a network was trained with, and what its raw answer means at a noise level (k-diffusion's conventions)."""

import torch
from torch import Tensor

from app.models.facts import Prediction

TRAINING_STEPS = 1000


def cumulative_alphas(linear_start: float, linear_end: float) -> Tensor:
    """(1000,) float32: products of 1 - beta, the betas rising linearly in their square root (CompVis' `linear` schedule).

    Computed in float64 and rounded once, as CompVis' code does.
    """
    betas = torch.linspace(linear_start**0.5, linear_end**0.5, TRAINING_STEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1.0 - betas, dim=0).float()


class SigmaTable:
    """Noise levels of the training steps, and the way back from a noise level to a (fractional) training step."""

    def __init__(self, alphas_cumprod: Tensor) -> None:
        self.log_sigmas = ((1.0 - alphas_cumprod) / alphas_cumprod).sqrt().log()

    def to(self, device: torch.device) -> None:
        """Moves the table."""
        self.log_sigmas = self.log_sigmas.to(device)

    def timesteps(self, sigmas: Tensor) -> Tensor:
        """Training steps of (rows,) sigmas, interpolated in log sigma and not rounded; beyond the table's ends, its ends.

        The last line rounds as k-diffusion's does: some networks make a visible difference of a timestep's last digit.
        """
        wanted = sigmas.log()
        low = (torch.searchsorted(self.log_sigmas, wanted, right=True) - 1).clamp(0, len(self.log_sigmas) - 2)
        below, above = self.log_sigmas[low], self.log_sigmas[low + 1]
        share = ((wanted - below) / (above - below)).clamp(0.0, 1.0)
        return (1.0 - share) * low + share * (low + 1)


def network_input(x: Tensor, sigmas: Tensor) -> Tensor:
    """`x` (clean + sigma * noise) scaled to the unit variance the network was trained on.

    A product with the factor and not a quotient, as in k-diffusion: some networks make a visible difference of its rounding.
    """
    return x * _by_row(1.0 / (sigmas.square() + 1.0).sqrt())


def denoised(x: Tensor, sigmas: Tensor, answer: Tensor, prediction: Prediction) -> Tensor:
    """The clean latents that a network's answer stands for.

    `epsilon`: the answer is the noise. `v`: it is alpha * noise - sigma' * clean for alpha = 1 / sqrt(sigma^2 + 1) and
    sigma' = sigma * alpha (Salimans & Ho 2022, "Progressive distillation"), hence x / (s^2 + 1) - v * s / sqrt(s^2 + 1).
    """
    sigma = _by_row(sigmas)
    if prediction == "epsilon":
        return x - answer * sigma
    square = sigma.square() + 1.0
    return answer * (-sigma / square.sqrt()) + x * (1.0 / square)


def noise_in(x: Tensor, alphas: Tensor, answer: Tensor, prediction: Prediction) -> Tensor:
    """The noise in latents of unit variance that a network's answer stands for at these cumulative alphas (Salimans & Ho 2022)."""
    if prediction == "epsilon":
        return answer
    return _by_row(alphas.sqrt()) * answer + _by_row((1 - alphas).sqrt()) * x


def by_rows(which: Tensor, ones: Tensor, others: Tensor) -> Tensor:
    """Of (rows, ...) tensors the rows of the one or of the other; `which` is (rows,)."""
    return torch.where(_by_row(which), ones, others)


def _by_row(values: Tensor) -> Tensor:
    return values[:, None, None, None]
