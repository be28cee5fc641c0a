"""A loaded checkpoint: the four things an engine asks of it, in float32 whatever its weights' number format is."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.models.facts import CheckpointFacts, ModelFile
from app.networks import autoencoder
from app.networks.adapters import Hypernetwork, Hypernetworks, Patches, Strength
from app.networks.build import TEXT_PARTS, Networks, build_autoencoder, build_networks
from app.networks.denoiser import predict, told
from app.networks.layers import layer_aliases
from app.networks.noise import SigmaTable, by_rows, cumulative_alphas, denoised, network_input, noise_in
from app.networks.offload import Visits
from app.networks.sharing import Twins
from app.networks.text import LAST_LAYER, ClipSkip, Encoded, Inserted, encode_text
from app.networks.tiling import circular
from app.networks.token_merging import merging
from app.networks.weights import Progress, fill, fill_autoencoder
from app.schema.errors import BadModelFile
from app.schema.network import PLAIN, NetworkSettings


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
        layers = layer_aliases(networks, facts)
        self._denoiser_patches = Patches("denoiser", networks.denoiser, layers["denoiser"])
        self._text_patches = tuple(Patches(part, text, layers[part]) for part, text in zip(TEXT_PARTS, networks.texts, strict=False))
        self._hypernetworks = Hypernetworks(networks.denoiser)
        self._other_autoencoder: Any = None
        self._visits: Visits | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the weights (0 after `unload`)."""
        return sum(weight.nbytes for weight in self.weights)

    def adapt_text(self, loras: Sequence[Strength]) -> None:
        """The text encoders run with just these LoRAs from now on."""
        for patches in self._text_patches:
            self._adapt(patches, loras)

    def adapt_denoiser(self, loras: Sequence[Strength], hypernetworks: Sequence[tuple[Hypernetwork, float]]) -> None:
        """The denoiser runs with just these LoRAs and hypernetworks from now on."""
        self._adapt(self._denoiser_patches, loras)
        self._hypernetworks.use(hypernetworks)

    def _adapt(self, patches: Patches, loras: Sequence[Strength]) -> None:
        if self._visits is None:
            patches.use(loras)
        elif not patches.in_use(loras):
            self._visits.leave()  # changed weights are to live where the weights do, and not on the device
            patches.use(loras, workplace=self.device)

    def use_autoencoder(self, other: Any) -> None:
        """Pictures are encoded and decoded by this AutoencoderKL from now on; None: by the checkpoint's own.

        Raises BadModelFile where the checkpoint's file has none.
        """
        if other is None and self.facts.vae_to_get is not None:
            raise BadModelFile(f"This checkpoint's file has no VAE. Put {self.facts.vae_to_get} into models/VAE and choose it.")
        self._other_autoencoder = other

    @property
    def _autoencoder(self) -> Any:
        return self._other_autoencoder if self._other_autoencoder is not None else self._networks.autoencoder

    @property
    def weights(self) -> Iterator[Tensor]:
        """All weights, those that adapters changed too; several checkpoints may share some (equal `data_ptr`)."""
        yield from (t.data for part in self._networks.parts.values() for t in part.parameters() if not t.is_meta)
        yield from (t.data for patches in (self._denoiser_patches, *self._text_patches) for t in patches.out_of_use)

    @staticmethod
    def twins(others: Iterable["Checkpoint"]) -> Twins:
        """What a load may share with these checkpoints; taken in the thread that uses them."""
        return Twins(other._plain() for other in others)

    def _plain(self) -> Networks:
        """The networks without adapters."""
        self.adapt_text(())
        self.adapt_denoiser((), ())
        return self._networks

    @property
    def part_bytes(self) -> dict[str, int]:
        """Bytes of each network's weights."""
        return {name: sum(w.nbytes for w in part.parameters()) for name, part in self._networks.parts.items()}

    def need(self, part: str) -> None:
        """Makes a network (`denoiser`, `autoencoder`, `text`) ready to run, where not all of them are on the device at once."""
        if self._visits is not None:
            self._visits.need(part)

    @torch.no_grad()
    def encode_text(self, ids: Tensor, clip_skip: ClipSkip = LAST_LAYER, inserted: Sequence[Inserted] = ()) -> Encoded:
        """(chunks, 77) int64 through every text encoder, their vectors side by side; `inserted` are embeddings' vectors."""
        parts, first = list[Encoded](), 0
        for part, text, sizes in zip(TEXT_PARTS, self._networks.texts, self.facts.texts, strict=False):
            self.need(part)
            own = [each._replace(vectors=each.vectors[:, first : first + sizes.width]) for each in inserted]
            parts.append(encode_text(text, sizes, ids.to(self.device), clip_skip, own))
            first += sizes.width
        pooled = [encoded.pooled for encoded in parts if encoded.pooled is not None]
        return Encoded(torch.cat([encoded.tokens for encoded in parts], dim=2), torch.cat(pooled, dim=1) if pooled else None)

    @torch.no_grad()
    def denoise(
        self,
        x: Tensor,
        sigmas: Tensor,
        context: Tensor,
        concat: Tensor | None = None,
        timesteps: Tensor | None = None,
        vector: Tensor | None = None,
        alphas: Tensor | None = None,
        network: NetworkSettings = PLAIN,
    ) -> Tensor:
        """The clean latents the network sees in each row of `x` (rows, channels, h, w) at its sigma (rows,).

        `context` is (rows, tokens, width). `concat` (rows, further channels, h, w) is for checkpoints with
        `facts.concat_channels`; it goes to the network as it is, behind the scaled `x`. `timesteps` (rows,) are told to the network
        in the place of those that its own noise schedule has for the sigmas, but where they are NaN. `vector` (rows, pooled width +
        numbers) is what `facts.rules.told` asks for: the pooled text and the numbers themselves. Rows that have a number in `alphas`
        (rows,), cumulative alphas, have unit variance, and their answer is the noise in them; where it is NaN they are like others.
        """
        self.need("denoiser")
        x, sigmas = x.to(self.device, torch.float32), sigmas.to(self.device, torch.float32)
        scaled = network_input(x, sigmas)
        if alphas is not None:
            alphas = alphas.to(self.device, torch.float32)
            scaled = by_rows(alphas.isnan(), scaled, x)
        if concat is not None:
            scaled = torch.cat([scaled, concat.to(scaled)], dim=1)
        context = context.to(self.device, self.dtype)
        own = self._table.timesteps(sigmas)
        timesteps = own if timesteps is None else timesteps.to(own)
        timesteps = torch.where(timesteps.isnan(), own, timesteps)
        if vector is not None:
            vector = told(vector.to(self.device, torch.float32), len(self.facts.rules.told)).to(self.dtype)
        unet = self._networks.denoiser
        with circular(unet, network.tiling), merging(unet, network.token_merging, *x.shape[2:]):
            answer = predict(unet, scaled.to(self.dtype), timesteps, context, vector)
        clean = denoised(x, sigmas, answer.float(), self.facts.prediction)
        if alphas is None:
            return clean
        return by_rows(alphas.isnan(), clean, noise_in(x, alphas, answer.float(), self.facts.prediction))

    @torch.no_grad()
    def encode_image(self, images: Tensor, network: NetworkSettings = PLAIN, *, tiled: bool = False) -> Tensor:
        """(n, 3, H, W) in -1..1 to what their latents are drawn from, (n, 2 * channels, H/8, W/8, rounded down).

        The means, then the standard deviations; neither is scaled yet.
        """
        self.need("autoencoder")
        with circular(self._autoencoder, network.tiling and not tiled):
            return autoencoder.encode(self._autoencoder, images.to(self.device), tiled=tiled)

    @torch.no_grad()
    def decode(self, latents: Tensor, network: NetworkSettings = PLAIN, *, tiled: bool = False) -> Tensor:
        """Latents (n, channels, h, w) as the denoiser has them to pictures (n, 3, 8h, 8w), about -1..1.

        `tiled`: in overlapping tiles that are blended, which takes little memory and gives a slightly other picture.
        """
        self.need("autoencoder")
        unscaled = latents.to(self.device, torch.float32) * (1.0 / self.facts.autoencoder.scale_factor)  # rounds as CompVis' code
        with circular(self._autoencoder, network.tiling and not tiled):  # a tile's edges are not the picture's
            return autoencoder.decode(self._autoencoder, unscaled, tiled=tiled)

    def to(self, device: str, twins: Twins | None = None) -> None:
        """Moves the weights, in place: to host memory and back costs a copy, not a load. What `twins` have there is shared again."""
        self._end_visits()
        for patches in (self._denoiser_patches, *self._text_patches):
            patches.clear()
        self.device = torch.device(device)
        for name, part in self._networks.parts.items():
            if twins is not None:
                twins.share(name, part, self.device)
            part.to(self.device)
        self._table.to(self.device)

    def visit(self, device: str, *, streamed: bool) -> None:
        """From now on runs on `device` while its weights stay where they are: each network, or of the denoiser each layer, visits it."""
        self._end_visits()
        self.device = torch.device(device)
        self._table.to(self.device)
        self._visits = Visits(self._networks.parts, self.device, frozenset({"denoiser"}) if streamed else frozenset())

    def _end_visits(self) -> None:
        if self._visits is not None:
            self._visits.end()
            self._visits = None

    def unload(self) -> None:
        """Frees the weights even where somebody still holds this object; it cannot be used again."""
        for patches in (self._denoiser_patches, *self._text_patches):
            patches.clear()
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


def load_autoencoder(path: Path, facts: CheckpointFacts, device: str, dtype: torch.dtype) -> Any:
    """The AutoencoderKL of a VAE file, of the sizes of a checkpoint's own, for `Checkpoint.use_autoencoder`.

    Raises BadModelFile where the file is no VAE of these sizes, or cannot be read.
    """
    module = build_autoencoder(facts.autoencoder, facts.norm_groups)
    fill_autoencoder(module, facts.autoencoder, path, device, dtype)
    return module
