"""How many pictures a second give their settings: `python bench/metadata.py [--files N] [--dir DIR]`.

Writes N pictures (1024x1024 noise, A1111's text, as PNG and as JPEG; and 512x512 PNGs with ComfyUI's graph) once, then reads them from
disk, settings and all: `read` is the record with its dialect, `restore` also the fields of the page. The first pass after writing is
warm in the page cache, as files are that were just made; three passes, the median counts.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.metadata import encode_picture, params_from_infotext, read_picture

TEXT = (
    "masterpiece, (best quality:1.2), a castle on a hill at dawn, mist in the valley, <lora:detail:0.6>, number {number}\n"
    "Negative prompt: (worst quality:1.4), blurry, watermark\n"
    "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: {number}, Size: 1024x1024, Model hash: 45a21ea00a, "
    "Model: castleMix_v4, Denoising strength: 0.35, Hires upscale: 1.5, Hires steps: 12, Hires upscaler: R-ESRGAN 4x+, "
    'Lora hashes: "detail: dddc3a1c5d5c", Version: v1.10.1'
)
PASSES = 3


def write(folder: Path, count: int, graph: str) -> dict[str, list[Path]]:
    """The files by kind; the pixels of a kind are the same, the texts are not."""
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    kinds: dict[str, list[Path]] = {"PNG, A1111": [], "JPEG, A1111": [], "PNG, ComfyUI": []}
    plain = {kind: encode_picture(Image.fromarray(noise), TEXT.format(number="#" * 9), kind) for kind in ("png", "jpeg")}
    small = Image.fromarray(noise[:512, :512])
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", graph)
    for number in range(count):
        for kind, label in (("png", "PNG, A1111"), ("jpeg", "JPEG, A1111")):
            path = folder / f"{number:06}.{kind}"
            own = f"{number:09}"
            path.write_bytes(plain[kind].replace(b"#" * 9, own.encode()).replace(("#" * 9).encode("utf-16-be"), own.encode("utf-16-be")))
            kinds[label].append(path)
    small.save(folder / "graph.png", pnginfo=info)
    data = (folder / "graph.png").read_bytes()
    for number in range(count):
        path = folder / f"graph{number:06}.png"
        path.write_bytes(data)
        kinds["PNG, ComfyUI"].append(path)
    return kinds


def rate(paths: list[Path], read: Callable[[Path], object]) -> tuple[float, float]:
    """Files a second, and files a second of our own CPU time, which others on the machine do not take; medians of some passes."""
    walls, own = [], []
    for _ in range(PASSES):
        began, worked = time.perf_counter(), time.process_time()
        for path in paths:
            read(path)
        walls.append(time.perf_counter() - began)
        own.append(time.process_time() - worked)
    return len(paths) / statistics.median(walls), len(paths) / statistics.median(own)


def main() -> None:
    """Writes, reads, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=500, help="of each kind")
    parser.add_argument("--dir", type=Path, help="folder for the files (default: a temporary one)")
    asked = parser.parse_args()
    sample = Path(__file__).parents[1] / "tests" / "data" / "samples" / "pictures" / "comfyui" / "comfyui-hires.png"
    graph = read_picture(sample).items["prompt"]
    with tempfile.TemporaryDirectory(dir=asked.dir) as folder:
        kinds = write(Path(folder), asked.files, graph)
        assert all(read_picture(paths[-1]).infotext for paths in kinds.values())
        print(f"{asked.files} files of each kind\n\n| files | MB each | read: files/s | of CPU | restore: files/s | of CPU |")
        print("|---|---|---|---|---|---|")
        for label, paths in kinds.items():
            read, restored = rate(paths, read_picture), rate(paths, lambda path: params_from_infotext(read_picture(path).infotext))
            figures = " | ".join(f"{figure:.0f}" for figure in (*read, *restored))
            print(f"| {label} | {paths[0].stat().st_size / 1e6:.2f} | {figures} |")


if __name__ == "__main__":
    main()
