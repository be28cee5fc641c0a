"""From the page's fields to a job: styles merged, values checked once by the schema, the job's id at once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.jobs import OptionsView
from app.prompt import strip_comments
from app.schema.errors import DarkroomError, InvalidParams
from app.schema.params import GenerationParams, Mode, make_params
from app.schema.scripts import ScriptCall
from app.ui.parts.fields import SEEDS, title_of
from app.ui.parts.folded import CHECKPOINTS
from app.ui.parts.overrides import read_overrides
from app.ui.parts.services import PageParts

WHOLE_NUMBERS = frozenset(name for name, info in GenerationParams.model_fields.items() if info.annotation is int)


@dataclass(frozen=True)
class Answer:
    """What a handler tells the page's scripts."""

    job: str | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For a component that carries it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a press of Generate sends."""

    mode: Mode
    values: Mapping[str, Any]
    """Schema field to what its control holds."""
    overrides: object = ()
    """Texts of app/ui/parts/overrides.py."""
    styles: Sequence[str] = ()
    images: tuple[str, ...] = ()
    """Ids of stored input pictures."""
    mask: str = ""
    """Id of a stored mask; empty: all of the picture is drawn anew."""
    script: ScriptCall | None = None
    """The script that makes the job's pictures."""
    scaled: bool = False
    """Whether the size is the picture's times a factor, in place of a width and a height."""


def submit(parts: PageParts, asked: Asked, *, client: str, user: str = "") -> Answer:
    """Queues one job and answers at once; what a person can put right is the answer's error."""
    options = parts.options.view()
    try:
        check_starts(parts, asked, client=client)
        params = page_params(parts, asked, options)
        return Answer(job=parts.jobs.submit(params, client=client, user=user, options=options, script=asked.script))
    except DarkroomError as error:
        return Answer(error=str(error))


def check_starts(parts: PageParts, asked: Asked, *, client: str) -> None:
    """NotFound for a start picture or mask that is not stored or, on a public server, is not the client's."""
    parts.jobs.check_inputs((*asked.images, asked.mask), client=client if parts.settings.public else None)


def page_params(parts: PageParts, asked: Asked, options: OptionsView) -> GenerationParams:
    """GenerationParams from what the page's controls hold, the rest from the options; InvalidParams has a sentence for what is wrong."""
    given = dict(asked.values)
    prompt, negative = str(given.pop("prompt") or ""), str(given.pop("negative_prompt") or "")
    prompt, negative = parts.styles.apply(prompt, negative, asked.styles)
    if options.switch("enable_prompt_comments"):
        prompt, negative = strip_comments(prompt), strip_comments(negative)
    if asked.mode == "img2img" and not asked.images:
        raise InvalidParams("img2img needs a picture to start from: drop one into the box, or send one here from another tab.")
    plain = {name: _plain(name, value) for name, value in given.items()}
    plain |= {"mode": asked.mode, "prompt": prompt, "negative_prompt": negative, "init_images": asked.images, "mask": asked.mask}
    if "mask_blur_x" in plain:
        plain["mask_blur_y"] = plain["mask_blur_x"]
    if not asked.scaled:
        plain.pop("scale_by", None)
    plain["merged_styles"] = tuple(asked.styles)
    return make_params(**options.apply_to({**read_overrides(asked.overrides), **plain}))


def _plain(name: str, value: Any) -> Any:
    """A browser's value as the schema takes it: a slider says 20.0 for 20, a seed is a text."""
    if name in SEEDS:
        text = str(value if value is not None else "").strip() or "-1"
        try:
            return int(text)
        except ValueError as error:
            wanted = f"{title_of(name)} should be a whole number, or -1 for a new one each time"
            raise InvalidParams(f"{wanted} (given: {text[:40]!r}).") from error
    if name == "hr_cfg":
        return value or None
    if name in ("checkpoint", *CHECKPOINTS):
        return value or ""  # nothing is chosen where there is no checkpoint; whoever resolves the job says so
    if value is None:
        raise InvalidParams(f"{name}: fill in a value.")
    return int(value) if name in WHOLE_NUMBERS and isinstance(value, float) and value.is_integer() else value
