"""What the configurations in a diffusers folder tell beside the weights: heads, prediction type, noise schedule, sizes."""

from collections.abc import Mapping
from pathlib import Path

from app.models.diffusers_folder import MARK, read_table
from app.models.hints import BETAS, LEAST_SIDE_PX, MOST_SIDE_PX, SCALES, Hints, Source
from app.models.plain_yaml import text_at
from app.schema.errors import BadModelFile

_SCHEDULER, _UNET, _VAE = "scheduler/scheduler_config.json", "unet/config.json", "vae/config.json"
_TEXTS = ("text_encoder/config.json", "text_encoder_2/config.json")
_USUAL: Mapping[str, str] = {"beta_schedule": "scaled_linear", "num_train_timesteps": "1000"}
"""What a scheduler has to say where it says anything: the noise schedule of all families that are known here."""
_UNUSUAL = ("time_cond_proj_dim", "encoder_hid_dim_type")
"""Further inputs of a UNet, null in the families that are known here."""

Table = Mapping[str, object]


def hints_from_folder(folder: Path) -> Hints:
    """Hints of `scheduler_config.json` and the networks' `config.json`.

    Raises BadModelFile, with one sentence that names the file, if one is damaged, makes no sense or asks for what is not known here.
    """
    read_table(folder, MARK)
    tables = {name: read_table(folder, name) for name in (_SCHEDULER, _UNET, _VAE, *_TEXTS)}
    _check(tables)
    scheduler, unet, vae, *both = (_source(name, table) for name, table in tables.items())
    texts = [source for name, source in zip(_TEXTS, both, strict=True) if tables[name]]  # SDXL's refiner has the second alone
    heads, head_width = _heads(tables[_UNET], unet)
    return Hints(
        heads=heads,
        head_width=head_width,
        text_heads=texts[0].whole("num_attention_heads", 1, 1024) if texts else None,
        text_heads_2=texts[1].whole("num_attention_heads", 1, 1024) if len(texts) > 1 else None,
        norm_groups=_norm_groups(unet, vae),
        prediction=scheduler.prediction("prediction_type"),
        zero_terminal_snr=True if tables[_SCHEDULER].get("rescale_betas_zero_snr") is True else None,
        native_size_px=_native_size_px(unet, tables[_VAE]),
        scale_factor=vae.number("scaling_factor", *SCALES),
        linear_start=scheduler.number("beta_start", *BETAS),
        linear_end=scheduler.number("beta_end", *BETAS),
        text_activation=texts[0].activation("hidden_act") if texts else None,
    )


def _source(name: str, table: Table) -> Source:
    return Source(f"Its {name}", lambda key: text_at(table, key))


def _check(tables: Mapping[str, Table]) -> None:
    kind = str(tables[_SCHEDULER].get("_class_name", ""))
    if kind.startswith(("EDM", "FlowMatch")):
        raise BadModelFile(f"It was made for a noise schedule ({kind[:60]}) that Darkroom does not know yet.")
    for name, usual in _USUAL.items():
        if (said := tables[_SCHEDULER].get(name, usual)) != usual:
            raise BadModelFile(f"Its {_SCHEDULER} says {name} is {str(said)[:40]!r}; Darkroom knows {usual!r}.")
    for name in _UNUSUAL:
        if (said := tables[_UNET].get(name)) is not None:
            raise BadModelFile(f"Its {_UNET} says {name} is {str(said)[:40]!r}: a variant that Darkroom does not know.")


def _heads(table: Table, unet: Source) -> tuple[int | None, int | None]:
    """Number of heads, or their width where the number grows with the level's; diffusers calls the number a dimension."""
    name = "attention_head_dim" if table.get("num_attention_heads") is None else "num_attention_heads"
    said, widths = table.get(name), table.get("block_out_channels")
    if not isinstance(said, list):
        return unet.whole(name, 1, 1024), None
    numbers = [unet.whole(f"{name}.{level}", 1, 1024) for level in range(len(said))]
    if len(set(numbers)) == 1:
        return numbers[0], None
    if isinstance(widths, list) and len(widths) == len(numbers):
        of_levels = [unet.whole(f"block_out_channels.{level}", 1, 2**20) for level in range(len(widths))]
        each = {width / number for width, number in zip(of_levels, numbers, strict=True) if width and number}
        if len(each) == 1 and (head_width := each.pop()).is_integer():
            return None, int(head_width)
    raise BadModelFile(f"Its {_UNET} gives each level another width of heads, which Darkroom does not know.")


def _norm_groups(unet: Source, vae: Source) -> int | None:
    own, theirs = unet.whole("norm_num_groups", 1, 1024), vae.whole("norm_num_groups", 1, 1024)
    if own and theirs and own != theirs:
        raise BadModelFile(f"Its unet normalises in {own} groups and its vae in {theirs}; Darkroom knows one number for both.")
    return own or theirs


def _native_size_px(unet: Source, vae: Table) -> int | None:
    levels = vae.get("block_out_channels")
    latent_px = 2 ** (len(levels) - 1) if isinstance(levels, list) and 0 < len(levels) < 8 else 8
    side = unet.whole("sample_size", 1, MOST_SIDE_PX // latent_px)
    return max(LEAST_SIDE_PX, side * latent_px) if side else None
