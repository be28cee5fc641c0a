"""A long fuzz run without hypothesis' bookkeeping: `python -m tests.fuzz.run COUNT [SEED]`.

`python -m tests.fuzz.run --seeds DIR` writes the real files and texts into a folder, for `tests.fuzz.guided`.
"""

import sys
import time
from pathlib import Path
from random import Random

from tests.fuzz.mutate import check_file, check_text, mutated, seeds, texts, wrapped


def one(random: Random, files: list[bytes], raws: list[str]) -> None:
    """One damaged file, or one damaged text alone or in a picture."""
    if random.random() < 0.5:
        check_file(mutated(random.choice(files), random))
        return
    raw = mutated(random.choice(raws).encode(), random)
    if random.random() < 0.5:
        check_text(raw.decode("utf-8", "replace"))
    else:
        check_file(wrapped(raw, random))


def plain(count: int, seed: int) -> None:
    """Runs and prints how long the slowest took."""
    files, raws = seeds(), texts()
    slowest, began = 0.0, time.perf_counter()
    for number in range(count):
        start = time.process_time()
        try:
            one(Random(f"{seed} {number}"), files, raws)
        except Exception:
            print(f"fault at input {number} of seed {seed}")
            raise
        slowest = max(slowest, time.process_time() - start)
    print(f"{count} inputs, no fault, {time.perf_counter() - began:.0f} s, the slowest {slowest:.3f} s of CPU")


def write_seeds(folder: Path) -> None:
    """Puts what the mutations begin with into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate([*seeds(), *(text.encode() for text in texts())]):
        (folder / f"{number:04}").write_bytes(data)


if __name__ == "__main__":
    if "--seeds" in sys.argv:
        write_seeds(Path(sys.argv[-1]))
    else:
        plain(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
