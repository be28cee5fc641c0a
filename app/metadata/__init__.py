"""What pictures say about how they were made: A1111's infotext, the containers that hold it, and other programs' dialects.

Knows the schema, and Pillow for what it does well; never torch. `read_picture` looks into a file without decoding pixels,
`parse_infotext` gives A1111's dictionary, `params_from_infotext` gives settings; `infotext_fields`, `format_infotext` and
`encode_picture` go the other way.
"""

from app.metadata.dialects import read_recipe
from app.metadata.fields import OWN_LABELS, infotext_fields, with_fields
from app.metadata.infotext import format_infotext, parse_infotext, split_infotext
from app.metadata.names import known_sampler, known_scheduler
from app.metadata.params_chunk import params_chunk, params_of_chunk
from app.metadata.picture import read_picture, read_text
from app.metadata.record import Limits, PictureRecord, Recipe
from app.metadata.restore import Restored, params_from_infotext
from app.metadata.strip import stripped
from app.metadata.write import encode_picture, save_png_bytes

__all__ = [
    "OWN_LABELS",
    "Limits",
    "PictureRecord",
    "Recipe",
    "Restored",
    "encode_picture",
    "format_infotext",
    "infotext_fields",
    "known_sampler",
    "known_scheduler",
    "params_chunk",
    "params_from_infotext",
    "params_of_chunk",
    "parse_infotext",
    "read_picture",
    "read_recipe",
    "read_text",
    "save_png_bytes",
    "split_infotext",
    "stripped",
    "with_fields",
]
