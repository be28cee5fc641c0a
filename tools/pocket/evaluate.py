"""How often does the model draw what it was asked for? Through Darkroom's own engine; draws a contact sheet.

    python -m tools.pocket.evaluate --model models/Stable-diffusion/pocket-emoji-v1.safetensors --concepts 179 --seeds 2

For each concept and seed: 20 steps, CFG 5; right if the nearest training picture (mean squared error at 32x32 pixels, of all
concepts, on the background asked for) is of that concept. Prints top-1 for the 45, the 179 and all, as far as they were asked.
"""

import argparse
import queue
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F

from app.engine.client import Done, EngineJob, Failed, PictureDone
from app.engine.thread import ThreadEngine
from app.models import Catalog
from app.prompt import Tokenizer
from app.schema.params import make_params
from app.schema.settings import ServerSettings
from tools.pocket.pictures import BACKGROUNDS, DATA, choose, compose, load_data
from tools.pocket.sheet import contact_sheet

HERE = Path(__file__).parent
MEASURED_PX = 32


def concepts(records, which):
    """Labels to ask for: the 45, the 179 well-known ones, or all."""
    if which == "45":
        return [line for line in (HERE / "well_known_45.txt").read_text(encoding="utf-8").lower().split("\n") if line]
    return sorted({record["label"] for record in records if which == "all" or record["weight"] > 1})


def draw(model, jobs, steps, cfg_scale):
    """Pictures by job id, (height, width, 3) uint8, from an engine with this one checkpoint."""
    pictures, events = {}, queue.SimpleQueue()
    with tempfile.TemporaryDirectory() as data:
        settings = ServerSettings(data_dir=Path(data), ckpt_dir=model.resolve().parent)
        catalog = Catalog(settings)
        catalog.refresh()
        engine = ThreadEngine(settings, catalog, Tokenizer())
        engine.start(events.put)
        for name, (prompt, seed) in jobs.items():
            asked = {"prompt": prompt, "seed": seed, "steps": steps, "cfg_scale": cfg_scale, "width": 128, "height": 128}
            params = make_params(**asked, sampler="Euler", checkpoint=model.stem)
            engine.submit(EngineJob(id=name, client="evaluation", params=params, previews=False))
        left = len(jobs)
        while left:
            match events.get():
                case PictureDone() as event:
                    pictures[event.job] = event.pixels
                case Done():
                    left -= 1
                case Failed() as event:
                    raise SystemExit(event.message)
        engine.close()
    return pictures


def nearest(pictures, rgba, background):
    """For every picture, (n, height, width, 3) uint8, the number of the nearest training picture."""
    known = compose(rgba, torch.tensor(BACKGROUNDS[background]).expand(len(rgba), 3), 0.92)
    drawn = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
    small = [F.adaptive_avg_pool2d(x, MEASURED_PX).flatten(1) for x in (drawn, known)]
    return torch.cdist(*small).argmin(1).tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--concepts", choices=("45", "179", "all"), default="45")
    parser.add_argument("--style", default="noto")
    parser.add_argument("--background", choices=BACKGROUNDS, default="white")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=5.0)
    parser.add_argument("--sheet", type=Path, help="where the contact sheet goes")
    parser.add_argument("--right", type=Path, help="where the labels go that came right with every seed, a line each")
    args = parser.parse_args()

    rgba, records = choose(*load_data(DATA), style=args.style)
    of_all = [record["label"] for record in records]
    asked = [(label, seed) for label in concepts(records, args.concepts) for seed in range(args.seeds)]
    tail = "" if args.background == "white" else f" on a {args.background} background"
    jobs = {f"{label}|{seed}": (label + tail, 1000 * seed + i) for i, (label, seed) in enumerate(asked)}
    drawn = draw(args.model, jobs, args.steps, args.cfg)
    pictures = torch.stack([torch.from_numpy(drawn[f"{label}|{seed}"]) for label, seed in asked])
    like = [of_all[i] for i in nearest(pictures, rgba, args.background)]
    right = [label == seen for (label, _), seen in zip(asked, like, strict=True)]
    for which in ("45", "179", "all"):
        group = set(concepts(records, which))
        if group <= {label for label, _ in asked}:
            hits = [ok for (label, _), ok in zip(asked, right, strict=True) if label in group]
            print(f"top-1 of {len(group)} concepts: {sum(hits)} of {len(hits)} ({100 * sum(hits) / len(hits):.1f} %)")
    if args.sheet:
        titles = [label if ok else f"{label} (like {seen})" for (label, _), ok, seen in zip(asked, right, like, strict=True)]
        contact_sheet(list(pictures.numpy()), titles).save(args.sheet)
    if args.right:
        wrong = {label for (label, _), ok in zip(asked, right, strict=True) if not ok}
        args.right.write_text("\n".join(dict.fromkeys(label for label, _ in asked if label not in wrong)), encoding="utf-8")


if __name__ == "__main__":
    main()
