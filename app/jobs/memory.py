"""Encoded pictures that are on no disk: those an API client asked not to save, and those a full disk refused."""

from collections import OrderedDict
from threading import Lock


class PictureMemory:
    """Bytes by picture id within a budget; the least recently used go first, the newest one always stays."""

    def __init__(self, budget_bytes: int) -> None:
        self._lock, self._budget_bytes = Lock(), budget_bytes
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._held_bytes = 0

    def put(self, picture: str, data: bytes) -> None:
        """Keeps a picture, dropping others to make room."""
        with self._lock:
            self._held_bytes += len(data) - len(self._pictures.pop(picture, b""))
            self._pictures[picture] = data
            while self._held_bytes > self._budget_bytes and len(self._pictures) > 1:
                self._held_bytes -= len(self._pictures.popitem(last=False)[1])

    def get(self, picture: str) -> bytes | None:
        """The bytes, or None once they were dropped; asking keeps them longer."""
        with self._lock:
            if picture in self._pictures:
                self._pictures.move_to_end(picture)
            return self._pictures.get(picture)
