"""Model files as the Models tab's routes answer them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from urllib.parse import quote

from pydantic import BaseModel

from app.models.folders import Kind
from app.models.library import Card, CardPage, HashState, ModelAbout
from app.models.library.hashing import State

SHOWN_WORDS = 50
SHOWN_CHARS = 500


class ModelCard(BaseModel):
    """One model file in a list."""

    kind: Kind
    name: str
    """File name without its ending: what prompts call it."""
    filename: str
    """Below its folder, with `/`: with the kind, the file's address here."""
    folder: str
    """The sub-folder; empty for none."""
    alias: str | None
    """A second name in prompts (`ss_output_name`)."""
    family: str | None
    """`SD1`, `SD2`, `SDXL` ...; null: not known."""
    form: str | None
    """What it is within its kind: `LoRA, DoRA`, `4 vectors`, `Stable Diffusion 1 (inpainting)`."""
    base_model: str | None
    """As Civitai says: `Pony`, `SD 1.5`."""
    precision: str | None
    size_bytes: int
    modified: float
    """Seconds since 1970."""
    sha256: str | None
    """null until it has been computed."""
    problem: str | None
    """Why it cannot be used."""
    remarks: list[str]
    """What is wrong with the notes beside it."""
    preview: str | None
    """Address of a small picture (WebP)."""
    description: str | None
    trigger_words: list[str]
    activation_text: str | None
    """What a press on the card puts into the prompt beside the tag."""
    negative_text: str | None
    preferred_weight: float | None
    preferred_vae: str | None
    favourite: bool
    last_used: float | None
    page: str | None
    """Its page at Civitai."""
    embedded: bool
    """Whether it comes with Darkroom."""
    read: bool
    """Whether its header has been looked at yet; until then much is null."""

    @classmethod
    def of(cls, card: Card, root: str) -> "ModelCard":
        """From the library's card; `root` is the prefix of addresses."""
        file, said = card.file, card.said
        return cls(
            kind=file.kind,
            name=file.name,
            filename=file.filename,
            folder=card.folder,
            alias=card.details.alias or None,
            family=card.family or None,
            form=card.details.form or None,
            base_model=card.base_model or None,
            precision=card.details.precision or None,
            size_bytes=file.size_bytes,
            modified=file.mtime_ns / 1e9,
            sha256=file.sha256,
            problem=card.problem,
            remarks=list(card.remarks),
            preview=preview_address(card, root),
            description=_description(card)[:SHOWN_CHARS] or None,
            trigger_words=list(card.trigger_words[:SHOWN_WORDS]),
            activation_text=said.activation_text,
            negative_text=said.negative_text,
            preferred_weight=said.preferred_weight,
            preferred_vae=card.mark.preferred_vae or None,
            favourite=card.mark.favourite,
            last_used=card.mark.last_used,
            page=card.civitai.page,
            embedded=file.comes_along,
            read=card.read,
        )


def _description(card: Card) -> str:
    """The owner's, else its site's, else the file's own."""
    return card.said.description or card.civitai.description or (card.file.facts and card.file.facts.description) or ""


class ModelLine(BaseModel):
    """A name and a value for people."""

    name: str
    value: str


class TagCount(BaseModel):
    """A word of a training, and how often it stood beside a picture."""

    tag: str
    count: int


class ModelSuggestion(BaseModel):
    """What to begin with; null: whatever one likes."""

    width: int | None
    height: int | None
    steps: int | None
    cfg_scale: float | None
    sampler: str | None
    scheduler: str | None


class ModelHashes(BaseModel):
    """A file's hashes, in lower-case digits, and how far their computing is."""

    state: State
    done_bytes: int
    total_bytes: int
    problem: str | None
    autov1: str | None = None
    autov2: str | None = None
    autov3: str | None = None
    """Of safetensors files: of the tensors without the header."""
    sha256: str | None = None
    crc32: str | None = None
    blake3: str | None = None

    @classmethod
    def of(cls, told: HashState) -> "ModelHashes":
        """From what the library knows."""
        found = asdict(told.hashes) if told.hashes is not None else {}
        return cls(state=told.state, done_bytes=told.done_bytes, total_bytes=told.total_bytes, problem=told.problem, **found)


class ModelPage(ModelCard):
    """One model file with everything that is known of it."""

    notes: str | None
    sd_version: str | None
    title: str | None
    civitai_name: str | None
    """Model and version as Civitai calls them."""
    layout: str | None
    """`safetensors`, `pickle`, `png`, or `folder` in diffusers' layout."""
    tensors: int
    parameters: int
    prediction: str | None
    """Of checkpoints: `epsilon` or `v`."""
    zero_terminal_snr: bool | None
    native_size_px: int | None
    text_encoders: int | None
    vae_to_get: str | None
    """Which VAE suits a checkpoint that has none."""
    usage_hint: str | None
    license: str | None
    suggested: ModelSuggestion | None
    spec: list[ModelLine]
    """ModelSpec's metadata."""
    training: list[ModelLine]
    """What its trainer says: base model, network dim, epochs ..."""
    tags: list[TagCount]
    """The words of its training, the most frequent first."""
    metadata: list[ModelLine]
    """The rest of what the file says of itself."""
    hashes: ModelHashes

    @classmethod
    def made(cls, card: Card, about: ModelAbout, hashes: HashState, root: str) -> "ModelPage":
        """From the library's card and what the file's header tells."""
        names = " ".join(name for name in (card.civitai.model_name, card.civitai.version_name) if name)
        shown = ModelCard.of(card, root).model_dump() | {"description": _description(card) or None}
        return cls(
            **shown,
            notes=card.said.notes,
            sd_version=card.said.sd_version,
            title=card.details.title or None,
            civitai_name=names or None,
            layout=about.layout,
            tensors=about.tensors,
            parameters=about.parameters,
            prediction=about.prediction,
            zero_terminal_snr=about.zero_terminal_snr,
            native_size_px=about.native_size_px,
            text_encoders=about.text_encoders,
            vae_to_get=about.vae_to_get,
            usage_hint=about.usage_hint,
            license=about.license,
            suggested=ModelSuggestion(**asdict(about.suggested)) if about.suggested is not None else None,
            spec=_lines(about.spec),
            training=_lines(about.training),
            tags=[TagCount(tag=tag, count=count) for tag, count in about.tags],
            metadata=_lines(about.other),
            hashes=ModelHashes.of(hashes),
        )


class CardCount(BaseModel):
    """A value to filter by, and how many files it would leave."""

    value: str
    """Empty for files whose family is not known."""
    files: int


class CardFacets(BaseModel):
    """What can be filtered by; each is counted with the other filters in force."""

    kinds: list[CardCount]
    families: list[CardCount]
    folders: list[CardCount]


class CardList(BaseModel):
    """A part of the files that fit."""

    cards: list[ModelCard]
    total: int
    """How many fit in all."""
    facets: CardFacets
    unread: int
    """How many files, of all, have not been looked at yet: ask again a little later."""

    @classmethod
    def of(cls, page: CardPage, root: str) -> "CardList":
        """From the library's page."""
        facets = CardFacets(kinds=_counts(page.kinds), families=_counts(page.families), folders=_counts(page.folders))
        return cls(cards=[ModelCard.of(card, root) for card in page.cards], total=page.total, facets=facets, unread=page.unread)


def preview_address(card: Card, root: str) -> str | None:
    """Where a card's small picture is; it changes with the picture, so that browsers may keep it."""
    if card.preview is None:
        return None
    return f"{root}/api/v1/models/previews/{card.file.kind}/{quote(card.file.filename)}?v={quote(card.preview_stamp)}"


def _lines(lines: Iterable[tuple[str, str]]) -> list[ModelLine]:
    return [ModelLine(name=name, value=value) for name, value in lines]


def _counts(counts: Mapping[str, int]) -> list[CardCount]:
    return [CardCount(value=value, files=files) for value, files in sorted(counts.items(), key=lambda item: item[0].casefold())]
