"""What does switching between two checkpoints cost, and does memory stay as it is?

    python bench/make_full_size.py /tmp/one.safetensors --seed 1
    python bench/make_full_size.py /tmp/two.safetensors --seed 2
    python bench/swap.py /tmp/one.safetensors /tmp/two.safetensors [--device cuda]

Cold: the file is put out of the system's cache first; a load is held against reading the same file, in the same run. Resident: on a
CPU both stay in memory, and a switch copies nothing; on a card the weights come back from host memory, held against a plain copy.
Then thirty swaps with room for one checkpoint only: resident memory of the process after each.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil
import torch

from app.engine.budgets import Budgets
from app.engine.build import DTYPES, pick_device, pick_dtype
from app.engine.residency import Residency
from app.models import Catalog
from app.schema.settings import ServerSettings

PLENTY = 2**42


def out_of_cache(path: Path) -> None:
    """Asks the system to forget the file (Linux)."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(path: Path) -> None:
    buffer = bytearray(8 * 2**20)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def seconds(work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs=2)
    parser.add_argument("--device")
    parser.add_argument("--dtype")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--swaps", type=int, default=30)
    options = parser.parse_args()
    device = pick_device(options.device)
    dtype = DTYPES[pick_dtype(options.dtype, device)]
    host = None if device.type == "cpu" else torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        catalogs = [Catalog(ServerSettings(data_dir=Path(folder) / path.stem, ckpt=path)) for path in options.files]
        files = []
        for catalog, path in zip(catalogs, options.files, strict=True):
            catalog.refresh()
            files.append(catalog.find(path.stem))
            catalog.hash(files[-1])  # once a file in its life; not a part of any later load
        both = _Both(catalogs[0], files)
        cold, plain = [], []
        for _ in range(options.repeats):
            for file in files:
                out_of_cache(file.path)
                plain.append(seconds(lambda file=file: read(file.path)))
                out_of_cache(file.path)
                fresh = Residency(both, device, dtype, Budgets(PLENTY, PLENTY), host=host)
                cold.append(seconds(lambda fresh=fresh, file=file: fresh.get(file.filename, (), lambda _: None)))
                del fresh
        residency = Residency(both, device, dtype, Budgets(PLENTY if host is None else 1, PLENTY), host=host)
        for file in files:
            residency.get(file.filename, (), lambda _: None)
        warm = [seconds(lambda n=n: residency.get(files[n % 2].filename, (), lambda _: None)) for n in range(6)]
        weights = residency.get(files[0].filename, (), lambda _: None).checkpoint.nbytes
        residency = None
        one = Residency(both, device, dtype, Budgets(weights, 0), host=host)
        memory = []
        for n in range(options.swaps):
            one.get(files[n % 2].filename, (), lambda _: None)
            memory.append(psutil.Process().memory_info().rss)
        for catalog in catalogs:
            catalog.close()
    print(f"{device} {dtype}, weights {weights / 1e9:.2f} GB of {files[0].size_bytes / 1e9:.2f} GB on the disk; every repeat, seconds")
    print(f"reading the file, cold   {[f'{s:.2f}' for s in plain]}")
    ratio = statistics.median(cold) / statistics.median(plain)
    print(f"loading it, cold         {[f'{s:.2f}' for s in cold]}   ratio {ratio:.2f} (wanted 1.3)")
    print(f"switch, both resident    {[f'{s:.5f}' for s in warm]}")
    steady = memory[2:]
    print(f"{options.swaps} swaps with room for one, memory of the process: peak {max(steady) / 1e9:.2f}, end {steady[-1] / 1e9:.2f} GB")
    print(json.dumps({"read": plain, "cold": cold, "warm": warm, "rss": memory}))
    return 0


class _Both:
    """One catalogue's view of both files."""

    def __init__(self, catalog: Catalog, files) -> None:
        self._catalog, self._files = catalog, {file.filename: file for file in files}

    def find(self, name: str):
        return self._files[name]

    def hash(self, file) -> str:
        return file.sha256 or "unknown"


if __name__ == "__main__":
    with torch.inference_mode():
        sys.exit(main())
