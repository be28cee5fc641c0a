"""The call of a script, as a request makes it and as it is written down with its job."""

from pydantic import BaseModel, ConfigDict, Field

MAX_ARGUMENTS = 100
GRID = -1
"""Number of a job's grid among its pictures."""
SUBGRIDS = -1_000_000
"""From here down are the numbers of further grids that a script makes."""


class ScriptCall(BaseModel):
    """A selectable script and its arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(max_length=100)
    arguments: tuple[object, ...] = Field((), max_length=MAX_ARGUMENTS)
    """In A1111's order."""
    drawn: tuple[str, ...] = ()
    """`seed` and `subseed` where the request left them to chance; a script may then draw one for each of its jobs."""
