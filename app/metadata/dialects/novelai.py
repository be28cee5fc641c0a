"""NovelAI's PNG: `Software` names it, `Description` is the prompt, `Comment` is a JSON object with the settings."""

import json
from collections.abc import Mapping

from app.metadata.dialects.recipe import Recipe
from app.metadata.infotext import format_infotext
from app.metadata.record import PictureRecord

_SAMPLERS: Mapping[str, str] = {
    "k_euler_ancestral": "Euler a",
    "k_euler": "Euler",
    "k_lms": "LMS",
    "k_heun": "Heun",
    "k_dpm_2": "DPM2",
    "k_dpm_2_ancestral": "DPM2 a",
    "k_dpmpp_2s_ancestral": "DPM++ 2S a",
    "k_dpmpp_2m": "DPM++ 2M",
    "k_dpmpp_sde": "DPM++ SDE",
    "k_dpmpp_2m_sde": "DPM++ 2M SDE",
    "k_dpm_fast": "DPM fast",
    "k_dpm_adaptive": "DPM adaptive",
    "ddim": "DDIM",
    "ddim_v3": "DDIM",
    "plms": "PLMS",
}


class NovelAI:
    """Reads as A1111 does: Clip skip 2 and ENSD 31337 belong to every picture of theirs."""

    name = "novelai"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings as an infotext; None for other programs' pictures and for a Comment that is no JSON object."""
        if record.items.get("Software") != "NovelAI":
            return None
        try:
            said = json.loads(record.items.get("Comment", ""))
        except (ValueError, RecursionError):
            return None
        if not isinstance(said, dict):
            return None
        sampler = said.get("sampler")
        fields = [
            ("Steps", said.get("steps")),
            ("Sampler", _SAMPLERS.get(str(sampler), sampler)),
            ("CFG scale", said.get("scale")),
            ("Seed", said.get("seed")),
            ("Size", f"{record.width}x{record.height}"),
            ("Clip skip", 2),
            ("ENSD", 31337),
        ]
        prompt = record.items.get("Description") or str(said.get("prompt") or "")
        return Recipe(self.name, format_infotext(prompt, str(said.get("uc") or ""), fields))
