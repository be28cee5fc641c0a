"""The texts of an X/Y/Z plot in an API answer, as A1111 has them."""

from collections.abc import Sequence
from itertools import product

from app.metadata import OWN_LABELS, split_infotext, with_fields


def as_a1111_tells(texts: Sequence[str], counts: Sequence[int], costs: Sequence[float]) -> list[str]:
    """The cells' texts (x fastest, then y, then z) with the fields of cells that were drawn before, where a cell has none of its own.

    A1111's cells share one list of further fields and never take any out. Clients that compare answers see this; the pictures' own
    texts stay true. `counts` and `costs` are those of the axes x, y, z; the dearest axis changes last.
    """
    shared: dict[str, str] = {}
    told = list(texts)
    slowest_first = sorted((2, 1, 0), key=lambda axis: -costs[axis])
    for places in product(*(range(counts[axis]) for axis in slowest_first)):
        place = dict(zip(slowest_first, places, strict=True))
        number = place[0] + counts[0] * (place[1] + counts[1] * place[2])
        own = dict(split_infotext(texts[number])[2])
        shared |= {label: value for label, value in own.items() if label not in OWN_LABELS}
        told[number] = with_fields(texts[number], {label: value for label, value in shared.items() if label not in own})
    return told
