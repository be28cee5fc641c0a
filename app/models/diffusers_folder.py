"""A checkpoint in diffusers' layout: a folder with a `model_index.json` and a folder for each network, and which of its files count.

Each network's folder has a `config.json` and the weights, in one file or in shards that an index names, often in several versions side by
side. Safetensors goes before pickles, the plain version before fp16 and fp16 before any other; one version is read and no more.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.schema.errors import BadModelFile
from app.schema.regular_files import open_regular

MARK = "model_index.json"
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
"""Folders of networks that are read, whatever else there is (safety checkers, say)."""
SCHEDULER = "scheduler"
JSON_LIMIT_BYTES = 8 * 2**20
"""The largest are indexes: a hundred bytes a tensor."""
_INDEX = re.compile(r"(?P<stem>.+)\.(?P<ending>safetensors|bin)\.index(?:\.(?P<variant>[\w-]+))?\.json")
_WEIGHTS = re.compile(r"(?P<stem>diffusion_pytorch_model|pytorch_model|model)(?:\.(?P<variant>[\w-]+))?\.(?P<ending>safetensors|bin)")
_OTHER_WEIGHTS = re.compile(r"(?P<stem>.+)\.(?P<ending>safetensors)")
_SHARD = re.compile(r"-\d{5}-of-\d{5}")


class State(NamedTuple):
    """What a file or folder is known again by."""

    size_bytes: int
    """Of a folder: of the weights that are read."""
    mtime_ns: int
    """Of a folder: the latest of its files and folders."""


def is_diffusers_folder(path: Path) -> bool:
    """Whether it is a folder in diffusers' layout, as far as the mark tells; one that cannot be entered is none."""
    try:
        return (path / MARK).is_file()
    except OSError:
        return False


def weight_files(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The files of weights by network; networks without any are left out.

    Raises BadModelFile, with a sentence that does not repeat the folder's name, where a shard is missing or an index damaged.
    """
    found = ((part, _chosen(folder / part)) for part in PARTS)
    return {part: files for part, files in found if files}


def state_of(path: Path) -> State:
    """Size and time of a model file or of such a folder; OSError where there is nothing or it cannot be read."""
    state = path.stat()
    if not is_diffusers_folder(path):
        return State(state.st_size, state.st_mtime_ns)
    size_bytes = 0
    with suppress(BadModelFile):  # which reading it will raise
        size_bytes = sum(file.stat().st_size for files in weight_files(path).values() for file in files)
    times = [state.st_mtime_ns]
    for folder in (path, *(path / name for name in (*PARTS, SCHEDULER))):
        with suppress(FileNotFoundError, NotADirectoryError):
            times += [folder.stat().st_mtime_ns, *(entry.stat().st_mtime_ns for entry in folder.iterdir() if entry.is_file())]
    return State(size_bytes, max(times))


def read_table(folder: Path, name: str) -> Mapping[str, object]:
    """A JSON file of the folder, its numbers as texts; empty where there is none.

    Raises BadModelFile, with a sentence that names the file, if it cannot be read or is no table.
    """
    try:
        with open_regular(folder / name) as file:
            data = file.read(JSON_LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise BadModelFile(f"Its {name} cannot be read: {error.strerror or error}.") from error
    if len(data) > JSON_LIMIT_BYTES:
        raise BadModelFile(f"Its {name} has more than {JSON_LIMIT_BYTES:,} bytes, which are not read.")
    try:
        table = json.loads(data, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise BadModelFile(f"Its {name} is damaged. Download it again.") from error
    if not isinstance(table, dict):
        raise BadModelFile(f"Its {name} is damaged: it is no table. Download it again.")
    return table


class _Version(NamedTuple):
    """One of the versions in which a network's weights lie side by side; the least is taken."""

    pickled: bool
    rank: int
    name: str
    is_index: bool


def _chosen(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    try:
        names = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_file()}
    except OSError as error:
        raise BadModelFile(f"Its folder {folder.name} cannot be read: {error.strerror or error}.") from error
    best = min(_versions(names), default=None)
    if best is None:
        return ()
    return _shards(folder, best.name, names) if best.is_index else (folder / best.name,)


def _versions(names: Collection[str]) -> Iterator[_Version]:
    for name in names:
        match = _INDEX.fullmatch(name)
        is_index = match is not None
        match = match or (None if _SHARD.search(name) else _WEIGHTS.fullmatch(name) or _OTHER_WEIGHTS.fullmatch(name))
        if match is None:
            continue
        known = is_index or _WEIGHTS.fullmatch(name) is not None
        variant = match.groupdict().get("variant") or (match["stem"].partition(".")[2] if is_index else "")
        rank = {"": 0, "fp16": 1}.get(variant, 2) if known else 3
        yield _Version(match["ending"] == "bin", rank, name, is_index)


def _shards(folder: Path, index: str, names: Collection[str]) -> tuple[Path, ...]:
    table = read_table(folder.parent, f"{folder.name}/{index}").get("weight_map")
    shards = sorted(set(table.values())) if isinstance(table, dict) and all(isinstance(name, str) for name in table.values()) else []
    if not shards or any("/" in shard or "\\" in shard for shard in shards):
        raise BadModelFile(f"Its {folder.name}/{index} is damaged: it names no files of weights. Download it again.")
    if missing := [shard for shard in shards if shard not in names]:
        more = f" and {len(missing) - 1} more are" if len(missing) > 1 else " is"
        raise BadModelFile(f"It is not complete: {folder.name}/{missing[0][:100]}{more} missing. Download it again.")
    return tuple(folder / shard for shard in shards)
