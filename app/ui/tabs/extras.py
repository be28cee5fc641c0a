"""The Extras tab: pictures enlarged without drawing them anew."""

import json

from app.schema.upscalers import IMAGE_UPSCALERS
from app.ui.parts.html import element


def build_extras_tab() -> None:
    """The tab is one element of our own (static/js/extras.js): files go straight to the API, byte for byte."""
    element("dk-extras", elem_id="extras", upscalers=json.dumps(IMAGE_UPSCALERS))
