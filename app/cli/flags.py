"""Flags, DARKROOM_* variables and darkroom.toml become one `ServerSettings`; nothing else reads them."""

import argparse
import os
import shlex
import sys
import tomllib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from app import __version__
from app.schema.errors import InvalidParams
from app.schema.settings import ServerSettings

ROOT = Path(__file__).parent.parent.parent
"""The folder of webui.py: the data folder where no other is given."""

NO_EFFECT = frozenset(
    {
        "--api",
        "--xformers",
        "--opt-sdp-attention",
        "--opt-sdp-no-mem-attention",
        "--opt-split-attention",
        "--opt-channelslast",
        "--no-half-vae",
        "--skip-torch-cuda-test",
        "--skip-python-version-check",
        "--no-hashing",
        "--no-download-sd-model",
        "--disable-safe-unpickle",
        "--disable-nan-check",
        "--enable-insecure-extension-access",
        "--update-check",
        "--upcast-sampling",
    }
)
"""A1111's flags that are accepted without a word because here they change nothing: what they ask for is so already, or cannot be."""

EPILOG = """commands:
  webui.py                 serve the page (default)
  webui.py test            run the test suite
  webui.py info FILE       print what a picture says of how it was made
  webui.py txt2img ...     make pictures without a server (txt2img --help)
  webui.py img2img ...     the same from a picture

flags of webui.py itself:
  --torch-index URL        where torch comes from (also DARKROOM_TORCH_INDEX)
  --skip-install           run in this Python as it is (also DARKROOM_SKIP_INSTALL=1)
  --reinstall              make .venv anew

Every flag is also a variable (DARKROOM_PORT=3001) and a key of darkroom.toml in the data folder (port = 3001); a flag beats a
variable, a variable beats the file. COMMANDLINE_ARGS is read as A1111 does."""


def server_settings(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> ServerSettings:
    """Settings of a server. InvalidParams names a wrong value; flags of A1111 that do not exist here are warned of."""
    given = [*shlex.split(environ.get("COMMANDLINE_ARGS", "")), *arguments]
    flags, unknown = server_parser().parse_known_args(given)
    for flag in (f for f in unknown if f.startswith("-") and f not in NO_EFFECT):
        print(f"darkroom: {flag} is not known here and has no effect.", file=sys.stderr)
    values = vars(flags)
    precision = values.pop("precision", None)
    if precision in ("full", "half"):
        values.setdefault("dtype", "fp32" if precision == "full" else "fp16")
    return settings_from(values, environ)


def settings_from(flags: Mapping[str, Any], environ: Mapping[str, str]) -> ServerSettings:
    """Flags over variables over darkroom.toml over defaults."""
    variables = {name: environ[key] for name in ServerSettings.model_fields if (key := f"DARKROOM_{name.upper()}") in environ}
    data_dir = Path(flags.get("data_dir") or variables.get("data_dir") or ROOT)
    values = {"embedded_dir": ROOT / "models" / "Stable-diffusion", **_from_file(data_dir / "darkroom.toml"), **variables, **flags}
    try:
        return ServerSettings.model_validate({**values, "data_dir": data_dir.absolute()})
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "string_pattern_mismatch":  # the description has examples, the message a regular expression
            first["msg"] = str(ServerSettings.model_fields[str(first["loc"][0])].description).rstrip(".")
        raise InvalidParams(f"{'.'.join(map(str, first['loc']))}: {first['msg']} (given: {str(first.get('input'))[:60]!r}).") from error


def _from_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidParams(f"{path.name} cannot be read: {error}.") from error
    unknown = sorted(set(values) - set(ServerSettings.model_fields))
    if unknown:
        raise InvalidParams(f"{path.name}: there is no setting {unknown[0]!r}.")
    return values


def server_parser() -> argparse.ArgumentParser:
    """One flag a field of ServerSettings, under A1111's names; what is not given stays out of the result."""
    parser = argparse.ArgumentParser(
        "webui.py",
        description="Darkroom: a web UI server for Stable Diffusion.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"Darkroom {__version__}")
    add_settings_flags(parser, [name for name in ServerSettings.model_fields if name != "embedded_dir"])
    parser.add_argument("--no-half", dest="dtype", action="store_const", const="fp32", help="The same as --dtype fp32.")
    parser.add_argument("--use-cpu", dest="device", nargs="?", const="cpu", type=lambda _: "cpu", help="The same as --device cpu.")
    parser.add_argument("--precision", dest="precision", choices=["full", "autocast", "half"], help=argparse.SUPPRESS)
    return parser


def add_settings_flags(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Adds a flag for each of these fields."""
    for name in names:
        field = ServerSettings.model_fields[name]
        flag, text = "--" + name.replace("_", "-"), (field.description or "").replace("%", "%%")
        if field.annotation is bool:
            parser.add_argument(flag, action="store_true", help=text)
        else:
            parser.add_argument(flag, metavar=_metavar(name, field.annotation), help=text)


def _metavar(name: str, annotation: Any) -> str:
    """What stands for the value in --help: the choices, or the last word of the name."""
    options = get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    choices = next((get_args(option) for option in options if get_origin(option) is Literal), ())
    return "{" + ",".join(choices) + "}" if choices else name.rsplit("_", 1)[-1].upper()
