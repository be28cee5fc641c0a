"""Runs one group's rows on the device: moves, pads to the bucket, and halves a forward that does not fit into memory."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from app.engine.scheduler import bucket_of
from app.networks import Checkpoint
from app.recipes.ops import Decode, DenoiseRows, Encode, EncodeImage
from app.schema.errors import TooLarge

TEXTS_KEPT = 512
"""Encoded chunks of text kept, each 77 vectors (231 KiB at SD1's width)."""


@dataclass(frozen=True)
class Slice:
    """Some rows of a denoising op."""

    op: DenoiseRows
    start: int
    rows: int


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


@dataclass
class Executor:
    """The arithmetic of ops on one device. It returns float32 there, and 8-bit pixels on the CPU."""

    device: torch.device
    max_rows: int | None = None
    counters: Counters = field(default_factory=Counters)
    _texts: OrderedDict[tuple[object, ...], Tensor] = field(default_factory=OrderedDict)
    _shrunk: dict[Hashable, int] = field(default_factory=dict)

    def budget(self, group: Hashable) -> int:
        """Rows of a group that one forward may hold."""
        if group in self._shrunk:
            return self._shrunk[group]
        match group:
            case ("denoise", _, (_, int(height), int(width)), *_):
                return rows_that_fit(self.device, height * width, self.max_rows)
            case _:
                return 1

    def denoise(self, checkpoint: Checkpoint, slices: Sequence[Slice], on_pressure: Callable[[], None]) -> list[Tensor]:
        """One answer a slice, from as few forwards as memory allows (one, unless it runs out)."""
        x = torch.cat([s.op.x[s.start : s.start + s.rows] for s in slices])
        sigmas = torch.tensor([sigma for s in slices for sigma in s.op.sigmas[s.start : s.start + s.rows]], dtype=torch.float32)
        context = torch.cat([s.op.context[s.start : s.start + s.rows] for s in slices])
        concats = [s.op.concat[s.start : s.start + s.rows] for s in slices if s.op.concat is not None]
        concat = torch.cat(concats) if concats else None
        answer = self._halving(checkpoint, x, sigmas, context, concat, on_pressure, slices[0].op.group)
        return list(torch.split(answer, [s.rows for s in slices]))

    def _halving(
        self,
        checkpoint: Checkpoint,
        x: Tensor,
        sigmas: Tensor,
        context: Tensor,
        concat: Tensor | None,
        on_pressure: Callable[[], None],
        group: Hashable,
    ) -> Tensor:
        rows, parts, done = len(x), [], 0
        size = rows
        while done < rows:
            take = slice(done, min(rows, done + size))
            try:
                parts.append(self._forward(checkpoint, x[take], sigmas[take], context[take], None if concat is None else concat[take]))
                done = take.stop
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                self.counters.out_of_memory += 1
                on_pressure()
                if size == 1:
                    raise TooLarge("There is not enough memory for a single row at this size. Make the picture smaller.") from error
                size = max(1, bucket_of(size) // 2)
                self._shrunk[group] = size
        return torch.cat(parts)

    def _forward(self, checkpoint: Checkpoint, x: Tensor, sigmas: Tensor, context: Tensor, concat: Tensor | None) -> Tensor:
        """One forward, padded to its bucket by repeating the last row: a row's result depends on the bucket alone."""
        rows = len(x)
        spare = bucket_of(rows) - rows
        x, sigmas, context = self._padded(x, spare), self._padded(sigmas, spare), self._padded(context, spare)
        concat = None if concat is None else self._padded(concat, spare)
        with self.counters.timed():
            answer = checkpoint.denoise(x, sigmas, context, concat)
        self.counters.forwards += 1
        self.counters.rows += rows
        return answer[:rows]

    def _padded(self, tensor: Tensor, spare: int) -> Tensor:
        tensor = torch.cat([tensor, tensor[-1:].expand(spare, *tensor.shape[1:])]) if spare else tensor
        return tensor.to(self.device, non_blocking=True)

    def encode(self, checkpoint: Checkpoint, sha: object, op: Encode) -> Tensor:
        """Text chunks, one at a time: each is kept, and equal to itself whatever was encoded with it."""
        return torch.cat([self._chunk(checkpoint, sha, ids, op.clip_skip) for ids in op.ids])

    def _chunk(self, checkpoint: Checkpoint, sha: object, ids: tuple[int, ...], clip_skip: int) -> Tensor:
        key = (sha, ids, clip_skip)
        if key not in self._texts:
            self._texts[key] = self._encoded(checkpoint, ids, clip_skip)
            while len(self._texts) > TEXTS_KEPT:
                self._texts.popitem(last=False)
        self._texts.move_to_end(key)
        return self._texts[key]

    def _encoded(self, checkpoint: Checkpoint, ids: tuple[int, ...], clip_skip: int) -> Tensor:
        with self.counters.timed():
            return checkpoint.encode_text(torch.tensor([ids], device=self.device), clip_skip)

    def encode_image(self, checkpoint: Checkpoint, op: EncodeImage) -> Tensor:
        """Pictures to scaled latents, one at a time."""
        with self.counters.timed():
            return torch.cat([checkpoint.encode_image(image[None].to(self.device)) for image in op.images])

    def decode(self, checkpoint: Checkpoint, op: Decode) -> Tensor:
        """Latents to 8-bit pixels, one picture at a time; values are cut, not rounded, as A1111 does."""
        with self.counters.timed():
            return torch.cat([to_pixels(checkpoint.decode(latent[None].to(self.device))) for latent in op.latents])


def to_pixels(decoded: Tensor) -> Tensor:
    """(n, 3, height, width) float32 in -1..1 to (n, height, width, 3) uint8 on the CPU."""
    return (((decoded + 1) / 2).clamp(0, 1) * 255).permute(0, 2, 3, 1).to("cpu", torch.uint8).contiguous()


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that memory ran out: CUDA has a class for it, the CPU allocator only its words."""
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error) or "can't allocate memory" in str(error)
