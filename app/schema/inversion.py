"""Finding the noise behind a picture."""

from pydantic import BaseModel, ConfigDict, Field

MAX_CHARS = 100_000


class Inversion(BaseModel):
    """How the noise that would have led to img2img's input picture is sought."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field("", max_length=MAX_CHARS, description="What the input picture shows.")
    negative_prompt: str = Field("", max_length=MAX_CHARS)
    steps: int = Field(50, ge=1, le=1000)
    cfg_scale: float = Field(1.0, ge=0, le=1000, allow_inf_nan=False)
    randomness: float = Field(0.0, ge=0, le=1, allow_inf_nan=False, description="Share of noise from the seed that is mixed in.")
    sigma_adjustment: bool = Field(False, description="Each step asks the model at the noise level that it begins at.")
