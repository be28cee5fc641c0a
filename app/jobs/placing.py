"""Where the options want a picture's file: its folder and its name."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from types import MappingProxyType

from app.jobs.files import EXTRAS_FOLDER, FOLDERS, GRID_FOLDERS, FileName
from app.jobs.options import OptionsView
from app.jobs.patterns import NameFacts, file_stem, folders
from app.jobs.safe_names import safe_folders, safe_name

GRID_NUMBER_DIGITS = 4
FIRST_PASS = "-before-highres-fix"
"""A1111's ending of the names of pictures that the hires fix begins with."""
BESIDE_ENDINGS: Mapping[str, str] = MappingProxyType({"mask": "-mask", "mask_composite": "-mask-composite"})
"""A1111's endings of the names of what is saved beside a picture, by what it is."""
_SEED, _SEED_AND_PROMPT = "[seed]", "[seed]-[prompt_spaces]"


def picture_place(root: Path, options: OptionsView, facts: NameFacts, suffix: str, ending: str = "") -> tuple[Path, FileName]:
    """(folder, name) of one picture; `ending` is put to the stem."""
    in_folders = options.switch("save_to_dirs")
    pattern = options.text("samples_filename_pattern") or (_SEED if in_folders else _SEED_AND_PROMPT)
    name = FileName(
        stem=file_stem(pattern, facts) + ending,
        suffix=suffix,
        numbered=options.switch("save_images_add_number"),
        replaces=options.text("save_images_replace_action") == "Replace",
    )
    mode = facts.params.mode
    return _below(_folder(root, options, FOLDERS[mode], "outdir_samples", f"outdir_{mode}_samples"), in_folders, options, facts), name


def grid_place(root: Path, options: OptionsView, facts: NameFacts, suffix: str) -> tuple[Path, FileName]:
    """(folder, name) of a job's grid; `facts` are those of its first picture."""
    stem = file_stem(_SEED_AND_PROMPT, facts) if options.switch("grid_extended_filename") else ""
    name = FileName(stem=stem, suffix=suffix, prefix="grid", digits=GRID_NUMBER_DIGITS)
    mode = facts.params.mode
    return _below(
        _folder(root, options, GRID_FOLDERS[mode], "outdir_grids", f"outdir_{mode}_grids"),
        options.switch("grid_save_to_dirs"),
        options,
        facts,
    ), name


def extras_place(root: Path, options: OptionsView, suffix: str, *, original: str = "", folder: str = "") -> tuple[Path, FileName]:
    """(folder, name) of an enlarged picture; as in A1111 there are no folders by date.

    `original` is the name of the file that it was made of, if it is one of several; `folder`, below the outputs folder, goes before the
    options'.
    """
    stem = safe_name(PurePath(original).stem) if options.switch("use_original_name_batch") else ""
    name = FileName(stem=stem, suffix=suffix, numbered=not stem)
    chosen = safe_folders(folder)
    below = chosen[1:] if chosen[:1] == ("outputs",) else chosen
    return root.joinpath(*below) if below else _folder(root, options, EXTRAS_FOLDER, "outdir_samples", "outdir_extras_samples"), name


def _folder(root: Path, options: OptionsView, usual: str, *names: str) -> Path:
    """The folder that the first of these options names, which is always below the outputs folder, wherever that is."""
    for name in names:
        _, *below = options.text(name).split("/")
        if parts := safe_folders("/".join(below)):
            return root.joinpath(*parts)
    return root / usual


def _below(folder: Path, in_folders: bool, options: OptionsView, facts: NameFacts) -> Path:
    return folder.joinpath(*folders(options.text("directories_filename_pattern"), facts)) if in_folders else folder
