#!/usr/bin/env python3
"""Writes the tiny random-weight models that tests draw with: checkpoints, VAEs, LoRAs, embeddings, hypernetworks.

    python tools/make_tiny_models.py --data-dir DIR [--only sd1,tiny-a] [--list] [--force]

DIR gets the usual folders (models/Stable-diffusion, models/VAE, models/Lora, models/hypernetworks, embeddings). What is
written stands in tests/data/manifests/*.json: every tensor is drawn from a generator seeded by the file's seed and the
tensor's name, so the bytes are the same on every machine. Each file's sha256 is compared with the manifest; the exit status
is 1 if one differs. Needs numpy only.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import re
import struct
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MANIFESTS = Path(__file__).resolve().parent.parent / "tests" / "data" / "manifests"
SAFETENSORS_DTYPE = {"f16": "F16", "bf16": "BF16", "f32": "F32"}
TORCH_STORAGE = {"f16": "HalfStorage", "bf16": "BFloat16Storage", "f32": "FloatStorage"}

Manifest = dict[str, Any]
Entry = dict[str, Any]


class Tensor(NamedTuple):
    """A tensor's shape and its little-endian bytes."""

    shape: tuple[int, ...]
    data: bytes


# ---------------------------------------------------------------- numbers


def draw(seed: str, key: str, shape: Sequence[int]) -> np.ndarray:
    """Standard normal float32 numbers that depend on seed and key only."""
    number = int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:8], "little")
    generator = np.random.Generator(np.random.PCG64(number))
    return generator.standard_normal(math.prod(shape), dtype=np.float32).reshape(shape)


class Gains:
    """A manifest's rules by which standard normal numbers become weights of a sensible size."""

    def __init__(self, rules: Sequence[dict[str, Any]]) -> None:
        compiled = [(re.compile(rule["match"]), rule) for rule in rules]
        self.scales = [(regex, rule) for regex, rule in compiled if "rows" not in rule]
        self.rows = [(regex, rule) for regex, rule in compiled if "rows" in rule]

    def apply(self, key: str, shape: Sequence[int], numbers: np.ndarray) -> np.ndarray:
        """Weights of tensor `key`; ValueError if no rule fits."""
        for regex, rule in self.scales:
            if len(shape) in rule.get("ndim", [len(shape)]) and regex.search(key):
                break
        else:
            raise ValueError(f"no gain rule for {key}")
        deviation = rule["std"] if "std" in rule else rule["gain"] / math.sqrt(math.prod(shape[1:]) or 1)
        weights = np.float32(rule.get("mean", 0.0)) + np.float32(deviation) * numbers
        for regex, rule in self.rows:
            if regex.search(key):
                weights[slice(*rule["rows"])] = rule["value"]
        return weights


def encode(weights: np.ndarray, dtype: str) -> bytes:
    """Little-endian bytes of the weights as f32, f16 or bf16 (rounded to nearest even)."""
    weights = np.ascontiguousarray(weights, dtype=np.float32)
    if dtype == "f32":
        return weights.astype("<f4").tobytes()
    if dtype == "f16":
        return weights.astype("<f2").tobytes()
    bits = weights.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def shape_table(manifest: Manifest, name: str | dict[str, Any]) -> dict[str, list[int]]:
    """Names and shapes of a table, with what it takes over from its base."""
    table = manifest["shapes"][name] if isinstance(name, str) else name
    if not isinstance(table.get("base"), str):
        return dict(table)
    merged = shape_table(manifest, table["base"]) | table.get("set", {})
    return {key: shape for key, shape in merged.items() if key not in table.get("remove", [])}


def make_tensors(manifest: Manifest, entry: Entry) -> dict[str, Tensor]:
    """All tensors of one file, in the table's order."""
    gains = Gains(manifest["gains"][entry["gains"]])
    constants = [(re.compile(pattern), value) for pattern, value in entry.get("constants", {}).items()]
    drop = re.compile(entry["drop"]) if entry.get("drop") else None
    made = {}
    for key, shape in shape_table(manifest, entry["shapes"]).items():
        if drop and drop.search(key):
            continue
        constant = next((value for regex, value in constants if regex.search(key)), None)
        if constant is not None:
            weights = np.full(shape, constant, dtype=np.float32)
        else:
            weights = gains.apply(key, shape, draw(entry["seed"], key, shape))
        made[key] = Tensor(tuple(shape), encode(weights, entry["dtype"]))
    return made


# ---------------------------------------------------------------- containers


def safetensors_bytes(tensors: dict[str, Tensor], dtype: str, metadata: dict[str, str] | None = None) -> bytes:
    """A whole .safetensors file, tensors and metadata in the order of their names."""
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    offset = 0
    for key in sorted(tensors):
        shape, data = tensors[key]
        header[key] = {"dtype": SAFETENSORS_DTYPE[dtype], "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensors[key].data for key in sorted(tensors))


class TorchFile:
    """Writes the zip format of torch.save for plain values and tensors, without torch."""

    def __init__(self, dtype: str) -> None:
        self.dtype, self.out, self.storages = dtype, io.BytesIO(), list[bytes]()

    def dump(self, value: object) -> bytes:
        """The bytes of a file that torch.load reads as `value`."""
        self.out.write(b"\x80\x02")
        self._put(value)
        self.out.write(b".")
        members = {"data.pkl": self.out.getvalue()} | {f"data/{i}": data for i, data in enumerate(self.storages)} | {"version": b"3\n"}
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo("archive/" + name, (1980, 1, 1, 0, 0, 0)), data)
        return file.getvalue()

    def _put(self, value: object) -> None:
        write = self.out.write
        if value is None:
            write(b"N")
        elif isinstance(value, bool):
            write(b"\x88" if value else b"\x89")
        elif isinstance(value, int):
            write(b"J" + struct.pack("<i", value))
        elif isinstance(value, float):
            write(b"G" + struct.pack(">d", value))
        elif isinstance(value, str):
            text = value.encode()
            write(b"X" + struct.pack("<I", len(text)) + text)
        elif isinstance(value, Tensor):
            self._put_tensor(value)
        elif isinstance(value, list):
            self._put_all(b"](", value, b"e")
        elif isinstance(value, tuple):
            self._put_all(b"(", value, b"t")
        elif isinstance(value, dict):
            self._put_all(b"}(", (part for pair in value.items() for part in pair), b"u")
        else:
            raise TypeError(type(value))

    def _put_all(self, opening: bytes, values: Sequence[object] | Iterator[object], closing: bytes) -> None:
        self.out.write(opening)
        for value in values:
            self._put(value)
        self.out.write(closing)

    def _put_tensor(self, tensor: Tensor) -> None:
        strides = tuple(math.prod(tensor.shape[i + 1 :]) for i in range(len(tensor.shape)))
        write = self.out.write
        write(b"ctorch._utils\n_rebuild_tensor_v2\n((")
        self._put("storage")
        write(b"ctorch\n" + TORCH_STORAGE[self.dtype].encode() + b"\n")
        self._put(str(len(self.storages)))
        self._put("cpu")
        self._put(math.prod(tensor.shape))
        write(b"tQ")  # the tuple is a persistent id: torch finds the storage by it
        self._put(0)
        self._put(tuple(tensor.shape))
        self._put(strides)
        write(b"\x89ccollections\nOrderedDict\n)RtR")
        self.storages.append(tensor.data)


def hypernetwork(tensors: dict[str, Tensor], entry: Entry) -> dict[Any, Any]:
    """What a hypernetwork's file holds: by width the networks of keys and of values, and how they were made."""
    networks: dict[Any, Any] = {}
    for key, tensor in tensors.items():  # "64.0.linear.0.weight"
        width, which, rest = key.split(".", 2)
        networks.setdefault(int(width), ({}, {}))[int(which)][rest] = tensor
    stated = {key: entry[key] for key in ("step", "name", "layer_structure", "activation_func", "is_layer_norm")}
    usual = {"weight_initialization": "Normal", "use_dropout": False, "activate_output": False, "last_layer_dropout": False}
    absent = dict.fromkeys(("dropout_structure", "optional_info", "sd_checkpoint", "sd_checkpoint_name"))
    return {**networks, **stated, **usual, **absent}


def pickled(tensors: dict[str, Tensor], entry: Entry) -> object:
    """The value that torch.save would have been given for this layout."""
    match entry["layout"]:
        case "flat":
            return tensors
        case "state_dict":
            return {**entry.get("extra", {}), "state_dict": tensors}
        case "embedding":
            what = {"string_to_token": {"*": 265}, "string_to_param": {"*": tensors["*"]}, "name": entry["name"], "step": entry["step"]}
            return {**what, "sd_checkpoint": None, "sd_checkpoint_name": None}
        case "hypernetwork":
            return hypernetwork(tensors, entry)
        case other:
            raise ValueError(f"no layout {other!r}")


def file_bytes(manifest: Manifest, entry: Entry) -> bytes:
    """One whole model file."""
    tensors = make_tensors(manifest, entry)
    if entry["container"] == "safetensors":
        return safetensors_bytes(tensors, entry["dtype"], entry.get("metadata"))
    return TorchFile(entry["dtype"]).dump(pickled(tensors, entry))


# ---------------------------------------------------------------- files


class Made(NamedTuple):
    """One model file on disk."""

    path: Path
    sha256: str
    expected: str
    written: bool


def load_manifests() -> dict[str, Manifest]:
    """All manifests by name: sd1, sd2, sdxl."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(MANIFESTS.glob("*.json"))}


def write_whole(target: Path, data: bytes) -> None:
    """Writes a file so that nobody, not even a second run at the same time, sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, suffix=".part", delete=False) as partial:
        partial.write(data)
    Path(partial.name).chmod(0o644)
    Path(partial.name).replace(target)


def make_models(data_dir: Path, only: Collection[str] = (), force: bool = False) -> Iterator[Made]:
    """Writes the files whose manifest or file name is in `only` (empty: all), skipping those that are there already."""
    for name, manifest in load_manifests().items():
        for entry in manifest["files"]:
            target = data_dir / entry["path"]
            if only and not {name, target.stem, target.name, target.name.partition(".")[0]} & set(only):
                continue
            expected = entry["sha256"]
            there = not force and target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() == expected
            if not there:
                data = file_bytes(manifest, entry)
                write_whole(target, data)
            beside = str(Path(entry["path"]).with_suffix(".yaml"))
            if beside in manifest.get("yaml", {}) and entry["kind"] == "checkpoint":
                write_whole(data_dir / beside, (MANIFESTS / manifest["yaml"][beside]).read_bytes())
            yield Made(target, expected if there else hashlib.sha256(data).hexdigest(), expected, not there)
        if not only or name in only:
            for destination, source in manifest.get("copy", {}).items():
                write_whole(data_dir / destination, (MANIFESTS / source).read_bytes())


def known_names() -> set[str]:
    """All names that `--only` takes."""
    names = set(load_manifests())
    for manifest in load_manifests().values():
        for entry in manifest["files"]:
            path = Path(entry["path"])
            names |= {path.stem, path.name, path.name.partition(".")[0]}
    return names


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 0 if every file is as its manifest says, 1 if not, 2 for a name that is not known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data-dir", required=True, type=Path)
    parser.add_argument("--only", default="", help="manifests (sd1, sd2, sdxl) or files (tiny-a), comma separated; default: all")
    parser.add_argument("--list", action="store_true", help="print path, size and sha256 of each file")
    parser.add_argument("--force", action="store_true", help="write again even where the right file is there")
    args = parser.parse_args(argv)
    only = {name for name in args.only.split(",") if name}
    if unknown := only - known_names():
        parser.error(f"no manifest and no file called {', '.join(sorted(unknown))}")
    count = differing = 0
    for made in make_models(args.data_dir, only, args.force):
        count += 1
        if made.sha256 != made.expected:
            differing += 1
            print(f"{made.path}: sha256 is {made.sha256}, the manifest says {made.expected}", file=sys.stderr)
        if args.list:
            print(f"{made.path}\t{made.path.stat().st_size}\t{made.sha256}\t{'written' if made.written else 'there'}")
    print(f"{count} files in {args.data_dir}, " + (f"{differing} with another sha256" if differing else "all as in the manifests"))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
