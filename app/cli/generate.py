"""`webui.py txt2img` and `webui.py img2img`: pictures without a server, under the CompVis scripts' flag names and the schema's."""

import argparse
import os
import queue
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.cli.flags import add_settings_flags, settings_from
from app.engine.client import Done, EngineJob, Event, Failed, InputPicture, Loading, PictureDone, Progress, Remarked
from app.engine.thread import ThreadEngine
from app.jobs.files import FileName, Outputs
from app.jobs.inputs import Inputs
from app.jobs.placing import FIRST_PASS
from app.metadata import encode_picture, format_infotext, infotext_fields
from app.models import Catalog
from app.prompt import Styles, Tokenizer, strip_comments
from app.schema.errors import BadPicture, DarkroomError
from app.schema.params import GenerationParams, Mode, make_params, view_of
from app.schema.settings import ServerSettings
from app.server import checkpoint_for, with_known_checkpoints, with_known_names

SETTINGS = ("data_dir", "models_dir", "ckpt_dir", "outputs_dir", "styles_file", "device", "dtype", "max_rows")
HIDDEN = ("mode", "init_images", "mask", "latent_mask", "colour_source", "inversion", "quiet", "merged_styles")


class GenerationFailed(DarkroomError):
    """What the engine said when it could not make the pictures."""


def generate(mode: Mode, arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Makes the pictures and prints their paths; progress goes to the terminal. DarkroomError when it cannot."""
    options = _parser(mode).parse_args(arguments)
    given = vars(options)
    settings = settings_from({name: given[name] for name in SETTINGS if name in given}, environ)
    inputs = Inputs(settings.data_dir / "cache" / "inputs")
    starts = (inputs.add(_bytes(Path(options.init_img))),) if mode == "img2img" else ()
    params = _params(mode, given, settings, starts)
    if "init_mask" in given:
        params = params.model_copy(update={"mask": inputs.add_mask(_bytes(Path(options.init_mask)), cut=params.mask_round)})
    if starts:
        params = params.scaled_to(*inputs.size(starts[0]))
    catalog = Catalog(settings)
    catalog.refresh()
    file = checkpoint_for(catalog, "", params.checkpoint)
    native = file.facts.native_size_px if file.facts else 512
    size = {side: native for side in ("width", "height") if side not in given and mode == "txt2img"}
    params = with_known_names(params.model_copy(update=size))
    params = with_known_checkpoints(catalog, "", params)
    images = tuple(inputs.stored(start) for start in starts)
    mask = inputs.stored(params.mask) if params.mask else None
    for line in _run(params, (images, mask), settings, catalog, Path(options.outdir) if "outdir" in given else None):
        print(line, flush=True)
    return 0


def _parser(mode: Mode) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"webui.py {mode}", argument_default=argparse.SUPPRESS, allow_abbrev=False)
    for name, field in GenerationParams.model_fields.items():
        if name in HIDDEN:
            continue
        flags = ("--" + name.replace("_", "-"), *view_of(name).flags)
        text = (field.description or view_of(name).title or view_of(name).label or "").replace("%", "%%")
        if field.annotation is bool:
            action = argparse.BooleanOptionalAction if field.default else "store_true"
            parser.add_argument(*flags, dest=name, action=action, help=text)
        else:
            parser.add_argument(*flags, dest=name, metavar=name.rsplit("_", 1)[-1].upper(), help=text)
    parser.add_argument("--style", dest="styles", action="append", metavar="NAME", help="A style of styles.csv; may be given again.")
    parser.add_argument("--outdir", metavar="DIR", help="Folder for the pictures (default: the outputs folder, as the page has it).")
    if mode == "img2img":
        parser.add_argument("--init-img", required=True, metavar="FILE", help="The picture to start from.")
        parser.add_argument("--init-mask", metavar="FILE", help="White where the picture is to be drawn anew.")
    add_settings_flags(parser, SETTINGS)
    return parser


def _params(mode: Mode, given: Mapping[str, Any], settings: ServerSettings, starts: tuple[str, ...]) -> GenerationParams:
    values = {name: given[name] for name in GenerationParams.model_fields if name in given}
    styles = Styles(settings.styles_file or settings.data_dir / "styles.csv")
    prompt, negative = styles.apply(str(values.get("prompt", "")), str(values.get("negative_prompt", "")), given.get("styles", []))
    values |= {"mode": mode, "prompt": strip_comments(prompt), "negative_prompt": strip_comments(negative), "init_images": starts}
    params = make_params(**values)
    drawn = {name: secrets.randbelow(2**32) for name in ("seed", "subseed") if getattr(params, name) < 0}
    return params.model_copy(update=drawn)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(f"{path} cannot be opened: {error.strerror}.") from error


def _run(
    params: GenerationParams,
    given: tuple[tuple[InputPicture, ...], InputPicture | None],
    settings: ServerSettings,
    catalog: Catalog,
    folder: Path | None,
) -> list[str]:
    """One job on an engine of its own, with its input pictures and its mask; the saved files' paths."""
    images, mask = given
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    engine = ThreadEngine(settings, catalog, Tokenizer())
    engine.start(events.put)
    engine.submit(EngineJob(id="command line", client="command line", params=params, images=images, mask=mask, previews=False))
    saved: list[str] = []
    try:
        while not isinstance(event := events.get(), Done):
            if isinstance(event, Failed):
                raise GenerationFailed(event.message)
            if isinstance(event, PictureDone):
                saved.append(str(_save(event, params, settings, folder)))
            else:
                _show(event)
    finally:
        engine.close()
    return saved


def _show(event: Event) -> None:
    if isinstance(event, Remarked):
        print(event.text, file=sys.stderr)
    elif isinstance(event, Loading):
        print(f"loading {event.checkpoint} ...", file=sys.stderr)
    elif isinstance(event, Progress) and sys.stderr.isatty():
        batch = f"batch {event.batch + 1}/{event.batches}, " if event.batches > 1 else ""
        print(f"\r{batch}step {event.step}/{event.steps} ", end="\n" if event.step == event.steps else "", file=sys.stderr, flush=True)


def _save(event: PictureDone, params: GenerationParams, settings: ServerSettings, folder: Path | None) -> Path:
    if event.first_pass:
        params = params.model_copy(update={"enable_hr": False})
    fields = infotext_fields(
        params,
        seed=event.seed,
        model_name=event.model_name,
        model_hash=event.model_sha256[:10],
        index=event.index,
        extras=event.extras,
    )
    data = encode_picture(event.pixels, format_infotext(params.prompt, params.negative_prompt, fields))
    ending = FIRST_PASS if event.first_pass else ""
    if folder is None:
        outputs = Outputs(settings.outputs)
        return outputs.path(outputs.save(params.mode, event.seed, data, ending=ending))
    return Outputs(folder).save_in(folder, FileName(stem=f"{event.seed}{ending}"), data)
