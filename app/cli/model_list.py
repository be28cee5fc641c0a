"""`webui.py models list|info`: what model files there are, and what is known of each."""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import get_args

from app.cli.flags import server_settings
from app.models import Catalog
from app.models.folders import KINDS
from app.models.library import Card, Library, Order, Search, hashes_of, read_about
from app.schema.errors import UnknownName

_ALL = 2**31


def list_flags(command: argparse.ArgumentParser) -> None:
    """The flags of `list`."""
    command.add_argument("words", nargs="*", metavar="WORD", help="Words of name, folder, trigger words and tags; all of them.")
    command.add_argument("--kind", choices=KINDS, action="append", default=[], help="Only this kind; may be given again.")
    command.add_argument("--family", action="append", default=[], help="Only this family (SD1, SD2, SDXL ...); may be given again.")
    command.add_argument("--folder", default="", help="Only this sub-folder, with those in it.")
    command.add_argument("--favourites", action="store_true", help="Only favourites.")
    command.add_argument("--sort", choices=get_args(Order), default="name", help="Default: %(default)s.")
    command.add_argument("--descending", action="store_true", help="The other way round.")


def info_flags(command: argparse.ArgumentParser) -> None:
    """The flags of `info`."""
    command.add_argument("names", nargs="+", metavar="NAME", help="A file's name, with or without ending and folder, or its second name.")
    command.add_argument("--kind", choices=KINDS, action="append", default=[], help="Only this kind; may be given again.")
    command.add_argument("--hashes", action="store_true", help="Also the hashes that Civitai has of files, which reads them whole.")


def list_models(options: argparse.Namespace) -> int:
    """Prints a line for each file, or JSON."""
    with _library(options.data_dir) as library:
        search = Search(
            text=" ".join(options.words), kinds=frozenset(options.kind), families=frozenset(options.family),
            folder=options.folder.strip("/"), favourites=options.favourites, order=options.sort, descending=options.descending,
        )  # fmt: skip
        cards = library.find(search, limit=_ALL).cards
    if options.json:
        _print_json([_short(card) for card in cards])
        return 0
    rows = [("KIND", "FAMILY", "NUMBERS", "SIZE", "FILE"), *map(_row, cards)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4])))
    return 0


def describe_models(options: argparse.Namespace) -> int:
    """Prints what is known of each file, or JSON; UnknownName where a name is nobody's."""
    with _library(options.data_dir) as library:
        cards = [card for name in options.names for card in _named(library, name, options.kind)]
    told = [_long(card, hashes=options.hashes) for card in cards]
    if options.json:
        _print_json(told)
        return 0
    for number, each in enumerate(told):
        print("\n" * bool(number) + "\n".join(_lines(each)))
    return 0


@contextmanager
def _library(data_dir: str | None) -> Iterator[Library]:
    """The library of the data folder, with everything read."""
    settings = server_settings(["--data-dir", data_dir] if data_dir else [])
    catalog = Catalog(settings)
    library = Library(catalog, settings.data_dir / "models.sqlite3")
    try:
        library.read()
        yield library
    finally:
        library.close()
        catalog.close()


def _named(library: Library, name: str, kinds: Sequence[str]) -> list[Card]:
    """All files of that name: those that are called so exactly go before second names."""
    every = [card for card in library.find(Search(), limit=_ALL).cards if not kinds or card.file.kind in kinds]
    exact = [card for card in every if name in (card.file.filename, card.file.path.name, card.file.name, str(card.file.path))]
    found = exact or [card for card in every if name == card.details.alias]
    if not found:
        raise UnknownName("model file", name, [card.file.filename for card in every])
    return found


def _row(card: Card) -> tuple[str, ...]:
    told = f"{card.file.filename}{' *' if card.mark.favourite else ''}{f'  ({card.problem})' if card.problem else ''}"
    return card.file.kind, card.family or "-", card.details.precision or "-", _size(card.file.size_bytes), told


def _short(card: Card) -> dict[str, object]:
    """A file for `list --json`."""
    return {
        "kind": card.file.kind,
        "name": card.file.name,
        "filename": card.file.filename,
        "path": str(card.file.path),
        "family": card.family or None,
        "form": card.details.form or None,
        "precision": card.details.precision or None,
        "size_bytes": card.file.size_bytes,
        "modified": datetime.fromtimestamp(card.file.mtime_ns / 1e9).astimezone().isoformat(timespec="seconds"),
        "sha256": card.file.sha256,
        "problem": card.problem,
        "favourite": card.mark.favourite,
    }


def _long(card: Card, *, hashes: bool) -> dict[str, object]:
    """A file for `info`: everything that is known, by names for people where it is for people."""
    about, said = asdict(read_about(card.file)), asdict(card.said)
    lines = {name: dict(about.pop(name)) for name in ("spec", "training", "other", "tags")}
    named = {"alias": card.details.alias, "base_model": card.base_model, "page": card.civitai.page}
    told = {**_short(card), **named, "trigger_words": list(card.trigger_words), "remarks": list(card.remarks), **about, **said, **lines}
    if hashes and card.file.path.is_file():
        told["hashes"] = asdict(hashes_of(card.file.path))
    return told


def _lines(told: Mapping[str, object]) -> Iterable[str]:
    """What is known, a line each; what is not known is left out."""
    for name, value in told.items():
        title = name.removesuffix("_bytes").removesuffix("_px").replace("_", " ")
        if isinstance(value, dict):
            shown = [(key, each) for key, each in value.items() if each is not None]
            if shown:
                yield f"{title}:"
                yield from (f"  {key}: {each}" for key, each in shown)
        elif isinstance(value, list):
            if value:
                yield f"{title}: {', '.join(map(str, value))}"
        elif name == "size_bytes" and isinstance(value, int):
            yield f"{title}: {_size(value)}"
        elif value not in (None, "", False):
            yield f"{title}: {value}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))
