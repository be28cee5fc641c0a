"""The questions a recipe may yield. They lie here, below the engine, because recipes ask them and the engine answers.

Tensors in ops and answers are float32 (or uint8 pixels) on the engine's sampling device; the executor moves and casts.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast

import numpy as np
from torch import Tensor

from app.prompt import EmbeddingFix, EmbeddingIndex
from app.sampling.contexts import length_class
from app.schema.family import PLAIN_RULES, FamilyRules
from app.schema.network import PLAIN, NetworkSettings

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What a recipe must know of a loaded checkpoint. Answer to `Load`."""

    name: str
    """The catalogue's name: file name without its ending."""
    alphas_cumprod: Tensor
    """(1000,) float32, the noise schedule the model was trained with."""
    latent_channels: int
    concat_channels: int
    """Input channels beyond the latent's: 5 for inpainting checkpoints (mask and picture), 4 for editing ones, 0 for plain ones."""
    latent_scale: float
    """What the autoencoder's own latents are multiplied by for the denoiser."""
    native_size_px: int
    device: str
    """Where latents live between forwards."""
    embeddings: EmbeddingIndex | None = None
    """The textual inversions that fit its text encoder."""
    rules: FamilyRules = PLAIN_RULES
    text_widths: tuple[int, ...] = (768,)
    """Of its text encoders, whose vectors stand side by side."""
    zero_terminal_snr: bool = False
    """Whether it was trained with a noise schedule that ends in pure noise."""
    vae: str = ""
    """The VAE file that was chosen in place of the checkpoint's own, for `Decode` and `EncodeImage`; empty: its own."""
    told: dict[str, str] = field(default_factory=dict)
    """Infotext fields of that VAE."""

    @property
    def edits(self) -> bool:
        """Whether it changes a picture that it is shown as a prompt says (InstructPix2Pix)."""
        return self.concat_channels == self.latent_channels


@dataclass(frozen=True, eq=False)
class Load:
    """Make this checkpoint (a catalogue name) resident; answered by `ModelInfo`."""

    checkpoint: str
    vae: str = "Automatic"
    """A VAE's name; "Automatic": the one beside the checkpoint, if any; "None": the checkpoint's own."""
    vae_wins: bool = True
    """Whether a VAE chosen by name goes before one that lies beside the checkpoint."""


@dataclass(frozen=True)
class Adapter:
    """One adapter as a prompt uses it."""

    kind: Literal["lora", "hypernetwork"]
    file: str
    """Its path, as the engine knows it."""
    text: float
    """Strength in the text encoder; 0 where it has no part in it."""
    denoiser: float
    rank: int | None = None
    """How many of a LoRA's ranks are used; None: all."""


Adapters = tuple[Adapter, ...]
"""In order of mention, which is the order they are applied in."""


@dataclass(frozen=True, kw_only=True)
class AdapterWish:
    """A tag of a prompt, read: `<lora:name:text:denoiser:rank>` or `<hypernet:name:strength>`."""

    kind: Literal["lora", "hypernetwork"]
    name: str
    text: float
    denoiser: float
    rank: int | None = None


@dataclass(frozen=True, eq=False)
class FindAdapters:
    """Look up the adapters of a prompt for a checkpoint; answered by `FoundAdapters`. Unknown names are left out, as in A1111."""

    checkpoint: str
    wishes: tuple[AdapterWish, ...]


@dataclass(frozen=True, kw_only=True)
class FoundAdapters:
    """What `FindAdapters` found."""

    adapters: Adapters = ()
    embeddings: EmbeddingIndex | None = None
    """The checkpoint's embeddings and those that lie in the adapters' files, where there are such."""
    told: dict[str, str] = field(default_factory=dict)
    """Infotext fields: the adapters' hashes."""
    unknown: tuple[str, ...] = ()
    """Names that no file has."""


@dataclass(frozen=True, eq=False)
class HashEmbeddings:
    """The hashes of textual inversions that were used; answered by a table from name to hash."""

    checkpoint: str
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Encode:
    """Token ids through the text encoders; answered by (chunks, 77, width) float32, what the encoders give side by side.

    With `pooled` by their pooled vectors instead, (chunks, pooled width); both come from one forward.
    """

    checkpoint: str
    ids: tuple[tuple[int, ...], ...]
    """One tuple of 77 ids a chunk, with start and end tokens."""
    clip_skip: int
    fixes: tuple[tuple[EmbeddingFix, ...], ...] = ()
    """Where embeddings' vectors take the place of a chunk's tokens, one tuple a chunk; empty: nowhere."""
    adapters: Adapters = ()
    skips_everywhere: bool = False
    """Whether clip skip also acts on text encoders that ignore it as a rule (SDXL's first)."""
    pooled: bool = False
    beside: tuple[int, ...] = ()
    """A number a chunk, equal for those that A1111 encodes together: the same part of what a prompt is at different steps."""

    @property
    def rows(self) -> int:
        """How many chunks are encoded."""
        return len(self.ids)

    @property
    def group(self) -> tuple[object, ...]:
        """Chunks of equal groups can be encoded together."""
        changes = tuple((a.file, a.text, a.rank) for a in self.adapters if a.text)
        return ("encode", self.checkpoint, self.clip_skip, self.skips_everywhere, self.pooled, changes)


@dataclass(frozen=True, eq=False)
class EncodeImage:
    """Pictures to what their latents are drawn from; answered by (pictures, 2 * channels, height/8, width/8).

    The means, then the standard deviations; neither is scaled. `app.recipes.encoding` draws from them.
    """

    checkpoint: str
    images: Tensor
    """(pictures, 3, height, width) float32 in -1..1."""
    vae: str = ""
    """As in `ModelInfo`."""
    network: NetworkSettings = PLAIN
    at_once: int = 1
    """How many pictures of this size A1111 encodes together with each, which rounds otherwise than alone."""

    @property
    def rows(self) -> int:
        """How many pictures are encoded."""
        return len(self.images)

    @property
    def group(self) -> tuple[object, ...]:
        """Pictures of one size share an encode."""
        return ("encode image", self.checkpoint, tuple(self.images.shape[1:]), self.vae, self.network, self.at_once)


@dataclass(frozen=True, eq=False)
class DenoiseRows:
    """Rows through the network; answered by the denoised rows, or where `alphas` are given by the noise in them, of the shape of `x`."""

    checkpoint: str
    x: Tensor
    sigmas: tuple[float, ...]
    """One a row."""
    context: Tensor
    """(rows, tokens, width): all rows of one op have the same number of tokens.

    Ops of one `length_class` share forwards, each repeated up to the least common multiple of those that meet.
    """
    concat: Tensor | None = None
    """(rows, concat channels, height/8, width/8) for checkpoints that take more than the latent."""
    adapters: Adapters = ()
    timesteps: tuple[float, ...] | None = None
    """One a row, where they are not those that the checkpoint's own noise schedule has for the sigmas."""
    network: NetworkSettings = PLAIN
    vector: Tensor | None = None
    """(rows, pooled width + numbers) for checkpoints that are told more than the time: the pooled text, and the family's numbers."""
    alphas: tuple[float, ...] | None = None
    """One a row, where `x` has unit variance and the answer is to be the noise in it: cumulative alphas by which a v-prediction is read
    as noise. `timesteps` are told then. Such rows share forwards with others."""

    @property
    def rows(self) -> int:
        """How many rows the op brings to a forward."""
        return len(self.sigmas)

    @property
    def group(self) -> tuple[object, ...]:
        """Rows of equal groups can share a forward."""
        concat = None if self.concat is None else tuple(self.concat.shape[1:])
        changes = tuple((a.kind, a.file, a.denoiser, a.rank) for a in self.adapters if a.denoiser)
        tokens, width = self.context.shape[1:]
        sizes = tuple(self.x.shape[1:]), (length_class(tokens), width)
        return ("denoise", self.checkpoint, *sizes, concat, changes, self.network)


@dataclass(frozen=True, eq=False)
class Decode:
    """Latents to pixels; answered by (pictures, height, width, 3) uint8, values cut (not rounded) as A1111 does."""

    checkpoint: str
    latents: Tensor
    vae: str = ""
    """As in `ModelInfo`."""
    network: NetworkSettings = PLAIN
    tiled: bool = False
    """In overlapping tiles, which needs little memory; also done where memory asks for it."""

    @property
    def rows(self) -> int:
        """How many pictures are decoded."""
        return len(self.latents)

    @property
    def group(self) -> tuple[object, ...]:
        """Latents of one size share a decode."""
        return ("decode", self.checkpoint, tuple(self.latents.shape[1:]), self.vae, self.network, self.tiled)


@dataclass(frozen=True, eq=False)
class Note:
    """Progress; needs no answer (None is sent at once)."""

    step: int
    """Denoiser calls done in this batch."""
    steps: int
    batch: int
    """Which of the job's `n_iter` passes this is, from 0."""
    latents: Tensor | None = None
    """Denoised latents of the batch, for a preview."""


@dataclass(frozen=True, eq=False)
class Remark:
    """Something that whoever asked for the pictures should know; needs no answer."""

    text: str


@dataclass(frozen=True, eq=False)
class Finished:
    """One finished picture; needs no answer."""

    index: int
    pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"
    seed: int
    model: ModelInfo
    extras: dict[str, str] = field(default_factory=dict)
    """Infotext fields that only the recipe knows (label to value)."""
    checkpoints: dict[str, str] = field(default_factory=dict)
    """Infotext fields that name a checkpoint (label to a catalogue name): the engine, which knows its hash, writes it in."""
    beside: "dict[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]" = field(default_factory=dict)
    """Pictures to be shown or saved beside it, which are nobody's result: its `mask`, its `mask_composite`."""
    first_pass: bool = False
    """Whether it is what the hires fix begins with, and the picture itself is still to come."""


@dataclass(frozen=True, eq=False)
class Aside:
    """Work that needs no device (pixels, masks): done beside the loop, so that nobody's forwards wait for it; answered by `Worked`.

    What it gives back follows from what it was made of alone, and it touches nothing that somebody else changes.
    """

    work: Callable[[], object]


@dataclass(frozen=True, eq=False)
class Worked:
    """What came of an `Aside`."""

    value: object


Op = Load | FindAdapters | HashEmbeddings | Encode | EncodeImage | DenoiseRows | Decode | Aside | Note | Remark | Finished
Answer = ModelInfo | FoundAdapters | dict[str, str] | Tensor | Worked | None
Recipe = Generator[Op, Answer, None]


def aside(work: Callable[[], T]) -> Generator[Op, Answer, T]:
    """What `work` gives back, done beside the loop."""
    answer = yield Aside(work)
    assert isinstance(answer, Worked)
    return cast(T, answer.value)


class Interrupted(Exception):
    """Thrown into a recipe where it waits: finish with what there is. `skip`: only this pass of the job's `n_iter`."""

    def __init__(self, *, skip: bool) -> None:
        super().__init__("skip" if skip else "interrupt")
        self.skip = skip
