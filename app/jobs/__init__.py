"""Jobs as facts on disk: what was asked for, what came of it, and where the pictures are.

`Jobs` takes settings, writes them down, hands them to an engine it knows only as an `EngineClient`, saves each picture as it comes
and tells who asks: snapshots (`JobView`), a numbered stream of events (`Subscription`), waiting. `OptionsStore` holds A1111's options,
`Outputs` names and saves pictures, `Inputs` keeps the pictures img2img starts from. Knows the schema, the metadata and the engine's
door; imports no torch.
"""

from app.jobs.events import JobEvent, Subscription
from app.jobs.files import Outputs
from app.jobs.inputs import Inputs
from app.jobs.options import OptionsStore, OptionsView
from app.jobs.queue import Jobs
from app.jobs.saved_copies import SavedCopies
from app.jobs.views import ENDED, LIVE, JobError, JobPreview, JobState, JobView, PictureView, QueueCounts, RequestKey
from app.schema.disk import CannotSave, DiskFull

__all__ = [
    "ENDED",
    "LIVE",
    "CannotSave",
    "DiskFull",
    "Inputs",
    "JobError",
    "JobEvent",
    "JobPreview",
    "JobState",
    "JobView",
    "Jobs",
    "OptionsStore",
    "OptionsView",
    "Outputs",
    "PictureView",
    "QueueCounts",
    "RequestKey",
    "SavedCopies",
    "Subscription",
]
