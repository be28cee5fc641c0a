"""What is batching different people's pictures together worth? Pictures a minute, waiting times, and what a newcomer sees.

    python bench/concurrency.py                     8 clients, the embedded checkpoint, 128x128, on all cores
    python bench/concurrency.py --device cuda --clients 16

Each client asks for one picture after another, with a sampler, a number of steps, a prompt and pauses of its own. The same requests
run with batching on, with batching off (every job `exact`: its rows share no forward), and as one plain batch of sixteen, in turns.
Rates are of denoiser rows, told as pictures of 20 steps with CFG, so that mixes of steps compare.
"""

import argparse
import json
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from app.engine.client import Done, EngineJob, Event, Progress, Stop
from app.engine.thread import ThreadEngine
from app.models import EMBEDDED, Catalog
from app.prompt import Tokenizer
from app.schema.params import make_params
from app.schema.settings import ServerSettings

ROOT = Path(__file__).resolve().parent.parent

SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "DDIM", "UniPC", "DPM++ 2M SDE", "LMS", "DPM++ 3M SDE")
"""All of one denoiser call a step."""
STEPS = (16, 18, 20, 22, 24)
THINGS = ("apple", "house", "sun", "cat", "tree", "star", "fish", "heart", "moon", "boat")
ROWS_OF_A_PICTURE = 2 * 20


class Events:
    """The engine's events, with the time each came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: dict[str, list[tuple[float, Event]]] = defaultdict(list)

    def __call__(self, event: Event) -> None:
        with self._changed:
            self._seen[event.job].append((time.perf_counter(), event))
            self._changed.notify_all()

    def first(self, job: str, wanted) -> float:
        """When the first event of a job came that `wanted` accepts; waits for it."""
        found: list[float] = []

        def there() -> bool:
            found[:] = [at for at, event in self._seen[job] if wanted(event)][:1]
            return bool(found)

        with self._changed:
            self._changed.wait_for(there)
        return found[0]


def stepped(event: Event) -> bool:
    return isinstance(event, Progress) and event.step >= 1


def ended(event: Event) -> bool:
    if type(event).__name__ in ("Failed", "Cancelled", "Lost"):
        raise SystemExit(f"a job did not end well: {event}")
    return isinstance(event, Done)


class Bench:
    """One engine and the ways of asking it."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        settings = ServerSettings(data_dir=folder, embedded_dir=ROOT / "models" / "Stable-diffusion", ckpt=options.checkpoint,
                                  device=options.device, dtype=options.dtype)  # fmt: skip
        catalog = Catalog(settings)
        catalog.refresh()
        self.file = catalog.find(options.checkpoint.stem if options.checkpoint else EMBEDDED)
        self.options, self.events, self.count = options, Events(), 0
        self.engine = ThreadEngine(settings, catalog, Tokenizer())
        self.engine.start(self.events)

    def submit(self, client: str, **values) -> str:
        self.count += 1
        size = {"width": self.options.size, "height": self.options.size, "checkpoint": self.file.filename, "cfg_scale": 5.0}
        job = EngineJob(id=str(self.count), client=client, params=make_params(**{**size, "seed": self.count, **values}))
        self.engine.submit(job)
        return job.id

    def crowd(self, *, exact: bool, seed: int) -> tuple[float, list[float]]:
        """Pictures a minute of all clients together, and how long each picture waited for its first step."""
        before, waits = self.engine.status().rows, []

        def client(number: int) -> None:
            draw = random.Random(1000 * seed + number)
            time.sleep(draw.random() * 0.5)
            for _ in range(self.options.pictures):
                asked = time.perf_counter()
                prompt = f"a {draw.choice(('red', 'blue', 'green'))} {draw.choice(THINGS)} on a white background"
                job = self.submit(f"client {number}", sampler=draw.choice(SAMPLERS), steps=draw.choice(STEPS), prompt=prompt, exact=exact)
                waits.append(self.events.first(job, stepped) - asked)
                self.events.first(job, ended)
                time.sleep(draw.random() * 0.05)

        threads = [threading.Thread(target=client, args=(i,)) for i in range(self.options.clients)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._rate(before, begun), waits

    def plain(self) -> float:
        """Pictures a minute of one batch of sixteen."""
        before, begun = self.engine.status().rows, time.perf_counter()
        job = self.submit("plain", sampler="Euler", steps=20, prompt="a red apple on a white background", batch_size=16)
        self.events.first(job, ended)
        return self._rate(before, begun)

    def _rate(self, rows_before: int, begun: float) -> float:
        return 60 * (self.engine.status().rows - rows_before) / ROWS_OF_A_PICTURE / (time.perf_counter() - begun)

    def newcomer(self) -> tuple[int, float]:
        """Forwards and seconds until the first step of a single picture while somebody's batch of a hundred runs."""
        crowd = self.submit("greedy", sampler="Euler", steps=20, prompt="a blue house", batch_size=100)
        self.events.first(crowd, lambda event: isinstance(event, Progress))
        before, asked = self.engine.status().forwards, time.perf_counter()
        job = self.submit("newcomer", sampler="Euler a", steps=4, prompt="a picture nobody has asked for", negative_prompt="nor this")
        at = self.events.first(job, stepped)
        forwards = self.engine.status().forwards - before
        self.engine.stop_job(crowd, Stop.CANCEL)
        self.events.first(job, ended)
        return forwards, at - asked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="default: the embedded one")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=2, help="of each client and repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--device")
    parser.add_argument("--dtype")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        bench.crowd(exact=False, seed=99)  # loads, and warms every path
        rates, waits = defaultdict(list), defaultdict(list)
        for repeat in range(options.repeats):
            for name, exact in (("on", False), ("off", True)):
                rate, waited = bench.crowd(exact=exact, seed=repeat)
                rates[name].append(rate)
                waits[name] += waited
            rates["plain"].append(bench.plain())
        seen = [bench.newcomer() for _ in range(options.repeats)]
        status = bench.engine.status()
        bench.engine.close()
    print(f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads, {status.device} {status.dtype}")
    print(f"{options.clients} clients, {options.size}x{options.size}; pictures of 20 steps a minute, every repeat, then the median\n")
    for name, title in (("on", "batching on"), ("off", "batching off"), ("plain", "one batch of 16")):
        line = f"{title:<18}{'  '.join(f'{rate:6.1f}' for rate in rates[name])}   {statistics.median(rates[name]):6.1f}"
        if name in waits:
            ordered = sorted(waits[name])
            line += f"   wait p50 {ordered[len(ordered) // 2]:.2f} s, p95 {ordered[int(len(ordered) * 0.95)]:.2f} s"
        print(line)
    on, off, plain = (statistics.median(rates[name]) for name in ("on", "off", "plain"))
    print(f"\non / off {on / off:.2f} (wanted 1.8); on / one batch of 16 {on / plain:.2f} (wanted 0.85)")
    print(f"a newcomer's first step beside a batch of 100: {[f'{forwards} forwards, {seconds:.2f} s' for forwards, seconds in seen]}")
    print("(the forward that was running when it came counts; at most 3 is 'within two forwards')")
    print(json.dumps({"rates": rates, "newcomer": seen}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
