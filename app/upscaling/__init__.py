"""Enlarging pictures without a network, for the hires fix and for extras. Knows the schema and Pillow, and imports no torch.

`enlarged` brings a picture to a size with an upscaler of the registry; its names stand in `app.schema.upscalers`.
"""

from app.upscaling.images import enlarged, times

__all__ = ["enlarged", "times"]
