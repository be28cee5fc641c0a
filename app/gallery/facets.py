"""Facets: what pictures can be filtered by, each value as one made-up word of the full-text index.

So a filter is one more word that must be there, and costs as little as a word of the prompt.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from app.gallery.entry import Entry
from app.gallery.marks import Marked

Kind = Literal["model", "sampler", "lora", "size", "seed", "format", "rating", "favourite", "tag", "album", "owner", "folder"]
LISTED: tuple[Kind, ...] = ("model", "sampler", "lora", "size", "format", "tag", "album")
"""Kinds whose values a person chooses from; their numbers are kept."""


@dataclass(frozen=True)
class Facet:
    """One value of one kind."""

    kind: Kind
    value: str

    @property
    def word(self) -> str:
        """Its word: letters and digits that no person types, whatever the value's case."""
        return f"x{self.kind[:2]}{blake2b(f'{self.kind}:{self.value.casefold()}'.encode('utf-8', 'replace'), digest_size=7).hexdigest()}"


def facets_of(entry: Entry, marked: Marked) -> tuple[Facet, ...]:
    """Everything one picture can be found by beside its words."""
    return tuple(_facets(entry, marked))


def words_of(facets: Iterable[Facet]) -> str:
    """The facets as the index holds them."""
    return " ".join(facet.word for facet in facets)


def _facets(entry: Entry, marked: Marked) -> Iterator[Facet]:
    yield Facet("folder", str(entry.place.folder))
    yield Facet("format", entry.format)
    yield Facet("size", f"{entry.width}x{entry.height}")
    if entry.model:
        yield Facet("model", entry.model)
    if entry.sampler:
        yield Facet("sampler", entry.sampler)
    if entry.seed:
        yield Facet("seed", entry.seed)
    for lora in entry.loras:
        yield Facet("lora", lora)
    for stars in range(1, marked.rating + 1):  # "at least three" is then one word
        yield Facet("rating", str(stars))
    if marked.favourite:
        yield Facet("favourite", "yes")
    for tag in marked.tags:
        yield Facet("tag", tag)
    for album in marked.albums:
        yield Facet("album", album)
    if marked.owner:
        yield Facet("owner", marked.owner)
