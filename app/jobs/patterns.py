"""A1111's patterns for names: `[seed]`, `[model_name]`, `[datetime<%Y><UTC>]` and the others, filled in for one picture."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.jobs.safe_names import safe_folders, safe_name, safe_value
from app.metadata.names import schedule_label
from app.metadata.styles import Style, cut_styles
from app.schema.params import GenerationParams

_PLACE = re.compile(r"\[([a-z_]{1,40})((?:<[^<>]{0,200}>){0,50})\]")
_ARGUMENT = re.compile(r"<([^<>]*)>")
_WORDS = re.compile(r"[^\W_]+")
DATETIME = "%Y%m%d%H%M%S"
HASH_CHARS = 8
MAX_PATTERN_CHARS = 2000


@dataclass(frozen=True, kw_only=True)
class NameFacts:
    """What a picture's name may say."""

    params: GenerationParams
    seed: int
    index: int
    """Its number in the job, from 0."""
    last_seed: int | None = None
    """Of an archive of several pictures: the last one's; else the batch tells."""
    width: int
    height: int
    model_name: str = ""
    model_hash: str = ""
    vae: str = ""
    pixels: bytes = field(default=b"", repr=False)
    now: datetime = field(default_factory=datetime.now)
    job_started: datetime = field(default_factory=datetime.now)
    user: str = ""
    """The name that the job's asker has signed in with."""
    known_styles: Sequence[Style] = ()
    """The styles there are; `params.merged_styles` says which of them are in the prompt."""
    max_words: int = 8
    """Words that [prompt_words] takes (option directories_max_prompt_words)."""


Filler = Callable[[NameFacts, Sequence[str]], str | None]
"""From the facts and the arguments in <> to the value; None: it says nothing, and the text before it falls away with it."""


def file_stem(pattern: str, facts: NameFacts) -> str:
    """A file's name without number and extension; may be empty."""
    return safe_name(_filled(pattern, facts))


def folders(pattern: str, facts: NameFacts) -> tuple[str, ...]:
    """Parts of the folder below the one the kind of picture has; `/` in the pattern, but not in a value, begins a new one."""
    return safe_folders(_filled(pattern or "[prompt_words]", facts))


def _filled(pattern: str, facts: NameFacts) -> str:
    pattern, parts, end = pattern[:MAX_PATTERN_CHARS], list[str](), 0
    for place in _PLACE.finditer(pattern):
        filler = FILLERS.get(place[1])
        if filler is None:
            continue  # unknown words stay as they are written
        before, end = pattern[end : place.start()], place.end()
        value = filler(facts, _ARGUMENT.findall(place[2]))
        if value is not None:
            parts += [before, value]
    return "".join((*parts, pattern[end:]))


def _datetime(facts: NameFacts, arguments: Sequence[str]) -> str:
    form, zone = (*arguments, "", "")[:2]
    now = facts.now
    if zone:
        # A zone that nobody knows is the local one, as in A1111.
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            now = now.astimezone(ZoneInfo(zone))
    try:
        return safe_value(now.strftime(form or DATETIME))
    except ValueError:
        return now.strftime(DATETIME)


def _has_prompt(facts: NameFacts, arguments: Sequence[str]) -> str | None:
    """The first half of each argument where the prompt has it, else what stands behind its bar."""
    if not arguments:
        return None
    prompt, said = facts.params.prompt.lower(), ""
    for argument in arguments:
        wanted, _, otherwise = argument.partition("|")
        said += wanted if wanted.lower() in prompt else otherwise
    return safe_value(said)


def _words(facts: NameFacts, _: Sequence[str]) -> str:
    return safe_value(" ".join(_WORDS.findall(facts.params.prompt[:10_000])[: max(1, facts.max_words)]) or "empty")


def _without_styles(facts: NameFacts, _: Sequence[str]) -> str | None:
    chosen = [style for style in facts.known_styles if style[0] in facts.params.merged_styles]
    _, prompt, _ = cut_styles(facts.params.prompt, facts.params.negative_prompt, chosen)
    return safe_value(prompt)


def _batch_number(facts: NameFacts, _: Sequence[str]) -> str | None:
    size = facts.params.batch_size
    return str(facts.index % size + 1) if size > 1 else None


def _seeds(facts: NameFacts) -> tuple[int, int]:
    """The first and last seed of the picture's batch, or of an archive."""
    if facts.last_seed is not None:
        return facts.seed, facts.last_seed
    first = facts.index - facts.index % facts.params.batch_size
    return facts.params.seed_of(first), facts.params.seed_of(first + facts.params.batch_size - 1)


def _hash(data: bytes, arguments: Sequence[str]) -> str:
    length = int(arguments[0]) if arguments and arguments[0].isascii() and arguments[0].isdecimal() else HASH_CHARS
    return hashlib.sha256(data).hexdigest()[: max(1, length)]


FILLERS: Mapping[str, Filler] = MappingProxyType(
    {
        "seed": lambda facts, _: str(facts.seed),
        "seed_first": lambda facts, _: str(_seeds(facts)[0]),
        "seed_last": lambda facts, _: str(_seeds(facts)[1]) if facts.last_seed is not None or facts.params.batch_size > 1 else None,
        "steps": lambda facts, _: str(facts.params.steps),
        "cfg": lambda facts, _: f"{facts.params.cfg_scale}",
        "sampler": lambda facts, _: safe_value(facts.params.sampler),
        "scheduler": lambda facts, _: safe_value(schedule_label(facts.params.sampler, facts.params.scheduler) or facts.params.scheduler),
        "width": lambda facts, _: str(facts.width),
        "height": lambda facts, _: str(facts.height),
        "model_name": lambda facts, _: safe_value(facts.model_name),
        "model_hash": lambda facts, _: safe_value(facts.model_hash),
        "vae_filename": lambda facts, _: safe_value(facts.vae or "NoneType"),
        "clip_skip": lambda facts, _: str(facts.params.clip_skip),
        "denoising": lambda facts, _: str(facts.params.strength) if facts.params.mode == "img2img" else None,
        "styles": lambda facts, _: safe_value(", ".join(facts.params.merged_styles)) or "None",
        "date": lambda facts, _: f"{facts.now:%Y-%m-%d}",
        "datetime": _datetime,
        "job_timestamp": lambda facts, _: f"{facts.job_started:{DATETIME}}",
        "prompt": lambda facts, _: safe_value(facts.params.prompt, blank="_"),
        "prompt_spaces": lambda facts, _: safe_value(facts.params.prompt),
        "prompt_no_styles": _without_styles,
        "prompt_words": _words,
        "prompt_hash": lambda facts, given: _hash(facts.params.prompt.encode(), given),
        "negative_prompt_hash": lambda facts, given: _hash(facts.params.negative_prompt.encode(), given),
        "full_prompt_hash": lambda facts, given: _hash(f"{facts.params.prompt} {facts.params.negative_prompt}".encode(), given),
        "image_hash": lambda facts, given: _hash(facts.pixels, given),
        "hasprompt": _has_prompt,
        "batch_number": _batch_number,
        "batch_size": lambda facts, _: str(facts.params.batch_size),
        "generation_number": lambda facts, _: str(facts.index + 1) if facts.params.pictures > 1 else None,
        "user": lambda facts, _: safe_value(facts.user) or None,
        "none": lambda facts, _: "",
    }
)
"""A1111's words."""
