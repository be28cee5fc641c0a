"""How much of a second checkpoint goes into which block of the denoiser: "merge block weighted", MBW."""

import re
from dataclasses import dataclass

from app.schema.errors import InvalidParams, shown

SD1_BLOCKS = (*(f"IN{n:02}" for n in range(12)), "M00", *(f"OUT{n:02}" for n in range(12)))
SDXL_BLOCKS = (*(f"IN{n:02}" for n in range(9)), "M00", *(f"OUT{n:02}" for n in range(9)))
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
"""float() would also take `1_0`, `nan` and other scripts' digits."""
_BLOCK = re.compile(r"model\.diffusion_model\.(?:(input_blocks|output_blocks)\.(\d+)|(middle_block))\.")


@dataclass(frozen=True)
class BlockWeights:
    """A share for each block, and one for all that is in no block (text encoders, VAE, the denoiser's first and last layers)."""

    base: float
    blocks: tuple[float, ...] = ()
    """Of SD1's 25 blocks or SDXL's 19, in the order of the network; empty: `base` everywhere."""

    def of(self, name: str) -> float:
        """The share of a tensor."""
        found = _BLOCK.match(name)
        if not self.blocks or found is None:
            return self.base
        side, number, _ = found.groups()
        names = SD1_BLOCKS if len(self.blocks) == len(SD1_BLOCKS) else SDXL_BLOCKS
        block = "M00" if side is None else f"{'IN' if side == 'input_blocks' else 'OUT'}{int(number):02}"
        if block not in names:
            raise InvalidParams(
                f"The checkpoint has a block {block}, for which there is no weight among the {len(names)} given: "
                f"SD1 and SD2 have {len(SD1_BLOCKS)} blocks, SDXL {len(SDXL_BLOCKS)}."
            )
        return self.blocks[names.index(block)]


def parse_weights(base: float, text: str = "") -> BlockWeights:
    """`text`: nothing, or 25 or 19 numbers between commas (as the extension Supermerger and others write them).

    A first number more is the base's. InvalidParams for anything else.
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    for part in parts:
        if not _DECIMAL.fullmatch(part):
            raise InvalidParams(f"Weights of blocks are decimal numbers between commas, which {shown(part)!r} is not.")
    values = tuple(float(part) for part in parts)
    if len(values) in (len(SD1_BLOCKS) + 1, len(SDXL_BLOCKS) + 1):
        base, values = values[0], values[1:]
    if values and len(values) not in (len(SD1_BLOCKS), len(SDXL_BLOCKS)):
        wanted = f"{len(SD1_BLOCKS)} (SD1, SD2) or {len(SDXL_BLOCKS)} (SDXL)"
        raise InvalidParams(f"There are {len(values)} weights of blocks; {wanted} are wanted.")
    if not all(-10 <= value <= 10 for value in (base, *values)):
        raise InvalidParams("Weights lie between -10 and 10.")
    return BlockWeights(base, values)
