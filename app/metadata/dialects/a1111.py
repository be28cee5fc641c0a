"""A1111's own dialect and those of its many relatives: a text that is an infotext, or nearly."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from app.metadata.dialects.comfyui import graph_of, told_by_graph
from app.metadata.dialects.drawthings import xmp_text
from app.metadata.dialects.forms import Split, split_any
from app.metadata.dialects.told import Told, number, with_loras
from app.metadata.dialects.words import sampler_words, schedule_word
from app.metadata.infotext import MIN_FIELDS, format_infotext, split_infotext
from app.metadata.json_text import as_dict, as_list, json_object
from app.metadata.record import PictureRecord, Recipe

_SIZE = re.compile(r"(\d{1,6}) ?[xX×] ?(\d{1,6})")
_LORA_N = re.compile(r"Lora_(\d{1,3}) Model name")
_TOLD = re.compile(r"(?:^|[\n.,\s])Steps: \d{1,5}, (?:Sampler|Size|CFG|Seed|Schedule)")
_MAX_CHARS = 1_000_000
_NOT_TOLD = ("", "unknown", "Unknown", "None", "undefined", "Undefined", "Default")

Fields = dict[str, str]


class A1111:
    """Infotexts, brought to A1111's own form where a relative's form would lose something in its reader."""

    name = "a1111"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for a text without any."""
        split = split_any(record.text) if record.text and not record.data else None
        if split is None:
            return None
        plain = split_infotext(record.text)
        before = dict(split.fields)
        dialect = _dialect(split.fields)
        prompt, negative = split.prompt, split.negative
        warnings: list[str] = []
        for rule in _RULES:
            prompt = rule(split.fields, prompt)
        if (graph := graph_of(record)) is not None:
            prompt, negative, warnings = _with_graph(Split(prompt, negative, split.fields), told_by_graph(graph, record))
        unchanged = split.fields == before and (prompt, negative) == plain[:2] and _agrees(plain[2], split.fields)
        text = record.text if unchanged else _text(prompt, negative, split.fields)
        return Recipe(dialect, text, record.text, tuple(warnings), shown=record.text)


class Elsewhere:
    """An infotext that a saver put where A1111 has none: in another text chunk, another EXIF tag, or XMP."""

    name = "a1111"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None if the record has a text in the usual place, or no infotext anywhere."""
        if record.text:
            return None
        xmp = record.items.get("XML:com.adobe.xmp") or record.items.get("xmp") or ""
        found = (xmp_text(xmp, name) for name in ("exif:UserComment", "dc:description"))
        for text in (*record.items.values(), *record.tags.values(), *found):
            if _TOLD.search(text[:_MAX_CHARS]) and not text.lstrip().startswith("<"):
                return A1111().parse(replace(record, text=text))
        return None


class PlainText:
    """The last word: any text in the place of an infotext is a prompt, as A1111 has it."""

    name = "a1111"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The record's text; None if it has none."""
        return Recipe(self.name, record.text, record.text) if record.text else None


def _agrees(pairs: list[tuple[str, str]], fields: Mapping[str, str]) -> bool:
    """Whether A1111's reader finds the same settings."""
    return len(pairs) >= MIN_FIELDS and {label: value.strip() for label, value in reversed(pairs)} == {**fields}


def _text(prompt: str, negative: str, fields: Mapping[str, str]) -> str:
    told = [(label, value) for label, value in fields.items() if value != "" or label.startswith("Raw ")]
    for pad in ("Clip skip: 1", "RNG: GPU", "Schedule type: Automatic"):
        label, _, value = pad.partition(": ")
        if 0 < len(told) < MIN_FIELDS and label not in fields:
            told.append((label, value))
    told.sort(key=lambda pair: pair[0] != "Steps")  # readers look for it at the line's beginning
    return format_infotext(prompt, negative, told)


def _dialect(fields: Mapping[str, str]) -> str:
    version = fields.get("Version", "")
    marks = {
        "sdnext": fields.get("App") == "SD.Next" or "Sampler sigma" in fields or "HiRes mode" in fields,
        "sdcpp": version == "stable-diffusion.cpp" or "SDCPP" in fields,
        "fooocus": version.startswith("Fooocus"),
        "civitai": "Civitai resources" in fields or "Civitai metadata" in fields,
        "forge": version.startswith("f") or version in ("neo", "classic"),
        "comfyui": version == "ComfyUI" or any(label.startswith("Lora_0") for label in fields),
    }
    return next((name for name, is_so in marks.items() if is_so), "a1111")


# ---------------------------------------------------------------- relatives, one rule each: fields are changed, the prompt comes back


def _sdnext(fields: Fields, prompt: str) -> str:
    if _dialect(fields) != "sdnext":
        return prompt
    scheduler = fields.get("Scheduler", "")
    if scheduler.endswith("Scheduler") and fields.get("Sampler", "Default") in _NOT_TOLD:  # a diffusers class: a sampler, never a schedule
        fields["Sampler"] = sampler_words(scheduler)[0]
        del fields["Scheduler"]
    if (sigma := fields.get("Sampler sigma", "")) and "Schedule type" not in fields:
        fields["Schedule type"] = schedule_word(sigma)
    if "Hires scale" in fields:
        fields.setdefault("Hires upscale", fields["Hires scale"])
    if "Hires strength" in fields:
        fields.setdefault("Denoising strength", fields["Hires strength"])
    return prompt


def _sdcpp(fields: Fields, prompt: str) -> str:
    if _dialect(fields) != "sdcpp":
        return prompt
    if not fields.get("Model") and fields.get("Unet"):
        fields["Model"] = fields["Unet"]
    if fields.get("Eta") == "inf":
        del fields["Eta"]  # not set
    if "RNG" in fields:
        fields["RNG"] = {"cuda": "NV", "nv": "NV", "cpu": "CPU"}.get(fields["RNG"].casefold(), "GPU")
    said = as_dict(json_object(fields.get("SDCPP", "")))
    sampling = as_dict(said.get("sampling"))
    if sampling.get("method"):
        fields["Sampler"] = sampler_words(str(sampling["method"]))[0]
        fields["Schedule type"] = schedule_word(str(sampling.get("scheduler") or "discrete"))
    told = map(as_dict, as_list(said.get("lora") or said.get("loras")))
    return _tagged(prompt, [(str(lora.get("name") or lora.get("path") or ""), _weight(lora)) for lora in told])


def _weight(said: Mapping[str, object]) -> str:
    return f"{number(said.get('weight', said.get('multiplier', said.get('strength', 1)))) or 1:g}"


def _fooocus(fields: Fields, prompt: str) -> str:
    if not fields.get("Version", "").startswith("Fooocus") and "Lora weights" not in fields:
        return prompt
    if fields.get("VAE", "").startswith("Default"):
        del fields["VAE"]
    pairs = (part.rpartition(":") for part in fields.get("Lora weights", "").split(", "))
    return _tagged(prompt, [(name.strip(), weight.strip()) for name, colon, weight in pairs if colon])


def _civitai(fields: Fields, prompt: str) -> str:
    """The generator's text has no model; its resources have, and its metadata may hold the whole request."""
    resources = _json_list(fields.get("Civitai resources", ""))
    loras = []
    for one in map(as_dict, resources):
        name = str(one.get("modelName") or "")
        if one.get("type") == "checkpoint" and name:
            fields.setdefault("Model", name)
        elif one.get("type") in ("lora", "lycoris", "locon", "dora") and name:
            loras.append((re.sub(r"[<>:]", " ", name).strip(), f"{number(one.get('weight', 1)) or 1:g}"))
    said = as_dict(json_object(fields.get("Civitai metadata", "")))
    for label, key in (("Steps", "steps"), ("CFG scale", "cfgScale"), ("Seed", "seed"), ("Sampler", "sampler"), ("Clip skip", "clipSkip")):
        if fields.get(label, "") in _NOT_TOLD and said.get(key) is not None:
            fields[label] = str(said[key])
    ratio = as_dict(said.get("aspectRatio")) or said
    if "Size" not in fields and ratio.get("width") and ratio.get("height"):
        fields["Size"] = f"{ratio['width']}x{ratio['height']}"
    return _tagged(prompt, loras)


def _comfy_savers(fields: Fields, prompt: str) -> str:
    loras = []
    for label in [label for label in fields if _LORA_N.fullmatch(label)]:
        number_of = label.removesuffix(" Model name")
        weight = fields.get(f"{number_of} Strength model", "1")
        loras.append((fields[label], weight))
    return _tagged(prompt, loras)


def _names(fields: Fields, prompt: str) -> str:
    """Sampler and schedule in A1111's words, where they are other programs'; a name that says nothing goes."""
    for label in [label for label in fields if label.casefold() == "cfg scale" and label != "CFG scale"]:
        fields.setdefault("CFG scale", fields.pop(label))
    named = fields.get("Sampler", "")
    name, schedule = sampler_words(named)
    if named and not name:
        fields["Sampler name"] = fields.pop("Sampler")
    elif name and named not in (name, f"{name} {schedule}"):
        fields["Sampler"] = name
        if schedule:
            fields.setdefault("Schedule type", schedule)
    if "Scheduler" in fields and "Schedule type" not in fields and not fields["Scheduler"].endswith("Scheduler"):
        fields["Schedule type"] = schedule_word(fields["Scheduler"])
        if name and schedule:
            fields["Sampler"] = name
    if (size := _SIZE.fullmatch(fields.get("Size", ""))) and fields["Size"] != f"{size[1]}x{size[2]}":
        fields["Size"] = f"{size[1]}x{size[2]}"
    return prompt


_RULES: tuple[Callable[[Fields, str], str], ...] = (_sdnext, _sdcpp, _fooocus, _civitai, _comfy_savers, _names)


def _tagged(prompt: str, loras: list[tuple[str, str]]) -> str:
    told = Told()
    for name, weight in loras:
        told.put_lora(name, weight)
    return with_loras(prompt, told.loras)


def _json_list(text: str) -> list[object]:
    found = json_object('{"list": ' + text + "}") if text.startswith("[") else None
    return as_list(found["list"]) if found else []


# ---------------------------------------------------------------- a text beside a ComfyUI graph


def _with_graph(split: Split, graph: Told) -> tuple[str, str, list[str]]:
    """(prompt, negative prompt, warnings): the graph says what the text leaves out, and is believed where the text is not wired.

    Savers in ComfyUI write `unknown` and seed 0 for inputs that nobody connected.
    """
    fields, warnings = split.fields, []
    seed, own = fields.get("Seed", ""), str(graph.fields.get("Seed", ""))
    is_unwired = (seed in ("", "0", "-1") and own not in ("", seed)) or "unknown" in (
        fields.get("Model"),
        fields.get("Sampler"),
        split.prompt,
    )
    prompt, negative = split.prompt, split.negative
    if is_unwired:
        warnings.append("The text in the picture does not fit its ComfyUI graph; the graph is believed.")
        fields |= {label: str(value) for label, value in graph.fields.items()}
        prompt, negative = graph.prompt or prompt, graph.negative or negative
    else:
        for label, value in graph.fields.items():
            if fields.get(label, "") in _NOT_TOLD and not label.startswith("Hires"):
                fields[label] = str(value)
    return with_loras(prompt, graph.loras), negative, warnings
