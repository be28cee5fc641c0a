#!/usr/bin/env python3
"""What samplers cost beside the network: time outside forwards, a step, for every sampler.

    python bench/samplers.py [--pictures 1,4] [--side 64] [--steps 20] [--forward-ms 20] [--device cpu] [--step-s 12.5] [--out FILE]

The network is a stand-in that sleeps `--forward-ms` and answers with what a network trained on unit normal latents would: only the
sampler's own time is counted, noise included, with a wait for the device before the clock is read. Noise that is drawn ahead in a
thread hides behind the forward, as it does behind a real one. `--step-s` is the time of a real step to set the result against
(`bench/overhead.py` measures one). One table; with --out also a JSON line for each sampler with all repeats.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.networks.noise import cumulative_alphas
from app.sampling.noise import PictureNoise
from app.sampling.options import SamplerOptions
from app.sampling.samplers import SAMPLERS, SamplerSpec
from app.sampling.table import NoiseTable

TABLE = NoiseTable(cumulative_alphas(0.00085, 0.012))
REPEATS, WARMUPS = 5, 1


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_outside(spec: SamplerSpec, args: argparse.Namespace, pictures: int) -> float:
    """Seconds a step that one pass spends outside its forwards."""
    device, options = torch.device(args.device), SamplerOptions()
    sigmas = spec.sigmas("Automatic", args.steps, TABLE, options)
    noise = PictureNoise(range(pictures), (4, args.side, args.side), device=device)
    outside, calls, resumed = 0.0, 0, time.perf_counter()
    sampler = spec.sample(spec.initial(noise.draw(), sigmas), sigmas, noise, options, TABLE)
    try:
        question = next(sampler)
        while True:
            wait(device)
            outside += time.perf_counter() - resumed
            answer = question.x / (1 + question.sigma**2)
            time.sleep(args.forward_ms / 1000)
            wait(device)
            calls, resumed = calls + 1, time.perf_counter()
            question = sampler.send(answer)
    except StopIteration:
        wait(device)
    return (outside + time.perf_counter() - resumed) / max(calls / spec.calls(1), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", default="1,4", help="batch sizes, with commas")
    parser.add_argument("--side", type=int, default=64, help="side of the latents (64: pictures of 512 pixels)")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--forward-ms", type=float, default=20.0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--step-s", type=float, help="seconds of a real step of one picture, for the share")
    parser.add_argument("--out", type=Path, help="JSON lines with all repeats")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    batches = [int(number) for number in args.pictures.split(",")]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    about = {"device": args.device, "machine": platform.machine(), "torch": torch.__version__, "commit": commit, "steps": args.steps}
    print(f"# {about}, latents {args.side}x{args.side}, forwards of {args.forward_ms:g} ms; ms a picture and step, median (slowest)")
    print("| sampler | " + " | ".join(f"{n} picture{'s' * (n > 1)}" for n in batches) + (" | share of a step |" if args.step_s else " |"))
    print("| --- " * (1 + len(batches) + bool(args.step_s)) + "|")
    lines = [json.dumps(about)]
    for name, spec in SAMPLERS.items():
        cells = [name]
        for pictures in batches:
            times = [seconds_outside(spec, args, pictures) / pictures for _ in range(WARMUPS + REPEATS)][WARMUPS:]
            lines.append(json.dumps({"sampler": name, "pictures": pictures, "seconds_a_picture_and_step": times}))
            cells.append(f"{median(times) * 1000:.3f} ({max(times) * 1000:.3f})")
            if args.step_s and pictures == batches[-1]:
                cells.append(f"{median(times) / args.step_s:.4%}")
        print("| " + " | ".join(cells) + " |", flush=True)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
