"""What a file's metadata tells of its making (`ss_*` of kohya's trainer, ModelSpec's `modelspec.*`), in readable form."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

MOST_CHARS = 2000
MOST_TAG_CHARS = 200
_TRAINING: Mapping[str, str] = {
    "ss_sd_model_name": "Base model", "ss_base_model_version": "Base model version", "ss_vae_name": "VAE",
    "ss_network_module": "Network", "ss_network_dim": "Network dim (rank)", "ss_network_alpha": "Network alpha",
    "ss_network_args": "Network arguments", "ss_resolution": "Resolution", "ss_num_train_images": "Images",
    "ss_num_reg_images": "Regularisation images", "ss_num_epochs": "Epochs", "ss_epoch": "Epoch", "ss_max_train_steps": "Steps in all",
    "ss_steps": "Steps", "ss_total_batch_size": "Batch size", "ss_batch_size_per_device": "Batch size",
    "ss_gradient_accumulation_steps": "Gradient accumulation", "ss_learning_rate": "Learning rate", "ss_unet_lr": "Learning rate, UNet",
    "ss_text_encoder_lr": "Learning rate, text encoder", "ss_lr_scheduler": "Learning rate schedule", "ss_optimizer": "Optimizer",
    "ss_mixed_precision": "Precision", "ss_clip_skip": "Clip skip", "ss_noise_offset": "Noise offset", "ss_min_snr_gamma": "Min SNR gamma",
    "ss_v_parameterization": "V-parameterization", "ss_zero_terminal_snr": "Zero terminal SNR", "ss_seed": "Seed",
    "ss_keep_tokens": "Keep tokens", "ss_caption_dropout_rate": "Caption dropout", "ss_training_comment": "Comment",
    "ss_training_started_at": "Started", "ss_training_finished_at": "Finished",
}  # fmt: skip
"""Keys of the trainer by importance, and what a person reads for each."""
_TIMES = ("ss_training_started_at", "ss_training_finished_at")
_SAYS_NOTHING = ("", "None", "null", "{}")
_SPEC = "modelspec."
_PICTURE = "modelspec.thumbnail"


class Line(NamedTuple):
    """A name and a value for people."""

    name: str
    value: str


def training_lines(metadata: Mapping[str, str]) -> Iterator[Line]:
    """What the trainer says, the most important first; what it leaves empty is left out."""
    told: set[str] = set()
    for key, name in _TRAINING.items():
        value = metadata.get(key, "").strip()
        if value not in _SAYS_NOTHING and name not in told:
            told.add(name)
            yield Line(name, _time(value) if key in _TIMES else value[:MOST_CHARS])


def spec_lines(metadata: Mapping[str, str]) -> Iterator[Line]:
    """What ModelSpec says, in the file's order; its picture left out."""
    for key, value in metadata.items():
        if key.startswith(_SPEC) and key != _PICTURE and value.strip():
            yield Line(key.removeprefix(_SPEC).replace("_", " ").capitalize(), value.strip()[:MOST_CHARS])


def other_lines(metadata: Mapping[str, str]) -> Iterator[Line]:
    """Everything else, by the file's own names."""
    for key, value in metadata.items():
        if not key.startswith(_SPEC) and key not in _TRAINING and key != "ss_tag_frequency":
            yield Line(key[:MOST_CHARS], value[:MOST_CHARS])


def tag_counts(told: str) -> Counter[str]:
    """How often each tag stood beside a picture, from `ss_tag_frequency`: JSON of folders of tags; empty for what is none."""
    counts: Counter[str] = Counter()
    try:
        folders = json.loads(told) if told else {}
    except (ValueError, RecursionError):
        return counts
    for tags in folders.values() if isinstance(folders, Mapping) else ():
        for tag, count in tags.items() if isinstance(tags, Mapping) else ():
            if isinstance(count, int) and (word := tag.strip()[:MOST_TAG_CHARS]):
                counts[word] += count
    return counts


def frequent_tags(told: str, most: int) -> list[str]:
    """The most frequent tags of `ss_tag_frequency`."""
    return [tag for tag, _ in tag_counts(told).most_common(most)]


def _time(value: str) -> str:
    """A number of seconds since 1970 as a date; what is none as it is."""
    try:
        return f"{datetime.fromtimestamp(float(value), UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return value[:MOST_CHARS]
