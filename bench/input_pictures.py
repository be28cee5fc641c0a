"""How much memory does the largest accepted input picture take, from the upload to the result laid over it?

    python bench/input_pictures.py                    8192x8192, the limit of 64 megapixels
    python bench/input_pictures.py --width 4096 --height 4096

Every step runs in a process of its own; its peak is told beside what the process had before it, and in bytes a pixel.
"""

import argparse
import io
import platform
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image

from app.jobs.inputs import Inputs
from app.recipes.canvas import Canvas
from app.recipes.masks import Masks, pixel_mask
from app.schema.errors import TooLarge
from app.schema.params import make_params

ROOT = Path(__file__).resolve().parent.parent

MIB = 1024**2
STEPS = ("store", "store mask", "mask", "start", "start, filled", "finish", "finish with colours", "refuse")


def picture(width: int, height: int, mode: str) -> Image.Image:
    """Neither flat nor noise: a ramp that no encoder has trouble with."""
    ramp = Image.linear_gradient("L").resize((width, height))
    return ramp if mode == "L" else Image.merge("RGB", [ramp] * 3)


def encoded(width: int, height: int, mode: str) -> bytes:
    buffer = io.BytesIO()
    picture(width, height, mode).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def run(step: str, width: int, height: int, folder: Path) -> None:
    """One step; prints seconds, MiB before and peak MiB."""
    inputs = Inputs(folder)
    image, mask = (folder / name for name in ("image.id", "mask.id"))
    if step == "prepare":
        (folder / "image.png").write_bytes(encoded(width, height, "RGB"))
        (folder / "mask.png").write_bytes(encoded(width, height, "L"))
        return
    settings = make_params(
        mode="img2img",
        init_images=("x",),
        mask="m",
        inpaint_full_res=True,
        inpainting_fill=0 if step == "start, filled" else 1,
        img2img_color_correction=step == "finish with colours",
    )
    pixels = np.zeros((512, 512, 3), np.uint8)
    stored = inputs.stored(image.read_text()) if image.exists() else None
    masks = Masks(inputs.stored(mask.read_text())) if mask.exists() else Masks()
    pictures = () if stored is None else (stored,)
    shape = pixel_mask(settings, masks, pictures) if step in ("start", "start, filled", "finish", "finish with colours") else None
    canvas = Canvas(settings, shape)
    before, begun = _memory("VmRSS"), time.perf_counter()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    if step == "store":
        image.write_text(inputs.add((folder / "image.png").read_bytes()))
    elif step == "store mask":
        mask.write_text(inputs.add_mask((folder / "mask.png").read_bytes()))
    elif step == "mask":
        pixel_mask(settings, masks, pictures)
    elif step.startswith("start"):
        assert stored is not None
        canvas.start(stored)
    elif step == "refuse":
        _refuse(inputs)
    else:
        assert stored is not None
        canvas.finish(stored, pixels)
    print(time.perf_counter() - begun, before, _memory("VmHWM"))


def _refuse(inputs: Inputs) -> None:
    huge = bytearray(encoded(16, 16, "RGB"))
    huge[16:24] = (20_000).to_bytes(4, "big") * 2  # the header's width and height
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    try:
        inputs.add(bytes(huge))
    except TooLarge as error:
        print(error, file=sys.stderr)


def _memory(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=8192)
    parser.add_argument("--height", type=int, default=8192)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        run(given.step, given.width, given.height, given.folder)
        return
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    print(f"{given.width}x{given.height}, only masked at 512x512, {platform.processor() or platform.machine()}, commit {commit}")
    print(f"{'step':22}{'seconds':>9}{'before MiB':>12}{'peak MiB':>10}{'bytes a pixel':>15}")
    with tempfile.TemporaryDirectory() as folder:
        size = ["--width", str(given.width), "--height", str(given.height), "--folder", folder]
        for step in ("prepare", *STEPS):
            done = subprocess.run([sys.executable, __file__, "--step", step, *size], capture_output=True, text=True, check=True)
            if step != "prepare":
                seconds, before, peak = map(float, done.stdout.split())
                a_pixel = (peak - before) * MIB / (given.width * given.height)
                print(f"{step:22}{seconds:9.2f}{before:12.0f}{peak:10.0f}{a_pixel:15.1f}")


if __name__ == "__main__":
    main()
