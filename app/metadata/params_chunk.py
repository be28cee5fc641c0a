"""The PNG chunk `darkroom`: a picture's complete settings as JSON, for the few that an infotext has no words for."""

import json

from pydantic import ValidationError

from app.metadata.fields import VERSION_TEXT
from app.schema.params import GenerationParams

KEYWORD = "darkroom"
CHUNK_VERSION = 1
"""Grows when the meaning of what is there changes; fields that are added do not count."""
MAX_CHARS = 1_000_000
NO_PICTURE = "0" * 64
"""In the place of a start picture's id, which would let whoever gets the file ask the server for that picture."""


def params_chunk(params: GenerationParams, *, seed: int, index: int, model_name: str, model_sha256: str) -> str:
    """JSON of all settings of picture `index` of a job but its start pictures; ASCII, so that every reader of PNG texts gets it right."""
    return json.dumps(
        {
            "version": CHUNK_VERSION,
            "program": VERSION_TEXT,
            "seed": seed,
            "index": index,
            "model": {"name": model_name, "sha256": model_sha256},
            "params": params.model_dump(mode="json", exclude_defaults=True) | {"mode": params.mode} | _nameless(params),
        }
    )


def params_of_chunk(text: str) -> GenerationParams | None:
    """Settings that make this one picture alone, from a start picture that is not named; None for a text that is no such chunk or comes
    from a newer version of it.
    """
    if len(text) > MAX_CHARS:
        return None
    try:
        chunk = json.loads(text)
        if not isinstance(chunk, dict) or chunk.get("version") != CHUNK_VERSION or not isinstance(chunk.get("params"), dict):
            return None
        params = GenerationParams.model_validate(chunk["params"])
        index = int(chunk["index"])
        subseed = params.subseed + index if params.subseed >= 0 else params.subseed
        alone = {"seed": int(chunk["seed"]), "subseed": subseed, "batch_size": 1, "n_iter": 1} | _nameless(params)
        return GenerationParams.model_validate(params.model_dump() | alone)
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
        return None


def _nameless(params: GenerationParams) -> dict[str, object]:
    """The fields that name stored pictures, with nothing that opens one: img2img stays img2img, and what has a mask keeps one."""
    mask = NO_PICTURE if params.mask else ""
    return {"init_images": (NO_PICTURE,) if params.init_images else (), "mask": mask, "latent_mask": "", "colour_source": ""}
