"""A loaded checkpoint: the four things an engine asks of it, in float32 whatever its weights' number format is."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from app.models.facts import CheckpointFacts, ModelFile
from app.networks import autoencoder
from app.networks.build import Networks, build_networks
from app.networks.denoiser import predict
from app.networks.noise import SigmaTable, cumulative_alphas, denoised, network_input
from app.networks.sharing import Twins
from app.networks.text import encode_text
from app.networks.weights import Progress, fill
from app.schema.errors import BadModelFile


class Checkpoint:
    """Networks of one checkpoint on one device. All inputs are moved and cast here; all answers are float32 on its device.

    Not for two threads at once. Answers are ordinary tensors without gradients.
    """

    def __init__(self, facts: CheckpointFacts, networks: Networks, device: torch.device, dtype: torch.dtype) -> None:
        self.facts = facts
        self.device = device
        self.dtype = dtype
        self.alphas_cumprod = cumulative_alphas(facts.linear_start, facts.linear_end)
        """(1000,) float32, on the CPU."""
        self._networks = networks
        self._table = SigmaTable(self.alphas_cumprod)
        self._table.to(device)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights (0 after `unload`)."""
        tensors = [t for part in self._networks.parts.values() for t in part.parameters()]
        return sum(t.nbytes for t in tensors if not t.is_meta)

    @property
    def weights(self) -> Iterator[Tensor]:
        """All weights; several checkpoints may share some (equal `data_ptr`)."""
        return (t.data for part in self._networks.parts.values() for t in part.parameters() if not t.is_meta)

    @staticmethod
    def twins(others: Iterable["Checkpoint"]) -> Twins:
        """What a load may share with these checkpoints; taken in the thread that uses them."""
        return Twins(other._networks for other in others)

    @torch.no_grad()
    def encode_text(self, ids: Tensor, clip_skip: int = 1) -> Tensor:
        """(chunks, 77) int64 to (chunks, 77, width), clip skip and final norm applied."""
        return encode_text(self._networks.text, ids.to(self.device), clip_skip).float()

    @torch.no_grad()
    def denoise(self, x: Tensor, sigmas: Tensor, context: Tensor, concat: Tensor | None = None) -> Tensor:
        """The clean latents the network sees in each row of `x` (rows, channels, h, w) at its sigma (rows,).

        `context` is (rows, tokens, width). `concat` (rows, further channels, h, w) is for checkpoints with
        `facts.concat_channels`; it goes to the network as it is, behind the scaled `x`.
        """
        x, sigmas = x.to(self.device, torch.float32), sigmas.to(self.device, torch.float32)
        scaled = network_input(x, sigmas)
        if concat is not None:
            scaled = torch.cat([scaled, concat.to(scaled)], dim=1)
        context = context.to(self.device, self.dtype)
        answer = predict(self._networks.denoiser, scaled.to(self.dtype), self._table.timesteps(sigmas), context)
        return denoised(x, sigmas, answer.float(), self.facts.prediction)

    @torch.no_grad()
    def encode_image(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) in -1..1, sides multiples of 8, to latents (n, channels, H/8, W/8), scaled as the denoiser wants them."""
        return autoencoder.encode_mean(self._networks.autoencoder, images.to(self.device)) * self.facts.autoencoder.scale_factor

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (n, channels, h, w) as the denoiser has them to pictures (n, 3, 8h, 8w), about -1..1."""
        unscaled = latents.to(self.device, torch.float32) / self.facts.autoencoder.scale_factor
        return autoencoder.decode(self._networks.autoencoder, unscaled)

    def to(self, device: str) -> None:
        """Moves the weights, in place: to host memory and back costs a copy, not a load."""
        self.device = torch.device(device)
        for part in self._networks.parts.values():
            part.to(self.device)
        self._table.to(self.device)

    def unload(self) -> None:
        """Frees the weights even where somebody still holds this object; it cannot be used again."""
        for part in self._networks.parts.values():
            part.to("meta")


def load_checkpoint(
    file: ModelFile, device: str, dtype: torch.dtype, on_progress: Progress | None = None, twins: Twins | None = None
) -> Checkpoint:
    """The checkpoint of a catalogue's file, its weights on `device` as `dtype`; those that `twins` have are shared with them.

    Raises BadModelFile where the file has no facts (not recognised), lacks tensors, has them in other sizes, or cannot be read.
    """
    if file.facts is None:
        raise BadModelFile(file.problem or f"{file.filename} is no checkpoint that Darkroom knows.")
    networks = build_networks(file.facts)
    fill(networks, file.facts, file.path, device, dtype, on_progress, twins)
    return Checkpoint(file.facts, networks, torch.device(device), dtype)
