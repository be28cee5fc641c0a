"""How the server was started: flags, DARKROOM_* variables and darkroom.toml, as one frozen object."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schema.sizes import SIZE_PATTERN


class ServerSettings(BaseModel):
    """Decided once at the start; what an owner may change while the server runs are the options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: bool = Field(False, description="Serve on all addresses, not only on this machine.")
    server_name: str | None = Field(None, description="Address to serve on; beats --listen.")
    port: int = Field(3000, ge=0, le=65535, description="Port to serve on.")
    data_dir: Path = Field(Path(), description="Folder of models, outputs, settings and the database.")
    embedded_dir: Path | None = Field(None, description="Folder of the checkpoint that comes with Darkroom.")
    models_dir: Path | None = Field(None, description="Folder of models (default: models in the data folder).")
    ckpt_dir: Path | None = Field(None, description="A further folder of checkpoints.")
    ckpt: Path | None = Field(None, description="Checkpoint to load first.")
    vae_dir: Path | None = Field(None, description="A further folder of VAEs.")
    lora_dir: Path | None = Field(None, description="A further folder of LoRAs.")
    embeddings_dir: Path | None = Field(None, description="Folder of embeddings (default: embeddings in the data folder).")
    hypernetwork_dir: Path | None = Field(None, description="Folder of hypernetworks (default: models/hypernetworks).")
    outputs_dir: Path | None = Field(None, description="Folder of pictures (default: outputs in the data folder).")
    styles_file: Path | None = Field(None, description="styles.csv (default: in the data folder).")
    gradio_auth: str | None = Field(None, description="user:password[,user:password] for the page.")
    api_auth: str | None = Field(None, description="user:password[,user:password] for the API.")
    subpath: str = Field("", description="Path prefix when a proxy serves Darkroom below one.")
    cors_allow_origins: str | None = Field(None, description="Comma-separated origins that may call the API from a page.")
    autolaunch: bool = Field(False, description="Open the page in a browser.")
    theme: Literal["dark", "light"] | None = Field(None, description="Force the page's theme (default: as the browser prefers).")
    device: str | None = Field(None, description="torch device, e.g. cuda, cuda:1, cpu (default: the best one here).")
    engine: Literal["process", "thread"] | None = Field(
        None, description="Where the engine runs: in a process of its own (default where CUDA is), or in a thread of the server."
    )
    dtype: Literal["fp32", "fp16", "bf16"] | None = Field(None, description="Number format of the networks (default: fp32 on CPU).")
    max_rows: int | None = Field(None, ge=1, le=256, description="Most rows one forward may hold (default: by device).")
    vram_budget: str | None = Field(
        None, pattern=SIZE_PATTERN, description="Memory of the card that Darkroom may take, e.g. 6G or 80% (default: what is free)."
    )
    ram_budget: str | None = Field(
        None, pattern=SIZE_PATTERN, description="Memory that checkpoints may take, e.g. 8G or 50% (default: half of what is free)."
    )
    fetch_urls: Literal["on", "off"] | None = Field(
        None, description="Whether PNG Info may fetch pictures from the internet (default: unless others can reach the server)."
    )
    download_models: Literal["on", "off"] | None = Field(
        None, description="Whether models may be downloaded from the page (default: unless others can reach the server without a password)."
    )
    civitai_token: str | None = Field(None, repr=False, description="API key that Civitai is shown for downloads.")
    hf_token: str | None = Field(None, repr=False, description="Token that Hugging Face is shown for downloads (also HF_TOKEN).")
    price_per_hour: float | None = Field(None, ge=0, description="What an hour of this machine costs: shown with each job.")
    medvram: bool = Field(False, description="Keep on the card only the network that is at work (also done where the card is small).")
    lowvram: bool = Field(False, description="Bring the denoiser to the card layer by layer (also done where it would not fit).")
    nowebui: bool = Field(False, description="API only, no page.")

    @property
    def host(self) -> str:
        """The address to bind."""
        return self.server_name or ("0.0.0.0" if self.listen else "127.0.0.1")

    @property
    def public(self) -> bool:
        """Whether others than this machine can reach the server."""
        return self.host not in ("127.0.0.1", "localhost", "::1")

    @property
    def fetches_urls(self) -> bool:
        """Whether the page may have a picture fetched from an address."""
        return self.fetch_urls == "on" or (self.fetch_urls is None and not self.public)

    @property
    def downloads_models(self) -> bool:
        """Whether models may be fetched from the internet."""
        return self.download_models == "on" or (self.download_models is None and (not self.public or self.gradio_auth is not None))

    @property
    def changes_models(self) -> bool:
        """Whether model files may be renamed, thrown away, merged ...: not by whoever comes along on a public address."""
        return not self.public or self.gradio_auth is not None

    @property
    def models(self) -> Path:
        """The folder of model folders."""
        return self.models_dir or self.data_dir / "models"

    @property
    def outputs(self) -> Path:
        """The folder of pictures."""
        return self.outputs_dir or self.data_dir / "outputs"
