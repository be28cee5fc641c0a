"""The one loop that owns the device: it starts jobs, chooses rows, runs them and hands results back to the recipes."""

import contextlib
import logging
import queue
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from app.engine.aside import AsideWork
from app.engine.client import (
    Cancelled,
    Done,
    EngineJob,
    EngineStatus,
    Event,
    Failed,
    Loading,
    PictureDone,
    Preview,
    Progress,
    Remarked,
    Started,
    Stop,
)
from app.engine.executor import Executor, Slice
from app.engine.messages import AsideDone, Close, LimitModels, LoadModel, Message, StopJob, Submit, UnloadModels
from app.engine.oom import out_of_memory
from app.engine.residency import Residency, Resident
from app.engine.running import InRows, Running
from app.engine.scheduler import Scheduler, Share
from app.engine.shelf import Shelf
from app.engine.waits import Waits
from app.prompt import Tokenizer
from app.recipes import Masks, start
from app.recipes.ops import (
    Answer,
    Aside,
    Decode,
    DenoiseRows,
    Encode,
    EncodeImage,
    FindAdapters,
    Finished,
    HashEmbeddings,
    Load,
    ModelInfo,
    Note,
    Remark,
    Worked,
)
from app.schema.errors import DarkroomError, EngineStopped

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_RUNNING = 64
"""Jobs whose recipes are alive at once; a started job holds its latents and conditionings, some megabytes."""
IDLE_S = 3.0
"""After so long without work the machine is taken to be idle."""
PREVIEW_EVERY_S = 0.4


class EngineLoop:
    """Single-threaded: everything but `status` happens in the thread that calls `run`; others put messages into the inbox."""

    def __init__(
        self,
        inbox: "queue.SimpleQueue[Message]",
        residency: Residency,
        shelf: Shelf,
        executor: Executor,
        tokenizer: Tokenizer,
        dtype: str,
        on_event: Callable[[Event], None],
        waits: Waits | None = None,
    ) -> None:
        self._inbox = inbox
        self._waits = waits
        self._residency, self._shelf, self._executor, self._tokenizer, self._dtype = residency, shelf, executor, tokenizer, dtype
        self._on_event = on_event
        self._aside = AsideWork(inbox.put)
        self._scheduler = Scheduler(executor.budget, executor.bucket, residency.patience_s)
        self._waiting: deque[EngineJob] = deque()
        self._running: dict[str, Running] = {}
        self._closed = False
        self.turns = 0
        """Turns done; other threads see by it whether the loop gets on."""
        self._to_time: tuple[str, int, int] | None = None
        """Checkpoint and size in latents of the last forward, while its throughput curve may be incomplete."""

    def run(self) -> None:
        """Until `Close`."""
        with torch.inference_mode(), self._waits or contextlib.nullcontext():
            while not self._closed:
                self.turn()

    def status(self) -> EngineStatus:
        """A snapshot; other threads may call it."""
        counters = self._executor.counters
        return EngineStatus(
            running=tuple(self._running.copy()),
            waiting=len(self._waiting) + self._inbox.qsize(),
            device=str(self._executor.device),
            dtype=self._dtype,
            resident=self._residency.names,
            loaded=next(iter(self._residency.names), None),
            forwards=counters.forwards,
            rows=counters.rows,
        )

    def turn(self) -> None:
        """Takes messages, starts jobs, runs one forward (or load, encode, decode). Waits for a message when idle."""
        self._read_inbox()
        self._admit()
        self._look_ahead()
        shares = self._scheduler.choose(self._residency.names, time.monotonic())
        if shares:
            self._run(shares)
        elif self._running:
            self._handle(self._inbox.get())  # all wait for work beside the loop
        assert not shares or self._books_agree()
        self.turns += 1

    def _books_agree(self) -> bool:
        return {ticket.job for ticket in self._scheduler.tickets} <= set(self._running)

    def _look_ahead(self) -> None:
        """The checkpoint that is wanted next is read while the current one works."""
        name = self._scheduler.next_model(self._residency.names)
        if name is not None and self._residency.read_ahead(name, self._in_use()):
            for running in self._running.values():
                if running.checkpoint == name:
                    self._on_event(Loading(running.job.id, name))

    # messages

    def _read_inbox(self) -> None:
        while not self._closed:
            idle = not (self._running or self._waiting)
            if self._waits is not None:
                self._waits.working(not idle)
            try:
                message = self._inbox.get(block=idle, timeout=IDLE_S if idle and self._to_time is not None else None)
            except queue.Empty:
                if not idle:
                    return
                self._time_a_forward()
            else:
                self._handle(message)

    def _time_a_forward(self) -> None:
        """Nobody has asked for anything for a while: one forward more of the throughput curve of what ran last."""
        assert self._to_time is not None
        name, height, width = self._to_time
        if name not in self._residency.names:
            self._to_time = None
            return
        resident = self._residency.get(name, (), lambda _: None)
        if not self._executor.time_forward(resident.checkpoint, height, width):
            self._to_time = None

    def _handle(self, message: Message) -> None:
        match message:
            case Submit(job):
                self._waiting.append(job)
            case StopJob(job_id, how):
                self._stop(job_id, how)
            case LoadModel(checkpoint):
                self._preload(checkpoint)
            case UnloadModels():
                self._residency.drop(self._in_use())
                self._shelf.drop()
            case LimitModels(most, one_on_device):
                self._residency.limit(most, one_on_device=one_on_device, in_use=self._in_use())
            case AsideDone(job_id, op, result):
                self._take_up(job_id, op, result)
            case Close():
                self._close()

    def _preload(self, checkpoint: str) -> None:
        try:
            if self._running and self._residency.read_ahead(checkpoint, self._in_use()):
                return
            self._residency.get(checkpoint, self._in_use(), lambda name: None, renew=checkpoint not in self._in_use())
        except (DarkroomError, OSError, RuntimeError) as error:
            log.warning("checkpoint %s was not loaded ahead: %s", checkpoint, error)

    def _stop(self, job_id: str, how: Stop) -> None:
        waiting = next((job for job in self._waiting if job.id == job_id), None)
        if waiting is not None and how is not Stop.SKIP:
            self._waiting.remove(waiting)
            self._on_event(Cancelled(job_id) if how is Stop.CANCEL else Done(job_id, interrupted=True))
        running = self._running.get(job_id)
        if running is None:
            return
        if how is Stop.CANCEL:
            self._end(running, Cancelled(job_id))
            return
        running.stop = how
        if isinstance(running.pending, DenoiseRows):
            self._scheduler.drop(job_id)
            self._advance(running, None)

    def _close(self) -> None:
        self._closed = True
        self._aside.close()
        stopped = EngineStopped("The engine was stopped before the job was done.")
        for running in list(self._running.values()):
            self._end(running, Failed(running.job.id, str(stopped), stopped.code, stopped.status))
        for job in self._waiting:
            self._on_event(Failed(job.id, str(stopped), stopped.code, stopped.status))
        self._waiting.clear()

    # jobs

    def _admit(self) -> None:
        """Starts waiting jobs: the client with the fewest running jobs first, each client's in order; one that has none always."""
        while self._waiting:
            alive = Counter(running.job.client for running in self._running.values())
            job = min(self._waiting, key=lambda waiting: alive[waiting.client])
            if alive[job.client] and len(self._running) >= MAX_RUNNING:
                return
            self._waiting.remove(job)
            running = Running(job, start(job.params, job.images, self._tokenizer, Masks(job.mask, job.latent_mask), job.colours))
            self._running[job.id] = running
            self._on_event(Started(job.id))
            self._advance(running, None)

    def _advance(self, running: Running, answer: Answer) -> None:
        """Runs a recipe to the next op that waits for the device, reporting what it says on the way."""
        try:
            op = running.resume(answer)
            while isinstance(op, Note | Remark | Finished | Aside):
                if isinstance(op, Aside):
                    done = self._aside.begin(running.job.id, op)
                    if done is None:
                        return
                    op = running.resume(done)
                else:
                    self._report(running, op)
                    op = running.resume(None)
        except Exception as error:  # noqa: BLE001 - whatever a recipe raises is that job's failure, never the loop's
            self._fail(running, error)
            return
        if op is None:
            self._end(running, Done(running.job.id, running.interrupted, running.seconds))
        else:
            self._scheduler.add(running.ticket(time.monotonic()))

    def _take_up(self, job_id: str, op: object, result: Future[object]) -> None:
        """A recipe goes on with what was done beside the loop, if it still waits for that."""
        running = self._running.get(job_id)
        if running is None or running.pending is not op:
            return
        error = result.exception()
        if isinstance(error, Exception):
            self._fail(running, error)
        else:
            self._advance(running, Worked(result.result()))

    def _report(self, running: Running, op: Note | Remark | Finished) -> None:
        job = running.job
        if isinstance(op, Remark):
            self._on_event(Remarked(job.id, op.text))
            return
        if isinstance(op, Finished):
            sha256 = self._residency.sha256(job.params.checkpoint)
            extras = op.extras | running.told | {label: self._residency.title(name) for label, name in op.checkpoints.items()}
            name = op.model.name
            self._on_event(PictureDone(job.id, op.index, op.pixels, op.seed, name, sha256, extras, op.beside, op.first_pass))
            return
        self._on_event(Progress(job.id, op.step, op.steps, op.batch, job.params.n_iter))
        now = time.monotonic()
        if op.latents is not None and job.previews and now - running.previewed_s >= PREVIEW_EVERY_S:
            running.previewed_s = now
            self._preview(running, op.latents[0])

    def _preview(self, running: Running, latents: Tensor) -> None:
        """Shows a picture's latents, if there is memory for it: no job fails for want of a preview."""
        name = running.checkpoint
        try:
            resident = self._residency.get(name, self._in_use(), lambda name: None)
            self._on_event(Preview(running.job.id, resident.preview.pixels(latents)))
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            log.warning("no memory for a preview of job %s", running.job.id)

    def _fail(self, running: Running, error: Exception) -> None:
        job_id = running.job.id
        if isinstance(error, DarkroomError):
            self._end(running, Failed(job_id, str(error), error.code, error.status))
        else:
            log.error("job %s failed", job_id, exc_info=error)
            self._end(running, Failed(job_id, f"Something went wrong inside ({type(error).__name__}); the log tells more of job {job_id}."))

    def _end(self, running: Running, event: Event) -> None:
        self._running.pop(running.job.id, None)
        self._scheduler.drop(running.job.id)
        running.close()
        self._on_event(event)

    # work

    def _run(self, shares: list[Share]) -> None:
        """One group's rows. When a shared forward fails, each job runs alone, so that only the culprit's fails."""
        try:
            answers = self._work(shares)
        except Exception as error:  # noqa: BLE001 - see _fail
            if len(shares) > 1:
                for share in shares:
                    self._run([share])
            else:
                self._fail(self._running[shares[0].ticket.job], error)
            return
        for share, answer in zip(shares, answers, strict=True):
            running = self._running[share.ticket.job]
            if isinstance(running.pending, InRows):
                assert isinstance(answer, Tensor)
                answer = running.answered(answer)
            if answer is not None:
                self._advance(running, answer)

    def _work(self, shares: list[Share]) -> list[Answer]:
        lead = self._running[shares[0].ticket.job]
        name = lead.checkpoint
        # A file that was replaced is taken up by the next job, once those that have begun with the former one are over.
        alone_on_it = sum(running.checkpoint == name for running in self._running.values()) == 1
        resident = self._residency.get(
            name,
            self._in_use(),
            lambda title: self._on_event(Loading(lead.job.id, title)),
            renew=alone_on_it and isinstance(lead.pending, Load),
        )
        checkpoint, alone = resident.checkpoint, lead.job.params.exact
        self._executor.know(lead.checkpoint, checkpoint.facts)
        pressure = partial(self._residency.release, {lead.checkpoint})
        match lead.pending:
            case DenoiseRows() as op:
                self._shelf.dress_denoiser(checkpoint, op.adapters)
                self._to_time = (op.checkpoint, op.x.shape[2], op.x.shape[3])
                return list(self._executor.denoise(checkpoint, self._slices(shares, DenoiseRows), pressure))
            case Encode() as op:
                content = (resident.key, self._shelf.dress_text(checkpoint, op.adapters))
                vectors = partial(self._shelf.vectors, facts=checkpoint.facts)
                return list(self._executor.encode(checkpoint, content, self._slices(shares, Encode), vectors, pressure, alone=alone))
            case EncodeImage() as op:
                self._shelf.dress_autoencoder(checkpoint, op.vae)
                return list(self._executor.encode_image(checkpoint, self._slices(shares, EncodeImage), pressure))
            case Decode() as op:
                self._shelf.dress_autoencoder(checkpoint, op.vae)
                slices = self._slices(shares, Decode)
                pixels, tiled = self._executor.decode(checkpoint, slices, pressure, alone=alone)
                for share in shares if tiled else ():
                    self._running[share.ticket.job].told["VAE tiling"] = "True"
                resident.preview.learn(slices[0].op.latents[slices[0].start :][:1], pixels[0][:1])
                return list(pixels)
            case Load() as op:
                return [self._info(resident, op)]
            case FindAdapters() as op:
                return [self._shelf.find(op, resident.file)]
            case HashEmbeddings() as op:
                return [self._shelf.embedding_hashes(op.names, checkpoint.facts)]
        raise TypeError(f"no such op: {lead.pending!r}")

    def _slices(self, shares: list[Share], kind: type[T]) -> list[Slice[T]]:
        ops = [self._running[share.ticket.job].pending for share in shares]
        return [Slice(op, share.start, share.rows) for op, share in zip(ops, shares, strict=True) if isinstance(op, kind)]

    def _info(self, resident: Resident, op: Load) -> ModelInfo:
        checkpoint, facts = resident.checkpoint, resident.checkpoint.facts
        vae, told = self._shelf.vae(op, resident.file)
        self._shelf.dress_autoencoder(checkpoint, vae)  # a VAE that is damaged is told before the work and not after it
        return ModelInfo(
            name=resident.file.name,
            alphas_cumprod=checkpoint.alphas_cumprod.to("cpu"),
            latent_channels=facts.autoencoder.latent_channels,
            concat_channels=facts.concat_channels,
            latent_scale=facts.autoencoder.scale_factor,
            native_size_px=facts.native_size_px,
            device=str(self._executor.device),
            embeddings=self._shelf.embeddings(facts),
            rules=facts.rules,
            text_widths=tuple(text.width for text in facts.texts),
            zero_terminal_snr=facts.zero_terminal_snr,
            vae=vae,
            told=told,
        )

    def _in_use(self) -> set[str]:
        return {running.checkpoint for running in self._running.values()}
