"""Model files kept in order: verified, converted, merged, renamed, moved, thrown away and brought back; each action is a job.

Knows models, the schema, the trash, and `conversion`, which it imports when something is to be made (torch comes with it). A job shows its
progress, ends within about a second when it is cancelled, and leaves the old or the new, whole, whatever happens.

Public: `ModelJobs` (the list and its thread) with `ModelJob`, `Shelf` (what actions know of the world), `Action`, `ACTIONS`, `task_of`
and `trashed`.
"""

from app.model_jobs.actions import ACTIONS, Action
from app.model_jobs.moving import trashed
from app.model_jobs.queue import ModelJob, ModelJobs
from app.model_jobs.shelf import CannotChange, Shelf
from app.model_jobs.tasks import task_of
from app.model_jobs.verify import WrongHash

__all__ = ["ACTIONS", "Action", "CannotChange", "ModelJob", "ModelJobs", "Shelf", "WrongHash", "task_of", "trashed"]
