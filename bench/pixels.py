"""How long does somebody's inpainting of a large picture hold up somebody else's steps?

    python bench/pixels.py                    a 2048x2048 picture, its masked part drawn at 128x128
    python bench/pixels.py --side 4096

One job draws step after step; beside it the others come one after another. Told is the time between two steps of the first one: the
median without company, and the longest while a job is there, beside that job's own time.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image

from app.engine.client import Done, EngineJob, Event, Failed, Progress
from app.engine.thread import ThreadEngine
from app.models import Catalog
from app.prompt import Tokenizer
from app.schema.params import make_params
from app.schema.settings import ServerSettings

ROOT = Path(__file__).resolve().parent.parent

CASES: dict[str, dict[str, object]] = {
    "original": {"inpainting_fill": 1},
    "filled": {"inpainting_fill": 0},
    "colours": {"inpainting_fill": 1, "img2img_color_correction": True},
}


class Ears:
    """When the first job did its steps, and which jobs are over."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.over: dict[str, threading.Event] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress) and event.job == "steady":
            self.steps.append(time.perf_counter())
        if isinstance(event, Done | Failed):
            self.over[event.job].set()
            if isinstance(event, Failed):
                print(event.message, file=sys.stderr)


def longest(steps: list[float], begun: float, ended: float) -> float:
    """The longest time between two steps of which one lies within."""
    return max(after - before for before, after in pairwise(steps) if after > begun and before < ended)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=2048)
    side = parser.parse_args().side
    ramp = Image.linear_gradient("L").resize((side, side))
    picture, mask = np.asarray(Image.merge("RGB", [ramp] * 3)), np.zeros((side, side), np.uint8)
    mask[side // 4 : side // 2, side // 4 : side // 2] = 255
    with tempfile.TemporaryDirectory() as folder:
        settings = ServerSettings(data_dir=Path(folder), embedded_dir=ROOT / "models" / "Stable-diffusion", device="cpu")
        catalog, ears = Catalog(settings), Ears()
        catalog.refresh()
        engine = ThreadEngine(settings, catalog, Tokenizer())
        engine.start(ears)
        size = {"prompt": "a red apple", "width": 128, "height": 128, "steps": 4, "checkpoint": catalog.checkpoints()[0].filename}
        ears.over = {name: threading.Event() for name in ("steady", *CASES)}
        engine.submit(EngineJob(id="steady", client="one", params=make_params(**{**size, "steps": 1000})))
        while len(ears.steps) < 20:
            time.sleep(0.1)
        between = [after - before for before, after in pairwise(ears.steps)]
        print(f"{side}x{side}, only masked at 128x128; steps of another job alone: {1000 * statistics.median(between):.0f} ms")
        print(f"{'masked content':18}{'longest between steps, ms':>28}{'the job, s':>14}")
        for name, more in CASES.items():
            asked = {**size, "mode": "img2img", "init_images": ("x",), "mask": "m", "inpaint_full_res": True}
            asked |= {"mask_blur_x": 32, "mask_blur_y": 32}
            begun = time.perf_counter()
            given = {"images": (partial(np.array, picture),), "mask": partial(np.array, mask)}
            engine.submit(EngineJob(id=name, client="two", params=make_params(**{**asked, **more}), **given))
            ears.over[name].wait()
            ended = time.perf_counter()
            time.sleep(2)
            print(f"{name:18}{1000 * longest(ears.steps, begun, ended):28.0f}{ended - begun:14.1f}")
        engine.close()


if __name__ == "__main__":
    main()
