"""What does a full-size checkpoint cost: to be recognised and mapped, to be loaded, to draw one picture?

    python bench/make_full_size.py /tmp/sdxl.safetensors --family sdxl
    python bench/full_size.py /tmp/sdxl.safetensors [--device cuda] [--size 512] [--steps 1]

Prints seconds, and the most memory that the process had (on a card: the most that torch had there) after each stage.
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
GB = 2**30


def peak_gb(device: str) -> float:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated() / GB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def look(path: Path) -> None:
    """Recognised from its header, and every parameter of its networks found in it, three times; the best of them counts."""
    from app.models import read_facts

    best = min(_timed(lambda: read_facts(path)) for _ in range(3))
    facts = read_facts(path)
    print(f"{facts.family_title}, {facts.storage}, {path.stat().st_size / GB:.2f} GiB; recognised and checked in {best:.3f} s")


def _timed(work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def draw(path: Path, args: argparse.Namespace) -> None:
    """Through a server's API, as anybody asks for it."""
    from fastapi.testclient import TestClient

    from app.schema.settings import ServerSettings
    from app.server import Front

    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models" / "Stable-diffusion"
        models.mkdir(parents=True)
        try:
            os.link(path, models / path.name)
        except OSError:
            shutil.copy(path, models / path.name)
        settings = ServerSettings(data_dir=Path(folder), device=args.device, nowebui=True, engine="thread")
        request = {
            "prompt": "a red house", "steps": args.steps, "width": args.size, "height": args.size, "sampler_name": "Euler",
            "seed": 1, "cfg_scale": 7, "save_images": False, "override_settings": {"sd_model_checkpoint": path.stem},
        }  # fmt: skip
        with TestClient(Front(settings), base_url="http://127.0.0.1") as client:
            for title in ("first picture, with the load", "second picture"):
                begun = time.perf_counter()
                answer = client.post("/sdapi/v1/txt2img", json=request)
                took = time.perf_counter() - begun
                print(f"{title}: {answer.status_code}, {took:.1f} s, peak {peak_gb(args.device):.1f} GiB", flush=True)
                if answer.status_code != 200:
                    print(answer.text[:300])
                    return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=1)
    args = parser.parse_args()
    look(args.file)
    draw(args.file, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
