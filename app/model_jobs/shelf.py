"""Where model files stand: found by their names, and places for new ones. Nothing here leads out of the model folders."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.model_jobs.names import checked_folder, checked_stem
from app.models import Catalog, ModelFile
from app.models.diffusers_folder import is_diffusers_folder
from app.models.embedded import EMBEDDED_ALL
from app.models.folders import Kind, Root, roots
from app.schema.errors import DarkroomError, InvalidParams, UnknownName
from app.schema.settings import ServerSettings

ENDINGS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
_CALLED: dict[Kind, str] = {"vae": "VAE", "lora": "LoRA"}
_VAE_MARK = ".vae"


class CannotChange(DarkroomError):
    """A model file that has to stay as it is, or a name that is taken."""

    code = "cannot_change"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """What actions know of the world."""

    settings: ServerSettings
    catalog: Catalog
    wanted_by: Callable[[ModelFile], int] = lambda _: 0
    """How many jobs that wait or run name a file."""
    on_moved: Callable[[Kind, Path, Path, str], None] = lambda *_: None
    """Told of a file that has another name or folder: its kind, its path before and now, and its place below the folder of its kind."""

    def find(self, kind: Kind, name: str) -> ModelFile:
        """The file of a kind, by its place below its folder, its name, or (a checkpoint) its title or hash; UnknownName."""
        files = self.catalog.of_kind(kind)
        found = next((file for file in files if file.filename == name), None)
        if found is None and kind == "checkpoint":
            return self.catalog.find(name)
        found = found or next((file for file in files if name in (file.path.name, file.name)), None)
        if found is None:
            raise UnknownName(_CALLED.get(kind, kind), name, [file.filename for file in files])
        return found

    def vae(self, wanted: str) -> ModelFile | None:
        """A VAE by its name; None for A1111's "None"."""
        return None if wanted in ("", "None") else self.find("vae", wanted)

    def root_of(self, file: ModelFile) -> Root:
        """The folder that a file may be moved in; CannotChange for one that is not ours to move."""
        if file.comes_along:
            raise CannotChange(f"{file.filename} comes with Darkroom and stays where it is.")
        if file.path.is_dir():
            raise CannotChange(f"{file.filename} is a folder of several files; rename, move or delete it with the system's own tools.")
        root = self.root_holding(file.path)
        if root is None:
            raise CannotChange(f"{file.filename} lies outside of the model folders and is left alone there.")
        return root

    def root_holding(self, path: Path) -> Root | None:
        """The innermost folder of models that a path is below."""
        holding = (root for root in self.roots() if path.is_relative_to(root.folder.absolute()))
        return max(holding, key=lambda root: len(root.folder.absolute().parts), default=None)

    def roots(self) -> list[Root]:
        """The folders of models whose files may be changed, each once."""
        own = roots(self.settings.model_copy(update={"embedded_dir": None}))  # a plain installation has its own files among the user's
        return list({root.folder.absolute(): root for root in own}.values())

    def place_in(self, root: Root, folder: str) -> Path:
        """A folder below a root, which need not be there; InvalidParams for one that leads elsewhere."""
        place = root.folder.absolute() / checked_folder(folder)
        inside, top = place.resolve(), root.folder.resolve()
        if not inside.is_relative_to(top):
            raise InvalidParams(f"The folder {folder!r} leads out of {root.folder.name}; models stay below it.")
        if file := next((above for above in (inside, *inside.parents) if above.is_relative_to(top) and above.is_file()), None):
            raise InvalidParams(f"{file.name} is a file, not a folder. Choose another folder.")
        below = (above for above in (inside, *inside.parents) if above != top and above.is_relative_to(top))
        if root.kind == "checkpoint" and (whole := next(filter(is_diffusers_folder, below), None)) is not None:
            raise InvalidParams(f"{whole.name} is a checkpoint of several files, among which no other one is found. Choose another folder.")
        return place

    def new_file(self, kind: Kind, name: str, folder: str) -> Path:
        """Where a new safetensors file of a kind goes. CannotChange where a file of that name is there."""
        root = next(root for root in roots(self.settings) if root.kind == kind)
        target = self.place_in(root, folder) / f"{checked_stem(name, ENDINGS)}.safetensors"
        return self.free(target, root, kind)

    def renamed(self, file: ModelFile, root: Root, name: str) -> Path:
        """Where a file stands under another name in its folder; its ending stays."""
        ending = file.path.suffix
        if file.kind == "vae" and root.kind == "checkpoint" and file.name.lower().endswith(_VAE_MARK):
            ending = file.path.name[len(file.name) - len(_VAE_MARK) :]
        target = file.path.with_name(checked_stem(name, (ending.lower(), *ENDINGS)) + ending)
        return self.free(target, root, file.kind)

    def free(self, target: Path, root: Root, kind: Kind) -> Path:
        """The target itself, where nothing has its name and it is taken for what it is."""
        if root.kind_of(target.name) != kind:
            raise InvalidParams(f"{target.name} would be taken for a VAE; choose a name that does not end in {_VAE_MARK}.")
        if kind == "checkpoint" and target.stem.lower() in EMBEDDED_ALL:
            raise CannotChange(f"{target.stem} is the name of a checkpoint that comes with Darkroom. Choose another name.")
        if os.path.lexists(target):
            raise CannotChange(f"There is a file {target.name} already in {target.parent.name}. Choose another name: nothing is replaced.")
        return target

    def shown(self, path: Path, root: Root) -> str:
        """A file's place below its folder, with `/`."""
        return path.relative_to(root.folder.absolute()).as_posix()
