"""The layers of a checkpoint's networks by the names that adapters have for them."""

from app.models.facts import CheckpointFacts
from app.models.keys import DENOISER_PREFIX, denoiser_keys
from app.networks.adapters.names import aliases
from app.networks.build import TEXT_PARTS, Networks


def layer_aliases(networks: Networks, facts: CheckpointFacts) -> dict[str, dict[str, str]]:
    """For the denoiser and each text encoder: every underscored name of a layer to the layer's name in our module."""
    keys = denoiser_keys(networks.denoiser.state_dict(), facts.denoiser)
    theirs = {ours.rpartition(".")[0]: name.removeprefix(DENOISER_PREFIX).rpartition(".")[0] for ours, name in keys.items()}
    texts = zip(TEXT_PARTS, networks.texts, strict=False)
    return {"denoiser": aliases(theirs, theirs), **{part: aliases((name for name, _ in text.named_modules()), {}) for part, text in texts}}
