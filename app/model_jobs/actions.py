"""What can be done with model files: one model an action, with A1111's names where its Checkpoint Merger has one."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from app.models.folders import Kind
from app.schema.conversion import AveragedWeights, ConfigSource, Method, NumberFormat

MAX_NAME_CHARS = 1000
MAX_PATTERN_CHARS = 1000
MAX_LORAS = 20
FileName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
"""As the catalogue has it: below its folder, with `/`."""
NewName = Annotated[str, Field(max_length=MAX_NAME_CHARS, description="Of the new file, without folders; its ending may be left out.")]
SubFolder = Annotated[str, Field(max_length=MAX_NAME_CHARS, description="Below the folder of its kind; empty: that folder itself.")]
Key = Annotated[str, Field(max_length=64)]


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class _OfFile(_Action):
    kind: Kind
    filename: FileName


class Verify(_OfFile):
    """Read a file whole and compare its hashes with what its header, Civitai's note and the catalogue say."""

    action: Literal["verify"]


class Rename(_OfFile):
    """Give a file, and what belongs to it, another name in the same folder."""

    action: Literal["rename"]
    name: NewName


class Move(_OfFile):
    """Put a file, and what belongs to it, into a folder below that of its kind."""

    action: Literal["move"]
    folder: SubFolder = ""


class Trash(_OfFile):
    """Put a file, and what belongs to it, into the trash of its folder."""

    action: Literal["trash"]


class Restore(_Action):
    """Bring a file back from the trash."""

    action: Literal["restore"]
    key: Key


class Destroy(_Action):
    """Delete a file in the trash for good."""

    action: Literal["destroy"]
    key: Key


class Convert(_Action):
    """Write a new file from a model: safetensors, a number format, pruned, with another VAE inside."""

    action: Literal["convert"]
    kind: Literal["checkpoint", "lora", "vae"] = "checkpoint"
    filename: FileName
    name: NewName
    folder: SubFolder = ""
    numbers: NumberFormat | None = Field(None, description="None: as they are.")
    averaged: AveragedWeights = Field("drop", description="Weights averaged in training (EMA): left out, kept, or taken.")
    bake_in_vae: str = Field("None", max_length=MAX_NAME_CHARS, description="A VAE that takes the place of the checkpoint's own.")


class LoraShare(_Action):
    """A LoRA that goes into a mixture, and how strong."""

    name: FileName
    weight: float = Field(1.0, ge=-10, le=10, allow_inf_nan=False)


class Merge(_Action):
    """Mix up to three checkpoints, and work LoRAs into the mixture."""

    action: Literal["merge"]
    primary_model_name: FileName
    secondary_model_name: str = Field("", max_length=MAX_NAME_CHARS)
    tertiary_model_name: str = Field("", max_length=MAX_NAME_CHARS)
    interp_method: Method = "Weighted sum"
    multiplier: float = Field(0.3, ge=-10, le=10, allow_inf_nan=False, description="M: how much of B, or of B - C, goes in.")
    block_weights: str = Field("", max_length=2000, description="25 (SD1, SD2) or 19 (SDXL) numbers between commas, one more for the base.")
    loras: tuple[LoraShare, ...] = Field((), max_length=MAX_LORAS)
    custom_name: NewName = ""
    folder: SubFolder = ""
    checkpoint_format: Literal["safetensors"] = Field("safetensors", description="Pickles (.ckpt) are read, never written.")
    save_as_half: bool = False
    numbers: NumberFormat | None = Field(None, description="None: as in A; beats save_as_half.")
    bake_in_vae: str = Field("None", max_length=MAX_NAME_CHARS)
    discard_weights: str = Field("", max_length=MAX_PATTERN_CHARS, description="Tensors whose names this pattern finds are left out.")
    config_source: ConfigSource = "A, B or C"
    save_metadata: bool = Field(True, description="Whether the new file says what it was made of.")

    @model_validator(mode="after")
    def _has_its_models(self) -> "Merge":
        """A1111's methods need one, two and three models."""
        missing = {"Weighted sum": ("secondary",), "Add difference": ("secondary", "tertiary"), "No interpolation": ()}[self.interp_method]
        for place in missing:
            if not getattr(self, f"{place}_model_name"):
                raise ValueError(f"{self.interp_method} needs a {place} model (B, and C for a difference).")
        return self

    @property
    def format(self) -> NumberFormat | None:
        """The number format that is wanted."""
        return self.numbers or ("fp16" if self.save_as_half else None)


Action = Annotated[
    Verify | Rename | Move | Trash | Restore | Destroy | Convert | Merge, Field(discriminator="action")
]  # fmt: skip
ACTIONS: TypeAdapter[Action] = TypeAdapter(Action)
