"""What a picture's settings are called in A1111's words: the table that a dialect fills while it reads."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.metadata.dialects.weights import Weigh
from app.metadata.dialects.words import sampler_words, schedule_word
from app.metadata.infotext import MIN_FIELDS, format_infotext
from app.metadata.record import Recipe

_MODEL_ENDING = re.compile(r"\.(safetensors|sft|ckpt|pt|pth|bin|gguf)$", re.IGNORECASE)
_LABEL = re.compile(r"[^\w \-/]+")
_LORA = re.compile(r"<(?:lora|lyco):([^:<>]+):")
_HASH = re.compile(r"(?:0x)?([0-9a-fA-F]{8,64})")
WEIGHED = "The program weighs words of the prompt in its own way; they are used in A1111's."
_MAX_FIELD_CHARS = 2_000_000


@dataclass
class Told:
    """Settings of one picture while a dialect reads them; a value of None, or an empty one, is not told."""

    prompt: str = ""
    negative: str = ""
    fields: dict[str, object] = field(default_factory=dict)
    loras: list[tuple[str, str]] = field(default_factory=list)
    """(name, weight as in A1111's tag), in the order in which they are applied."""
    warnings: list[str] = field(default_factory=list)

    def put(self, label: str, value: object) -> None:
        """Notes a value under a label of A1111's, unless it says nothing."""
        text = _plain(value)
        if text != "":
            self.fields[label] = text

    def put_sampler(self, sampler: object, schedule: object = None) -> None:
        """Notes sampler and schedule in A1111's names; a name that is unknown here stays as the program has it."""
        name, found = sampler_words(str(sampler or ""))
        self.put("Sampler", name)
        self.put("Schedule type", schedule_word(str(schedule)) if schedule else found)

    def put_size(self, width: object, height: object, label: str = "Size") -> None:
        """Notes a size if both sides are whole numbers."""
        sides = [whole(width), whole(height)]
        if all(side is not None and side > 0 for side in sides):
            self.fields[label] = f"{sides[0]}x{sides[1]}"

    def put_model(self, name: object, hash: object = None) -> None:
        """Notes the checkpoint by its name without folder and ending, and its hash if it is one of a file."""
        self.put("Model", model_name(name))
        found = _HASH.fullmatch(str(hash or "").strip())
        if found:
            self.put("Model hash", found[1])

    def put_lora(self, name: object, weight: object, text_weight: object = None) -> None:
        """Notes a LoRA; a weight of its own for the text encoder is told too."""
        named = model_name(name)
        if not named or named == "None":
            return
        strength = _plain(weight) or "1"
        own = _plain(text_weight)
        both = own not in ("", strength) and number(own) != number(strength)
        self.loras.append((named, f"{strength}:te={own}:unet={strength}" if both else strength))

    def keep(self, values: Mapping[str, object], used: Iterable[str] = ()) -> None:
        """Keeps what has no label of A1111's under the program's own word, so that nothing that was told is lost."""
        known, taken = {label.casefold() for label in self.fields}, set(used)
        for name, value in values.items():
            label = _LABEL.sub(" ", str(name)).strip(" -/")
            text = _plain(value)
            if name not in taken and len(label) > 1 and text != "" and label.casefold() not in known and len(text) < _MAX_FIELD_CHARS:
                self.fields[label] = text

    def recipe(self, dialect: str, raw: str = "", *, weigh: Weigh | None = None) -> Recipe:
        """The infotext of all that, A1111's own labels first; `weigh` brings the program's way to weigh words to A1111's."""
        infotext, usable, warnings = self._infotext(self.prompt, self.negative), None, tuple(self.warnings)
        if weigh is not None and (weighed := (weigh(self.prompt), weigh(self.negative))) != (self.prompt, self.negative):
            usable, warnings = self._infotext(*weighed), (*warnings, WEIGHED)
        return Recipe(dialect, infotext, raw, warnings, usable=usable)

    def _infotext(self, own_prompt: str, negative: str) -> str:
        prompt = with_loras(own_prompt, self.loras)
        first = {label: self.fields[label] for label in _FIRST if label in self.fields}
        fields = [*first.items(), *((label, value) for label, value in self.fields.items() if label not in first)]
        if 0 < len(fields) < MIN_FIELDS:  # such a line would count as part of the prompt; what it says by its silence makes it longer
            fields += [pair for pair in _SILENT if pair[0] not in self.fields]
        return format_infotext(_lines(prompt), _lines(negative), fields)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was told."""
        return not (self.prompt.strip() or self.negative.strip() or self.fields or self.loras)


_SILENT = (("Clip skip", "1"), ("RNG", "GPU"), ("Schedule type", "Automatic"))
_FIRST = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Distilled CFG Scale", "Seed", "Size", "Model hash", "Model", "VAE hash", "VAE",
    "Denoising strength", "Clip skip",
)  # fmt: skip


def with_loras(prompt: str, loras: Iterable[tuple[str, str]]) -> str:
    """The prompt with a tag for each LoRA that does not have one in it yet."""
    there = {model_name(name).casefold() for name in _LORA.findall(prompt)}
    tags = [f"<lora:{name}:{weight}>" for name, weight in loras if name.casefold() not in there]
    return f"{prompt} {' '.join(tags)}".strip() if tags else prompt


def model_name(value: object) -> str:
    """A file's name without folder and ending: what A1111 calls a model."""
    name = str(value if value is not None else "").strip().replace("\\", "/").rsplit("/", 1)[-1]
    return _MODEL_ENDING.sub("", name).replace("<", "").replace(">", "")


def whole(value: object) -> int | None:
    """The value as a whole number; None if it is none."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def number(value: object) -> float | None:
    """The value as a number; None if it is none, or not finite."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(str(value)[:400])
    except ValueError:
        return None
    return found if abs(found) < 1e300 else None


def is_on(value: object) -> bool:
    """Whether a switch that may be a text is on."""
    return str(value).strip().casefold() in ("true", "1", "on", "yes", "enable", "enabled")


def _plain(value: object) -> str:
    """A value as text: numbers without a needless tail, structures as JSON, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return _short(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return str(value).strip()


def _short(value: float) -> str:
    """0.8 rather than 0.800000011920929, which is the same number in single precision."""
    short = f"{value:.6g}"
    return short if abs(float(short) - value) <= 1e-6 * abs(value) else repr(value)


def _lines(text: str) -> str:
    """The text as a prompt of an infotext; a line that would read as the beginning of something else gets a blank to break it."""
    return re.sub(r"^([ \t]*)(Negative prompt):", r"\1\2 :", text.replace("\r\n", "\n").replace("\r", "\n"), flags=re.MULTILINE)
