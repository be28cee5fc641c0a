"""Adapters in a network's weights: changed copies stand in for the weights, which are kept and put back as they were."""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.networks.adapters.kinds import change_of
from app.networks.adapters.lora_file import LoraFile
from app.networks.adapters.parts import DoesNotFit, Parts
from app.schema.errors import BadModelFile

log = logging.getLogger(__name__)

SETS_KEPT = 4
"""Sets of adapters whose changed weights are kept, so that jobs with different sets can alternate."""
SHARE_KEPT = 1.0
"""Of the network's own bytes, what changed weights out of use may take."""


@dataclass(frozen=True, eq=False)
class Strength:
    """One LoRA as it acts on one network."""

    lora: LoraFile
    key: tuple[object, ...]
    """Says which contents the file has."""
    strength: float
    rank: int | None = None


Weights = dict[str, nn.Parameter]


class Patches:
    """The weights of one network under changing sets of LoRAs."""

    def __init__(self, network: str, module: nn.Module, aliases: Mapping[str, str]) -> None:
        """`aliases`: adapters' names of layers to the module's (`names.aliases`)."""
        self._network, self._module, self._aliases = network, module, aliases
        self._originals: Weights = {}
        """What stood where changed weights stand now."""
        self._sets: OrderedDict[tuple[object, ...], Weights] = OrderedDict()

    @property
    def out_of_use(self) -> Iterator[nn.Parameter]:
        """Weights that are kept while others stand in the network: originals, and those of other sets."""
        used = {id(weight) for weight in self._module.parameters()}
        for weights in (self._originals, *self._sets.values()):
            yield from (weight for weight in weights.values() if id(weight) not in used)

    def use(self, wanted: Sequence[Strength]) -> None:
        """Makes the network one with just these adapters, applied in their order; with none it is bit by bit as it was loaded.

        BadModelFile for a LoRA none of whose layers this network has; single layers that do not fit are left out with a line in the log.
        """
        wanted = [each for each in wanted if each.lora.layers.get(self._network)]
        key = tuple((*each.key, each.strength, each.rank) for each in wanted)
        self._put_back()
        if not wanted:
            return
        if key not in self._sets:
            self._sets[key] = self._changed(wanted)
        self._sets.move_to_end(key)
        for name, weight in self._sets[key].items():
            self._originals[name] = self._exchange(name, weight)
        self._forget()

    def clear(self) -> None:
        """The network as it was loaded; nothing is kept."""
        self._put_back()
        self._sets.clear()

    def _put_back(self) -> None:
        for name, weight in self._originals.items():
            self._exchange(name, weight)
        self._originals = {}

    def _exchange(self, name: str, weight: nn.Parameter) -> nn.Parameter:
        owner, _, attribute = name.rpartition(".")
        layer = self._module.get_submodule(owner)
        before = layer.get_parameter(attribute)
        setattr(layer, attribute, weight)
        return before

    def _forget(self) -> None:
        """Drops the sets that were used longest ago."""
        limit = SHARE_KEPT * sum(weight.nbytes for weight in self._module.parameters())
        while len(self._sets) > 1 and (len(self._sets) > SETS_KEPT or sum(weight.nbytes for weight in self.out_of_use) > limit):
            self._sets.popitem(last=False)

    @torch.no_grad()
    def _changed(self, wanted: Sequence[Strength]) -> Weights:
        """The weights that the adapters change. Each starts from what those before it left, and adds in the format of its change."""
        changed: dict[str, Tensor] = {}
        for each in wanted:
            met = 0
            for layer, parts in self._layers(each.lora):
                met += 1
                try:
                    self._change(layer, parts, each, changed)
                except DoesNotFit as problem:
                    log.warning("%s: layer %s is left out, it does not fit (%s)", each.lora.name, layer, problem)
            if not met:
                raise BadModelFile(f"{each.lora.name} was made for another family of models: none of its layers is in this one.")
        return {
            name: nn.Parameter(weight.to(self._module.get_parameter(name).dtype), requires_grad=False) for name, weight in changed.items()
        }

    def _layers(self, lora: LoraFile) -> Iterator[tuple[str, Parts]]:
        for alias, parts in lora.layers[self._network].items():
            layer = self._aliases.get(alias)
            if layer is not None:
                yield layer, parts

    def _change(self, layer: str, parts: Parts, each: Strength, changed: dict[str, Tensor]) -> None:
        """Adds one adapter's part in one layer to `changed`."""
        module = self._module.get_submodule(layer)
        names = {"weight": f"{layer}.weight", "bias": f"{layer}.bias"}
        now = {
            kind: changed.get(name, own.float())
            for kind, name in names.items()
            if isinstance(own := getattr(module, kind, None), Tensor)
        }
        here = {name: tensor.to(now["weight"].device) for name, tensor in parts.items()}
        change = change_of(here, now["weight"], now.get("bias"), each.rank)
        for kind, difference in (("weight", change.weight), ("bias", change.bias)):
            if difference is not None:
                changed[names[kind]] = (now[kind].to(difference.dtype) + each.strength * difference).float()
