"""Model files made from model files: other number formats, without what drawing does not need, merged. Knows models and networks.

A result is written in a single pass, a few million numbers at a time, so memory does not grow with the files; it appears under its
name when it is whole. Public: `convert` with `Conversion`, `merge` with `Merge` and `AddedLora`, `parse_weights`.
"""

from app.conversion.convert import Conversion, convert
from app.conversion.lora import AddedLora
from app.conversion.merge import Merge, merge
from app.schema.block_weights import BlockWeights, parse_weights

__all__ = ["AddedLora", "BlockWeights", "Conversion", "Merge", "convert", "merge", "parse_weights"]
