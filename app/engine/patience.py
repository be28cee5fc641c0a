"""How long an engine may be silent before it counts as hung: by far longer than anything it was seen to do."""

from dataclasses import dataclass


@dataclass
class Patience:
    """Limits for silence, in seconds, from the silences that ended well."""

    first_s: float = 900.0
    """Before anything was seen: a large checkpoint on a slow disk, the first forward of a large picture on a CPU."""
    least_s: float = 300.0
    factor: float = 30.0
    """How many times the longest silence seen, scaled to the largest picture at work."""
    _slowest: float = 0.0
    """Seconds a pixel."""

    def saw(self, silence_s: float, pixels: int) -> None:
        """An engine with pictures of so many pixels at work was silent for so long, then went on."""
        self._slowest = max(self._slowest, silence_s / max(1, pixels))

    def limit_s(self, pixels: int) -> float:
        """The longest silence that is still believed in while pictures of so many pixels are at work."""
        return max(self.least_s, self.factor * self._slowest * pixels) if self._slowest else self.first_s
