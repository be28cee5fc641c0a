"""Runs one group's rows on the device: moves, pads to the bucket, and halves a forward that does not fit into memory."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

from app.engine.memory import MemoryModel, decode_bytes, encode_bytes, forward_bytes, free_bytes
from app.engine.oom import out_of_memory
from app.engine.running import InRows
from app.engine.scheduler import Ticket, bucket_of, unpadded
from app.engine.throughput import Throughput
from app.models.facts import CheckpointFacts
from app.networks import Checkpoint
from app.networks.autoencoder import BIG_PICTURE_PX
from app.networks.text import ClipSkip, Inserted
from app.prompt import EmbeddingFix
from app.recipes.ops import Adapters, Decode, DenoiseRows, Encode, EncodeImage
from app.sampling.contexts import of_one_length
from app.schema.errors import NoPicture, TooLarge
from app.schema.network import NetworkSettings

TEXTS_KEPT = 512
"""Encoded chunks of text kept, each 77 vectors (231 KiB at SD1's width)."""
CHUNKS_AT_ONCE = 32
"""Chunks of text encoded together; more would make a newcomer wait."""

SHRUNK_FOR_S = 300.0
"""After memory ran out forwards of that kind stay small for so long: what took the memory may have been another program."""

KEPT_S = 0.2
"""How long what is free on a host is taken to stay so: asking takes a fifth of a millisecond, which every step would wait for."""

Pressure = Callable[[], None]
"""Called when memory has run out: frees what can be freed."""
Word = tuple[tuple[int, ...], tuple[tuple[int, Tensor], ...]]
"""A chunk: its token ids, and embeddings' vectors by the place of their first token."""
TextKey = tuple[object, bool, ClipSkip, Word, tuple[Word, ...]]
"""What an encoded chunk depends on: the text encoder's content, whether the job is exact, clip skip, the chunk, and the chunks of its
batch where these are its own prompt's."""
Vectors = Callable[[EmbeddingFix, Adapters], Tensor]
"""Gives the vectors of an embedding that stands in a chunk; the same tensor each time, as long as its file is the same."""


T = TypeVar("T")
AnyInRows = TypeVar("AnyInRows", bound=InRows)


@dataclass(frozen=True)
class Slice(Generic[T]):
    """Some rows of an op."""

    op: T
    start: int
    rows: int

    def of(self, tensor: Tensor) -> Tensor:
        """The slice's rows of a tensor that has one row for each of the op's."""
        return tensor[self.start : self.start + self.rows]


@dataclass
class Counters:
    """What has been run."""

    forwards: int = 0
    rows: int = 0
    out_of_memory: int = 0
    network_s: float = 0.0
    """Seconds inside the networks' own calls (on CUDA: until they were queued)."""

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Adds what runs inside to `network_s`."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.network_s += time.perf_counter() - begun


def rows_that_fit(device: torch.device, latent_area: int, limit: int | None) -> int:
    """The most rows of one forward, by what has been seen to pay: a first guess that out-of-memory errors correct.

    On a CPU larger batches stop paying at sixteen rows of 16x16 latents and at four of 64x64; on CUDA far later.
    """
    most, area = (32, 64 * 64 * 16) if device.type == "cuda" else (16, 64 * 64 * 4)
    rows = max(1, min(limit or most, area // max(1, latent_area)))
    return 1 << (rows.bit_length() - 1)  # a power of two, so that a full forward needs no padding


def pictures_that_fit(device: torch.device, area_px: int) -> int:
    """The most pictures of one decode.

    On a CPU more than one pays only while the decoder's largest map stays small: four of 128x128, one of 256x256 and above.
    """
    most, area = (4, 4 * 1024 * 1024) if device.type == "cuda" else (4, 4 * 128 * 128)
    return max(1, min(most, area // max(1, area_px)))


def _words(op: Encode, vectors: Vectors) -> list[Word]:
    """All chunks of an op; embeddings stand behind the start token."""
    fixes = op.fixes or ((),) * op.rows
    put = [tuple((fix.offset + 1, vectors(fix, op.adapters)) for fix in each) for each in fixes]
    return list(zip(op.ids, put, strict=True))


def _company(words: Sequence[Word], beside: Sequence[int], row: int) -> tuple[Word, ...]:
    """The chunks of one batch with the row's, itself among them; equal ones too, because its length tells how sums are cut."""
    company = tuple(word for word, number in zip(words, beside, strict=True) if number == beside[row]) if beside else ()
    return company if 0 < len(company) <= CHUNKS_AT_ONCE else (words[row],)


@dataclass
class Executor:
    """The arithmetic of ops on one device. It returns float32 there, and 8-bit pixels on the CPU."""

    device: torch.device
    max_rows: int | None = None
    counters: Counters = field(default_factory=Counters)
    _texts: OrderedDict[tuple[object, ...], tuple[Tensor, Tensor | None]] = field(default_factory=OrderedDict)
    """Of each chunk the tokens' vectors and the pooled one."""
    memory: MemoryModel = field(default_factory=lambda: MemoryModel(4))
    throughput: Throughput = field(default_factory=Throughput)
    _facts: dict[str, CheckpointFacts] = field(default_factory=dict)
    _shrunk: dict[Hashable, tuple[int, float]] = field(default_factory=dict)
    """Groups that memory ran out for: so many rows, until then."""
    _free: tuple[int, float] = (0, -math.inf)
    """What was free, and when that was asked."""

    def know(self, name: str, facts: CheckpointFacts) -> None:
        """Takes in what a checkpoint that is about to work needs."""
        self._facts[name] = facts

    def budget(self, ticket: Ticket) -> int:
        """Rows of a ticket's group that one forward may hold: where throughput stops rising, and no more than memory has room for.

        An exact job's forwards must not depend on what was measured or is free: they are cut by size alone.
        """
        group = ticket.group
        most, until_s = self._shrunk.get(group, (None, 0.0))
        if most is not None and time.monotonic() < until_s:
            return most
        facts = self._facts.get(ticket.model)
        match group:
            case ("denoise", _, (_, int(height), int(width)), *_):
                plain = rows_that_fit(self.device, height * width, self.max_rows)
                if not ticket.batchable or facts is None:
                    return plain
                pays = self.throughput.budget(self.curve_key(facts, height, width)) or plain
                rows = min(pays, self.memory.rows_that_fit(facts, height, width, self._free_bytes()), self.max_rows or pays)
                return max(1, rows)
            case ("decode", _, (_, int(height), int(width)), *_) if ticket.batchable:
                pictures = pictures_that_fit(self.device, 64 * height * width)
                fit = pictures if facts is None else self.memory.pictures_that_fit(facts, height, width, self._free_bytes())
                return max(1, min(pictures, fit))
            case ("encode", *_):
                return CHUNKS_AT_ONCE
            case _:
                return 1

    def _free_bytes(self) -> int:
        if self.device.type == "cuda":
            return free_bytes(self.device)
        now = time.monotonic()
        if now - self._free[1] > KEPT_S:
            self._free = free_bytes(self.device), now
        return self._free[0]

    def curve_key(self, facts: CheckpointFacts, height: int, width: int) -> str:
        """Names a throughput curve: device, number format, architecture, size in latents."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"cpu x{torch.get_num_threads()}"
        return f"{name} | {self.memory.itemsize} bytes | {facts.denoiser} | {height}x{width}"

    def bucket(self, rows: int) -> int:
        """What a forward of so many rows is padded to: on a CPU nothing, because there a forward costs what its rows cost."""
        return unpadded(rows) if self.device.type == "cpu" else bucket_of(rows)

    def denoise(self, checkpoint: Checkpoint, slices: Sequence[Slice[DenoiseRows]], on_pressure: Pressure) -> Sequence[Tensor]:
        """One answer a slice, from as few forwards as memory allows (one, unless it runs out)."""
        x = torch.cat([s.of(s.op.x) for s in slices])
        sigmas = torch.tensor([sigma for s in slices for sigma in s.op.sigmas[s.start : s.start + s.rows]], dtype=torch.float32)
        context = of_one_length([s.of(s.op.context) for s in slices])
        concats = [s.of(s.op.concat) for s in slices if s.op.concat is not None]
        vectors = [s.of(s.op.vector) for s in slices if s.op.vector is not None]
        more = [
            torch.cat(concats) if concats else None,
            _by_row(slices, lambda op: op.timesteps),
            torch.cat(vectors) if vectors else None,
            _by_row(slices, lambda op: op.alphas),
        ]

        def forward(take: slice) -> Tensor:
            rest = (None if one is None else one[take] for one in more)
            return self._forward(checkpoint, slices[0].op.network, x[take], sigmas[take], context[take], *rest)

        return self._in_parts(slices, len(x), forward, on_pressure)

    def _in_parts(
        self,
        slices: Sequence[Slice[AnyInRows]],
        most: int,
        run: Callable[[slice], Tensor],
        on_pressure: Pressure,
        last: Callable[[slice], Tensor] | None = None,
    ) -> Sequence[Tensor]:
        """Runs the slices' rows at most so many at a time, halving that each time memory runs out; one answer a slice.

        `last` is tried where a single row does not fit after everything else was freed. TooLarge where that does not fit either.
        """
        rows, done, pressed, parts = sum(s.rows for s in slices), 0, False, list[Tensor]()
        while done < rows:
            take = slice(done, min(rows, done + most))
            try:
                parts.append(run(take))
                done = take.stop
                continue
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if most == 1 and pressed and last is None:
                    raise TooLarge("There is not enough memory for a single row at this size. Make the picture smaller.") from error
            # Out here the error is gone, and with its traceback what the failed attempt held.
            self._free = 0, -math.inf
            self.counters.out_of_memory += 1
            if most > 1:
                most = max(1, bucket_of(min(most, rows)) // 2)
                self._shrunk[slices[0].op.group] = most, time.monotonic() + SHRUNK_FOR_S
            elif pressed and last is not None:
                run, last = last, None
            on_pressure()
            pressed = True
        return torch.split(torch.cat(parts) if len(parts) > 1 else parts[0], [s.rows for s in slices])

    def _forward(self, checkpoint: Checkpoint, network: NetworkSettings, x: Tensor, sigmas: Tensor, *more: Tensor | None) -> Tensor:
        """One forward, padded to its bucket by repeating the last row: a row's result depends on the bucket alone."""
        rows = len(x)
        spare = self.bucket(rows) - rows
        x, sigmas = self._padded(x, spare), self._padded(sigmas, spare)
        context, concat, timesteps, vector, alphas = (None if one is None else self._padded(one, spare) for one in more)
        assert context is not None
        estimate = forward_bytes(checkpoint.facts, len(x), x.shape[2], x.shape[3], self.memory.itemsize)
        with self.counters.timed(), self._measured("forward", estimate):
            answer = checkpoint.denoise(x, sigmas, context, concat, timesteps, vector, alphas, network)
        self.counters.forwards += 1
        self.counters.rows += rows
        return answer[:rows]

    def _padded(self, tensor: Tensor, spare: int) -> Tensor:
        tensor = torch.cat([tensor, tensor[-1:].expand(spare, *tensor.shape[1:])]) if spare else tensor
        return tensor.to(self.device, non_blocking=True)

    def encode(
        self,
        checkpoint: Checkpoint,
        content: object,
        slices: Sequence[Slice[Encode]],
        vectors: Vectors,
        on_pressure: Pressure,
        *,
        alone: bool,
    ) -> Sequence[Tensor]:
        """Text chunks: those that are not known yet in one batch, and kept under what they depend on, `content` among it.

        On a CPU, where a batch saves nothing, each with those alone that A1111 encodes beside it, because it rounds as there then. So do
        exact jobs' (`alone`) everywhere, kept apart from others'.
        """
        keys, together = list[TextKey](), self.device.type != "cpu" and not alone
        for each in slices:
            words, skip = _words(each.op, vectors), ClipSkip(each.op.clip_skip, each.op.skips_everywhere)
            for row in range(each.start, each.start + each.rows):
                keys.append((content, alone, skip, words[row], () if together else _company(words, each.op.beside, row)))
        missing = [key for key in dict.fromkeys(keys) if key not in self._texts]
        while missing:
            batch = missing if together else [(*missing[0][:3], word, missing[0][-1]) for word in missing[0][-1]]
            self._encode_missing(checkpoint, batch, slices[0].op, on_pressure)
            missing = [key for key in missing if key not in self._texts]
        answers = []
        for key in keys:
            self._texts.move_to_end(key)
            tokens, pooled = self._texts[key]
            answers.append(pooled if slices[0].op.pooled and pooled is not None else tokens)
        while len(self._texts) > TEXTS_KEPT:
            self._texts.popitem(last=False)
        return torch.split(torch.stack(answers), [s.rows for s in slices])

    def _encode_missing(self, checkpoint: Checkpoint, missing: Sequence[TextKey], op: Encode, on_pressure: Pressure) -> None:
        skip, words = ClipSkip(op.clip_skip, op.skips_everywhere), [key[3] for key in missing]
        ids, pooled = torch.tensor([ids for ids, _ in words]), list[Tensor | None]()

        def run(take: slice) -> Tensor:
            inserted = [Inserted(row, at, vectors) for row, (_, put) in enumerate(words[take]) for at, vectors in put]
            with self.counters.timed():
                answer = checkpoint.encode_text(ids[take].to(self.device), skip, inserted)
            rows = len(answer.tokens)
            pooled.extend([None] * rows if answer.pooled is None else [row.clone() for row in answer.pooled])
            return answer.tokens

        (encoded,) = self._in_parts([Slice(op, 0, len(missing))], len(missing), run, on_pressure)
        self._texts.update(zip(missing, zip((row.clone() for row in encoded), pooled, strict=True), strict=True))

    def encode_image(self, checkpoint: Checkpoint, slices: Sequence[Slice[EncodeImage]], on_pressure: Pressure) -> Sequence[Tensor]:
        """Pictures to what their latents are drawn from, one at a time; in tiles where a whole one would not fit."""
        images = torch.cat([s.of(s.op.images) for s in slices])
        height, width = images.shape[2] // 8, images.shape[3] // 8
        # What a picture comes to depends on how many are encoded with it, but not on which.
        times = slices[0].op.at_once if self.device.type == "cpu" and images[0, 0].numel() < BIG_PICTURE_PX else 1

        def whole(take: slice) -> Tensor:
            estimate = encode_bytes(checkpoint.facts, 1, height, width, self.memory.itemsize)
            with self.counters.timed(), self._measured("encode", estimate):
                return checkpoint.encode_image(images[take].to(self.device).repeat(times, 1, 1, 1), slices[0].op.network)[:1]

        def tiled(take: slice) -> Tensor:
            with self.counters.timed():
                return checkpoint.encode_image(images[take].to(self.device), slices[0].op.network, tiled=True)

        if not self.memory.encode_fits(checkpoint.facts, height, width, self._free_bytes()):
            return self._in_parts(slices, 1, tiled, on_pressure)
        return self._in_parts(slices, 1, whole, on_pressure, tiled)

    def decode(
        self, checkpoint: Checkpoint, slices: Sequence[Slice[Decode]], on_pressure: Pressure, *, alone: bool
    ) -> tuple[Sequence[Tensor], bool]:
        """Latents to 8-bit pixels, and whether in tiles; values are cut, not rounded, as A1111 does. NoPicture where
        they are not finite.

        In tiles where that was asked for and where a whole picture would not fit. `alone`: an exact job's pictures, one at a time.
        """
        latents = torch.cat([s.of(s.op.latents) for s in slices])
        height, width = latents.shape[2:]
        used_tiles = False

        def whole(take: slice) -> Tensor:
            bands = self.memory.in_bands
            estimate = decode_bytes(checkpoint.facts, take.stop - take.start, height, width, self.memory.itemsize, in_bands=bands)
            with self.counters.timed(), self._measured("decode", estimate):
                return _pixels(slices[0].op, latents[take], checkpoint.decode(latents[take].to(self.device), slices[0].op.network))

        def tiled(take: slice) -> Tensor:
            nonlocal used_tiles
            used_tiles = True
            with self.counters.timed():
                decoded = checkpoint.decode(latents[take].to(self.device), slices[0].op.network, tiled=True)
                return _pixels(slices[0].op, latents[take], decoded)

        fits = self.memory.pictures_that_fit(checkpoint.facts, height, width, self._free_bytes()) > 0
        if slices[0].op.tiled or not fits:
            answers = self._in_parts(slices, 1, tiled, on_pressure)
        else:
            most = 1 if alone else self.memory.pictures_that_pay(checkpoint.facts, height, width, len(latents))
            answers = self._in_parts(slices, most, whole, on_pressure, tiled)
        return answers, used_tiles

    @contextmanager
    def _measured(self, kind: str, estimate: int) -> Iterator[None]:
        """Corrects the memory model by what runs inside. The allocator of a card counts without waiting for it; a CPU's does not count."""
        if self.device.type != "cuda":
            yield
            return
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        yield
        self.memory.correct(kind, estimate, torch.cuda.max_memory_allocated(self.device) - before)

    def time_forward(self, checkpoint: Checkpoint, height: int, width: int) -> bool:
        """Times one forward more of a throughput curve, if one is wanted; whether it did. Must not disturb anybody: run when idle."""
        facts = checkpoint.facts
        key = self.curve_key(facts, height, width)
        limit = self.memory.rows_that_fit(facts, height, width, self._free_bytes())
        rows = self.throughput.next_rows(key, min(limit, self.max_rows or limit))
        if rows is None:
            return False
        x = torch.zeros(rows, facts.denoiser.in_channels - facts.concat_channels, height, width, device=self.device)
        concat = torch.zeros(rows, facts.concat_channels, height, width, device=self.device) if facts.concat_channels else None
        context = torch.zeros(rows, facts.texts[0].positions, facts.denoiser.context_width, device=self.device)
        vector = torch.zeros(rows, facts.vector_width, device=self.device) if facts.vector_width else None
        begun = time.perf_counter()
        try:
            answer = checkpoint.denoise(x, torch.ones(rows), context, concat, vector=vector)
            float(answer.flatten()[0])  # waits for the device: this is what is timed
            self.throughput.note(key, rows, time.perf_counter() - begun)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            self.throughput.note(key, rows, float("inf"))
        if self.throughput.next_rows(key, limit) is None:
            self.throughput.save()
        return True


def _by_row(slices: Sequence[Slice[DenoiseRows]], told: Callable[[DenoiseRows], tuple[float, ...] | None]) -> Tensor | None:
    """What ops tell of their rows, float32, NaN in rows of those that tell nothing; None where none does."""
    if all(told(s.op) is None for s in slices):
        return None
    each = [(told(s.op) or (math.nan,) * s.op.rows)[s.start : s.start + s.rows] for s in slices]
    return torch.tensor([number for numbers in each for number in numbers], dtype=torch.float32)


def _pixels(op: Decode, latents: Tensor, decoded: Tensor) -> Tensor:
    """`to_pixels`; NoPicture, naming the denoiser or the autoencoder, where there are none."""
    if not bool(decoded.isfinite().all()):  # waits for the device; the pixels are about to be fetched anyway
        raise _no_picture(op, latents)
    return to_pixels(decoded)


def _no_picture(op: Decode, latents: Tensor) -> NoPicture:
    if not bool(latents.isfinite().all()):
        return NoPicture(
            f"{op.checkpoint} gives no picture: its denoiser's numbers are not finite. The file is damaged, "
            "or the settings (CFG scale, weights of LoRAs, sigmas) drive it out of its range."
        )
    vae = op.vae or f"The autoencoder (VAE) of {op.checkpoint}"
    return NoPicture(f"{vae} gives no picture: its numbers are not finite, in float32 too. The file is damaged; choose another VAE.")


def to_pixels(decoded: Tensor) -> Tensor:
    """(n, 3, height, width) float32 in -1..1 to (n, height, width, 3) uint8 on the CPU."""
    return (((decoded + 1) / 2).clamp(0, 1) * 255).permute(0, 2, 3, 1).to("cpu", torch.uint8).contiguous()
