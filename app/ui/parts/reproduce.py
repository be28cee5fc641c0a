"""Makes a picture again from what it says of itself, alone in its forwards so that it can be held against the first one."""

from collections.abc import Mapping
from typing import Any

from app.schema.errors import DarkroomError, InvalidParams
from app.schema.params import make_params
from app.ui.parts.fill import fill_from_infotext
from app.ui.parts.services import PageParts
from app.ui.parts.submit import Answer


def reproduce(parts: PageParts, asked: Mapping[str, Any], *, client: str, user: str = "") -> Answer:
    """Queues the job; the answer's error says why there is none. `asked` has the infotext, fields to leave out, and our own chunk."""
    leave = [str(name) for name in asked.get("leave", ())]
    filling = fill_from_infotext(str(asked.get("text", "")), parts.catalog, leave=leave, chunk=str(asked.get("chunk", "")))
    options = parts.options.view()
    try:
        if not filling.is_whole:
            raise InvalidParams("The picture tells no settings to make it again with.")
        checkpoint = {"checkpoint": filling.checkpoint.filename} if filling.checkpoint else {}
        alone = {"mode": "txt2img", "exact": True, "batch_size": 1, "n_iter": 1, "init_images": (), "mask": "", "latent_mask": ""}
        # Without a second pass the strength belongs to a picture to start from, which is not in the file.
        values = {name: value for name, value in filling.values.items() if name != "denoising_strength" or filling.values.get("enable_hr")}
        params = make_params(**options.apply_to({**values, **checkpoint, **alone}))
        return Answer(job=parts.jobs.submit(params, client=client, user=user, options=options), warnings=filling.warnings)
    except DarkroomError as error:
        return Answer(error=str(error))
