"""Which checkpoint a request that names none gets, for routes that show or load it."""

from collections.abc import Sequence

from app import models
from app.api.services import Services
from app.jobs.options import CHECKPOINT


def chosen_checkpoint(services: Services) -> models.ModelFile | None:
    """The options' checkpoint, else the first that can be loaded (the user's own before the embedded one); None: there is none."""
    return models.chosen_checkpoint(services.catalog, str(services.options.get(CHECKPOINT) or ""))


def usable_checkpoints(services: Services) -> Sequence[models.ModelFile]:
    """Checkpoints that can be loaded, sorted by name."""
    return [file for file in services.catalog.checkpoints() if file.problem is None]
