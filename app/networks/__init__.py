"""From a checkpoint's facts and its file's tensors to networks that compute as CompVis' code does.

Public: `load_checkpoint`, `Checkpoint`, `load_autoencoder`, and in `adapters` what is added to them.
Knows models and torch; diffusers' and transformers' modules do the mathematics,
`denoiser` runs their blocks. Nothing is fetched from anywhere.
"""

from app.networks.checkpoint import Checkpoint, load_autoencoder, load_checkpoint

__all__ = ["Checkpoint", "load_autoencoder", "load_checkpoint"]
