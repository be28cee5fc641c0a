#!/usr/bin/env python3
"""Whether a merge holds up drawing: seconds a picture alone, and while two large checkpoints are merged again and again.

    python bench/model_jobs.py A.safetensors B.safetensors [--pictures 12] [--repeats 3]

A server of its own on the CPU draws with the small checkpoint that ships with Darkroom. The two states alternate, so that what else the
machine does weighs on both.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

BODY = {"prompt": "a red apple", "width": 128, "height": 128, "steps": 20, "seed": 1, "save_images": False}


def asked(url: str, body: object = None) -> dict:
    """One request and its JSON answer."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=600) as answer:
        return json.load(answer)


def pictures(url: str, count: int) -> float:
    """Median seconds of a picture."""
    seconds = []
    for _ in range(count):
        begun = time.monotonic()
        asked(f"{url}sdapi/v1/txt2img", BODY)
        seconds.append(time.monotonic() - begun)
    return statistics.median(seconds)


def main() -> None:
    """Starts the server, measures, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs=2, type=Path)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    from app.models import EMBEDDED
    from tests.support.server import running_server

    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models" / "Stable-diffusion"
        models.mkdir(parents=True)
        for name, file in zip("ab", options.files, strict=True):
            (models / f"{name}.safetensors").symlink_to(file.resolve())
        (Path(folder) / "config.json").write_text(json.dumps({"sd_model_checkpoint": EMBEDDED}))
        with running_server(Path(folder)) as url:
            while asked(f"{url}api/v1/models")["hashing"]["files_left"]:
                time.sleep(1)
            pictures(url, 3)
            print("| alone, s a picture | beside a merge | ratio |\n|---|---|---|")
            for number in range(options.repeats):
                alone = pictures(url, options.pictures)
                wish = {"primary_model_name": "a", "secondary_model_name": "b", "custom_name": f"made {number}"}
                job = asked(f"{url}api/v1/models/actions", {"action": "merge", **wish})["id"]
                while not asked(f"{url}api/v1/models/actions/{job}")["done_bytes"]:
                    time.sleep(0.1)
                beside = pictures(url, options.pictures)
                state = asked(f"{url}api/v1/models/actions/{job}")
                told = f"{state['state']}, {state['done_bytes'] / 1e9:.1f} GB"
                print(f"| {alone:.2f} | {beside:.2f} ({told}) | {beside / alone:.2f} |", flush=True)
                asked(f"{url}api/v1/models/actions/{job}/cancel", {})
                while asked(f"{url}api/v1/models/actions/{job}")["state"] == "running":
                    time.sleep(0.1)
                (models / f"made {number}.safetensors").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
