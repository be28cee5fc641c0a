"""Model files from the internet: found (Civitai, Hugging Face, an address), fetched in parts, checked, put where they belong.

Knows models, the schema and the internet asked carefully; imports no torch. `Downloads` is the queue, `find_offer` turns what somebody
typed into a file to be had.
"""

from app.downloads.queue import Download, Downloads
from app.downloads.sources import Offer, Sites, find_offer
from app.downloads.transfer import Limits, Wanted, fetch

__all__ = ["Download", "Downloads", "Limits", "Offer", "Sites", "Wanted", "fetch", "find_offer"]
