"""Other ways in which a checkpoint's file may name its tensors, and what each is called in CompVis' layout.

What stands on the left is what families and key tables speak of; on the right is what the file says. Known: CompVis' own names,
diffusers' and transformers' names behind `unet.`, `vae.`, `text_encoder.` and `text_encoder_2.`, and averaged weights alone.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from app.models.keys import AUTOENCODER_PREFIX, DENOISER_PREFIX, Blocks, autoencoder_names, denoiser_names

AVERAGED_PREFIX = "model_ema."
_UNET, _VAE, _TEXT, _TEXT_2 = "unet.", "vae.", "text_encoder.", "text_encoder_2."
_LAYERS = (
    "transformer_blocks|skip_connection|output_blocks|middle_block|input_blocks|time_embed|out_layers|emb_layers|label_emb|in_layers|"
    "proj_out|proj_in|to_out|weight|attn1|attn2|norm1|norm2|norm3|to_q|to_k|to_v|proj|norm|conv|bias|net|out|ff|op"
)
_WORD = re.compile(rf"({_LAYERS})|(\d+)")


def in_diffusers_names(names: Collection[str]) -> bool:
    """Whether a file or folder with these names is a checkpoint in diffusers' layout (LoRAs name layers so, but not weights)."""
    return f"{_UNET}conv_in.weight" in names or f"{_UNET}down_blocks.0.resnets.0.conv1.weight" in names


def stored_names(names: Collection[str]) -> dict[str, str]:
    """Name in CompVis' layout to the name in a file that holds `names`; tensors that belong to no network keep theirs."""
    if any(name.startswith(DENOISER_PREFIX) for name in names):
        return {name: name for name in names}
    if in_diffusers_names(names):
        return dict(_diffusers(names))
    if any(name.startswith(f"{AVERAGED_PREFIX}diffusion_model") for name in names):
        return dict(_averaged(names))
    return {name: name for name in names}


def in_diffusers_vae_names(names: Collection[str]) -> bool:
    """Whether a file with these names is a VAE as diffusers saves it."""
    return "encoder.down_blocks.0.resnets.0.conv1.weight" in names


def vae_names(names: Collection[str]) -> dict[str, str]:
    """The same for a VAE's own file, whose names may have CompVis' prefix or none, or be diffusers' without any."""
    if any(name.startswith(AUTOENCODER_PREFIX) for name in names):
        return {name: name for name in names if name.startswith(AUTOENCODER_PREFIX)}
    if not in_diffusers_vae_names(names):
        return {AUTOENCODER_PREFIX + name: name for name in names}
    blocks = _vae_blocks(names, "")
    return {_known(autoencoder_names, name, blocks, AUTOENCODER_PREFIX) or name: name for name in names}


def _vae_blocks(names: Collection[str], prefix: str) -> Blocks:
    levels = _count(names, f"{prefix}encoder.down_blocks.", ".resnets.0.conv1.weight")
    return Blocks(levels, _count(names, f"{prefix}encoder.down_blocks.0.resnets.", ".conv1.weight"), ())


def _diffusers(names: Collection[str]) -> Iterator[tuple[str, str]]:
    blocks, vae_blocks = _blocks(names), _vae_blocks(names, _VAE)
    places = _text_places(names)
    for name in names:
        if name.startswith(_UNET):
            yield _known(denoiser_names, name.removeprefix(_UNET), blocks, DENOISER_PREFIX) or name, name
        elif name.startswith(_VAE):
            yield _known(autoencoder_names, name.removeprefix(_VAE), vae_blocks, AUTOENCODER_PREFIX) or name, name
        else:
            place = next((place for place in places if name.startswith(place)), None)
            yield name if place is None else places[place] + name.removeprefix(place), name


def _blocks(names: Collection[str]) -> Blocks:
    levels = _count(names, f"{_UNET}down_blocks.", ".resnets.0.conv1.weight")
    attention = tuple(f"{_UNET}down_blocks.{level}.attentions.0.proj_in.weight" in names for level in range(levels))
    return Blocks(levels, _count(names, f"{_UNET}down_blocks.0.resnets.", ".conv1.weight"), attention)


def _count(names: Collection[str], before: str, after: str) -> int:
    number = 0
    while f"{before}{number}{after}" in names:
        number += 1
    return number


def _text_places(names: Collection[str]) -> Mapping[str, str]:
    """SDXL has two text encoders, its refiner the second one alone."""
    if not any(name.startswith(_TEXT_2) for name in names):
        return {_TEXT: "cond_stage_model.transformer."}
    if not any(name.startswith(_TEXT) for name in names):
        return {_TEXT_2: "conditioner.embedders.0.transformer."}
    return {_TEXT: "conditioner.embedders.0.transformer.", _TEXT_2: "conditioner.embedders.1.transformer."}


def _known(translate: Callable[[str, Blocks], str], name: str, blocks: Blocks, prefix: str) -> str | None:
    try:
        return prefix + translate(name, blocks)
    except KeyError:  # a layer that the original has not
        return None


def _averaged(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Names without dots, as a training's averages have them, to those with."""
    for name in names:
        dotted = _dotted(name.removeprefix(f"{AVERAGED_PREFIX}diffusion_model")) if name.startswith(AVERAGED_PREFIX) else None
        yield name if dotted is None else DENOISER_PREFIX + dotted, name


def _dotted(name: str) -> str | None:
    """`input_blocks10in_layers0weight` to `input_blocks.1.0.in_layers.0.weight`; None for what is no layer's name."""
    found, place = list[str](), 0
    for match in _WORD.finditer(name):
        if match.start() != place:
            return None
        place = match.end()
        word, digits = match.groups()
        before = found[-1] if found else ""
        if word:
            found.append(word)
        elif before in ("input_blocks", "output_blocks"):
            found += [digits[:-1], digits[-1]]
        elif before == "label_emb":
            found += digits
        else:
            found.append(digits)
    return ".".join(found) if found and place == len(name) else None
