"""The internet, asked carefully: addresses that may be asked, connections to what was checked. Knows the schema.

A name is resolved once, every address it stands for must be public, and the connection goes to the one that was checked: neither a
name that changes its meaning meanwhile nor a redirect leads into this machine's network.
"""

from app.remote.addresses import Address, Place, is_public, joined, place_of, taken_apart
from app.remote.connection import Pinned, Rules

__all__ = ["Address", "Pinned", "Place", "Rules", "is_public", "joined", "place_of", "taken_apart"]
