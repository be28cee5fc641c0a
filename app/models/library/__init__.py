"""The collection of model files as people look through it: cards with previews, families, notes, favourites; and one file's page.

Public: `Library` (library.py), `Card`, `Search` and `CardPage` (cards.py), `Mark` (marks.py), `Notes` and `Civitai` (told.py),
`read_about` and `ModelAbout` (page.py), `hashes_of`, `Hashes` and `HashState` (hashing.py).
"""

from app.models.library.cards import Card, CardPage, Order, Search
from app.models.library.hashing import Hashes, HashState, hashes_of
from app.models.library.library import Library
from app.models.library.marks import Mark
from app.models.library.page import ModelAbout, read_about
from app.models.library.told import MOST_NOTE_CHARS, MOST_WEIGHT, Civitai, Notes

__all__ = [
    "MOST_NOTE_CHARS",
    "MOST_WEIGHT",
    "Card",
    "CardPage",
    "Civitai",
    "HashState",
    "Hashes",
    "Library",
    "Mark",
    "ModelAbout",
    "Notes",
    "Order",
    "Search",
    "hashes_of",
    "read_about",
]
