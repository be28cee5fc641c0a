"""The noise levels a diffusion model was trained with, and the two ways between a level (sigma) and its timestep."""

import torch
from torch import Tensor

_LAST_ALPHA_OF_ZERO_SNR = 4.8973451890853435e-08
"""What stands for zero: the sigma of a true zero would be infinite. A1111's references have this number (sigma 4518.76)."""


class NoiseTable:
    """Sigma of every training timestep: sqrt((1 - a) / a) for the cumulative alphas a, rising.

    `alphas_cumprod` is (timesteps,) and falls. Sigmas and their logarithms are computed in its number format; everything is kept as
    float32 on the CPU, because schedules are made there.
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        alphas = alphas_cumprod.detach().cpu()
        sigmas = ((1 - alphas) / alphas) ** 0.5
        self.alphas_cumprod, self.sigmas, self.log_sigmas = alphas.float(), sigmas.float(), sigmas.log().float()

    def __len__(self) -> int:
        return len(self.sigmas)

    @property
    def sigma_min(self) -> float:
        """The smallest noise level, that of timestep 0."""
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        """The largest noise level, that of the last timestep."""
        return float(self.sigmas[-1])

    def sigma_at(self, timesteps: Tensor) -> Tensor:
        """Sigmas at timesteps that may lie between two of the table; log(sigma) is linear there."""
        t = timesteps.float()
        low, high, weight = t.floor().long(), t.ceil().long(), t.frac()
        return ((1 - weight) * self.log_sigmas[low] + weight * self.log_sigmas[high]).exp()

    def timestep_of(self, sigma: float) -> float:
        """The timestep, usually between two of the table, whose noise level is `sigma`; those beyond the table's ends are its ends."""
        log_sigma = torch.tensor(sigma, dtype=torch.float32).log()
        low = int(torch.searchsorted(self.log_sigmas, log_sigma, right=True).clamp(1, len(self) - 1)) - 1
        left, right = self.log_sigmas[low], self.log_sigmas[low + 1]
        weight = ((left - log_sigma) / (left - right)).clamp(0, 1)
        return float((1 - weight) * low + weight * (low + 1))

    def nearest(self, sigma: float) -> int:
        """The timestep whose noise level is nearest to `sigma`, by their logarithms; the lower one of two that are as near."""
        return int((torch.tensor(sigma, dtype=torch.float32).log() - self.log_sigmas).abs().argmin())


def noise_table(alphas_cumprod: Tensor, *, zero_snr: bool = False, downcast: bool = False) -> NoiseTable:
    """The table of a model's cumulative alphas; `downcast` rounds them to 16 bits first, `zero_snr` ends them in pure noise.

    As in A1111 rounded alphas give sigmas of 16 bits; those that end in pure noise do not, because their last sigma would be infinite.
    """
    alphas = alphas_cumprod.half() if downcast else alphas_cumprod
    return NoiseTable(zero_terminal_snr(alphas.float()) if zero_snr else alphas)


def zero_terminal_snr(alphas_cumprod: Tensor) -> Tensor:
    """The cumulative alphas shifted and stretched so that the last timestep is pure noise (Lin et al. 2023, algorithm 1)."""
    root = alphas_cumprod.sqrt()
    first, last = root[0].clone(), root[-1].clone()
    alphas = ((root - last) * (first / (first - last))) ** 2
    alphas[-1] = _LAST_ALPHA_OF_ZERO_SNR
    return alphas
