"""How long thousands of model files take to be looked at for the first time, and to be listed, searched and refreshed after that.

python bench/models.py --files 5000
"""

import argparse
import json
import shutil
import statistics
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.models import Catalog
from app.models.library import Library, Search
from app.schema.settings import ServerSettings

REPEATS = 20
LORA = "lora_unet_down_blocks_0_attentions_{}_transformer_blocks_0_attn2_to_{}"
EMBEDDINGS, VAES = 0.1, 0.01
"""Shares of the files that are of these kinds; the rest are LoRAs, of which people have thousands."""


def make(folder: Path, count: int) -> None:
    """LoRAs, embeddings and VAEs with few tensors and the metadata of real ones; a third with a preview, a third with notes."""
    picture = Image.fromarray(np.zeros((64, 64, 3), np.uint8))
    for number in range(count):
        if number < count * VAES:
            path, tensors = folder / "models" / "VAE" / f"vae {number}.safetensors", {"decoder.conv_in.weight": (8, 4, 3, 3)}
        elif number < count * (EMBEDDINGS + VAES):
            path, tensors = folder / "embeddings" / f"embedding {number}.safetensors", {"emb_params": (4, 768)}
        else:
            path = folder / "models" / "Lora" / f"style {number % 40}" / f"lora {number}.safetensors"
            width = 768 if number % 3 else 2048
            tensors = {f"{LORA.format(block, side)}.lora_down.weight": (1, width) for block in range(20) for side in "kv"}
        told = {
            "ss_output_name": f"alias {number}",
            "ss_base_model_version": "sd_v1",
            "ss_network_dim": "16",
            "ss_tag_frequency": json.dumps({"10_thing": {f"tag {number * tag % 997}": tag for tag in range(1, 200)}}),
        }
        write(path, tensors, told)
        if number % 3 == 0:
            picture.save(path.with_suffix(".preview.png"))
        elif number % 3 == 1:
            path.with_suffix(".json").write_text(json.dumps({"activation text": f"word{number}", "preferred weight": 0.7}))


def write(path: Path, tensors: dict[str, tuple[int, ...]], told: dict[str, str]) -> None:
    """A safetensors file of zeros that are a hole in it."""
    header: dict[str, object] = {"__metadata__": told}
    offset = 0
    for name, shape in tensors.items():
        end = offset + 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)


def timed(work: Callable[[], object], repeats: int = 1) -> str:
    """Median and worst of some repeats in milliseconds, and the median of our own CPU time, which others on the machine do not take."""
    times, own = [], []
    for _ in range(repeats):
        begun, worked = time.perf_counter(), time.process_time()
        work()
        times.append(1000 * (time.perf_counter() - begun))
        own.append(1000 * (time.process_time() - worked))
    return f"{statistics.median(times):.0f} | {max(times):.0f} | {statistics.median(own):.0f}"


def in_process(folder: Path, count: int) -> None:
    """The library alone."""
    settings = ServerSettings(data_dir=folder)
    catalog = Catalog(settings)
    library = Library(catalog, folder / "models.sqlite3")
    print(f"| {count} files: the first look, names alone | {timed(catalog.refresh)} |")
    print(f"| the first list, before headers are read | {timed(lambda: library.find(Search()))} |")
    print(f"| reading all headers and notes | {timed(library.read)} |", flush=True)
    library.close()
    catalog.close()
    catalog = Catalog(settings)
    library = Library(catalog, folder / "models.sqlite3")
    print(f"| after a restart: the first list, everything known | {timed(lambda: library.find(Search()))} |")
    print(f"| another look through the folders | {timed(catalog.refresh, REPEATS)} |")
    print(f"| another look, and the list after it | {timed(lambda: (catalog.refresh(), library.find(Search())), REPEATS)} |")
    for what, search in (
        ("the list", Search()),
        ("a word", Search(text="word1")),
        ("a tag and a family, by date", Search(text="tag 7", families=frozenset({"SDXL"}), order="date", descending=True)),
        ("a folder", Search(folder="style 7")),
    ):
        print(f"| {what} | {timed(lambda wanted=search: library.find(wanted), REPEATS)} |", flush=True)
    key = next(card.file.filename for card in library.find(Search(kinds=frozenset({"lora"}))).cards)
    print(f"| a favourite | {timed(lambda: library.change('lora', key, {'favourite': True}), REPEATS)} |")
    library.close()
    catalog.close()


def over_http(folder: Path) -> None:
    """The answers of a server that has nothing else to do."""
    from app.server import Server

    server = Server(ServerSettings(data_dir=folder, nowebui=True))
    uvicorn_server = uvicorn.Server(uvicorn.Config(server.app(), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=uvicorn_server.run)
    thread.start()
    try:
        while not uvicorn_server.started:
            time.sleep(0.05)
        port = uvicorn_server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/models", timeout=60) as client:
            for limit in (100, 1000):
                print(f"| GET cards, {limit} of them | {timed(lambda n=limit: client.get('/cards', params={'limit': n}), REPEATS)} |")
            print(f"| POST refresh, then GET cards | {timed(lambda: (client.post('/refresh'), client.get('/cards')), REPEATS)} |")
    finally:
        uvicorn_server.should_exit = True
        thread.join()
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/darkroom-models-bench"), help="made, and removed at the end")
    given = parser.parse_args()
    try:
        make(given.folder, given.files)
        print("| what | median ms | worst ms | median CPU ms |\n|---|---|---|---|")
        in_process(given.folder, given.files)
        over_http(given.folder)
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
