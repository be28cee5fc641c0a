"""What the machine is doing: the card through NVML, or the processor and memory where there is no card."""

import threading
import time
from dataclasses import dataclass

import psutil
import pynvml


@dataclass(frozen=True, kw_only=True)
class MachineFigures:
    """One look."""

    kind: str
    """`gpu` or `cpu`."""
    load: float
    """0..1; a processor's over the last half second or more."""
    memory_used_bytes: int
    memory_total_bytes: int


LEAST_S = 0.5
"""Several pages ask one after another; a load over less says nothing."""


class Machine:
    """Asked at most as often as pages ask, from any thread; NVML is opened once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cards: int | None = None
        self._load, self._looked_s, self._times = 0.0, time.monotonic(), _times()

    def look(self, device: str) -> MachineFigures:
        """The card that a torch device (`cuda`, `cuda:1`) names, or the machine itself."""
        kind, _, index = device.partition(":")
        if kind == "cuda" and (figures := self._card(int(index or 0))) is not None:
            return figures
        memory = psutil.virtual_memory()
        used = memory.total - memory.available
        return MachineFigures(kind="cpu", load=self._processor(), memory_used_bytes=used, memory_total_bytes=memory.total)

    def _processor(self) -> float:
        # Not psutil.cpu_percent: it counts for each thread that asks by itself, and begins with 0.
        with self._lock:
            now = time.monotonic()
            if now - self._looked_s >= LEAST_S:
                (busy, whole), (busy_before, whole_before) = (times := _times()), self._times
                self._load = min(1.0, max(0.0, (busy - busy_before) / max(whole - whole_before, 1e-9)))
                self._looked_s, self._times = now, times
            return self._load

    def _card(self, index: int) -> MachineFigures | None:
        try:
            with self._lock:
                if self._cards is None:
                    pynvml.nvmlInit()
                    self._cards = int(pynvml.nvmlDeviceGetCount())
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            load = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
            return MachineFigures(kind="gpu", load=load, memory_used_bytes=int(memory.used), memory_total_bytes=int(memory.total))
        except pynvml.NVMLError:
            return None


def _times() -> tuple[float, float]:
    """Seconds of all processors at work, and in all, since the machine's start."""
    times = psutil.cpu_times()._asdict()
    whole = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)  # which are in user and nice already
    return whole - times["idle"] - times.get("iowait", 0.0), whole
