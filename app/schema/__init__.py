"""What everything is described in: `GenerationParams` (one job), options, names of samplers, and the one family of errors.

Knows pydantic only; every other layer may import it.
"""

from app.schema.errors import DarkroomError
from app.schema.params import GenerationParams, make_params, view_of

__all__ = ["DarkroomError", "GenerationParams", "make_params", "view_of"]
