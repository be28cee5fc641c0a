"""One network's share of a checkpoint's tensors, and the check that all of them are there in the shapes that its sizes ask for."""

from collections.abc import Iterable, Iterator, Mapping

from app.models.header import TensorInfo
from app.schema.errors import BadModelFile

Shape = tuple[int, ...]
Layout = Iterator[tuple[str, Shape]]
"""Names (without the network's prefix) and shapes of tensors."""


class Part:
    """The tensors of one network, by their names without its prefix."""

    def __init__(self, title: str, tensors: Mapping[str, TensorInfo], prefix: str) -> None:
        self.title, self.prefix = title, prefix
        self.tensors = {name.removeprefix(prefix): info for name, info in tensors.items() if name.startswith(prefix)}

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def shape(self, name: str, dimensions: int) -> Shape:
        """Shape of a tensor that has so many dimensions; BadModelFile if it is missing or has not."""
        if name not in self.tensors:
            raise BadModelFile(f"The {self.title} is not complete: {self.prefix + name} is missing.")
        shape = self.tensors[name].shape
        if len(shape) != dimensions or 0 in shape:
            raise BadModelFile(f"The {self.title} has a layout that is not known: {self.prefix + name} has the shape {list(shape)}.")
        return shape

    def count(self, before: str, after: str) -> int:
        """How many of `before0after`, `before1after` ... are there."""
        number = 0
        while f"{before}{number}{after}" in self.tensors:
            number += 1
        return number

    def unknown(self, what: str) -> BadModelFile:
        """The error for tensors that are there but in an arrangement that is not."""
        return BadModelFile(f"The {self.title} has a layout that is not known: {what}.")

    def check(self, layout: Iterable[tuple[str, Shape]]) -> None:
        """BadModelFile unless every tensor of the layout is there in its shape (or the same without sides of 1 at the end)."""
        expected = dict(layout)
        if missing := [name for name in expected if name not in self.tensors]:
            more = f" and {len(missing) - 1} more are" if len(missing) > 1 else " is"
            raise BadModelFile(f"The {self.title} is not complete: {self.prefix + missing[0]}{more} missing.")
        for name, shape in expected.items():
            there = self.tensors[name].shape
            if there != shape and _without_ones(there) != _without_ones(shape):
                raise BadModelFile(
                    f"The {self.title} has a layout that is not known: "
                    f"{self.prefix + name} has the shape {list(there)} and not {list(shape)}."
                )


def _without_ones(shape: Shape) -> Shape:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def weights(name: str, *shape: int) -> Layout:
    """A layer's weight and bias."""
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def bare_weights(name: str, *shape: int) -> Layout:
    """The weight of a layer without bias."""
    yield f"{name}.weight", shape
