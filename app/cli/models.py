"""`webui.py models list|info|verify|trash|convert|merge`: model files looked at, kept in order, and made from others."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from app.cli.flags import server_settings
from app.cli.model_keep import keep_flags, keep_model, progress_line
from app.cli.model_list import describe_models, info_flags, list_flags, list_models
from app.models import Catalog
from app.models.diffusers_folder import is_diffusers_folder
from app.models.folders import roots
from app.schema.errors import InvalidParams, UnknownName

PROGRAM = "webui.py models"
EXAMPLES = """examples:
  webui.py models list --kind lora --family SDXL --sort date --descending
  webui.py models info some-lora --hashes
  webui.py models convert some.ckpt some-fp16.safetensors --numbers fp16
  webui.py models convert models/Stable-diffusion/some-diffusers-folder some.safetensors
  webui.py models merge one.safetensors two.safetensors mixed --multiplier 0.4
  webui.py models merge inpainting own base own-inpainting --method "Add difference" --multiplier 1
  webui.py models merge one one-with-style --method "No interpolation" --lora style:0.8
  webui.py models verify some.safetensors
  webui.py models trash style.safetensors --kind lora
"""

_APART: Mapping[str, Callable[[argparse.Namespace], int]] = MappingProxyType(
    {"list": list_models, "info": describe_models, "verify": keep_model, "trash": keep_model}
)
"""Those that make no new file."""


def models(arguments: Sequence[str]) -> int:
    """Runs one of the commands; DarkroomError where it cannot be done."""
    parser = argparse.ArgumentParser(
        PROGRAM, description="Look at model files, keep them in order, and make some from others.", epilog=EXAMPLES, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True, metavar="list|info|verify|trash|convert|merge")
    for name, fill, about in (
        ("list", list_flags, "model files of all kinds, searched, filtered and sorted"),
        ("info", info_flags, "what is known of a model file: family, notes, training, hashes"),
        ("verify", keep_flags, "read a file whole and compare its hashes with what is said of it"),
        ("trash", keep_flags, "put a file, and what belongs to it, into the trash of its folder"),
    ):
        command = commands.add_parser(name, help=about, description=about[:1].upper() + about[1:] + ".", allow_abbrev=False)
        fill(command)
        if name in ("list", "info"):
            command.add_argument("--json", action="store_true", help="JSON for programs.")
        command.add_argument("--data-dir", metavar="DIR", help="Where models/ lies.")
    for name, fill, about in (
        ("convert", _convert_flags, "another file of the same checkpoint: safetensors, a number format, pruned, with another VAE"),
        ("merge", _merge_flags, "mix checkpoints: weighted sum, added difference, a weight for each block"),
    ):
        command = commands.add_parser(name, help=about, description=about[:1].upper() + about[1:] + ".", allow_abbrev=False)
        fill(command)
        formats = ("fp32", "fp16", "bf16", "fp8")
        command.add_argument("--numbers", choices=formats, help="Number format of the result (default: the first file's).")
        command.add_argument("--vae", metavar="FILE", help="A VAE that takes the place of the checkpoint's own.")
        command.add_argument("--replace", action="store_true", help="Replace the result where it is there already.")
        command.add_argument("--data-dir", metavar="DIR", help="Where models/ lies, in which bare names are looked up.")
    options = parser.parse_args(arguments)
    if options.command in _APART:
        return _APART[options.command](options)
    files = _Files(options.data_dir)
    try:
        return _convert(options, files) if options.command == "convert" else _merge(options, files)
    finally:
        files.close()


def _convert_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", help="A checkpoint: a file, a diffusers folder, or a name in models/.")
    command.add_argument("target", help="The new file; a bare name goes into models/Stable-diffusion.")
    averaged = ("drop", "keep", "use")
    command.add_argument("--ema", choices=averaged, default="drop", help="Averaged weights, where the file has them (default: drop).")


def _merge_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("files", nargs="+", metavar="FILE", help="Up to three checkpoints, then the new file.")
    methods = ("Weighted sum", "Add difference", "No interpolation")
    command.add_argument("--method", choices=methods, default="Weighted sum", help="A*(1-M)+B*M; A+(B-C)*M; A (default: %(default)s).")
    command.add_argument("--multiplier", type=float, default=0.3, metavar="M", help="Default: %(default)s.")
    command.add_argument("--blocks", default="", metavar="LIST", help="25 (SD1, SD2) or 19 (SDXL) weights between commas.")
    command.add_argument("--lora", action="append", default=[], metavar="FILE[:WEIGHT]", help="A LoRA that goes in; may be given again.")
    command.add_argument("--discard", default="", metavar="PATTERN", help="Leave out tensors whose names this regular expression finds.")


class _Files:
    """From what was typed to files: a path, else a name in the model folders."""

    def __init__(self, data_dir: str | None) -> None:
        self._settings = server_settings(["--data-dir", data_dir] if data_dir else [])
        self._catalog: Catalog | None = None

    def find(self, typed: str, kind: Literal["checkpoint", "vae", "lora"] = "checkpoint") -> Path:
        """The file. UnknownName where there is none."""
        path = Path(typed)
        if path.is_file() or (kind == "checkpoint" and is_diffusers_folder(path)):
            return path
        if self._catalog is None:
            self._catalog = Catalog(self._settings)
            self._catalog.refresh()
        if kind == "checkpoint":
            return self._catalog.find(typed).path
        files = self._catalog.of_kind(kind)
        found = next((file.path for file in files if typed in (file.name, file.filename, file.path.name)), None)
        if found is None:
            raise UnknownName({"vae": "VAE", "lora": "LoRA"}[kind], typed, [file.filename for file in files])
        return found

    def lora(self, typed: str) -> tuple[Path, float]:
        """`FILE` or `FILE:WEIGHT`: the file and how strong it goes in. InvalidParams for a weight that is no number."""
        name, colon, weight = typed.rpartition(":")
        if not colon or os.sep in weight:  # a colon may belong to a path
            return self.find(typed, "lora"), 1.0
        try:
            strength = float(weight)
        except ValueError:
            raise InvalidParams(f"{weight!r} is no weight for the LoRA {name}: write {name}:0.8, say.") from None
        if not -10 <= strength <= 10:
            raise InvalidParams("Weights lie between -10 and 10.")
        return self.find(name, "lora"), strength

    def target(self, typed: str) -> Path:
        """Where a result goes."""
        name = typed if typed.endswith(".safetensors") else f"{typed}.safetensors"
        if Path(name).name != name:
            return Path(name)
        return next(root.folder for root in roots(self._settings) if root.kind == "checkpoint") / name

    def close(self) -> None:
        """Ends the catalogue's work."""
        if self._catalog is not None:
            self._catalog.close()


def _convert(options: argparse.Namespace, files: _Files) -> int:
    from app.conversion import Conversion, convert

    target = files.target(options.target)
    convert(
        Conversion(
            source=files.find(options.source), target=target, numbers=options.numbers, averaged=options.ema,
            vae=files.find(options.vae, "vae") if options.vae else None, replace=options.replace,
        ),
        progress_line(),
    )  # fmt: skip
    return _said(target)


def _merge(options: argparse.Namespace, files: _Files) -> int:
    from app.conversion import AddedLora, Merge, merge, parse_weights

    *sources, target_name = options.files
    if not 1 <= len(sources) <= 3:
        raise InvalidParams("Name two or three checkpoints and then the new file.")
    first, second, third = [files.find(name) for name in sources] + [None] * (3 - len(sources))
    assert first is not None
    target = files.target(target_name)
    merge(
        Merge(
            primary=first, secondary=second, tertiary=third, target=target, method=options.method,
            weights=parse_weights(options.multiplier, options.blocks), numbers=options.numbers,
            vae=files.find(options.vae, "vae") if options.vae else None, discard=options.discard, replace=options.replace,
            loras=tuple(AddedLora(*files.lora(typed)) for typed in options.lora),
        ),
        progress_line(),
    )  # fmt: skip
    return _said(target)


def _said(target: Path) -> int:
    print(f"{target} ({target.stat().st_size / 1e6:.1f} MB)")
    return 0
