"""Model files and what belongs to them under other names, in other folders, in the trash and back."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from app import trash
from app.model_jobs.actions import Destroy, Move, Rename, Restore, Trash
from app.model_jobs.company import company_of
from app.model_jobs.shelf import CannotChange, Shelf
from app.model_jobs.task import Done, Task
from app.models import ModelFile
from app.models.folders import Kind, Root
from app.schema.errors import InvalidParams, NotFound

Moves = Sequence[tuple[Path, Path]]


def rename(action: Rename, shelf: Shelf) -> Task:
    """Another name in the same folder."""
    file, root = _movable(shelf, action.kind, action.filename)
    target = shelf.renamed(file, root, action.name)
    return _shifted(f"Rename {file.filename} to {target.name}", file, target, root, shelf)


def move(action: Move, shelf: Shelf) -> Task:
    """Another folder below that of its kind."""
    file, root = _movable(shelf, action.kind, action.filename)
    target = shelf.place_in(root, action.folder) / file.path.name
    if target == file.path:
        raise InvalidParams(f"{file.filename} lies in that folder already.")
    if file.path.is_symlink() and not file.path.readlink().is_absolute():
        raise CannotChange(f"{file.filename} is a link that would lead nowhere from another folder; move it with the system's own tools.")
    where = action.folder.strip("/ ") or root.folder.name
    return _shifted(f"Move {file.filename} to {where}", file, shelf.free(target, root, file.kind), root, shelf)


def throw_away(action: Trash, shelf: Shelf) -> Task:
    """Into the trash of its folder."""
    file, root = _movable(shelf, action.kind, action.filename)

    def run(_: object) -> Done:
        relative, about = shelf.shown(file.path, root), {"kind": file.kind, "size_bytes": file.size_bytes}
        beside = company_of(file.path, root)
        trash.put(root.folder.absolute(), relative, beside, about)
        return Done(summary=f"{file.filename} is in the trash{_with_company(len(beside))}, and can be taken back from there.")

    return Task(title=f"Throw {file.filename} away", run=run)


def restore(action: Restore, shelf: Shelf) -> Task:
    """Back from the trash."""
    root, one = _trashed(action.key, shelf)

    def run(_: object) -> Done:
        shown = shelf.shown(trash.restore(root.folder.absolute(), one), root)
        return Done(summary=f"{shown} is back.", file=shown)

    return Task(title=f"Take {one.relative} back", run=run)


def destroy(action: Destroy, shelf: Shelf) -> Task:
    """Deleted for good."""
    _, one = _trashed(action.key, shelf)

    def run(_: object) -> Done:
        trash.destroy(one)
        return Done(summary=f"{one.relative} is deleted.")

    return Task(title=f"Delete {one.relative} for good", run=run)


def trashed(shelf: Shelf) -> list[tuple[Root, trash.Trashed]]:
    """What lies in the trash of all model folders, the newest first."""
    found = [(root, one) for root in shelf.roots() for one in trash.listed(root.folder.absolute())]
    return sorted(found, key=lambda pair: pair[1].deleted, reverse=True)


def finish(kind: Kind, filename: str, moves: Moves, shelf: Shelf) -> Done | None:
    """Ends renamings of a file that a server was killed in: where the first was done, the others follow it; None where it was not."""
    if not moves or os.path.lexists(moves[0][0]) or not os.path.lexists(moves[0][1]):
        return None
    for before, now in moves[1:]:
        if os.path.lexists(before) and not os.path.lexists(now):
            with suppress(OSError):
                before.rename(now)
    return _moved(kind, filename, moves, shelf)


def _movable(shelf: Shelf, kind: Kind, filename: str) -> tuple[ModelFile, Root]:
    """A file that may have another name. CannotChange where jobs would not find it any more."""
    file = shelf.find(kind, filename)
    root = shelf.root_of(file)
    if jobs := shelf.wanted_by(file):
        pictures = "a job that waits or runs names" if jobs == 1 else f"{jobs} jobs that wait or run name"
        raise CannotChange(f"{file.filename} stays for now: {pictures} it. Try again when the queue has ended, or cancel them.")
    return file, root


def _shifted(title: str, file: ModelFile, target: Path, root: Root, shelf: Shelf) -> Task:
    moves = tuple(_moves(file.path, target, root))
    for _, now in moves[1:]:
        if os.path.lexists(now):
            raise CannotChange(f"There is a file {now.name} already in {now.parent.name}, which would belong to {target.name} then.")

    def run(_: object) -> Done:
        _shift(moves)
        return _moved(file.kind, file.filename, moves, shelf)

    return Task(title=title, run=run, moves=moves)


def _moved(kind: Kind, filename: str, moves: Moves, shelf: Shelf) -> Done:
    """Told to whom it concerns, and what there is to be said."""
    before, now = moves[0]
    root = shelf.root_holding(now)
    if root is None:  # the folders are others since a restart
        return Done(summary=f"{filename} is {now.name} now.", file=now.name)
    shown = shelf.shown(now, root)
    shelf.on_moved(kind, before, now, shown)
    return Done(summary=f"{filename} is {shown} now{_with_company(len(moves) - 1)}.", file=shown)


def _moves(path: Path, target: Path, root: Root) -> Iterator[tuple[Path, Path]]:
    yield path, target
    for beside in company_of(path, root):
        yield beside, target.with_name(target.stem + beside.name[len(path.stem) :])


def _shift(moves: Moves) -> None:
    """All of the renamings or none; CannotMove."""
    done: list[tuple[Path, Path]] = []
    try:
        for before, now in moves:
            now.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(now):
                raise FileExistsError(17, f"there is a file {now.name} by now")
            before.rename(now)
            done.append((before, now))
    except OSError as error:
        for before, now in reversed(done):
            with suppress(OSError):
                now.rename(before)
        raise trash.CannotMove(f"{moves[0][0].name} could not be moved: {error.strerror or error}.") from error


def _trashed(key: str, shelf: Shelf) -> tuple[Root, trash.Trashed]:
    found = next((pair for pair in trashed(shelf) if pair[1].key == key), None)
    if found is None:
        raise NotFound("That model is not in the trash any more.")
    return found


def _with_company(files: int) -> str:
    return "" if not files else (", with the file that belongs to it" if files == 1 else f", with the {files} files that belong to it")
