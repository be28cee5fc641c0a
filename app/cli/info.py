"""`webui.py info FILE`: what a picture says of how it was made."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from app.metadata import params_from_infotext, parse_infotext, read_picture
from app.schema.errors import DarkroomError


def info(arguments: Sequence[str]) -> int:
    """Prints each file's infotext, or JSON with everything that was read; 1 if one could not be read."""
    parser = argparse.ArgumentParser("webui.py info", description="Print what pictures say of how they were made.", allow_abbrev=False)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="Everything that was read, as JSON (one object, or a list for several files).")
    options = parser.parse_args(arguments)
    results, failed = [], False
    for path in options.files:
        try:
            results.append(_read(path))
        except DarkroomError as error:
            failed = True
            print(f"{path}: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps(results[0] if len(options.files) == 1 and results else results, ensure_ascii=False, indent=2))
    else:
        for result in results:
            heading = f"{result['file']}:\n" if len(options.files) > 1 else ""
            print(f"{heading}{result['infotext'] or '(no settings in this picture)'}")
    return 1 if failed else 0


def _read(path: Path) -> dict[str, object]:
    record = read_picture(path)
    restored = params_from_infotext(record.infotext) if record.infotext else None
    return {
        "file": str(path),
        "format": record.format,
        "width": record.width,
        "height": record.height,
        "dialect": record.recipe.dialect if record.recipe else None,
        "infotext": record.infotext,
        "raw": record.recipe.raw if record.recipe else "",
        "parameters": parse_infotext(record.infotext) if record.infotext else {},
        "params": restored.values if restored else {},
        "model_name": restored.model_name if restored else None,
        "model_hash": restored.model_hash if restored else None,
        "extras": restored.extras if restored else {},
        "warnings": [*(record.recipe.warnings if record.recipe else ()), *(restored.warnings if restored else ())],
        "items": record.items,
    }
