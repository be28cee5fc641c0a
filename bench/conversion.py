#!/usr/bin/env python3
"""How much memory a conversion, a merge and a LoRA merge take, whatever the size of the files.

    python bench/conversion.py A.safetensors B.safetensors [--rank 64] [--folder DIR]

A and B: two checkpoints of one family (bench/make_full_size.py writes some). Each work runs in a process of its own; its peak is that of
the resident set (files' mapped pages and all) beyond what the process had when everything was imported. A LoRA of that rank for every
attention, feed-forward and residual layer of the denoiser is written first: a plain one, and a LoHa, whose layers are made of four factors.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
MIB = 2**20
WORKS = ("convert to bf16", "weighted sum", "LoRA", "LoHa")


def write_lora(checkpoint: Path, target: Path, rank: int, kind: str) -> None:
    """Factors of zeros and ones in fp16, under diffusers' names of the denoiser's layers."""
    import torch
    from safetensors.torch import save_file

    from app.models.reading import read_facts
    from app.networks.build import build_networks

    denoiser, tensors = build_networks(read_facts(checkpoint)).denoiser, {}
    for name, weight in denoiser.named_parameters():
        if weight.dim() < 2 or not name.endswith(".weight") or "blocks" not in name:
            continue
        layer, out, rest = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}", weight.shape[0], weight.shape[1:]
        up, down = torch.full((out, rank), 0.01, dtype=torch.float16), torch.ones((rank, rest.numel()), dtype=torch.float16)
        if kind == "LoRA":
            conv = (1, 1) if weight.dim() == 4 else ()
            parts = {"lora_up.weight": up.reshape(out, rank, *conv), "lora_down.weight": down.reshape(rank, *rest)}
        else:
            parts = {f"hada_w{n}_{side}": tensor.clone() for n in (1, 2) for side, tensor in (("a", up), ("b", down))}
        tensors |= {f"{layer}.{part}": tensor.clone() for part, tensor in parts.items()}
    save_file(tensors, target)


def work(name: str, a: Path, b: Path, folder: Path) -> None:
    """One work; prints its peak and its time."""
    from app.conversion import AddedLora, Conversion, Merge, convert, merge
    from app.models.reading import read_facts
    from app.networks.build import build_networks

    build_networks(read_facts(a))  # what a first LoRA merge imports counts as the program's own
    before, begun, target = _status("VmRSS"), time.monotonic(), folder / "made.safetensors"
    if name == "convert to bf16":
        convert(Conversion(source=a, target=target, numbers="bf16"))
    elif name == "weighted sum":
        merge(Merge(primary=a, secondary=b, target=target))
    else:
        lora = AddedLora(folder / f"{name}.safetensors", 0.5)
        merge(Merge(primary=a, method="No interpolation", target=target, loras=(lora,)))
    peak = _status("VmHWM")
    print(json.dumps({"peak": peak - before, "seconds": time.monotonic() - begun}))
    target.unlink()


def _status(name: str) -> int:
    """Bytes, from /proc (getrusage's peak is inherited from whoever started the process)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Makes the LoRAs, runs each work, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs=2, type=Path)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--work", choices=WORKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, *options.files, options.folder)
        return
    from app.models.header import DTYPE_BITS
    from app.models.reading import read_header

    tensors = [info for file in options.files for info in read_header(file).tensors.values()]
    largest, size = max(DTYPE_BITS[info.dtype] // 8 * math.prod(info.shape) for info in tensors), options.files[0].stat().st_size
    print(f"files of {size / MIB:,.0f} MiB; largest tensor {largest / MIB:.0f} MiB; LoRAs of rank {options.rank}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for kind in ("LoRA", "LoHa"):
            write_lora(options.files[0], Path(folder) / f"{kind}.safetensors", options.rank, kind)
        print("| work | peak beyond the program, MiB | beyond 1.2 largest tensors, MiB | s |\n|---|---|---|---|")
        for name in WORKS:
            command = [sys.executable, __file__, *map(str, options.files), "--folder", folder, "--work", name]
            told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            print(f"| {name} | {told['peak'] / MIB:.0f} | {(told['peak'] - 1.2 * largest) / MIB:.0f} | {told['seconds']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
