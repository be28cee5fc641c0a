"""Every picture that was made, found again: an index that can be made anew from the files, and what people said of them.

`Gallery` is the door. The index (a cache in SQLite with full-text search) follows the folders; favourites, ratings, tags and albums lie
beside it in a file of their own, keyed by what is in a picture's file; the trash is a hidden folder beside the pictures. Knows the
schema and the metadata; nothing of jobs, of the API and of the page.
"""

from app.gallery.compare import PixelDifference, SettingPair, difference_png, pixel_difference, setting_pairs
from app.gallery.facets import LISTED, Facet, Kind
from app.gallery.gallery import Gallery, Status
from app.gallery.index import Found, Page
from app.gallery.marks import MAX_NAME_CHARS, MAX_RATING, Change, Marked
from app.gallery.search import Search
from app.gallery.thumbnails import MEDIA_TYPE, Thumbnails
from app.gallery.trash import Trashed

__all__ = [
    "LISTED",
    "MAX_NAME_CHARS",
    "MAX_RATING",
    "MEDIA_TYPE",
    "Change",
    "Facet",
    "Found",
    "Gallery",
    "Kind",
    "Marked",
    "Page",
    "PixelDifference",
    "Search",
    "SettingPair",
    "Status",
    "Thumbnails",
    "Trashed",
    "difference_png",
    "pixel_difference",
    "setting_pairs",
]
