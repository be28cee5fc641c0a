"""The lists A1111's clients ask for: what there is here, and only that."""

from fastapi import APIRouter

from app.api.services import Services
from app.schema.samplers import SAMPLERS, SCHEDULERS
from app.schema.upscalers import IMAGE_UPSCALERS, LATENT_UPSCALERS

Entries = list[dict[str, object]]


def list_routes(services: Services) -> APIRouter:
    """Names of samplers, upscalers, styles and the like; files stand in models.py."""
    router = APIRouter()

    @router.get("/samplers")
    async def samplers() -> Entries:
        """Samplers, in A1111's order."""
        return [{"name": s.name, "aliases": list(s.aliases), "options": dict(s.options)} for s in SAMPLERS]

    @router.get("/schedulers")
    async def schedulers() -> Entries:
        """Schedules of noise levels."""
        return [
            {
                "name": s.name,
                "label": s.label,
                "aliases": list(s.aliases) if s.aliases else None,
                "default_rho": s.default_rho,
                "need_inner_model": s.need_inner_model,
            }
            for s in SCHEDULERS
        ]

    @router.get("/upscalers")
    async def upscalers() -> Entries:
        """Upscalers of the extras routes."""
        return [{"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": 4.0} for name in IMAGE_UPSCALERS]

    @router.get("/prompt-styles")
    def prompt_styles() -> Entries:
        """Styles of styles.csv."""
        return [{"name": s.name, "prompt": s.prompt, "negative_prompt": s.negative_prompt} for s in services.styles.list()]

    @router.get("/latent-upscale-modes")
    async def latent_upscale_modes() -> Entries:
        """Ways of enlarging latents."""
        return [{"name": name} for name in LATENT_UPSCALERS]

    @router.get("/face-restorers")
    async def face_restorers() -> Entries:
        """Face restorers; none yet."""
        return []

    @router.get("/realesrgan-models")
    async def realesrgan_models() -> Entries:
        """Real-ESRGAN models; none yet."""
        return []

    @router.get("/extensions")
    async def extensions() -> Entries:
        """Installed extensions; none yet."""
        return []

    return router
