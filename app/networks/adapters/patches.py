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
        self._key: tuple[object, ...] = ()
        """The set that is in use."""
        self._sets: OrderedDict[tuple[object, ...], Weights] = OrderedDict()

    @property
    def out_of_use(self) -> Iterator[nn.Parameter]:
        """Weights that are kept while others stand in the network: originals, and those of other sets."""
        used = {id(weight) for weight in self._module.parameters()}
        for weights in (self._originals, *self._sets.values()):
            yield from (weight for weight in weights.values() if id(weight) not in used)

    def in_use(self, wanted: Sequence[Strength]) -> bool:
        """Whether the network is one with just these adapters already."""
        return self._key_of(wanted) == self._key

    def use(self, wanted: Sequence[Strength], workplace: torch.device | None = None) -> None:
        """Makes the network one with just these adapters, applied in their order; with none it is bit by bit as it was loaded.

        Changes are computed on the `workplace`, else where the weights are; the changed weights are where the weights are.
        BadModelFile for a LoRA none of whose layers this network has; single layers that do not fit are left out with a line in the log.
        """
        key = self._key_of(wanted)
        if key == self._key:
            return
        self._put_back()
        if not key:
            return
        if key not in self._sets:
            self._sets[key] = self._changed([each for each in wanted if self._concerned(each)], workplace)
        self._sets.move_to_end(key)
        for name, weight in self._sets[key].items():
            self._originals[name] = self._exchange(name, weight)
        self._key = key
        self._forget()

    def clear(self) -> None:
        """The network as it was loaded; nothing is kept."""
        self._put_back()
        self._sets.clear()

    def _put_back(self) -> None:
        for name, weight in self._originals.items():
            self._exchange(name, weight)
        self._originals, self._key = {}, ()

    def _concerned(self, each: Strength) -> bool:
        return bool(each.lora.layers.get(self._network))

    def _key_of(self, wanted: Sequence[Strength]) -> tuple[object, ...]:
        return tuple((*each.key, each.strength, each.rank) for each in wanted if self._concerned(each))

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
    def _changed(self, wanted: Sequence[Strength], workplace: torch.device | None) -> Weights:
        """The weights that the adapters change. Each starts from what those before it left, and adds in the format of its change.

        One layer after the other, so that there is only one in float32 at a time.
        """
        changes: dict[str, list[tuple[Strength, Parts]]] = {}
        for each in wanted:
            layers = list(self._layers(each.lora))
            if not layers:
                raise BadModelFile(f"{each.lora.name} was made for another family of models: none of its layers is in this one.")
            for layer, parts in layers:
                changes.setdefault(layer, []).append((each, parts))
        return {name: weight for layer, adapters in changes.items() for name, weight in self._changed_layer(layer, adapters, workplace)}

    def _layers(self, lora: LoraFile) -> Iterator[tuple[str, Parts]]:
        for alias, parts in lora.layers[self._network].items():
            layer = self._aliases.get(alias)
            if layer is not None:
                yield layer, parts

    def _changed_layer(
        self, layer: str, adapters: Sequence[tuple[Strength, Parts]], workplace: torch.device | None
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """One layer's weight and bias, as far as the adapters change them: full name and what stands in for it."""
        module = self._module.get_submodule(layer)
        own = {kind: tensor for kind in ("weight", "bias") if isinstance(tensor := getattr(module, kind, None), Tensor)}
        place = workplace or own["weight"].device
        now = {kind: tensor.to(place).float() for kind, tensor in own.items()}
        changed = dict.fromkeys(own, False)
        for each, parts in adapters:
            here = {name: tensor.to(place) for name, tensor in parts.items()}
            try:
                change = change_of(here, now["weight"], now.get("bias"), each.rank)
            except DoesNotFit as problem:
                log.warning("%s: layer %s is left out, it does not fit (%s)", each.lora.name, layer, problem)
                continue
            for kind, difference in (("weight", change.weight), ("bias", change.bias)):
                if difference is not None:
                    now[kind] = (now[kind].to(difference.dtype) + each.strength * difference).float()
                    changed[kind] = True
        for kind in filter(changed.__getitem__, own):
            yield f"{layer}.{kind}", nn.Parameter(now[kind].to(own[kind].device, own[kind].dtype), requires_grad=False)
