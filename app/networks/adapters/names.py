"""Names: which layer of which network a tensor of an adapter belongs to, in kohya's, diffusers' and peft's spelling."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_TRAINERS = ("lora", "lycoris", "oft")
PREFIXES: tuple[tuple[str, str], ...] = (
    *((f"{trainer}_{theirs}_", network) for trainer in _TRAINERS for theirs, network in (
        ("unet", "denoiser"), ("te", "text"), ("te1", "text"), ("te2", "text_2"),
    )),
    ("unet_", "denoiser"), ("text_encoder_2_", "text_2"), ("text_encoder_", "text"),
)  # fmt: skip
"""Beginnings of layers' names, dots already turned into underscores, and the network they stand for."""

_SPELLINGS: tuple[tuple[str, str], ...] = (
    (r"\.lora_(up|down|mid)(?:\.weight)?", r"lora_\2"),
    (r"\.lora_B(?:\.default)?\.weight", "lora_up"),
    (r"\.lora_A(?:\.default)?\.weight", "lora_down"),
    (r"\.lora_magnitude_vector(?:\.default)?(?:\.weight)?", "dora_scale"),
    (r"(?:\.lora_linear_layer|\.lora|_lora)\.(up|down)\.weight", r"lora_\2"),
    (r"\.(a1|a2|b1|b2)\.weight", r"\2"),
    (r"\.oft_diag", "oft_blocks"),
    (r"\.(alpha|dora_scale|rescale|on_input|weight|diff|diff_b|w_norm|b_norm|oft_blocks|hada_\w+|lokr_\w+)", r"\2"),
)
"""Ends of tensors' names, and what the part is called here; group 1 of the whole pattern is the layer."""
_COMPILED = tuple((re.compile(rf"(?P<layer>.+?){pattern}"), part) for pattern, part in _SPELLINGS)


class PartName(NamedTuple):
    """Where a tensor of an adapter belongs."""

    network: str
    """`denoiser`, `text` or `text_2`."""
    layer: str
    """The layer's name with underscores for dots, as the adapter has it."""
    part: str


def part_of(name: str) -> PartName | None:
    """Reads a tensor's name; None for what is no part of a layer (training state, bundled things)."""
    for pattern, part in _COMPILED:
        if match := pattern.fullmatch(name):
            layer = match["layer"].replace(".processor.", ".").replace(".", "_")
            found = next(((prefix, network) for prefix, network in PREFIXES if layer.startswith(prefix)), None)
            return PartName(found[1], layer.removeprefix(found[0]), match.expand(part)) if found else None
    return None


def aliases(ours: Iterable[str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Every underscored name by which adapters call a network's layers, to the layer's name in our module.

    `ours` are the module's layer names, `theirs` those in the original code's layout; a text encoder's may begin with `text_model` or not.
    """
    table: dict[str, str] = {}
    for name in ours:
        plain = name.replace(".", "_")
        for alias in (plain, f"text_model_{plain}", plain.removeprefix("text_model_"), theirs.get(name, "").replace(".", "_")):
            if alias:
                table.setdefault(alias, name)
    return table
