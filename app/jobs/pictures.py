"""Finished pictures: their infotext, their file or place in memory, their row."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from PIL import Image

from app.engine.client import PictureDone, Pixels
from app.jobs.copies import smaller_copy
from app.jobs.database import Database, JobRow
from app.jobs.files import FileName, Outputs, explained, replace_file
from app.jobs.grids import draw_grid, grid_rows, wants_grid
from app.jobs.memory import PictureMemory
from app.jobs.options import OptionsView
from app.jobs.patterns import NameFacts
from app.jobs.placing import BESIDE_ENDINGS, FIRST_PASS, grid_place, picture_place
from app.jobs.views import PictureView, number_beside
from app.metadata import encode_picture, format_infotext, infotext_fields, params_chunk, split_infotext
from app.metadata.params_chunk import KEYWORD
from app.metadata.styles import Style
from app.schema.disk import CannotSave
from app.schema.errors import NotFound
from app.schema.scripts import GRID

log = logging.getLogger(__name__)

LABEL_SWITCHES: Mapping[str, str] = MappingProxyType(
    {
        "Model": "add_model_name_to_info",
        "Model hash": "add_model_hash_to_info",
        "VAE": "add_vae_name_to_info",
        "VAE hash": "add_vae_hash_to_info",
        "Lora hashes": "lora_add_hashes_to_infotext",
        "TI hashes": "textual_inversion_add_hashes_to_infotext",
        "Version": "add_version_to_infotext",
    }
)
"""Infotext labels that an option can leave out."""


OnSaved = Callable[[Path, bytes, str], None]
"""Told of every saved picture: its file, the bytes in it, the client of its job. May not fail."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A picture that can be asked for, and what kept it from the disk."""

    view: PictureView
    problem: CannotSave | None
    recorded: bool
    """Whether its row was written."""


class Pictures:
    """Where finished pictures go, and where their bytes come from."""

    def __init__(
        self,
        outputs: Outputs,
        memory: PictureMemory,
        database: Database,
        *,
        last_params: Path,
        styles: Callable[[], Sequence[Style]],
        on_saved: OnSaved | None = None,
    ) -> None:
        """`last_params` is A1111's params.txt, which holds the newest job's settings; `styles` tells those there are, for file names."""
        self._outputs, self._memory, self._database = outputs, memory, database
        self._last_params, self._styles, self._on_saved = last_params, styles, on_saved

    def keep(
        self,
        row: JobRow,
        options: OptionsView,
        event: PictureDone,
        *,
        to_disk: bool,
        started: float | None = None,
        number: int | None = None,
    ) -> Kept:
        """Encodes a picture and puts it on the disk, or in memory where it is not to be saved or cannot be.

        `number` is its place among a script's pictures, where that is another than the one in its own job.
        """
        number = event.index if number is None else number
        text = infotext_of(row, options, event)
        in_file = text if options.switch("enable_pnginfo") else ""
        data, kind = _encode(event.pixels, in_file, options, _chunks(row, event, options) if in_file else {})
        height, width = event.pixels.shape[:2]
        view = PictureView(
            id=uuid4().hex,
            job=row.id,
            number=number,
            seed=event.seed,
            path=None,
            format=kind,
            width=width,
            height=height,
            infotext=text,
        )
        if number == 0:
            self._note_last(text)
        if not to_disk:
            return self._in_memory(view, data)
        facts = self.facts_of(row, options, event, started)
        kept = self._on_disk(view, data, *picture_place(self._outputs.root, options, facts, f".{kind}"))
        if kept.view.path is None:
            return kept
        path = self._outputs.path(kept.view.path)
        self._tell(path, data, row)
        if kept.problem is not None:
            return kept
        try:
            _save_beside(path, event.pixels, in_file, text, len(data), options)
        except CannotSave as error:
            log.error("picture %d of job %s: %s", view.number, view.job, error)
            return replace(kept, problem=error)
        return kept

    def keep_beside(
        self,
        row: JobRow,
        options: OptionsView,
        event: PictureDone,
        *,
        to_disk: bool,
        started: float | None = None,
        number: int | None = None,
    ) -> list[Kept]:
        """Keeps what is to be shown beside a picture, and saves what is to be saved; arguments as those of `keep`.

        What is shown and not saved is a PNG without an infotext, in memory. A file that the disk refuses is shown, and the problem told.
        """
        kept = []
        for place, (what, ending) in enumerate(BESIDE_ENDINGS.items()):
            pixels = event.beside.get(what)
            shown, saved = getattr(row.params, f"return_{what}"), getattr(row.params, f"save_{what}") and to_disk
            if pixels is None or not (shown or saved):
                continue
            in_file = infotext_of(row, options, event) if saved and options.switch("enable_pnginfo") else ""
            data, kind = _encode(Image.fromarray(pixels), in_file, options, {}, "" if saved else "png")
            view = PictureView(
                id=uuid4().hex,
                job=row.id,
                number=number_beside(event.index if number is None else number, place),
                seed=event.seed,
                path=None,
                format=kind,
                width=pixels.shape[1],
                height=pixels.shape[0],
                infotext="",
            )
            if not saved:
                kept.append(self._in_memory(view, data))
                continue
            facts = self.facts_of(row, options, event, started)
            kept += self._beside_on_disk(view, data, row, picture_place(self._outputs.root, options, facts, f".{kind}", ending), shown)
        return kept

    def _beside_on_disk(self, view: PictureView, data: bytes, row: JobRow, place: tuple[Path, FileName], shown: bool) -> list[Kept]:
        """Empty for what is a file and nothing more."""
        if shown:
            kept = self._on_disk(view, data, *place)
            if kept.view.path is not None:
                self._tell(self._outputs.path(kept.view.path), data, row)
            return [kept]
        try:
            self._tell(self._outputs.save_in(*place, data), data, row)
        except CannotSave as error:
            return [self._in_memory(view, data, error)]
        return []

    def save_first_pass(self, row: JobRow, options: OptionsView, event: PictureDone, started: float | None) -> Path:
        """Saves what the hires fix began with, a picture like one that was made without it. CannotSave as for any picture."""
        alone = replace(row, params=row.params.model_copy(update={"enable_hr": False}))
        in_file = infotext_of(alone, options, event) if options.switch("enable_pnginfo") else ""
        data, kind = _encode(event.pixels, in_file, options, _chunks(alone, event, options) if in_file else {})
        facts = self.facts_of(alone, options, event, started)
        path = self._outputs.save_in(*picture_place(self._outputs.root, options, facts, f".{kind}", FIRST_PASS), data)
        self._tell(path, data, row)
        return path

    def keep_grid(self, row: JobRow, options: OptionsView, pictures: Sequence[PictureView], facts: NameFacts | None) -> Kept | None:
        """Draws the job's pictures side by side, saves that and puts it on the page, as far as the options want it; None for no grid.

        `facts` are those of the first picture (`facts_of`); without them nothing is saved.
        """
        if not wants_grid(options, len(pictures)):
            return None
        params, first = row.params, pictures[0]
        rows = grid_rows(
            len(pictures), params.batch_size, int(options.number("n_rows")), no_gaps=options.switch("grid_prevent_empty_spots")
        )
        files = [partial(self.data, picture) for picture in pictures]
        most = int(options.number("img_max_size_mp") * 1_000_000)
        grid = draw_grid(files, rows, options.text("grid_background_color"), most)
        if grid is None:
            log.warning("job %s gets no grid: it would be over img_max_size_mp", row.id)
            return None
        data, kind = _encode(grid, first.infotext if options.switch("enable_pnginfo") else "", options, {}, options.text("grid_format"))
        view = replace(first, id=uuid4().hex, number=GRID, path=None, format=kind, width=grid.width, height=grid.height)
        place = grid_place(self._outputs.root, options, facts, f".{kind}") if options.switch("grid_save") and facts is not None else None
        if options.switch("return_grid"):
            kept = self._on_disk(view, data, *place) if place else self._in_memory(view, data)
            if kept.view.path is not None:
                self._tell(self._outputs.path(kept.view.path), data, row)
            return kept
        if place:
            self._tell(self._outputs.save_in(*place, data), data, row)
        return None

    def keep_shown(self, row: JobRow, options: OptionsView, pixels: Pixels, number: int, infotext: str, facts: NameFacts) -> Kept:
        """A picture that a script has put together, or (with a negative number) a grid; saved as far as the options want it."""
        is_grid = number <= GRID
        in_file = infotext if options.switch("enable_pnginfo") else ""
        data, kind = _encode(pixels, in_file, options, {}, options.text("grid_format") if is_grid else "")
        view = PictureView(
            id=uuid4().hex,
            job=row.id,
            number=number,
            seed=facts.seed,
            path=None,
            format=kind,
            width=facts.width,
            height=facts.height,
            infotext=infotext,
        )
        if not row.save or (is_grid and not options.switch("grid_save")):
            return self._in_memory(view, data)
        place = (grid_place if is_grid else picture_place)(self._outputs.root, options, facts, f".{kind}")
        kept = self._on_disk(view, data, *place)
        if kept.view.path is not None:
            self._tell(self._outputs.path(kept.view.path), data, row)
        return kept

    def facts_like(self, row: JobRow, options: OptionsView, infotext: str, seed: int, size: tuple[int, int]) -> NameFacts:
        """What the name of a picture of this (width, height) may say that a script has put together, from a part that this job made."""
        params = row.params
        said = dict(split_infotext(infotext)[2])
        return NameFacts(
            params=params,
            seed=seed,
            index=0,
            width=size[0],
            height=size[1],
            model_name=said.get("Model", ""),
            model_hash=said.get("Model hash", ""),
            vae=said.get("VAE", ""),
            user=row.user,
            known_styles=self._styles() if params.merged_styles else (),
            max_words=int(options.number("directories_max_prompt_words")),
        )

    def lost(self, view: PictureView) -> bool:
        """Whether a recorded picture of a former run is not there."""
        return view.path is None or not self._outputs.has(view.path)

    def data(self, view: PictureView) -> bytes:
        """The picture's file; NotFound once it was deleted, or dropped from memory."""
        if view.path is not None:
            return self._outputs.read(view.path)
        if (data := self._memory.get(view.id)) is None:
            raise NotFound("This picture was not saved and is no longer kept in memory; make it again from its settings.")
        return data

    def facts_of(self, row: JobRow, options: OptionsView, event: PictureDone, started: float | None) -> NameFacts:
        """What a picture's name may say."""
        params = row.params
        height, width = event.pixels.shape[:2]
        return NameFacts(
            params=params,
            seed=event.seed,
            index=event.index,
            width=width,
            height=height,
            model_name=event.model_name,
            model_hash=event.model_sha256[:10],
            vae=event.extras.get("VAE", ""),
            user=row.user,
            pixels=event.pixels.tobytes() if "image_hash" in options.text("samples_filename_pattern") else b"",
            job_started=datetime.fromtimestamp(started or row.created),
            known_styles=self._styles() if params.merged_styles else (),
            max_words=int(options.number("directories_max_prompt_words")),
        )

    def _on_disk(self, view: PictureView, data: bytes, folder: Path, name: FileName) -> Kept:
        """The picture with its path; in memory if the disk refuses the file."""
        problem: CannotSave | None = None
        recorded = False

        def record(path: Path) -> None:
            nonlocal problem, recorded
            where = self._outputs.relative(path)
            try:
                if recorded:
                    self._database.set_path(view.id, where)
                else:
                    self._database.add_picture(replace(view, path=where))
                    recorded = True
            except CannotSave as error:
                problem = error

        try:
            path = self._outputs.save_in(folder, name, data, record)
        except CannotSave as error:
            if not recorded:
                return self._in_memory(view, data, error)
            self._database.set_path(view.id, None)
            self._memory.put(view.id, data)
            return self._told(view, error, recorded=True)
        return self._told(replace(view, path=self._outputs.relative(path)), problem, recorded=recorded)

    def _in_memory(self, view: PictureView, data: bytes, problem: CannotSave | None = None) -> Kept:
        """The picture, kept for a while; `problem`: what the disk said to its file."""
        self._memory.put(view.id, data)
        recorded = True
        try:
            self._database.add_picture(view)
        except CannotSave as error:
            problem, recorded = problem or error, False
        return self._told(view, problem, recorded=recorded)

    def _told(self, view: PictureView, problem: CannotSave | None, *, recorded: bool) -> Kept:
        if problem is not None:
            log.error("picture %d of job %s: %s", view.number, view.job, problem)
        return Kept(view=view, problem=problem, recorded=recorded)

    def _tell(self, path: Path, data: bytes, row: JobRow) -> None:
        """Tells of a saved file."""
        if self._on_saved is not None:
            self._on_saved(path, data, row.client)

    def _note_last(self, infotext: str) -> None:
        try:
            replace_file(self._last_params, infotext.encode("utf-8", "replace"))
        except OSError as error:
            log.warning("%s could not be written: %s", self._last_params.name, error)


def _chunks(row: JobRow, event: PictureDone, options: OptionsView) -> dict[str, str]:
    """Texts of a PNG beside the infotext."""
    if not options.switch("darkroom_params_chunk"):
        return {}
    said = params_chunk(row.params, seed=event.seed, index=event.index, model_name=event.model_name, model_sha256=event.model_sha256)
    return {KEYWORD: said}


def _save_beside(path: Path, pixels: Pixels, in_file: str, infotext: str, file_bytes: int, options: OptionsView) -> None:
    """What the options want beside a picture: its settings as a text, a smaller copy. CannotSave as for the picture."""
    if options.switch("save_txt"):
        with explained("the text beside the picture"):
            replace_file(path.with_suffix(".txt"), f"{infotext}\n".encode("utf-8", "replace"))
    if not options.switch("export_for_4chan"):
        return
    copy = smaller_copy(Image.fromarray(pixels), in_file, file_bytes, options)
    if copy is not None:
        name = f"{path.stem}-small.jpg" if path.suffix == ".jpg" else f"{path.stem}.jpg"
        with explained("the smaller copy of the picture"):
            replace_file(path.with_name(name), copy)


def _encode(
    pixels: Pixels | Image.Image, infotext: str, options: OptionsView, chunks: Mapping[str, str], kind: str = ""
) -> tuple[bytes, str]:
    """(file, format): in the format of the options, or as PNG where that one cannot hold a picture of this size."""
    kind, quality = kind or options.text("samples_format"), int(options.number("jpeg_quality"))
    try:
        data = encode_picture(pixels, infotext, kind, quality=quality, lossless=options.switch("webp_lossless"), chunks=chunks)
        return data, kind
    except (OSError, ValueError) as error:
        log.warning("a picture is saved as PNG: %s takes no such size (%s)", kind, error)
        return encode_picture(pixels, infotext, "png", chunks=chunks), "png"


def infotext_of(row: JobRow, options: OptionsView, event: PictureDone) -> str:
    """The text that says how the picture was made, without the fields that the options leave out."""
    params = row.params
    fields = infotext_fields(
        params,
        seed=event.seed,
        model_name=event.model_name,
        model_hash=event.model_sha256[:10],
        index=event.index,
        extras=event.extras,
    )
    left_out = {label for label, option in LABEL_SWITCHES.items() if not options.switch(option)}
    return format_infotext(params.prompt, params.negative_prompt, [field for field in fields if field[0] not in left_out])
