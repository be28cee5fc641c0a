"""The same checkpoint, prompt, sampler, steps and size through plain diffusers' pipeline, in the same process: seconds a picture.

    python bench/peers.py                           1, 4 and 16 pictures of the embedded checkpoint, 128x128, 20 steps, on all cores
    python bench/peers.py --device cuda --checkpoint /tmp/full.safetensors --size 512

The pipeline gets its pictures as one batch (`num_images_per_prompt`), and so does Darkroom. Both take the text, encode it, draw and
decode to 8-bit pixels; neither writes files. They take turns, so that a busy machine is busy for both, each in a thread that ends
with its turn: GNU's OpenMP lets threads that wait for each other sleep sooner while another thread has a team, too, which would make
either side slower by half on a quiet machine. Before what is timed, each warms up with two steps of the same.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

from app.engine.build import DTYPES, pick_device, pick_dtype
from app.engine.client import Done, EngineJob, Event, Failed, PictureDone
from app.engine.thread import ThreadEngine
from app.models import EMBEDDED, Catalog, ModelFile
from app.networks import load_checkpoint
from app.prompt import Tokenizer
from app.schema.params import make_params
from app.schema.settings import ServerSettings

ROOT = Path(__file__).resolve().parent.parent

PROMPT, NEGATIVE, CFG = "a red apple on a white background", "", 5.0
START, END, LENGTH = 49406, 49407, 77
WARM_STEPS = 2

T = TypeVar("T")


def in_a_thread(work: Callable[[], T]) -> T:
    """What it returns, from a thread that is gone afterwards."""

    def inferring() -> T:
        with torch.inference_mode():
            return work()

    with ThreadPoolExecutor(1) as worker:
        return worker.submit(inferring).result()


class Peer:
    """diffusers' StableDiffusionPipeline over networks of its own, with the same weights."""

    def __init__(self, file: ModelFile, device: str, dtype: torch.dtype) -> None:
        networks = load_checkpoint(file, device, dtype)._networks
        self.text, self.device, self.tokenizer = networks.texts[0], device, Tokenizer()
        scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)
        self.pipeline = StableDiffusionPipeline(
            vae=networks.autoencoder, text_encoder=None, tokenizer=None, unet=networks.denoiser, scheduler=scheduler,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
        self.pipeline.set_progress_bar_config(disable=True)

    def encoded(self, prompt: str) -> torch.Tensor:
        """(1, 77, width): the pipeline's own tokenizer would want files that no checkpoint brings."""
        ids = [START, *self.tokenizer.encode(prompt), END]
        return self.text(torch.tensor([ids + [END] * (LENGTH - len(ids))], device=self.device)).last_hidden_state

    def turn(self, pictures: int, options: argparse.Namespace) -> float:
        """Seconds."""
        return in_a_thread(lambda: (self.draw(pictures, WARM_STEPS, options), self.draw(pictures, options.steps, options))[1])

    def draw(self, pictures: int, steps: int, options: argparse.Namespace) -> float:
        begun = time.perf_counter()
        made = self.pipeline(
            prompt_embeds=self.encoded(PROMPT), negative_prompt_embeds=self.encoded(NEGATIVE), num_images_per_prompt=pictures,
            num_inference_steps=steps, guidance_scale=CFG, width=options.size, height=options.size,
            generator=[torch.Generator().manual_seed(seed) for seed in range(pictures)],
        )  # fmt: skip
        assert len(made.images) == pictures
        return time.perf_counter() - begun


class Ours:
    """Darkroom's engine."""

    def __init__(self, catalog: Catalog, file: ModelFile) -> None:
        self.catalog, self.file, self.count, self.made, self.ended = catalog, file, 0, 0, threading.Event()
        self.failed: Failed | None = None

    def hear(self, event: Event) -> None:
        self.made += isinstance(event, PictureDone)
        self.failed = event if isinstance(event, Failed) else self.failed
        if isinstance(event, Done | Failed):
            self.ended.set()

    def turn(self, pictures: int, options: argparse.Namespace) -> float:
        """Seconds, by an engine that is closed afterwards."""
        engine = ThreadEngine(self.catalog.settings, self.catalog, Tokenizer())
        engine.start(self.hear)
        try:
            self.draw(engine, pictures, WARM_STEPS, options)
            return self.draw(engine, pictures, options.steps, options)
        finally:
            engine.close()

    def draw(self, engine: ThreadEngine, pictures: int, steps: int, options: argparse.Namespace) -> float:
        begun = time.perf_counter()
        self.count, self.made = self.count + 1, 0
        self.ended.clear()
        asked = {"prompt": PROMPT, "sampler": "Euler", "steps": steps, "cfg_scale": CFG, "seed": 1000 * self.count}
        params = make_params(
            **asked, batch_size=pictures, width=options.size, height=options.size, checkpoint=self.file.filename, exact=options.exact
        )
        engine.submit(EngineJob(id=str(self.count), client="bench", params=params, previews=False))
        self.ended.wait()
        if self.failed is not None:
            raise SystemExit(self.failed.message)
        assert self.made == pictures
        return time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="default: the embedded one")
    parser.add_argument("--pictures", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--exact", action="store_true", help="Darkroom's jobs keep their rows to themselves")
    parser.add_argument("--device")
    parser.add_argument("--dtype", choices=sorted(DTYPES))
    options = parser.parse_args()
    device = pick_device(options.device)
    dtype = DTYPES[pick_dtype(options.dtype, device)]
    seconds: dict[str, dict[int, list[float]]] = {"diffusers": defaultdict(list), "Darkroom": defaultdict(list)}
    with tempfile.TemporaryDirectory() as folder:
        settings = ServerSettings(data_dir=Path(folder), embedded_dir=ROOT / "models" / "Stable-diffusion", ckpt=options.checkpoint,
                                  device=options.device, dtype=options.dtype)  # fmt: skip
        catalog = Catalog(settings)
        catalog.refresh()
        file = catalog.find(options.checkpoint.stem if options.checkpoint else EMBEDDED)
        catalog.hash(file)  # once a file in its life
        sides = {"diffusers": in_a_thread(lambda: Peer(file, str(device), dtype)), "Darkroom": Ours(catalog, file)}
        for pictures in options.pictures:
            for _ in range(options.repeats):
                for name, side in sides.items():
                    seconds[name][pictures].append(side.turn(pictures, options) / pictures)
        catalog.close()
    print(f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads, {device} {dtype}")
    print(f"{options.size}x{options.size}, Euler, {options.steps} steps, CFG {CFG}; seconds a picture: every repeat, then the median\n")
    for pictures in options.pictures:
        medians = {}
        for name, by_number in seconds.items():
            medians[name] = statistics.median(by_number[pictures])
            print(f"{pictures:>3}  {name:<10}{'  '.join(f'{s:6.3f}' for s in by_number[pictures])}   {medians[name]:6.3f}")
        print(f"     diffusers takes {medians['diffusers'] / medians['Darkroom']:.2f} times as long\n")
    print(json.dumps(seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
