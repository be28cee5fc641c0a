"""A checkpoint's tensors as CompVis' layout has them, whatever the file's own: what each is called, and what it is made of.

diffusers cuts OpenCLIP's matrix of queries, keys and values in three, turns its projection round, and leaves SD2's last layer out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from app.models.facts import CheckpointFacts, TextSizes
from app.models.families.text_encoder import layout_of
from app.models.forms import in_diffusers_names, in_diffusers_vae_names, stored_names, vae_names
from app.models.header import Header, TensorInfo
from app.models.keys import AUTOENCODER_PREFIX, DENOISER_PREFIX, Stored, text_keys
from app.models.reading import read_facts

Shape = tuple[int, ...]


class Made(NamedTuple):
    """One tensor of CompVis' layout."""

    stored: tuple[str, ...]
    """Tensors of the file: it is these, one below the other."""
    dtype: str
    """By its name in safetensors files."""
    shape: Shape
    transposed: bool = False


def compvis_layout(path: Path, header: Header) -> dict[str, Made]:
    """Every tensor of a checkpoint or VAE by its name in CompVis' layout; files without diffusers' names are taken as they are.

    Raises BadModelFile where diffusers' names are those of no checkpoint that is known.
    """
    tensors = header.tensors
    if in_diffusers_vae_names(tensors.keys()):
        vae = vae_names(tensors.keys())
        return {name: Made((stored,), tensors[stored].dtype, _convolved(name, tensors[stored].shape)) for name, stored in vae.items()}
    if not in_diffusers_names(tensors.keys()):
        return {name: Made((name,), *info) for name, info in tensors.items()}
    inside = stored_names(tensors.keys())
    made = {}
    for name, stored in inside.items():
        if name.startswith((DENOISER_PREFIX, AUTOENCODER_PREFIX)):
            made[name] = Made((stored,), tensors[stored].dtype, _convolved(name, tensors[stored].shape))
    facts = read_facts(path, header)
    for sizes in facts.texts:
        made |= dict(_text(sizes, inside, tensors))
    return made | {name: Made((), "F32", (0,)) for name in _markers(facts)}


def _convolved(name: str, shape: Shape) -> Shape:
    """An autoencoder's attention is linear in diffusers and a 1x1 convolution in CompVis' code."""
    return (*shape, 1, 1) if ".attn_1." in name and len(shape) == 2 else shape


def _markers(facts: CheckpointFacts) -> Iterator[str]:
    """Empty tensors that say what a folder's scheduler says."""
    if facts.prediction == "v":
        yield "v_pred"
    if facts.zero_terminal_snr:
        yield "ztsnr"


def _text(sizes: TextSizes, inside: Mapping[str, str], tensors: Mapping[str, TensorInfo]) -> Iterator[tuple[str, Made]]:
    names = [name for name, _ in layout_of(sizes)]
    if sizes.projected_width is not None:
        names.append("text_projection.weight")
    place = sizes.prefix.partition("transformer.")[0]
    here = text_keys(names, sizes)
    single_file = replace(sizes, prefix=f"{place}transformer.text_model.")
    if sizes.of_openclip:
        single_file = replace(sizes, prefix=f"{place}model.", layout="openclip")
    parts: dict[str, list[tuple[Stored, str]]] = {}
    for name, target in text_keys(names, single_file).items():
        parts.setdefault(target.name, []).append((target, inside[here[name].name]))
    for name, found in parts.items():
        made = _joined(found, tensors)
        yield name, made
        last = f"resblocks.{sizes.layers - 1}."
        if sizes.of_openclip and not sizes.layers_left_out and last in name:  # never looked at, but its readers expect it
            yield name.replace(last, f"resblocks.{sizes.layers}."), made


def _joined(found: list[tuple[Stored, str]], tensors: Mapping[str, TensorInfo]) -> Made:
    ordered = sorted(found, key=lambda each: each[0].third or 0)
    stored = tuple(name for _, name in ordered)
    dtype, (rows, *columns) = tensors[stored[0]]
    if ordered[0][0].transposed:
        return Made(stored, dtype, (*reversed(columns), rows), transposed=True)
    return Made(stored, dtype, (rows * len(stored), *columns))
