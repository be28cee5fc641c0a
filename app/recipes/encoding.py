"""From what the autoencoder says of a picture to the picture's latents."""

from collections.abc import Sequence

from torch import Tensor

from app.sampling.encoder_noise import EncoderNoise


def means(encoding: Tensor) -> Tensor:
    """(n, channels, h, w) of an `EncodeImage`'s answer, not scaled: the most likely latents."""
    return encoding.chunk(2, dim=1)[0]


def drawn(encoding: Tensor, noise: EncoderNoise, scale: float) -> Tensor:
    """(n, channels, h, w), scaled as the denoiser wants them, drawn from an `EncodeImage`'s answer by the next of the noise."""
    mean, deviation = encoding.chunk(2, dim=1)
    return (mean + deviation * noise.draw(mean.shape).to(mean.device)) * scale


def drawn_each(encodings: Sequence[Tensor], noise: EncoderNoise, scale: float) -> list[Tensor]:
    """(1, channels, h, w) of each picture's answer in turn; those of one picture are drawn anew each time. Their sizes may differ."""
    return [drawn(encoding, noise, scale) for encoding in encodings]
