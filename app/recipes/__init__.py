"""How a kind of picture is made, as generators over ops: txt2img and img2img so far.

Knows prompt, sampling and the schema. A recipe yields what it needs (`ops.py`) and is sent the answers; it touches no device,
no file and no thread. `start` gives the recipe of a job.
"""

from app.prompt import Tokenizer
from app.recipes.img2img import img2img
from app.recipes.masks import Masks
from app.recipes.ops import Recipe
from app.recipes.resize import InputPicture
from app.recipes.txt2img import txt2img
from app.schema.params import GenerationParams

__all__ = ["Masks", "start"]


def start(
    params: GenerationParams,
    images: tuple[InputPicture, ...],
    tokenizer: Tokenizer,
    masks: Masks | None = None,
    colours: InputPicture | None = None,
) -> Recipe:
    """The recipe of a job; nothing has run yet when it is returned."""
    return img2img(params, tokenizer, images, masks or Masks(), colours) if params.mode == "img2img" else txt2img(params, tokenizer, images)
