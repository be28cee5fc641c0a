"""Cards of model files, and finding some among thousands: pure functions over what is in memory."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.models.facts import ModelFile
from app.models.folders import Kind
from app.models.library.details import UNREAD, Details
from app.models.library.families import family_of_words
from app.models.library.marks import UNMARKED, Mark
from app.models.library.told import NO_NOTES, NOTHING_TOLD, Civitai, Notes

Order = Literal["name", "date", "size", "used"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """A model file with everything that is known of it for a list of cards."""

    file: ModelFile
    details: Details = UNREAD
    notes: Notes = NO_NOTES
    """What stands beside the file."""
    civitai: Civitai = NOTHING_TOLD
    remarks: tuple[str, ...] = ()
    """What is wrong with files beside it."""
    preview: str | None = None
    """The picture's path."""
    preview_stamp: str = ""
    read: bool = True
    """Whether the file's header and notes have been looked at in their present state."""
    mark: Mark = UNMARKED
    words: str = ""
    """All that a search looks through, in lower case."""

    @property
    def folder(self) -> str:
        """The sub-folder that it lies in, with `/`; empty for none."""
        return self.file.filename.rpartition("/")[0]

    @property
    def base_model(self) -> str:
        """What Civitai says that it was made from: `Pony`, `SD 1.5`."""
        return self.civitai.base_model

    @property
    def family(self) -> str:
        """By its tensors; else by what was said of it."""
        return self.details.family or family_of_words(self.civitai.base_model, self.notes.sd_version)

    @property
    def problem(self) -> str | None:
        """One sentence: why it cannot be used."""
        return self.file.problem or self.details.problem

    @property
    def trigger_words(self) -> tuple[str, ...]:
        """Civitai's, else the file's own."""
        return self.civitai.trained_words or self.details.trigger_words

    @property
    def said(self) -> Notes:
        """The user's notes: those beside the file, completed by those that are kept here."""
        return self.notes.or_else(self.mark.notes)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for; every part that is given must fit."""

    text: str = ""
    """Words, each of which stands somewhere in names, trigger words, tags."""
    kinds: frozenset[Kind] = frozenset()
    families: frozenset[str] = frozenset()
    """An empty text in it: those whose family is not known."""
    folder: str = ""
    """With the folders in it."""
    favourites: bool = False
    order: Order = "name"
    descending: bool = False


@dataclass(frozen=True, kw_only=True)
class CardPage:
    """A part of what was found, and how it is spread."""

    cards: Sequence[Card]
    total: int
    kinds: Mapping[str, int]
    """Of what fits but for the wish for kinds; so with the others, too."""
    families: Mapping[str, int]
    folders: Mapping[str, int]
    """Of each folder with those in it."""
    unread: int
    """Files whose headers have not been looked at yet, in all."""


def words_of(file: ModelFile, details: Details, civitai: Civitai, said: Notes) -> str:
    """All that a search looks through."""
    texts = (file.filename, details.alias, details.title, civitai.model_name, civitai.base_model, said.activation_text or "")
    return "\n".join((*texts, *civitai.trained_words, *details.trigger_words, *civitai.tags, *details.tags)).casefold()


def find(cards: Sequence[Card], search: Search, offset: int, limit: int) -> CardPage:
    """A page of the cards that fit, which are given in the order of their names."""
    wanted = search.text.casefold().split()
    fitting = [card for card in cards if (not search.favourites or card.mark.favourite) and all(word in card.words for word in wanted)]

    def of_kind(card: Card) -> bool:
        return not search.kinds or card.file.kind in search.kinds

    def of_family(card: Card) -> bool:
        return not search.families or card.family in search.families

    def in_folder(card: Card) -> bool:
        return not search.folder or card.folder == search.folder or card.folder.startswith(f"{search.folder}/")

    found = [card for card in fitting if of_kind(card) and of_family(card) and in_folder(card)]
    if search.order != "name":
        found.sort(key=_ORDERS[search.order], reverse=search.descending)
    elif search.descending:
        found.reverse()
    return CardPage(
        cards=found[offset : offset + limit],
        total=len(found),
        kinds=Counter(card.file.kind for card in fitting if of_family(card) and in_folder(card)),
        families=Counter(card.family for card in fitting if of_kind(card) and in_folder(card)),
        folders=Counter(folder for card in fitting if of_kind(card) and of_family(card) for folder in _with_those_around(card.folder)),
        unread=sum(not card.read for card in cards),
    )


def used_cards(cards: Iterable[Card], names: Mapping[tuple[Kind, str], float], prompts: Mapping[str, float]) -> list[tuple[Card, float]]:
    """The cards that were used and when: those of these names (path below the folder, file name, second name), and embeddings whose
    names stand as words in one of the prompts (in lower case).
    """
    found = []
    for card in cards:
        kind, file = card.file.kind, card.file
        whens = [names[kind, name] for name in (file.filename, file.path.name, file.name, card.details.alias) if (kind, name) in names]
        if kind == "embedding":
            word = file.name.casefold()
            whens += [when for text, when in prompts.items() if word in text and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)]
        if whens:
            found.append((card, max(whens)))
    return found


_ORDERS: Mapping[Order, Callable[[Card], float]] = {
    "date": lambda card: card.file.mtime_ns,
    "size": lambda card: card.file.size_bytes,
    "used": lambda card: card.mark.last_used or 0.0,
}


def _with_those_around(folder: str) -> Iterable[str]:
    """`a/b` and `a`."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
