"""What every engine behind the door must keep: equal pictures in company, shared forwards, cancels that reach one job only."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from app.engine import residency
from app.engine.client import (
    Cancelled,
    Done,
    EngineClient,
    EngineJob,
    Event,
    Failed,
    Loading,
    Lost,
    PictureDone,
    Preview,
    Progress,
    Started,
    Stop,
)
from app.engine.loop import EngineLoop
from app.engine.process import ProcessEngine
from app.engine.thread import ThreadEngine
from app.jobs.inputs import StoredPicture
from app.models import Catalog
from app.networks import Checkpoint
from app.prompt import Tokenizer
from app.schema.errors import BadPicture
from app.schema.params import GenerationParams, make_params
from app.schema.settings import ServerSettings

WAIT_S = 120.0
Behind = tuple[EngineClient, "Watcher"]


class Watcher:
    """Collects an engine's events and lets a test wait for one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait(self, kind: type[Event] | tuple[type[Event], ...], job: str) -> Event:
        """The first event of a kind for a job, waited for."""
        found: list[Event] = []

        def seen() -> bool:
            found[:] = [e for e in self.events if isinstance(e, kind) and e.job == job]
            return bool(found)

        with self._changed:
            assert self._changed.wait_for(seen, WAIT_S), f"no {kind} for {job}; there were {[type(e).__name__ for e in self.events]}"
        return found[0]

    def of(self, kind: type[Event], job: str) -> list[Event]:
        return [e for e in self.events if isinstance(e, kind) and e.job == job]

    def pictures(self, job: str) -> list[np.ndarray]:
        """The job's pictures in order, once it has ended well."""
        end = self.wait((Done, Failed, Cancelled), job)
        assert isinstance(end, Done), end
        return [e.pixels for e in sorted(self.of(PictureDone, job), key=lambda e: e.index)]


@pytest.fixture(scope="module")
def catalog(tiny_models: Path) -> Catalog:
    made = Catalog(ServerSettings(data_dir=tiny_models))
    made.refresh()
    return made


@pytest.fixture
def in_thread(catalog: Catalog) -> Iterator[Behind]:
    """For tests that patch the network of this process."""
    watcher = Watcher()
    made = ThreadEngine(catalog.settings.model_copy(update={"device": "cpu"}), catalog, Tokenizer())
    made.start(watcher)
    yield made, watcher
    made.close()


@pytest.fixture(scope="module")
def lasting_process(catalog: Catalog) -> Iterator[tuple[ProcessEngine, list[Watcher]]]:
    """One process for all tests, because its start takes seconds; the newest watcher hears the events."""
    watchers: list[Watcher] = []
    made = ProcessEngine(catalog.settings.model_copy(update={"device": "cpu"}), catalog)
    made.start(lambda event: watchers[-1](event))
    yield made, watchers
    made.close()


@pytest.fixture(params=["thread", "process"])
def engine(request: pytest.FixtureRequest) -> Iterator[Behind]:
    if request.param == "thread":
        yield request.getfixturevalue("in_thread")
        return
    made, watchers = request.getfixturevalue("lasting_process")
    watchers.append(Watcher())
    yield made, watchers[-1]


def params(**values: object) -> GenerationParams:
    base = {"prompt": "a cat in the garden", "steps": 4, "width": 64, "height": 64, "seed": 7, "sampler": "Euler"}
    base["checkpoint"] = "tiny-a.safetensors"
    return make_params(**{**base, **values})


def job(name: str, **values: object) -> EngineJob:
    return EngineJob(id=name, client=name, params=params(**values))


def alone(engine: Behind, name: str, **values: object) -> list[np.ndarray]:
    made, watcher = engine
    made.submit(job(name, **values))
    return watcher.pictures(name)


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


AHEAD = 1
"""Forwards that a first job may have had alone before the others came through the pipe of a process, on a busy machine."""


def together(engine: Behind, *jobs: EngineJob) -> dict[str, list[np.ndarray]]:
    """Submits jobs so close that the loop takes them up in one turn: the first message is a load that keeps it busy."""
    made, watcher = engine
    made.load("tiny-a.safetensors")
    for each in jobs:
        made.submit(each)
    return {each.id: watcher.pictures(each.id) for each in jobs}


def test_two_jobs_share_forwards_and_equal_the_pictures_made_alone(engine: Behind) -> None:
    mixes: dict[str, dict[str, object]] = {
        "first": {"seed": 1, "sampler": "Euler a", "cfg_scale": 5.0},
        "second": {"seed": 2, "sampler": "DPM++ 2M", "prompt": "an old stone bridge", "negative_prompt": "fog", "steps": 6},
    }
    singles = {name: alone(engine, f"{name} alone", **values) for name, values in mixes.items()}
    before = engine[0].status()
    pairs = together(engine, *(job(name, **values) for name, values in mixes.items()))
    after = engine[0].status()
    assert after.rows - before.rows == 2 * 4 + 2 * 6
    assert after.forwards - before.forwards <= 6 + AHEAD  # apart they would be 4 + 6
    for name in mixes:
        assert difference(pairs[name][0], singles[name][0]) <= 1


def test_prompts_of_different_lengths_share_forwards(engine: Behind) -> None:
    """77, 154, 231 and 308 tokens; 385 would have to be repeated too often, and keep to themselves."""
    texts = {chunks: ", ".join(["a cat in the garden"] * 12 * chunks) for chunks in (1, 2, 3, 4, 5)}
    asked = {chunks: {"prompt": text, "negative_prompt": text, "seed": chunks} for chunks, text in texts.items()}
    single = {chunks: alone(engine, f"{chunks} alone", **values)[0] for chunks, values in asked.items()}
    before = engine[0].status().forwards
    made = together(engine, *(job(str(chunks), **values) for chunks, values in asked.items()))
    assert engine[0].status().forwards - before <= 4 + 4 + AHEAD  # steps of the four, and of the one apart
    assert all(difference(single[chunks], made[str(chunks)][0]) <= 1 for chunks in texts)


def test_exact_jobs_are_byte_equal_in_company(engine: Behind) -> None:
    single = alone(engine, "alone", exact=True, batch_size=2)
    crowd = together(
        engine,
        job("exact", exact=True, batch_size=2),
        *(job(f"other{i}", seed=i, prompt=f"a bowl of fruit {i}", batch_size=3) for i in range(3)),
    )
    assert [p.tobytes() for p in crowd["exact"]] == [p.tobytes() for p in single]


def test_the_same_job_again_is_byte_equal(engine: Behind) -> None:
    assert alone(engine, "once", sampler="Euler a")[0].tobytes() == alone(engine, "again", sampler="Euler a")[0].tobytes()


def test_a_batch_holds_the_pictures_of_its_seeds(engine: Behind) -> None:
    batch = alone(engine, "batch", seed=10, batch_size=2, n_iter=2, sampler="Euler a")
    singles = [alone(engine, f"single{seed}", seed=seed, sampler="Euler a")[0] for seed in range(10, 14)]
    assert [difference(a, b) <= 1 for a, b in zip(batch, singles, strict=True)] == [True] * 4


def test_a_batch_larger_than_a_forward_runs_in_parts(catalog: Catalog) -> None:
    watcher = Watcher()
    engine = ThreadEngine(catalog.settings.model_copy(update={"device": "cpu", "max_rows": 4}), catalog, Tokenizer())
    engine.start(watcher)
    try:
        parts = alone((engine, watcher), "parts", batch_size=5, steps=2)
        assert engine.status().forwards == 2 * 3  # ten rows a step in 4 + 4 + 2
        assert difference(parts[4], alone((engine, watcher), "single", seed=11, steps=2)[0]) <= 1
    finally:
        engine.close()


@pytest.mark.parametrize("shape", [{"width": 96, "height": 64}, {"width": 100, "height": 70}])
def test_other_sizes_in_company(engine: Behind, shape: dict[str, object]) -> None:
    single = alone(engine, "alone", **shape)
    pair = together(engine, job("sized", **shape), job("square"))
    assert difference(single[0], pair["sized"][0]) <= 1
    assert single[0].shape == (int(str(shape["height"])) // 8 * 8, int(str(shape["width"])) // 8 * 8, 3)


def test_jobs_for_two_checkpoints_both_finish(engine: Behind) -> None:
    single = alone(engine, "alone", checkpoint="tiny-b.safetensors")
    pair = together(engine, job("a"), job("b", checkpoint="tiny-b.safetensors"))
    assert difference(single[0], pair["b"][0]) <= 1
    assert difference(pair["a"][0], pair["b"][0]) > 1


def test_limits_hold_at_once_and_for_the_next_load(engine: Behind) -> None:
    made, _ = engine
    for name in ("tiny-a", "tiny-b"):
        alone(engine, f"first {name}", checkpoint=f"{name}.safetensors")
    assert {"tiny-a.safetensors", "tiny-b.safetensors"} <= set(made.status().resident)
    made.limit(1, one_on_device=False)
    for name in ("tiny-a", "tiny-b"):
        alone(engine, f"limited {name}", checkpoint=f"{name}.safetensors")
        assert made.status().resident == (f"{name}.safetensors",)
    made.limit(0, one_on_device=False)
    alone(engine, "free", checkpoint="tiny-a.safetensors")
    assert made.status().resident == ("tiny-a.safetensors", "tiny-b.safetensors")


def test_limits_outlive_a_loop_that_fails(in_thread: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    made, watcher = in_thread
    made.limit(1, one_on_device=False)

    def mistake(loop: EngineLoop) -> None:
        monkeypatch.undo()
        raise AssertionError("a mistake")

    monkeypatch.setattr(EngineLoop, "turn", mistake)
    made.submit(job("lost"))
    watcher.wait((Done, Lost), "lost")
    for name in ("tiny-a", "tiny-b"):
        alone((made, watcher), name, checkpoint=f"{name}.safetensors")
    assert made.status().resident == ("tiny-b.safetensors",)


def test_out_of_memory_halves_the_batch_and_the_picture_is_the_same(in_thread: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the card is pretended to be small: forwards of more than two rows raise what torch raises."""
    fits = alone(in_thread, "fits", batch_size=4)
    real, sizes = Checkpoint.denoise, []

    def small_card(self: Checkpoint, x: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
        sizes.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is")
        return real(self, x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Checkpoint, "denoise", small_card)
    tight = alone(in_thread, "tight", batch_size=4)
    assert max(sizes) == 8
    assert sizes[-1] == 2
    assert max(difference(a, b) for a, b in zip(fits, tight, strict=True)) <= 1


def test_no_memory_for_a_single_row_fails_that_job_with_a_sentence(in_thread: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_card(self: Checkpoint, x: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "denoise", no_card)
        in_thread[0].submit(job("hopeless"))
        failed = in_thread[1].wait((Done, Failed), "hopeless")
    assert isinstance(failed, Failed)
    assert "not enough memory" in failed.message
    assert alone(in_thread, "afterwards")[0].shape == (64, 64, 3)


def test_a_newcomer_takes_its_first_step_within_two_forwards_of_a_batch_of_a_hundred(engine: Behind) -> None:
    made, watcher = engine
    alone(engine, "warm", steps=1)
    made.submit(job("crowd", batch_size=100, steps=20))
    watcher.wait(Progress, "crowd")
    before = made.status().forwards
    made.submit(job("newcomer", steps=3, prompt="something nobody has asked for yet", negative_prompt="nor this"))
    while not any(e.step >= 1 for e in watcher.of(Progress, "newcomer")):
        watcher.wait(Progress, "newcomer")
    assert made.status().forwards - before <= 3  # the one that was running, and two
    made.stop_job("crowd", Stop.CANCEL)
    watcher.wait(Cancelled, "crowd")


def test_texts_of_different_jobs_are_encoded_once_and_their_pictures_decoded_together(
    in_thread: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, pictures = [], []
    encode, decode = Checkpoint.encode_text, Checkpoint.decode
    monkeypatch.setattr(Checkpoint, "encode_text", lambda self, ids, *rest: (texts.append(len(ids)), encode(self, ids, *rest))[1])
    monkeypatch.setattr(Checkpoint, "decode", lambda self, x, *rest: (pictures.append(len(x)), decode(self, x, *rest))[1])
    jobs = [job(f"job{i}", seed=i, prompt=f"picture number {i}", negative_prompt="fog") for i in range(4)]
    together(in_thread, *jobs)
    assert texts == [1] * 5  # four prompts, and one negative prompt for all; one by one on a CPU
    assert pictures[-1] == 4
    together(in_thread, job("same words", seed=9, prompt="picture number 2", negative_prompt="fog"))
    assert len(texts) == 5


class SmallCard:
    """Raises what torch raises for every call of a network's method that `refused` says, and counts them."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, method: str, refused: Callable[[int, torch.Tensor, dict[str, object]], bool]
    ) -> None:
        self.calls = self.refusals = 0
        real = getattr(Checkpoint, method)

        def call(checkpoint: Checkpoint, first: torch.Tensor, *rest: object, **options: object) -> torch.Tensor:
            self.calls += 1
            if refused(self.calls, first, options):
                self.refusals += 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is")
            return real(checkpoint, first, *rest, **options)  # type: ignore[no-any-return]

        monkeypatch.setattr(Checkpoint, method, call)


@pytest.mark.parametrize(
    ("method", "previews"),
    [("encode_text", False), ("encode_image", False), ("denoise", False), ("decode", False), pytest.param("decode", True, id="preview")],
)
def test_running_out_of_memory_once_anywhere_changes_nothing(
    in_thread: Behind, monkeypatch: pytest.MonkeyPatch, method: str, previews: bool
) -> None:
    made, watcher = in_thread
    start = partial(np.full, (64, 64, 3), 90, np.uint8)
    values = params(mode="img2img", init_images=("x",), denoising_strength=0.5)
    made.submit(EngineJob(id="fits", client="c", params=values, images=(start,)))
    fits = watcher.pictures("fits")[0]
    made.unload()
    with monkeypatch.context() as patch:
        card = SmallCard(patch, method, lambda call, first, options: call == 1)
        prompt = f"a cat in the garden, {method}"  # texts are kept: other words, the same cost
        changed = values.model_copy(update={"prompt": prompt})
        made.submit(EngineJob(id="tight", client="c", params=changed, images=(start,), previews=previews))
        tight = watcher.pictures("tight")[0]
        assert card.refusals == 1
    made.submit(EngineJob(id="again", client="c", params=changed, images=(start,)))
    assert difference(tight, watcher.pictures("again")[0]) <= 1
    assert difference(fits, tight) > 0
    assert not any("VAE tiling" in e.extras for e in watcher.of(PictureDone, "tight"))


def test_a_decode_that_does_not_fit_is_tiled_and_the_infotext_says_so(in_thread: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = alone(in_thread, "whole", batch_size=2)
    card = SmallCard(monkeypatch, "decode", lambda call, first, options: not options.get("tiled"))
    tiled = alone(in_thread, "tiled", batch_size=2)
    assert card.refusals >= 2
    assert max(difference(a, b) for a, b in zip(whole, tiled, strict=True)) <= 1  # one tile is the whole of a small picture
    assert [e.extras.get("VAE tiling") for e in in_thread[1].of(PictureDone, "tiled")] == ["True", "True"]
    asked = alone(in_thread, "asked", vae_tiling=True)
    assert difference(asked[0], whole[0]) <= 1
    assert in_thread[1].of(PictureDone, "asked")[0].extras["VAE tiling"] == "True"


def test_a_load_that_runs_out_of_memory_is_tried_again(in_thread: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(in_thread, "first")
    real, calls = residency.load_checkpoint, []

    def small(*args: object, **options: object) -> Checkpoint:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate more than there is")
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(residency, "load_checkpoint", small)
    assert len(alone(in_thread, "other", checkpoint="tiny-b.safetensors")) == 1
    assert len(calls) == 2
    assert in_thread[0].status().resident[0] == "tiny-b.safetensors"


def test_the_next_checkpoint_is_read_while_a_job_runs_and_keeps_nobody_waiting(in_thread: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    made, watcher = in_thread
    real, may_go_on = residency.load_checkpoint, threading.Event()

    def slow(file: object, *args: object, **options: object) -> Checkpoint:
        if "tiny-b" in str(file):
            assert may_go_on.wait(WAIT_S)
        return real(file, *args, **options)  # type: ignore[arg-type]

    alone(in_thread, "warm")
    monkeypatch.setattr(residency, "load_checkpoint", slow)
    made.submit(job("runs", steps=500))
    watcher.wait(Progress, "runs")
    made.submit(job("waits", checkpoint="tiny-b.safetensors", steps=2))
    watcher.wait(Loading, "waits")
    before = made.status().forwards
    alone(in_thread, "passes", steps=3)
    assert made.status().forwards > before
    may_go_on.set()
    assert len(watcher.pictures("waits")) == 1
    made.stop_job("runs", Stop.CANCEL)
    watcher.wait(Cancelled, "runs")


def test_a_fault_in_one_job_spares_its_neighbour(in_thread: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Checkpoint.denoise

    def faulty(self: Checkpoint, x: torch.Tensor, sigmas: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
        if bool(((sigmas - 0.6535) < 0.005).logical_and((sigmas - 0.6535) > -0.005).any()):  # the second of three exponential sigmas
            raise ValueError("a kernel's fault")
        return real(self, x, sigmas, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Checkpoint, "denoise", faulty)
    made, watcher = in_thread
    made.load("tiny-a.safetensors")
    made.submit(job("good", steps=3))
    made.submit(job("bad", steps=3, scheduler="Exponential"))
    bad = watcher.wait((Done, Failed), "bad")
    assert isinstance(bad, Failed)
    assert "ValueError" in bad.message
    assert len(watcher.pictures("good")) == 1


def test_progress_counts_every_step_and_a_preview_is_seen(engine: Behind) -> None:
    alone(engine, "watched", steps=4, n_iter=2)
    steps = [(e.batch, e.step) for e in engine[1].of(Progress, "watched")]
    assert [s for s in steps if s[0] == 0][-1] == (0, 4)
    assert [s for s in steps if s[0] == 1][-1] == (1, 4)
    assert {(0, i) for i in range(5)} <= set(steps)
    fractions = [e.fraction for e in engine[1].of(Progress, "watched")]
    assert fractions == sorted(fractions)
    preview = engine[1].of(Preview, "watched")[0]
    assert preview.pixels.shape == (8, 8, 3)
    assert isinstance(engine[1].events[0], Started)


def test_an_interrupt_ends_with_what_there_is(engine: Behind) -> None:
    made, watcher = engine
    made.submit(job("long", steps=500, n_iter=3))
    while not any(e.step >= 2 for e in watcher.of(Progress, "long")):
        watcher.wait(Progress, "long")
    made.stop_job("long", Stop.INTERRUPT)
    pictures = watcher.pictures("long")
    assert len(pictures) == 1
    assert watcher.wait(Done, "long") == Done("long", interrupted=True)
    assert max(e.step for e in watcher.of(Progress, "long")) < 500


def test_a_skip_goes_on_with_the_next_batch(engine: Behind) -> None:
    made, watcher = engine
    made.submit(job("long", steps=60, n_iter=2))
    while not any(e.step >= 2 for e in watcher.of(Progress, "long")):
        watcher.wait(Progress, "long")
    made.stop_job("long", Stop.SKIP)
    assert len(watcher.pictures("long")) == 2
    assert watcher.wait(Done, "long") == Done("long", interrupted=False)
    assert max(e.step for e in watcher.of(Progress, "long") if e.batch == 0) < 60
    assert max(e.step for e in watcher.of(Progress, "long") if e.batch == 1) == 60


def test_a_cancel_reaches_one_job_only(engine: Behind) -> None:
    made, watcher = engine
    made.load("tiny-a.safetensors")
    made.submit(job("dropped", steps=500))
    made.submit(job("kept", steps=8))
    watcher.wait(Progress, "dropped")
    made.stop_job("dropped", Stop.CANCEL)
    watcher.wait(Cancelled, "dropped")
    assert len(watcher.pictures("kept")) == 1
    assert not watcher.of(PictureDone, "dropped")
    assert made.status().running == ()


def test_an_unknown_checkpoint_fails_with_its_name(engine: Behind) -> None:
    engine[0].submit(job("lost", checkpoint="no-such-file.safetensors"))
    failed = engine[1].wait((Done, Failed), "lost")
    assert isinstance(failed, Failed)
    assert failed.status == 404
    assert "no-such-file" in failed.message


def test_every_job_ends_once_and_closing_tells_the_rest(catalog: Catalog) -> None:
    watcher = Watcher()
    engine = ThreadEngine(catalog.settings, catalog, Tokenizer())
    engine.start(watcher)
    for i in range(4):
        engine.submit(job(f"job{i}", steps=300))
    watcher.wait(Progress, "job0")
    engine.close()
    ends = [e for e in watcher.events if isinstance(e, Done | Failed | Cancelled)]
    assert sorted(e.job for e in ends) == [f"job{i}" for i in range(4)]
    assert all(isinstance(e, Failed) and e.code == "engine_stopped" for e in ends)


def test_img2img_starts_from_the_picture(engine: Behind) -> None:
    start = np.zeros((50, 90, 3), np.uint8)
    start[:, 45:] = 255
    stored = partial(np.array, start)
    made, watcher = engine
    values = params(mode="img2img", init_images=("x",), denoising_strength=0.0, width=64, height=64)
    for name, strength in (("weak", 0.0), ("strong", 1.0)):
        changed = values.model_copy(update={"denoising_strength": strength})
        made.submit(dataclasses.replace(job(name), params=changed, images=(stored,)))
    weak, strong = watcher.pictures("weak")[0], watcher.pictures("strong")[0]
    assert difference(weak, strong) > 10


def test_rows_of_a_masked_job_share_forwards_with_others(engine: Behind) -> None:
    """The mask is mixed in around a sampler's questions, so the rows themselves are like any other's; soft or not."""
    made, _ = engine
    start = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    half = np.zeros((64, 64), np.uint8)
    half[:, 32:] = 255
    picture, mask = partial(np.array, start), partial(np.array, half)
    masked = {"mode": "img2img", "init_images": ("x",), "mask": "m", "mask_blur_x": 0, "mask_blur_y": 0, "denoising_strength": 1.0}
    masked["steps"] = 8
    jobs = [
        job("plain", seed=2, steps=8),
        dataclasses.replace(job("hard", **masked), images=(picture,), mask=mask),
        dataclasses.replace(job("soft", **masked, soft_inpainting=True, sampler="DDIM"), images=(picture,), mask=mask),
    ]
    before = made.status()
    pictures = together(engine, *jobs)
    after = made.status()
    assert after.rows - before.rows == 2 * (8 + 8 + 6)  # DDIM enters its schedule one timestep late, and leaves it one early
    # Apart they would be 8 + 8 + 6. Masks and start pictures are made beside the loop: on a busy machine "plain" may be some steps ahead.
    assert after.forwards - before.forwards <= 8 + AHEAD + 4
    hard = pictures["hard"][0]
    assert (hard[:, :32] == start[:, :32]).all() and difference(hard[:, 32:], start[:, 32:]) > 10


def held(start: threading.Event) -> np.ndarray:
    """A start picture that is slow to come."""
    assert start.wait(WAIT_S)
    return np.zeros((64, 64, 3), np.uint8)


def slow_job(name: str, start: threading.Event) -> EngineJob:
    """A job whose picture comes after the event."""
    values = params(mode="img2img", init_images=("x",), denoising_strength=0.5)
    return dataclasses.replace(job(name), params=values, images=(partial(held, start),))


def test_work_on_pixels_holds_up_nobodys_forwards(in_thread: Behind) -> None:
    made, watcher = in_thread
    start = threading.Event()
    try:
        made.submit(slow_job("slow", start))
        watcher.wait(Started, "slow")
        assert len(alone(in_thread, "other")) == 1, "made from its first to its last step while the picture is awaited"
        assert not watcher.of(Progress, "slow")
    finally:
        start.set()
    assert len(watcher.pictures("slow")) == 1


def test_a_job_that_is_cancelled_at_its_pixels_ends_at_once_and_its_name_is_free(in_thread: Behind) -> None:
    made, watcher = in_thread
    start = threading.Event()
    try:
        made.submit(slow_job("slow", start))
        watcher.wait(Started, "slow")
        made.stop_job("slow", Stop.CANCEL)
        watcher.wait(Cancelled, "slow")
        assert made.status().running == ()
        made.submit(job("slow"))
        watcher.wait(Done, "slow")
    finally:
        start.set()
    assert len(watcher.of(PictureDone, "slow")) == 1, "what comes of the former one's pixels is nobody's answer"
    assert len(alone(in_thread, "after")) == 1


def test_pixels_that_fail_while_others_draw_fail_their_job_alone(in_thread: Behind) -> None:
    def broken(start: threading.Event) -> np.ndarray:
        assert start.wait(WAIT_S)
        raise BadPicture("The stored picture has been damaged.")

    made, watcher = in_thread
    start = threading.Event()
    made.submit(dataclasses.replace(slow_job("broken", start), images=(partial(broken, start),)))
    made.submit(job("other", steps=20))
    watcher.wait(Progress, "other")
    start.set()
    end = watcher.wait((Done, Failed), "broken")
    assert isinstance(end, Failed) and end.code == "bad_picture" and "damaged" in end.message
    assert len(watcher.pictures("other")) == 1


def test_a_loop_that_fails_loses_its_jobs_and_is_started_anew(in_thread: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours, between the forwards: nobody waits for ever, and what was not read yet is made."""
    made, watcher = in_thread
    made.submit(job("lost", steps=1000))
    watcher.wait(Progress, "lost")

    def mistake(loop: EngineLoop) -> None:
        monkeypatch.undo()
        made.submit(job("unread"))
        raise AssertionError("a mistake")

    monkeypatch.setattr(EngineLoop, "turn", mistake)
    lost = watcher.wait((Done, Failed, Lost), "lost")
    assert isinstance(lost, Lost) and lost.was_running and "AssertionError" in lost.reason
    assert len(watcher.pictures("unread")) == 1
    assert made.status().running == ()


def test_an_input_picture_that_has_gone_meanwhile_fails_its_job_with_the_reason(engine: Behind, tmp_path: Path) -> None:
    made, watcher = engine
    values = params(mode="img2img", init_images=("0" * 64,), width=64, height=64)
    made.submit(dataclasses.replace(job("gone"), params=values, images=(StoredPicture(tmp_path, "0" * 64),)))
    end = watcher.wait((Done, Failed), "gone")
    assert isinstance(end, Failed) and end.code == "not_found" and "send it again" in end.message
