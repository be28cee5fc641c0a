"""A file that has come: what it is, where it belongs, and its name there."""

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.downloads.errors import DownloadFailed, WrongFile
from app.models.folders import Kind, roots
from app.models.header import Header, read_safetensors_header
from app.models.pickle_header import read_pickle_header
from app.models.reading import guarded
from app.schema.disk import DiskFull, is_full
from app.schema.errors import BadModelFile
from app.schema.settings import ServerSettings

ENDINGS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
MAX_NAME_BYTES = 200
_REFUSED = re.compile(r'[#<>:"/\\|?*\x00-\x1f\x7f]')
_LORA = re.compile(
    r"lora_(?:up|down|A|B)\b|\.(?:hada_w[12]_[ab]|lokr_w[12](?:_[ab])?|oft_blocks|oft_diag|on_input|diff|diff_b|[ab][12]\.weight)(?:\.|$)"
)
_EMBEDDING = frozenset({"emb_params", "clip_l", "clip_g", "*", "string_to_param"})
_DENOISER = "model.diffusion_model."
_VAE = ("first_stage_model.", "")


def safe_file_name(name: str, fallback: str) -> str:
    """A name for the file on every file system, with the ending of a model file. WrongFile for a name of something else."""
    clean = _REFUSED.sub("_", name).strip(" .") or fallback
    stem, dot, ending = clean.rpartition(".")
    if not dot or f".{ending.lower()}" not in ENDINGS:
        raise WrongFile(f"{clean[:80]} is no model file by its name; those end in {', '.join(ENDINGS)}.")
    short = stem.encode()[: MAX_NAME_BYTES - len(ending) - 1].decode(errors="ignore").strip(" .")
    return f"{short or fallback}.{ending.lower()}"


def kind_of(header: Header) -> Kind | None:
    """What a model file is, by the names of its tensors; None where they do not tell."""
    names = header.tensors.keys()
    if any(name.startswith(_DENOISER) for name in names):
        return "checkpoint"
    if any(_LORA.search(name) for name in names):
        return "lora"
    if any(f"{prefix}decoder.conv_in.weight" in names for prefix in _VAE):
        return "vae"
    if names and all(name in _EMBEDDING or name.startswith("string_to_") for name in names):
        return "embedding"
    if "conv_first.weight" in names or "model.0.weight" in names:
        return "upscaler"
    return None


def checked_kind(path: Path, name: str, said: Kind | None) -> Kind:
    """The kind of a file that has come under a hidden name. WrongFile where it is no model file, or of no kind that is known.

    What it holds goes before what its site says of it.
    """
    read = read_safetensors_header if name.endswith(".safetensors") else read_pickle_header
    try:
        header = guarded(read, path)
    except BadModelFile as error:
        if said in ("hypernetwork", "upscaler") and not name.endswith(".safetensors"):
            return said  # pickles of older kinds, which torch's weights-only unpickler reads when they are used
        raise WrongFile(f"What came is no model file. {error}") from error
    kind = kind_of(header) or said
    if kind is None:
        raise WrongFile("What came holds tensors, but neither they nor its site say what kind of model it is. Choose a folder for it.")
    return kind


def folder_of(kind: Kind, settings: ServerSettings) -> Path:
    """Where files of a kind go."""
    return next(root.folder for root in roots(settings) if root.kind == kind)


def land(path: Path, folder: Path, name: str, about: Mapping[str, Any]) -> Path:
    """Gives the file its name, or the next free one, and keeps what Civitai says of it beside it (`NAME.civitai.info`).

    One thread at a time. Raises DiskFull or DownloadFailed where the folder does not take it; the file is then where it was.
    """
    stem, ending = Path(name).stem, Path(name).suffix
    hidden = folder / f".{path.name}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _bring(path, hidden)
        number = 1
        while (target := folder / (name if number == 1 else f"{stem}-{number}{ending}")).exists():
            number += 1
        hidden.replace(target)
        told = target.with_suffix(".civitai.info")
        if about and not told.exists():
            told.write_text(json.dumps(about, ensure_ascii=False, indent=4), encoding="utf-8")
    except OSError as error:
        if is_full(error):
            raise DiskFull(f"There is not enough room on the disk for {name}. Free some space and go on.") from error
        raise DownloadFailed(f"{name} could not be put into its folder: {error.strerror or type(error).__name__}. Go on later.") from error
    return target


def _bring(path: Path, hidden: Path) -> None:
    """Moves the file beside its place, whole on the disk; where that is another disk, by copying it. OSError leaves it where it was."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        path.replace(hidden)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        try:
            shutil.copyfile(path, hidden)
            with hidden.open("rb+") as file:
                os.fsync(file.fileno())
        except OSError:
            hidden.unlink(missing_ok=True)
            raise
