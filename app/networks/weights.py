"""Puts a file's tensors into empty networks: every wanted byte is read once and converted tensor by tensor."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.models.facts import AutoencoderSizes, CheckpointFacts
from app.models.forms import stored_names, vae_names
from app.models.keys import Stored, autoencoder_keys, denoiser_keys, text_keys
from app.networks.build import TEXT_PARTS, Networks
from app.networks.sharing import Twins
from app.networks.tensors import TensorFile, open_tensors, read_ahead
from app.schema.errors import BadModelFile

Progress = Callable[[float], None]
"""Told the share of the tensors that have been read, 0..1."""


def fill(
    networks: Networks,
    facts: CheckpointFacts,
    path: Path,
    device: str,
    dtype: torch.dtype,
    on_progress: Progress | None,
    twins: Twins | None = None,
) -> None:
    """Gives all networks their weights from the file at `path`, on `device` as `dtype`; those that `twins` have are shared.

    Raises BadModelFile, before anything big is read, where a tensor is missing or has another size.
    """
    source = open_tensors(path)
    names = places(networks, facts, stored_names(source.shapes.keys()))
    shapes = {part: {ours: t.shape for ours, t in module.state_dict().items()} for part, module in networks.parts.items()}
    for theirs, wanted in names.items():
        for part, ours, stored in wanted:
            _check(path.name, theirs, source.shapes.get(theirs), _stored_shape(stored, shapes[part][ours]))
    read_ahead(path)
    states: dict[str, dict[str, Tensor]] = {part: {} for part in networks.parts}
    twins = twins or Twins()
    for done, (theirs, mapped) in enumerate(source.stream(names), 1):
        for part, ours, stored in names[theirs]:
            tensor = torch.empty(shapes[part][ours], dtype=dtype, device=device)
            taken = taken_of(stored, mapped)
            shared = twins.find(part, ours, taken, tensor)
            states[part][ours] = tensor.copy_(taken.reshape(tensor.shape)) if shared is None else shared
        if on_progress is not None:
            on_progress(done / len(names))
    for part, module in networks.parts.items():
        module.load_state_dict(states[part], assign=True)
        module.to(device)  # what no file holds: the text encoder's row of position numbers


def fill_autoencoder(module: Any, sizes: AutoencoderSizes, path: Path, device: str, dtype: torch.dtype) -> None:
    """Gives an empty AutoencoderKL the weights of a VAE file, in CompVis' layout (with or without a checkpoint's prefix) or diffusers'.

    Raises BadModelFile where a tensor is missing or has another size than the checkpoint's own VAE has.
    """
    source, ours = TensorFile(path), module.state_dict()
    in_file = vae_names(source.shapes.keys())
    names = {in_file.get(theirs, theirs): name for name, theirs in autoencoder_keys(ours, sizes).items()}
    for theirs, name in names.items():
        _check(path.name, theirs, source.shapes.get(theirs), ours[name].shape)
    state = {}
    for theirs, mapped in source.stream(names):
        shape = ours[names[theirs]].shape
        state[names[theirs]] = torch.empty(shape, dtype=dtype, device=device).copy_(mapped.reshape(shape))
    module.load_state_dict(state, assign=True)


Wanted = tuple[str, str, Stored]
"""A network, one of its parameters, and where in a file's tensor that stands."""


def places(networks: Networks, facts: CheckpointFacts, in_file: Mapping[str, str]) -> dict[str, list[Wanted]]:
    """Names in the file to what is taken from each: one parameter, or several that stand in one matrix there."""
    plain = {"denoiser": denoiser_keys(networks.denoiser.state_dict(), facts.denoiser)}
    if networks.autoencoder is not None:
        plain["autoencoder"] = autoencoder_keys(networks.autoencoder.state_dict(), facts.autoencoder)
    tables = {part: {ours: Stored(theirs) for ours, theirs in keys.items()} for part, keys in plain.items()}
    for part, text, sizes in zip(TEXT_PARTS, networks.texts, facts.texts, strict=False):
        tables[part] = text_keys(text.state_dict(), sizes)
    names: dict[str, list[Wanted]] = {}
    for part, table in tables.items():
        for ours, stored in table.items():
            names.setdefault(in_file.get(stored.name, stored.name), []).append((part, ours, stored))
    return names


def _stored_shape(stored: Stored, shape: tuple[int, ...]) -> tuple[int, ...]:
    if stored.third is not None:
        return (3 * shape[0], *shape[1:])
    return tuple(reversed(shape)) if stored.transposed else tuple(shape)


def taken_of(stored: Stored, tensor: Tensor) -> Tensor:
    """The part of a file's tensor that a parameter is, a view."""
    if stored.third is not None:
        return tensor.chunk(3)[stored.third]
    return tensor.T if stored.transposed else tensor


def _check(file: str, name: str, found: tuple[int, ...] | None, wanted: tuple[int, ...]) -> None:
    """Shapes may differ by trailing ones: the same layer is a 1x1 convolution in one program and linear in another."""
    if found is None:
        raise BadModelFile(f"{file} lacks {name}. It is incomplete, or not a whole checkpoint; download it again.")
    if _without_trailing_ones(found) != _without_trailing_ones(wanted):
        sizes = f"{'x'.join(map(str, found))} instead of {'x'.join(map(str, wanted))}"
        raise BadModelFile(f"{file} has {name} in the size {sizes}: a layout that Darkroom does not know.")


def _without_trailing_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return tuple(shape)
