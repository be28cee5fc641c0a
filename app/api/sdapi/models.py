"""Lists of model files, and the actions on them: refresh, unload, reload."""

from fastapi import APIRouter

from app.api.checkpoints import chosen_checkpoint, usable_checkpoints
from app.api.services import Services
from app.models import yaml_beside

Entries = list[dict[str, object]]


def model_routes(services: Services) -> APIRouter:
    """Files and what can be done with them."""
    router = APIRouter()
    _add_lists(router, services)
    _add_actions(router, services)
    return router


def _add_lists(router: APIRouter, services: Services) -> None:
    catalog = services.catalog

    @router.get("/sd-models")
    def sd_models() -> Entries:
        """Checkpoints that can be loaded; hashes are null until they have been computed."""
        return [
            {
                "title": file.title,
                "model_name": file.name,
                "hash": file.short_hash,
                "sha256": file.sha256,
                "filename": str(file.path),
                "config": str(beside) if (beside := yaml_beside(file.path)) else None,
            }
            for file in usable_checkpoints(services)
        ]

    @router.get("/sd-vae")
    def sd_vae() -> Entries:
        """VAE files."""
        return [{"model_name": file.path.name, "filename": str(file.path)} for file in catalog.of_kind("vae")]

    @router.get("/loras")
    def loras() -> Entries:
        """LoRA files; their own metadata is not read."""
        return [{"name": f.name, "alias": f.name, "path": str(f.path), "metadata": {}} for f in catalog.of_kind("lora")]

    @router.get("/hypernetworks")
    def hypernetworks() -> Entries:
        """Hypernetwork files."""
        return [{"name": file.name, "path": str(file.path)} for file in catalog.of_kind("hypernetwork")]

    @router.get("/embeddings")
    def embeddings() -> dict[str, dict[str, object]]:
        """Embedding files: all `skipped`, because prompts do not use them yet."""
        unread = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": None, "vectors": None}
        return {"loaded": {}, "skipped": {file.name: unread for file in catalog.of_kind("embedding")}}


def _add_actions(router: APIRouter, services: Services) -> None:
    @router.post("/refresh-checkpoints")
    @router.post("/refresh-vae")
    @router.post("/refresh-loras")
    @router.post("/refresh-embeddings")
    def refresh() -> None:
        """Looks through the model folders again."""
        services.catalog.refresh()

    @router.post("/unload-checkpoint")
    def unload_checkpoint() -> dict[str, object]:
        """Frees the checkpoints in memory that no running job needs."""
        services.engine.unload()
        return {}

    @router.post("/reload-checkpoint")
    def reload_checkpoint() -> dict[str, object]:
        """Begins to load the chosen checkpoint."""
        chosen = chosen_checkpoint(services)
        if chosen is not None:
            services.engine.load(chosen.filename)
        return {}
