"""The full-size layout: what bench/make_full_size.py writes is what the networks of Stable Diffusion 1.5's sizes want."""

import math
import runpy
from pathlib import Path

import numpy as np

from app.models.facts import AutoencoderSizes, CheckpointFacts, DenoiserSizes, TextSizes
from app.models.keys import autoencoder_keys, denoiser_keys, text_keys
from app.networks.build import build_networks

SD15 = CheckpointFacts(
    family="sd1", family_title="Stable Diffusion 1", prediction="epsilon", native_size_px=512, linear_start=0.00085, linear_end=0.012,
    denoiser=DenoiserSizes(
        in_channels=4, out_channels=4, model_channels=320, channel_mult=(1, 2, 4, 4), res_blocks=2,
        depths=((1, 1),) * 3 + ((0, 0),), up_depths=((1, 1, 1),) * 3 + ((0, 0, 0),), middle_depth=1, heads=(8,) * 4, context_width=768,
    ),
    autoencoder=AutoencoderSizes(channels=128, channel_mult=(1, 2, 4, 4), res_blocks=2, latent_channels=4, scale_factor=0.18215),
    texts=(TextSizes(vocabulary=49408, positions=77, width=768, layers=12, heads=12, mlp_width=3072),),
    norm_groups=32, storage="fp16", concat_channels=0,
)  # fmt: skip


def bench() -> dict[str, object]:
    return runpy.run_path(str(Path(__file__).parents[3] / "bench" / "make_full_size.py"))


def test_names_shapes_and_numbers_of_parameters() -> None:
    written = bench()["checkpoint"]()
    networks = build_networks(SD15)
    parts = {name: {k: tuple(t.shape) for k, t in module.state_dict().items()} for name, module in networks.parts.items()}
    counts = {name: sum(map(math.prod, shapes.values())) for name, shapes in parts.items()}
    assert counts == {"denoiser": 859_520_964, "autoencoder": 83_653_863, "text": 123_060_480}
    names = {
        "denoiser": denoiser_keys(parts["denoiser"], SD15.denoiser),
        "autoencoder": autoencoder_keys(parts["autoencoder"], SD15.autoencoder),
        "text": {ours: stored.name for ours, stored in text_keys(parts["text"], SD15.texts[0]).items()},
    }
    wanted = {theirs: parts[part][ours] for part, keys in names.items() for ours, theirs in keys.items()}
    assert wanted.keys() == written.keys()
    for name, shape in wanted.items():
        assert written[name] in (shape, (*shape, 1, 1)), name  # the autoencoder's attention is convolutions in the file


def test_its_numbers_are_half_precision_of_unit_gain() -> None:
    numbers = bench()["numbers"]
    drawn = numbers("a.weight", (64, 32, 3, 3), np.random.Generator(np.random.PCG64(0)))
    assert drawn.dtype == np.float16 and abs(float(drawn.astype(np.float32).std()) * math.sqrt(32 * 9) - 1) < 0.05
