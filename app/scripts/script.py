"""What a script is: a generator over steps that asks for pictures and says what to show, and knows nothing of who makes them."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image

from app.metadata.styles import Style
from app.schema.errors import InvalidParams
from app.schema.params import GenerationParams, Mode, make_params
from app.scripts.arguments import Argument, Given

MAX_TASKS = 10_000
"""Most jobs one script may ask for."""
SCRIPT = "Script"
"""The infotext label under which a grid names its script, by its title."""


class Picture(Protocol):
    """A finished picture."""

    @property
    def seed(self) -> int:
        """Its own seed."""

    @property
    def infotext(self) -> str:
        """How it was made."""

    def open(self) -> Image.Image:
        """Its pixels, RGB; NotFound if it was not saved and is kept no longer."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One job of a script."""

    params: GenerationParams
    shown: int | None = None
    """Number, among the script's pictures, of the first picture of this job; None: its pictures are no result of the script."""
    extras: Mapping[str, str] = field(default_factory=dict)
    """Further infotext fields of its pictures."""


@dataclass(frozen=True)
class Draw:
    """Make these jobs, in company; the answer has the pictures of each (`Drawn`)."""

    tasks: tuple[Task, ...]
    of: int | None = None
    """How many the script asks for in all, where its plan could not know."""


@dataclass(frozen=True)
class Open:
    """The answer is the stored input picture of that id (PIL, RGB)."""

    name: str


@dataclass(frozen=True)
class Store:
    """Keep a picture, or a mask (grey), as an input of later jobs; the answer is its id."""

    image: Image.Image


@dataclass(frozen=True)
class Show:
    """A picture that the script has put together, the script's result number `number`; negative numbers are grids."""

    number: int
    image: Image.Image
    infotext: str
    like: Picture
    """The picture whose seed and model it is named by."""


Step = Draw | Open | Store | Show
Drawn = tuple[tuple[Picture, ...], ...]
"""The pictures of each task of a `Draw`."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a script's answer holds: numbers of its pictures in order, and the texts beside them."""

    images: tuple[int, ...]
    infotexts: tuple[int | str, ...]
    """A number stands for that picture's own text."""
    first: int = 0
    """Place in `images` of the first one that is no grid, as A1111 counts."""
    seeds: tuple[int, ...] = ()
    prompts: tuple[str, ...] = ()
    negative_prompts: tuple[str, ...] = ()
    with_beside: bool = False
    """Whether what is shown beside its pictures (masks) is in the answer, too, each behind its picture."""


Steps = Generator[Step, Any, Outcome]


@dataclass(frozen=True)
class Plan:
    """A script about to run: nothing of it has been asked for yet."""

    steps: Steps
    tasks: int
    """How many jobs it will ask for."""
    opens: bool = True
    """Whether it looks at the pixels of what was drawn: else nobody has to keep those of pictures that are saved."""


class Options(Protocol):
    """A1111's options as the script's request sees them."""

    def switch(self, name: str, /) -> bool:
        """A yes-or-no option."""

    def number(self, name: str, /) -> float:
        """A number option."""

    def text(self, name: str, /) -> str:
        """A text option."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a script is run on."""

    params: GenerationParams
    """Final: seeds drawn, names known."""
    options: Options
    resolve: Callable[[GenerationParams], GenerationParams]
    """Makes changed params final; raises DarkroomError for names that nobody knows."""
    styles: Sequence[Style] = ()
    drawn: frozenset[str] = frozenset()
    """`seed` and `subseed` where the request left them to chance."""

    def changed(self, **changes: object) -> GenerationParams:
        """The params with other values, checked as a request's are."""
        return self.resolve(make_params(**{**self.params.model_dump(), **changes}))


@dataclass(frozen=True)
class Script:
    """An entry of the table."""

    name: str
    """A1111's name in requests, lower case."""
    title: str
    """What the page calls it."""
    modes: tuple[Mode, ...]
    arguments: Callable[[Mode], tuple[Argument, ...]]
    plan: Callable[[Setting, Given], Plan]
    """Checks everything a request can get wrong and raises DarkroomError for it; the steps that it gives back have not begun."""

    def planned(self, setting: Setting, arguments: Sequence[object]) -> Plan:
        """The plan of a request with these `script_args`; InvalidParams with one sentence for what is wrong with them."""
        plan = self.plan(setting, Given.read(self.name, self.arguments(setting.params.mode), arguments))
        check_tasks(plan.tasks)
        return plan


def check_tasks(count: int) -> None:
    """InvalidParams for more jobs than a script may ask for."""
    if count > MAX_TASKS:
        raise InvalidParams(f"The script would make {count} jobs; the limit is {MAX_TASKS}.")
