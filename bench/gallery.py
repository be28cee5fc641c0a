"""How fast the gallery takes pictures in, how fast it finds one among a million, and what memory that takes.

python bench/gallery.py --files 100000 --records 1000000
"""

import argparse
import random
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.gallery import Facet, Gallery, Search
from app.gallery.entry import Entry, Place
from app.metadata import encode_picture

WORDS = 20_000
COMMON = ("masterpiece", "best quality", "detailed", "1girl", "solo", "landscape", "portrait", "night", "red", "house")
NEGATIVE = "lowres, bad anatomy, bad hands, text, error, missing fingers, extra digit, cropped, worst quality, jpeg artifacts, signature"
BATCH = 2_000
REPEATS = 30


class Prompts:
    """Prompts as people write them: a few words that nearly all have, and a long tail (Zipf)."""

    def __init__(self) -> None:
        self.random = random.Random(1)
        syllables = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]
        self.words = ["".join(self.random.choices(syllables, k=self.random.randint(2, 4))) for _ in range(WORDS)]
        self.weights = list(accumulate(1 / (place + 1) for place in range(WORDS)))

    def prompt(self) -> str:
        rare = self.random.choices(self.words, cum_weights=self.weights, k=22)
        lora = f" <lora:{self.random.choice(self.words[:40])}:0.8>" if self.random.random() < 0.3 else ""
        return ", ".join((*self.random.sample(COMMON, 5), *rare)) + lora

    def entry(self, number: int) -> Entry:
        seconds = 1_600_000_000 + number * 60
        place = Place(
            folder=0, directory=f"d{number // 2000}", name=f"{number:07}.png", size_bytes=1_500_000, modified_ns=seconds * 1_000_000_000
        )
        prompt = self.prompt()
        return Entry(
            place=place,
            content=number.to_bytes(32),
            format=self.random.choice(("png", "jpeg", "webp")),
            width=512,
            height=self.random.choice((512, 640, 768)),
            prompt=prompt,
            negative_prompt=NEGATIVE,
            model=f"model-{self.random.randint(0, 60)}",
            sampler=self.random.choice(("Euler a", "DPM++ 2M", "DDIM")),
            seed=str(self.random.randrange(2**32)),
            loras=tuple(part[5:].split(":")[0] for part in prompt.split("<")[1:]),
        )


def memory_mb() -> float:
    """The process's own memory now; pages of mapped files, which the system takes back at will, are not counted."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024 / 1e6


def files(folder: Path, count: int) -> None:
    """Indexes `count` small PNG files, 1000 a folder, then looks through them again."""
    prompts, outputs = Prompts(), folder / "outputs"
    pixels = np.zeros((8, 8, 3), np.uint8)
    for number in range(count):
        path = outputs / f"{number // 1000:04}" / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        line = (
            f"Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: {number}, Size: 8x8, Model: model-{number % 60}"
        )
        path.write_bytes(encode_picture(pixels, f"{prompts.prompt()}\nNegative prompt: {NEGATIVE}\n{line}"))
    gallery = Gallery(folder / "data", outputs)
    before = memory_mb()
    print("\n| files | seconds | a second | memory before, after (MB) |\n|---|---|---|---|")
    for what in ("indexed", "looked through again, nothing new"):
        start = time.perf_counter()
        gallery.scan()
        seconds = time.perf_counter() - start
        print(f"| {count} {what} | {seconds:.1f} | {count / seconds:.0f} | {before:.0f}, {memory_mb():.0f} |", flush=True)
    gallery.close()


def questions(prompts: Prompts) -> dict[str, list[Search]]:
    """What people look for, by kind."""
    draw = prompts.random
    rare = [prompts.words[draw.randrange(200, WORDS)] for _ in range(REPEATS)]
    usual = [prompts.words[draw.randrange(0, 60)] for _ in range(REPEATS)]
    model = [Facet("model", f"model-{draw.randint(0, 60)}") for _ in range(REPEATS)]
    days = [1_600_000_000 + draw.randrange(60_000_000) for _ in range(REPEATS)]
    return {
        "nothing: the newest": [Search()] * REPEATS,
        "a word that half of all have": [Search(text=draw.choice(COMMON)) for _ in range(REPEATS)],
        "a frequent word": [Search(text=word) for word in usual],
        "a rare word": [Search(text=word) for word in rare],
        "three frequent words": [Search(text=" ".join(draw.sample(usual, 3))) for _ in range(REPEATS)],
        "a phrase": [Search(text='"best quality"')] * REPEATS,
        "a frequent word, another not": [Search(text=f"{word} -{draw.choice(COMMON)}") for word in usual],
        "a beginning (abc*)": [Search(text=f"{word[:3]}*") for word in usual],
        "a word of every negative prompt": [Search(text="fingers")] * REPEATS,
        "a model": [Search(facets=(facet,)) for facet in model],
        "a frequent word and a model": [Search(text=word, facets=(facet,)) for word, facet in zip(usual, model, strict=True)],
        "a rare word, a model, a sampler": [
            Search(text=word, facets=(facet, Facet("sampler", "DDIM"))) for word, facet in zip(rare, model, strict=True)
        ],
        "a frequent word in one week": [Search(text=word, after=day, before=day + 604_800) for word, day in zip(usual, days, strict=True)],
        "a seed": [Search(facets=(Facet("seed", str(draw.randrange(2**32))),)) for _ in range(REPEATS)],
    }


def records(folder: Path, count: int) -> None:
    """Puts `count` records into an index, then searches."""
    prompts = Prompts()
    gallery = Gallery(folder / "data", folder / "outputs")
    print("\n| records | a second | memory (MB) |\n|---|---|---|")
    for part in range(10):
        start, first = time.perf_counter(), part * count // 10
        last = (part + 1) * count // 10
        made = 0.0
        for at in range(first, last, BATCH):
            begun = time.perf_counter()
            entries = [prompts.entry(number) for number in range(at, min(at + BATCH, last))]
            made += time.perf_counter() - begun
            gallery.index.put(entries)
        rate = (last - first) / (time.perf_counter() - start - made)
        print(f"| {last} | {rate:.0f} | {memory_mb():.0f} |", flush=True)
    size = sum(file.stat().st_size for file in (folder / "data" / "cache").iterdir())
    print(f"\nThe index has {size / 1e9:.2f} GB.")
    print("\n| search (100 a page, counted) | median ms | 95 % ms | worst ms | 95 % of CPU ms |\n|---|---|---|---|---|")
    every: list[tuple[float, float]] = []
    for kind, asked in questions(prompts).items():
        times = []
        for search in asked:
            begun, worked = time.perf_counter(), time.process_time()
            gallery.find(search, None)
            times.append((1000 * (time.perf_counter() - begun), 1000 * (time.process_time() - worked)))
        every += times
        print(f"| {kind} | {_row(times)} |", flush=True)
    print(f"| **all** | {_row(every)} |\n\nMemory after the searches: {memory_mb():.0f} MB.")
    gallery.close()


def _row(times: list[tuple[float, float]]) -> str:
    """Of the clock, and of our own CPU time, which others on the machine do not take."""
    walls, own = zip(*times, strict=True)
    return f"{statistics.median(walls):.1f} | {_late(walls):.1f} | {max(walls):.1f} | {_late(own):.1f}"


def _late(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/darkroom-gallery-bench"), help="made, and removed at the end")
    given = parser.parse_args()
    try:
        if given.files:
            files(given.folder / "files", given.files)
        if given.records:
            records(given.folder / "records", given.records)
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
