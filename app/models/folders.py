"""Where model files lie: A1111's folders, and those that the settings add."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from app.schema.settings import ServerSettings

Kind = Literal["checkpoint", "lora", "embedding", "vae", "hypernetwork", "upscaler"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_ENDINGS: Mapping[Kind, frozenset[str]] = {
    "checkpoint": frozenset({".safetensors", ".ckpt", ".pt"}),
    "lora": frozenset({".safetensors", ".ckpt", ".pt"}),
    "embedding": frozenset({".safetensors", ".pt", ".bin", ".png"}),
    "vae": frozenset({".safetensors", ".ckpt", ".pt"}),
    "hypernetwork": frozenset({".pt"}),
    "upscaler": frozenset({".safetensors", ".pth", ".pt"}),
}
_UPSCALERS = ("ESRGAN", "RealESRGAN", "SwinIR", "DAT")
_VAE_ENDINGS = (".vae.safetensors", ".vae.ckpt", ".vae.pt")


@dataclass(frozen=True)
class Root:
    """A folder and the kind of files that lie in it, at any depth."""

    kind: Kind
    folder: Path

    def kind_of(self, file_name: str) -> Kind | None:
        """The kind of a file by its name's ending; None if it is no model file."""
        lower = file_name.lower()
        if lower.startswith("._") or not lower.endswith(tuple(_ENDINGS[self.kind])):  # ._x is macOS' note on x
            return None
        return "vae" if self.kind == "checkpoint" and lower.endswith(_VAE_ENDINGS) else self.kind


def roots(settings: ServerSettings) -> tuple[Root, ...]:
    """All folders of model files, the settings' own after the usual one of their kind."""
    models = settings.models
    found = [
        Root("checkpoint", models / "Stable-diffusion"),
        Root("checkpoint", settings.ckpt_dir) if settings.ckpt_dir else None,
        Root("checkpoint", settings.embedded_dir) if settings.embedded_dir else None,
        Root("vae", models / "VAE"),
        Root("vae", settings.vae_dir) if settings.vae_dir else None,
        Root("lora", models / "Lora"),
        Root("lora", models / "LyCORIS"),
        Root("lora", settings.lora_dir) if settings.lora_dir else None,
        Root("hypernetwork", settings.hypernetwork_dir or models / "hypernetworks"),
        Root("embedding", settings.embeddings_dir or settings.data_dir / "embeddings"),
        *(Root("upscaler", models / name) for name in _UPSCALERS),
    ]
    return tuple(root for root in found if root is not None)


def make_folders(settings: ServerSettings) -> None:
    """Makes the folders that a person puts models into (those that the settings name are theirs to make); OSError if it cannot."""
    usual = [settings.models / name for name in ("Stable-diffusion", "VAE", "Lora", "ESRGAN")]
    if settings.hypernetwork_dir is None:
        usual.append(settings.models / "hypernetworks")
    if settings.embeddings_dir is None:
        usual.append(settings.data_dir / "embeddings")
    for folder in usual:
        folder.mkdir(parents=True, exist_ok=True)
