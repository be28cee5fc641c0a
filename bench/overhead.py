"""What does Darkroom cost beside the network itself? Time outside the networks' own calls, and peak memory, for one job.

    python bench/overhead.py                                              the embedded checkpoint, 20 steps at 128x128
    python bench/make_full_size.py /tmp/full.safetensors
    python bench/overhead.py --checkpoint /tmp/full.safetensors --size 512 --steps 2

The job runs through the whole path: queue, database, events, engine, decode, PNG with infotext on the disk.
"""

import argparse
import json
import platform
import queue
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from app.engine.build import DTYPES, build_loop, pick_device, pick_dtype
from app.engine.client import EngineJob, Stop
from app.engine.messages import Close, LoadModel, Message, StopJob, Submit, UnloadModels
from app.jobs import Jobs, OptionsStore
from app.models import EMBEDDED, Catalog
from app.prompt import Tokenizer
from app.schema.params import make_params
from app.schema.settings import ServerSettings

ROOT = Path(__file__).resolve().parent.parent


class BenchEngine:
    """The engine's loop, turned by the bench itself, so that nothing runs that is not measured."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.device = pick_device(catalog.settings.device)
        self.dtype = pick_dtype(catalog.settings.dtype, self.device)
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def start(self, on_event) -> None:
        self.loop = build_loop(self.inbox, self.catalog.settings, self.catalog, Tokenizer(), on_event)
        self.executor, self.residency = self.loop._executor, self.loop._residency

    def submit(self, job: EngineJob) -> None:
        self.inbox.put(Submit(job))

    def stop_job(self, job: str, how: Stop) -> None:
        self.inbox.put(StopJob(job, how))

    def load(self, checkpoint: str) -> None:
        self.inbox.put(LoadModel(checkpoint))

    def unload(self) -> None:
        self.inbox.put(UnloadModels())

    def status(self):
        return self.loop.status()

    def close(self) -> None:
        self.inbox.put(Close())
        self.loop.turn()


def peak_bytes() -> int:
    """The process's largest resident memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="default: the embedded one")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="jobs after the one that loads")
    parser.add_argument("--device")
    parser.add_argument("--dtype", choices=sorted(DTYPES))
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        rows = run(options, Path(folder))
    print(f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads, {rows['device']} {rows['dtype']}")
    print(f"{options.size}x{options.size}, {options.steps} steps, batch {options.batch}\n")
    print(f"{'job':<8}{'seconds':>10}{'networks':>10}{'outside':>10}{'share':>8}")
    for name, seconds, networks in rows["jobs"]:
        print(f"{name:<8}{seconds:>10.3f}{networks:>10.3f}{seconds - networks:>10.3f}{(seconds - networks) / seconds:>8.1%}")
    weights = rows["weights"]
    print(f"\nweights {weights / 1e9:.2f} GB; peak memory {rows['peak'] / 1e9:.2f} GB, {rows['peak'] / weights:.2f} times the weights")
    print(f"before any checkpoint {rows['before'] / 1e9:.2f} GB (Python, torch and the libraries)")
    print(json.dumps(rows))
    return 0


def run(options: argparse.Namespace, folder: Path) -> dict:
    embedded = ROOT / "models" / "Stable-diffusion"
    settings = ServerSettings(data_dir=folder, embedded_dir=embedded, ckpt=options.checkpoint, device=options.device, dtype=options.dtype)
    catalog = Catalog(settings)
    catalog.refresh()
    name = options.checkpoint.stem if options.checkpoint else EMBEDDED
    file = catalog.find(name)
    engine = BenchEngine(catalog)
    store = OptionsStore(folder / "config.json")
    jobs = Jobs(settings, engine, store, resolve=lambda p: p.model_copy(update={"checkpoint": file.filename}))
    before = peak_bytes()
    catalog.hash(file)  # once a file in its life; not a part of any later job
    timed = []
    for repeat in range(options.repeats + 1):
        networks, begun = engine.executor.counters.network_s, time.perf_counter()
        asked = {"prompt": "a red apple", "sampler": "Euler", "steps": options.steps, "seed": repeat, "batch_size": options.batch}
        params = make_params(**asked, width=options.size, height=options.size)
        job = jobs.submit(params, client="bench")
        while not engine.inbox.empty() or engine.status().running:
            engine.loop.turn()
        jobs.wait(job)  # the picture is being saved
        assert jobs.get(job).state == "done", jobs.get(job).error
        label = "first" if repeat == 0 else str(repeat)
        timed.append((label, time.perf_counter() - begun, engine.executor.counters.network_s - networks))
    weights = engine.residency.get(file.filename, (), lambda name: None).checkpoint.nbytes
    jobs.close()
    return {"jobs": timed, "weights": weights, "peak": peak_bytes(), "before": before, "device": str(engine.device), "dtype": engine.dtype}


if __name__ == "__main__":
    with torch.inference_mode():
        sys.exit(main())
