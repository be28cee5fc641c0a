"""What the passes of one job share: its settings, the checkpoints it has met and the prompts it has read."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor

from app.prompt import Tokenizer
from app.recipes.adapters import adapters_of
from app.recipes.concat import Source, concat_of
from app.recipes.conditioning import Encoder, Said, conditions_of
from app.recipes.ops import Adapters, Answer, FoundAdapters, Load, ModelInfo, Op, Remark
from app.recipes.settings import label_of
from app.sampling.encoder_noise import EncoderNoise
from app.sampling.guidance import Conditions
from app.sampling.table import NoiseTable, noise_table
from app.schema.errors import NotSupported
from app.schema.params import GenerationParams

_LISTS = frozenset({"Lora hashes", "TI hashes"})
"""Infotext fields of several parts, to which every pass adds its own."""


@dataclass(frozen=True, eq=False)
class Model:
    """A checkpoint at work in a pass, with what it is told there."""

    checkpoint: str
    table: NoiseTable
    alters_schedule: bool
    """Whether the network is told the table's timesteps in the place of its own."""
    conditions: Conditions
    concat: Tensor | None
    """(1 or pictures, concat channels, height/8, width/8)"""
    adapters: Adapters
    edits: bool = False
    """As in `ModelInfo`."""


class Drawing:
    """One job on its way. `extras` and `checkpoints` grow with what acted; every picture's infotext gets what is there by then."""

    def __init__(self, params: GenerationParams, tokenizer: Tokenizer, source: Source | None = None) -> None:
        """`source`: the pictures it starts from, for checkpoints that look at them."""
        self.params = params
        self._source = source
        self.extras: dict[str, str] = {}
        self.checkpoints: dict[str, str] = {}
        """Infotext label to the catalogue name of a further checkpoint that had a part in the picture."""
        self.encoder_noise = EncoderNoise()
        self._tokenizer = tokenizer
        self._infos: dict[str, ModelInfo] = {}
        self._conditions: dict[tuple[str, Said], Conditions] = {}
        self._concats: dict[tuple[str, tuple[int, int]], Tensor | None] = {}
        """Of pictures that are the same in every batch."""
        self._unknown: set[str] = set()

    def alters_schedule(self, info: ModelInfo) -> bool:
        """Whether a checkpoint's network is told other timesteps than those of the noise schedule that it was built with."""
        return self.params.sd_noise_schedule != "Default" or self.params.use_downcasted_alpha_bar or info.zero_terminal_snr

    def tell(self, told: Mapping[str, str]) -> None:
        """Adds infotext fields; of those that are lists the parts that are new."""
        for label, value in told.items():
            if label in _LISTS and label in self.extras:
                value = ", ".join(dict.fromkeys([*self.extras[label].split(", "), *value.split(", ")]))
            self.extras[label] = value

    def info(self, checkpoint: str) -> Generator[Op, Answer, ModelInfo]:
        """About a checkpoint, which is loaded if it was not yet met. Only the job's own tells its VAE, as in A1111."""
        if checkpoint not in self._infos:
            params = self.params
            info = self._infos[checkpoint] = cast(ModelInfo, (yield Load(checkpoint, params.vae, params.vae_wins)))
            if checkpoint == params.checkpoint:
                self.tell(info.told)
        return self._infos[checkpoint]

    def table(self, info: ModelInfo) -> NoiseTable:
        """A checkpoint's noise levels as this job has them."""
        zero_snr = self.params.sd_noise_schedule == "Zero Terminal SNR" or info.zero_terminal_snr
        return noise_table(info.alphas_cumprod, zero_snr=zero_snr, downcast=self.params.use_downcasted_alpha_bar)

    def model(
        self, checkpoint: str, said: Said, latent_size: tuple[int, int], *, with_adapters: bool = True
    ) -> Generator[Op, Answer, Model]:
        """The checkpoint with its conditionings, for latents of this height and width."""
        params = self.params
        info = yield from self.info(checkpoint)
        found = (yield from adapters_of(params, said.prompt, checkpoint)) if with_adapters else FoundAdapters()
        self.tell(found.told)
        yield from self._remark_unknown(found.unknown)
        if (checkpoint, said) not in self._conditions:
            if said.hires_calls is not None and params.hires_fix_use_firstpass_conds:
                encoder = yield from self._first_encoder(info)
            else:
                encoder = yield from self._encoder(checkpoint, info, said.prompt, found, with_adapters=with_adapters)
            self._conditions[checkpoint, said], told = yield from conditions_of(params, self._tokenizer, said, encoder)
            self.tell(told)
        concat = yield from self._concat(info, checkpoint, latent_size)
        alters = self.alters_schedule(info)
        return Model(checkpoint, self.table(info), alters, self._conditions[checkpoint, said], concat, found.adapters, info.edits)

    def _concat(self, info: ModelInfo, checkpoint: str, latent_size: tuple[int, int]) -> Generator[Op, Answer, Tensor | None]:
        key = checkpoint, latent_size
        if self._source is not None and key in self._concats:
            return self._concats[key]
        concat, told = yield from concat_of(self.params, info, checkpoint, latent_size, self._source, self.encoder_noise)
        self.tell(told)
        if self._source is not None:
            self._concats[key] = concat
        return concat

    def first_reader(self, info: ModelInfo) -> Generator[Op, Answer, ModelInfo]:
        """The checkpoint whose text encoder reads for another one's network; NotSupported where that wants texts of another shape."""
        first = yield from self.info(self.params.checkpoint)
        if not _reads_for(first, info):
            raise NotSupported(
                f"{info.name} cannot draw from what the text encoder of {first.name} reads; choose checkpoints of one family for the "
                "hires pass, or turn hires_fix_use_firstpass_conds off."
            )
        return first

    def _first_encoder(self, info: ModelInfo) -> Generator[Op, Answer, Encoder]:
        """The first pass's, with its adapters, for the network of this checkpoint."""
        first = yield from self.first_reader(info)
        checkpoint = self.params.checkpoint
        found = yield from adapters_of(self.params, self.params.prompt, checkpoint)
        return (yield from self._encoder(checkpoint, first, self.params.prompt, found))

    def _encoder(
        self, checkpoint: str, info: ModelInfo, prompt: str, found: FoundAdapters, *, with_adapters: bool = True
    ) -> Generator[Op, Answer, Encoder]:
        """What reads for a checkpoint's network: its own text encoders, or for the job's checkpoint those of the one that is named.

        Further checkpoints (a refiner, the hires pass's) read for themselves.
        """
        name = self.params.text_encoder
        own = Encoder(checkpoint=checkpoint, info=info, adapters=found.adapters, embeddings=found.embeddings or info.embeddings)
        if name in ("", checkpoint) or checkpoint != self.params.checkpoint:
            return own
        reader = yield from self.info(name)
        if not _reads_for(reader, info):
            raise NotSupported(
                f"{info.name} cannot draw from what the text encoder of {reader.name} reads; choose the text encoder of a checkpoint of "
                "the same family."
            )
        self.checkpoints |= {label_of("text_encoder"): name}
        theirs = (yield from adapters_of(self.params, prompt, name)) if with_adapters else FoundAdapters()
        return Encoder(checkpoint=name, info=reader, adapters=theirs.adapters, embeddings=theirs.embeddings or reader.embeddings)

    def _remark_unknown(self, names: Sequence[str]) -> Generator[Op, Answer, None]:
        """Says once which adapters of the prompts are not there, as A1111 does under its pictures."""
        missing = [name for name in names if name not in self._unknown]
        if missing:
            self._unknown.update(missing)
            yield Remark(f"Networks not found: {', '.join(missing)}")


def _reads_for(reader: ModelInfo, info: ModelInfo) -> bool:
    """Whether one checkpoint's text encoders give what another one's network takes."""
    return (reader.text_widths, reader.rules.told) == (info.text_widths, info.rules.told)
