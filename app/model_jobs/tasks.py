"""From an action to what does it."""

from app.model_jobs.actions import Action, Convert, Destroy, Merge, Move, Rename, Restore, Trash, Verify
from app.model_jobs.making import convert, merge
from app.model_jobs.moving import destroy, move, rename, restore, throw_away
from app.model_jobs.shelf import Shelf
from app.model_jobs.task import Task
from app.model_jobs.verify import verify


def task_of(action: Action, shelf: Shelf) -> Task:
    """The task, once it is clear that its files are there and its names can be had; DarkroomError with one sentence if not."""
    match action:
        case Verify():
            return verify(action, shelf)
        case Rename():
            return rename(action, shelf)
        case Move():
            return move(action, shelf)
        case Trash():
            return throw_away(action, shelf)
        case Restore():
            return restore(action, shelf)
        case Destroy():
            return destroy(action, shelf)
        case Convert():
            return convert(action, shelf)
        case Merge():
            return merge(action, shelf)
