"""What a card tells of a model file, whatever its kind: from the file's header alone, and cheap to keep."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from app.models.adapters import adapter_facts, embedding_facts
from app.models.facts import ModelFile
from app.models.families.others import what_it_is
from app.models.folders import Kind
from app.models.header import Header
from app.models.library.families import family_of_name, family_of_width, family_of_words
from app.models.library.training import frequent_tags
from app.models.reading import guarded, read_header
from app.schema.errors import BadModelFile

_PRECISIONS: Mapping[str, str] = {
    "F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16", "F8_E4M3": "fp8", "F8_E5M2": "fp8", "I8": "int8", "U8": "int8",
}  # fmt: skip
_FAMILY_TOLD = ("modelspec.architecture", "ss_base_model_version", "ss_sd_model_name")
_LORA_SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (family, re.compile(pattern))
    for family, pattern in (
        ("Flux", r"double_blocks[._]\d|single_transformer_blocks[._]\d"),
        ("SD3", r"joint_blocks[._]\d|^transformer\.transformer_blocks\."),
        ("SDXL", r"^lora_te2_|^text_encoder_2\.|(?:down|up|input|output|mid|middle)_blocks?[._].*transformer_blocks[._][1-9]"),
    )
)
"""Layers that one family alone has, in kohya's names and diffusers': the UNets of SD1 and SD2 have one transformer block at a place."""
_OF_TEXT_LAYER = re.compile(r"^(?:lora_te_|text_encoder\.).*(?:q_proj).*(?:lora[_.](?:down|A)\.weight|hada_w1_b)$")
_UPSCALERS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("ESRGAN", r"(?:^|\.)(?:model\.1\.sub\.0\.|body\.0\.rdb1\.|RRDB_trunk\.)"),
        ("HAT", r"\.overlap_attn\."),
        ("DAT", r"\.attn\.attns\.0\."),
        ("SwinIR", r"layers\.0\.residual_group\."),
        ("SRVGG", r"(?:^|\.)body\.0\.weight$"),
    )
)
MOST_TAGS = 40
MOST_WORD_CHARS = 2000
MOST_NAME_CHARS = 300
_MOST_WIDTHS = 8


@dataclass(frozen=True, kw_only=True)
class Details:
    """Facts of one model file for its card. Empty texts: not known."""

    family: str = ""
    """Whom it belongs to or fits: `SD1`, `SD2`, `SDXL` ..."""
    form: str = ""
    """What it is within its kind: `LoRA, DoRA`, `4 vectors`, `ESRGAN`, a checkpoint's variant."""
    precision: str = ""
    """Number format of most of its weights: `fp16`."""
    alias: str = ""
    """A second name in prompts."""
    title: str = ""
    trigger_words: tuple[str, ...] = ()
    """What the file itself says of them (ModelSpec)."""
    tags: tuple[str, ...] = ()
    """The words it was trained with, the most frequent first."""
    problem: str | None = None
    """One sentence: why it cannot be used."""


UNREAD = Details()


def read_details(file: ModelFile) -> Details:
    """What a file's header tells; a file that cannot be read has the reason in it."""
    try:
        header = guarded(read_header, file.path)
        found = guarded(lambda path: _READERS[file.kind](file, path, header), file.path)
    except BadModelFile as error:
        return Details(problem=file.problem or str(error))
    told = header.metadata
    return replace(
        found,
        family=found.family or family_of_words(*(told.get(name) for name in _FAMILY_TOLD)),
        precision=precision_of(header),
        title=told.get("modelspec.title", "")[:MOST_WORD_CHARS],
        trigger_words=split_words(told.get("modelspec.trigger_phrase", "")),
        tags=tuple(frequent_tags(told.get("ss_tag_frequency", ""), MOST_TAGS)),
    )


def precision_of(header: Header) -> str:
    """The number format that holds most of the weights; empty for a file without any."""
    numbers: Counter[str] = Counter()
    for info in header.tensors.values():
        numbers[info.dtype] += prod(info.shape)
    common = numbers.most_common(1)
    return _PRECISIONS.get(common[0][0], common[0][0].lower()) if common else ""


def split_words(text: str) -> tuple[str, ...]:
    """Words or phrases between commas, each once, without blanks around them."""
    return tuple(dict.fromkeys(word for part in text[:MOST_WORD_CHARS].split(",") if (word := part.strip())))


def _checkpoint(file: ModelFile, path: Path, header: Header) -> Details:
    if file.facts is None:
        return Details(family=family_of_words(file.problem), problem=file.problem)
    return Details(family=family_of_name(file.facts.family, file.facts.family_title), form=file.facts.family_title)


def _lora(file: ModelFile, path: Path, header: Header) -> Details:
    facts = adapter_facts(path)
    width = facts.context_width or next((info.shape[-1] for name, info in header.tensors.items() if _OF_TEXT_LAYER.search(name)), None)
    family = next((family for family, sign in _LORA_SIGNS if any(sign.search(name) for name in header.tensors)), family_of_width(width))
    return Details(family=family, form=", ".join(facts.kinds), alias=(facts.alias or "")[:MOST_NAME_CHARS])


def _embedding(file: ModelFile, path: Path, header: Header) -> Details:
    facts = embedding_facts(path)
    return Details(family=family_of_width(facts.width), form=f"{facts.vectors} vector{'s' if facts.vectors > 1 else ''}")


def _vae(file: ModelFile, path: Path, header: Header) -> Details:
    name = next((name for name in header.tensors if name.endswith("decoder.conv_in.weight")), None)
    if name is None:
        raise BadModelFile("The file holds no VAE that Darkroom knows.")
    shape = header.tensors[name].shape
    return Details(form=f"{shape[1]} channels" if len(shape) == 4 else "")


def _hypernetwork(file: ModelFile, path: Path, header: Header) -> Details:
    widths = sorted({int(name.partition(".")[0]) for name in header.tensors if name.partition(".")[0].isdecimal()})
    if not widths:
        raise BadModelFile("The file holds no hypernetwork that Darkroom knows.")
    texts = next((width for width in widths if width in (768, 1024)), None)  # the other widths are the denoiser's own
    return Details(family=family_of_width(texts), form=f"widths {', '.join(map(str, widths[:_MOST_WIDTHS]))}")


def _upscaler(file: ModelFile, path: Path, header: Header) -> Details:
    if not header.tensors:
        raise BadModelFile(what_it_is(header.tensors))
    return Details(form=next((name for name, sign in _UPSCALERS if any(sign.search(tensor) for tensor in header.tensors)), ""))


_READERS: Mapping[Kind, Callable[[ModelFile, Path, Header], Details]] = {
    "checkpoint": _checkpoint,
    "lora": _lora,
    "embedding": _embedding,
    "vae": _vae,
    "hypernetwork": _hypernetwork,
    "upscaler": _upscaler,
}
