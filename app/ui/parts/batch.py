"""img2img over many pictures: one job each, with the page's fields and, where it is asked for, settings that a picture tells."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from app.schema.errors import DarkroomError, InvalidParams
from app.ui.parts.fill import Filling, fill_from_infotext
from app.ui.parts.services import PageParts
from app.ui.parts.submit import Answer, Asked, check_starts, page_params

MOST_PICTURES = 1000
"""In one batch: each is a job of its own, and waits in the line."""
TAKEN: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt",),
    "negative_prompt": ("negative_prompt",),
    "seed": ("seed",),
    "cfg_scale": ("cfg_scale",),
    "sampler": ("sampler", "scheduler"),
    "steps": ("steps",),
    "checkpoint": ("checkpoint",),
}
"""What may be taken from a picture (static/js/batch.js) to the fields that are then set."""


def submit_batch(parts: PageParts, asked: Asked, told: Mapping[str, Any], *, client: str, user: str = "") -> Answer:
    """Queues a job for each picture of `told["batch"]` once all are known to be sound; the answer's job is the first of them.

    Where the server refuses a later one all the same (a full disk), the answer has the first job and the error says how many there are.
    """
    options = parts.options.view()
    entries = [entry for entry in told["batch"] if isinstance(entry, dict)]
    wanted = told.get("take")
    taken = {name for name in TAKEN if isinstance(wanted, list) and name in wanted}
    try:
        if not entries:
            raise InvalidParams("The batch has no pictures: choose a folder or some files first.")
        if len(entries) > MOST_PICTURES:
            raise InvalidParams(f"A batch has at most {MOST_PICTURES} pictures; this one has {len(entries)}.")
        starts = [_of_one(parts, asked, entry, taken) for entry in entries]
        for one in starts:
            check_starts(parts, one, client=client)
        jobs = [parts.jobs.prepared(page_params(parts, one, options)) for one in starts]
    except DarkroomError as error:
        return Answer(error=str(error))
    queued: list[str] = []
    try:
        for params in jobs:
            queued.append(parts.jobs.submit(params, client=client, user=user, options=options, script=asked.script))
    except DarkroomError as error:
        if not queued:
            return Answer(error=str(error))
        return Answer(job=queued[0], error=f"{error} {len(queued)} of the {len(jobs)} pictures are in the queue; the others are not.")
    return Answer(job=queued[0], notes=(f"{len(jobs)} pictures are in the queue." if len(jobs) > 1 else "The picture is in the queue.",))


def _of_one(parts: PageParts, asked: Asked, entry: Mapping[str, Any], taken: Collection[str]) -> Asked:
    values = dict(asked.values)
    if taken:
        filling = fill_from_infotext(str(entry.get("infotext") or ""), parts.catalog, chunk=str(entry.get("chunk") or ""))
        values |= _taken_values(filling, values, taken)
    if not entry.get("id"):
        raise InvalidParams("A picture of the batch has not been stored; choose the pictures again.")
    return replace(asked, values=values, images=(str(entry["id"]),), mask=str(entry.get("mask") or ""))


def _taken_values(filling: Filling, values: Mapping[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """What a picture tells of those; its prompts stand before the fields' own, as in A1111's batch."""
    told = {**filling.values, **({"checkpoint": filling.checkpoint.filename} if filling.checkpoint else {})}
    found = {name: told[name] for what in taken for name in TAKEN[what] if told.get(name) is not None}
    for name in ("prompt", "negative_prompt"):
        if name in found:
            found[name] = " ".join(part for part in (str(found[name]), str(values.get(name) or "").strip()) if part)
    return found
