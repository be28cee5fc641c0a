"""Small questions of the page and of programs: models, tokens, status."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app.api.checkpoints import chosen_checkpoint
from app.api.client import client_of
from app.api.services import Services
from app.jobs import LIVE
from app.prompt import EmbeddingIndex, count_tokens, cut_tags, strip_comments
from app.schema.params import MAX_PROMPT_CHARS


class TokenQuestion(BaseModel):
    """A prompt as it stands in its field."""

    text: str = Field("", max_length=MAX_PROMPT_CHARS)
    steps: int = Field(20, ge=1, le=1000)
    negative: bool = False


class TokenAnswer(BaseModel):
    """What a counter shows."""

    count: int
    limit: int


class Status(BaseModel):
    """What the server is doing."""

    version: str
    device: str
    dtype: str
    loaded: str | None
    """The checkpoint that was used last."""
    resident: list[str]
    """Checkpoints in memory."""
    running: int
    waiting: int
    own_jobs: int
    """Unended jobs of the asker."""
    queued: int
    """Jobs of everybody that wait."""
    pictures_a_minute: int
    """Kept in the last sixty seconds."""
    machine: str
    """What the next figures are about: `gpu` or `cpu`."""
    load: float
    """0..1"""
    memory_used_bytes: int
    memory_total_bytes: int
    engine_deaths: int
    """How often the engine's process has died since the start; what it was doing began anew."""
    last_death: str | None


def embedding_index(services: Services) -> EmbeddingIndex:
    """The embeddings that fit the chosen checkpoint; making it takes microseconds for each of them."""
    chosen = chosen_checkpoint(services)
    fitting = services.catalog.book.embeddings(chosen.facts.text_width) if chosen is not None and chosen.facts is not None else ()
    return EmbeddingIndex({file.name: facts.vectors for file, facts in fitting}, services.tokenizer)


def fact_routes(services: Services) -> APIRouter:
    """Tokens and status."""
    router = APIRouter(tags=["facts"])

    @router.post("/tokens")
    def tokens(question: TokenQuestion) -> TokenAnswer:
        """How many tokens the prompt has, and how many fit without another chunk."""
        text = strip_comments(question.text) if services.options.view().switch("enable_prompt_comments") else question.text
        prompt = text if question.negative else cut_tags(text)[0]
        counted = count_tokens(prompt, question.steps, services.tokenizer, embedding_index(services))
        return TokenAnswer(count=counted.tokens, limit=counted.limit)

    @router.get("/status")
    def status(http: Request) -> Status:
        """The engine and the queue at this moment."""
        engine, counts = services.engine.status(), services.jobs.counts()
        machine = services.machine.look(engine.device)
        return Status(
            version=services.version,
            device=engine.device,
            dtype=engine.dtype,
            loaded=engine.loaded,
            resident=list(engine.resident),
            running=counts.running,
            waiting=engine.waiting,
            own_jobs=len(services.jobs.list(client_of(http), LIVE, 500)),
            queued=counts.queued,
            pictures_a_minute=counts.pictures_a_minute,
            machine=machine.kind,
            load=machine.load,
            memory_used_bytes=machine.memory_used_bytes,
            memory_total_bytes=machine.memory_total_bytes,
            engine_deaths=engine.deaths,
            last_death=engine.last_death,
        )

    return router
