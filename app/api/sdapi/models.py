"""Lists of model files, and the actions on them: refresh, unload, reload."""

from fastapi import APIRouter

from app.api.checkpoints import chosen_checkpoint, usable_checkpoints
from app.api.services import Services
from app.models import Catalog, EmbeddingFacts, ModelFile, yaml_beside
from app.schema.errors import BadModelFile

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
        """LoRA files with what their headers tell."""
        return [lora_entry(catalog, file) for file in catalog.of_kind("lora")]

    @router.get("/hypernetworks")
    def hypernetworks() -> Entries:
        """Hypernetwork files."""
        return [{"name": file.name, "path": str(file.path)} for file in catalog.of_kind("hypernetwork")]

    @router.get("/embeddings")
    def embeddings() -> dict[str, dict[str, object]]:
        """Embeddings; `skipped` are those that do not fit the chosen checkpoint, or cannot be read."""
        chosen = chosen_checkpoint(services)
        width = chosen.facts.text_width if chosen is not None and chosen.facts is not None else None
        read = dict(catalog.book.embeddings())
        entries = {file.name: embedding_entry(facts) for file, facts in read.items()}
        loaded = {file.name for file, facts in read.items() if facts.width == width}
        skipped = {file.name for file in catalog.of_kind("embedding")} - loaded
        return {
            "loaded": {name: entry for name, entry in entries.items() if name in loaded},
            "skipped": {name: entries.get(name, embedding_entry(None)) for name in sorted(skipped)},
        }


def lora_entry(catalog: Catalog, file: ModelFile) -> dict[str, object]:
    """A LoRA as A1111 lists it; one that cannot be read has no metadata."""
    try:
        facts = catalog.book.adapter_facts(file)
    except BadModelFile:
        return {"name": file.name, "alias": file.name, "path": str(file.path), "metadata": {}}
    return {"name": file.name, "alias": facts.alias or file.name, "path": str(file.path), "metadata": dict(facts.metadata)}


def embedding_entry(facts: EmbeddingFacts | None) -> dict[str, object]:
    """What A1111 tells of an embedding; of one that cannot be read, nothing."""
    return {
        "step": facts.step if facts else None,
        "sd_checkpoint": facts.sd_checkpoint if facts else None,
        "sd_checkpoint_name": facts.sd_checkpoint_name if facts else None,
        "shape": facts.width if facts else None,
        "vectors": facts.vectors if facts else None,
    }


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
