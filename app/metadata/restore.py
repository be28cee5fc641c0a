"""From an infotext back to settings: what GenerationParams takes, what it does not know, and what to tell the user."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.metadata.compat import DEFAULTS, EMPHASIS_DEFAULT, a1111_version
from app.metadata.dialects.forms import without_json
from app.metadata.fields import MODEL_HASH, VERSION, label_of, setting
from app.metadata.infotext import MIN_FIELDS, parse_infotext, split_infotext
from app.metadata.names import known_sampler, known_scheduler
from app.metadata.shown_inpaint import WORDS
from app.schema.errors import InvalidParams
from app.schema.params import GenerationParams, make_params, view_of

_STYLES = "Styles array"
_SAMPLERS_WITHOUT_SCHEDULER = (1, 9, 0, 0)
"""The first version of A1111 that wrote the schedule apart from the sampler's name."""
_SHOWN_CHARS = 60
_HIRES_TOLD = frozenset({"hires upscale", "hires upscaler"})
SAME = ("Use same sampler", "Use same scheduler", "Use same checkpoint")
"""What stands for the first pass's, in infotexts and on A1111's page."""
_BOTH_SIDES = re.compile(r"(.+)-([12])")


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a picture's text gives back."""

    values: Mapping[str, object]
    """Fields of GenerationParams by their name, already of their type and in their range."""
    model_name: str = ""
    model_hash: str = ""
    """As it stands: 8, 10 or 64 hex digits."""
    version: str = ""
    styles: tuple[str, ...] = ()
    """Names of known styles that were cut out of the prompts."""
    extras: Mapping[str, str] = field(default_factory=dict)
    """Settings that nothing here takes, by their label."""
    warnings: tuple[str, ...] = ()
    """One sentence each, for people."""


def params_from_infotext(text: str | Mapping[str, object]) -> Restored:
    """The settings in an infotext, or in a dictionary of A1111's reader. Never fails: what cannot be used is an extra.

    Looks further than A1111 where its grammar loses a text: settings that are not on the last line, and fields in JSON.
    """
    trailing: dict[str, str] = {}
    if isinstance(text, str):
        text, trailing = _settings_last(text)
        fields = dict(parse_infotext(text))
    else:
        fields = dict(text)
    return _Restoring(fields, trailing).result()


class _Restoring:
    """The fields that are not used up yet, and what came out of those that are."""

    def __init__(self, fields: dict[str, object], extras: dict[str, str]) -> None:
        prompts = {"prompt": str(fields.pop("Prompt", "")), "negative_prompt": str(fields.pop("Negative prompt", ""))}
        if not any(name not in DEFAULTS and name != EMPHASIS_DEFAULT[0] for name in fields):
            fields = {}  # a bare prompt: defaults that a reader added say nothing about the picture
        self.fields = fields
        self.given = {name.casefold(): name for name in reversed(fields)}
        self.values: dict[str, object] = {}
        self.warnings: list[str] = []
        self.extras = extras
        for name, value in prompts.items():
            self.take(name, value, view_of(name).title or name)

    def pop(self, label: str) -> str:
        """The field's text, which is used up with this; empty if there is none. 2022's files differ in case."""
        name = self.given.get(label.casefold(), label)
        return str(self.fields.pop(name, "")).strip()

    def take(self, name: str, text: object, label: str) -> None:
        """Puts a value of GenerationParams, or an extra and a warning if it cannot be one."""
        self.take_all({name: text}, str(text), label)

    def take_all(self, values: dict[str, object], text: str, label: str) -> None:
        """As `take`, for values that are valid only together."""
        try:
            params = make_params(**values)
        except InvalidParams as error:
            self.extras[label] = text
            self.warnings.append(f"{label} of the picture is left out. {error}")
        else:
            self.values |= {name: getattr(params, name) for name in values}

    def result(self) -> Restored:
        """Uses up all fields."""
        version = self.pop(VERSION)
        self._sampling(version)
        self._size("width", "height")
        self._size("seed_resize_from_w", "seed_resize_from_h")
        self._hires()
        self._inpaint()
        model_name, model_hash = self.pop(setting("checkpoint")), self.pop(MODEL_HASH)
        self._eta()
        for name in GenerationParams.model_fields:
            label = label_of(name)
            if label is not None and (text := self.pop(label)):
                self.take(name, text, label)
        styles = self.fields.pop(_STYLES, ())
        self._keep_rest()
        return Restored(
            values=self.values,
            model_name=model_name,
            model_hash=(model_hash or _hash_in(self.extras.get("Hashes", ""))).lower(),
            version=version,
            styles=tuple(map(str, styles)) if isinstance(styles, list | tuple) else (),
            extras=self.extras,
            warnings=tuple(self.warnings),
        )

    def _sampling(self, version: str) -> None:
        """Sampler and scheduler, also where one name holds both; a name that is unknown here is never replaced by another."""
        sampler_label, scheduler_label = setting("sampler"), setting("scheduler")
        named, scheduled = self.pop(sampler_label), self.pop(scheduler_label)
        sampler, scheduler = known_sampler(named)
        written_by = a1111_version(version)
        if sampler is not None:
            self.take("sampler", sampler.name, sampler_label)
            if scheduler is None and written_by is not None and written_by < _SAMPLERS_WITHOUT_SCHEDULER and sampler.automatic:
                scheduler = known_scheduler("Uniform")  # then its plain name meant the model's own table, not what Automatic means now
        elif named:
            self.extras[sampler_label] = named
            self.warnings.append(f"Sampler {named[:_SHOWN_CHARS]!r} of the picture is not known here, so another one is used.")
        scheduler = scheduler or known_scheduler(scheduled)
        if scheduler is not None:
            self.take("scheduler", scheduler.label, scheduler_label)
        elif scheduled:
            self.extras[scheduler_label] = scheduled
            self.warnings.append(f"Schedule type {scheduled[:_SHOWN_CHARS]!r} of the picture is not known here, so another one is used.")

    def _hires(self) -> None:
        """There was a hires pass where its size or its upscaler is told beside a strength, as in A1111."""
        self._size("hr_resize_x", "hr_resize_y")
        for name in ("hr_sampler", "hr_scheduler", "hr_checkpoint"):
            if self.fields.get(setting(name)) in SAME:
                self.pop(setting(name))
        named = self.pop(setting("hr_sampler"))
        sampler, scheduler = known_sampler(named)
        if sampler is not None:
            self.take("hr_sampler", sampler.name, setting("hr_sampler"))
        elif named:
            self.extras[setting("hr_sampler")] = named
            self.warnings.append(f"Sampler {named[:_SHOWN_CHARS]!r} of the hires pass is not known here; the first pass's is used.")
        scheduled = self.pop(setting("hr_scheduler"))
        scheduler = scheduler or known_scheduler(scheduled)
        if scheduler is not None:
            self.take("hr_scheduler", scheduler.label, setting("hr_scheduler"))
        elif scheduled:
            self.extras[setting("hr_scheduler")] = scheduled
        upscaled = self.values.get("hr_resize_x") or self.values.get("hr_resize_y") or self.given.keys() & _HIRES_TOLD
        if upscaled and setting("denoising_strength").casefold() in self.given:
            self.values["enable_hr"] = True

    def _inpaint(self) -> None:
        """Settings of a mask; what only says that there was none, or is filled in by a reader, is nothing to take."""
        for name in WORDS:
            label = setting(name)
            text = self.pop(label)
            if text in WORDS[name]:
                text = str(WORDS[name][text])
            if text and text != str(GenerationParams.model_fields[name].default):
                self.take(name, text, label)
        padding, blur = setting("inpaint_full_res_padding"), setting("mask_blur_x")
        if (text := self.pop(padding)) and self.values.get("inpaint_full_res"):
            self.take("inpaint_full_res_padding", text, padding)
        if text := self.pop(blur):
            self.take_all({"mask_blur_x": text, "mask_blur_y": text}, text, blur)

    def _eta(self) -> None:
        """One setting under two labels: which one stands there is the sampler's matter."""
        for label in ("Eta DDIM", setting("eta")):
            if text := self.pop(label):
                self.take("eta", text, label)

    def _size(self, width_name: str, height_name: str) -> None:
        """Two settings under one label, which A1111's reader has taken apart."""
        label = setting(width_name)
        width, height = self.pop(f"{label}-1"), self.pop(f"{label}-2")
        if width and height:
            self.take_all({width_name: width, height_name: height}, f"{width}x{height}", label)
        elif text := self.pop(label):
            self.extras[label] = text
            self.warnings.append(f"{label} {text[:_SHOWN_CHARS]!r} of the picture is not readable.")

    def _keep_rest(self) -> None:
        """Whatever is left becomes an extra, but for defaults; the halves of a `WxH` are put together again."""
        plain = {**DEFAULTS, EMPHASIS_DEFAULT[0]: EMPHASIS_DEFAULT[1]}
        for label, value in self.fields.items():
            half = _BOTH_SIDES.fullmatch(label)
            other = self.fields.get(f"{half[1]}-2") if half else None
            if label in plain and str(plain[label]) == str(value):
                continue
            if half is None or (half[2] == "1" and other is None) or (half[2] == "2" and f"{half[1]}-1" not in self.fields):
                self.extras[label] = str(value)
            elif half[2] == "1":
                self.extras[half[1]] = f"{value}x{other}"


def _settings_last(text: str) -> tuple[str, dict[str, str]]:
    """The infotext with its settings on the last line and without JSON values; those, and the lines behind, apart."""
    lines = text.strip().split("\n")
    starts = [index for index, line in enumerate(lines) if line.startswith("Steps: ")]
    last = starts[-1] if starts else len(lines) - 1
    line, found = without_json(lines[last])
    if len(split_infotext(line)[2]) < MIN_FIELDS:
        return text, {}
    for behind in lines[last + 1 :]:
        label, colon, value = behind.partition(":")
        if colon:
            found[label.strip()] = value.strip()
    return "\n".join([*lines[:last], line]), found


def _hash_in(hashes: str) -> str:
    """The checkpoint's hash in the object that Civitai's helper writes."""
    try:
        said = json.loads(hashes)
    except (ValueError, RecursionError):
        return ""
    return str(said.get("model", "")) if isinstance(said, dict) else ""
