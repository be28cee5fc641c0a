"""What the machine is doing: the card through NVML, or the processor and memory where there is no card."""

import threading
from dataclasses import dataclass

import psutil
import pynvml


@dataclass(frozen=True, kw_only=True)
class MachineFigures:
    """One look."""

    kind: str
    """`gpu` or `cpu`."""
    load: float
    """0..1, since the last look."""
    memory_used_bytes: int
    memory_total_bytes: int


class Machine:
    """Asked at most as often as pages ask; NVML is opened once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cards: int | None = None

    def look(self, device: str) -> MachineFigures:
        """The card that a torch device (`cuda`, `cuda:1`) names, or the machine itself."""
        kind, _, index = device.partition(":")
        if kind == "cuda" and (figures := self._card(int(index or 0))) is not None:
            return figures
        memory = psutil.virtual_memory()
        used = memory.total - memory.available
        return MachineFigures(kind="cpu", load=psutil.cpu_percent() / 100, memory_used_bytes=used, memory_total_bytes=memory.total)

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
