"""Checkpoints in memory: which stay, which go, what is shared, and what happens when memory or a file goes."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.engine import residency as residency_file
from app.engine.budgets import Budgets, storage_bytes
from app.engine.residency import Residency, Resident
from app.models import Catalog
from app.networks import Checkpoint
from app.schema.errors import BadModelFile, TooLarge
from app.schema.settings import ServerSettings
from app.schema.sizes import bytes_of
from tests.support.paths import ROOT

NAME, OTHER, THIRD = "tiny-a.safetensors", "tiny-b.safetensors", "tiny-v.safetensors"
CPU = torch.device("cpu")
PLENTY = Budgets(2**40, 2**40)


@pytest.fixture(scope="module")
def catalog(tiny_models: Path) -> Iterator[Catalog]:
    made = Catalog(ServerSettings(data_dir=tiny_models))
    made.refresh()
    yield made
    made.close()


def made(catalog: Catalog, budgets: Budgets = PLENTY, host: torch.device | None = None) -> Residency:
    return Residency(catalog, CPU, torch.float32, budgets, host=host)


def get(residency: Residency, name: str, *in_use: str) -> tuple[Resident, bool]:
    """The checkpoint, and whether somebody had to wait for it."""
    told: list[str] = []
    return residency.get(name, in_use, told.append), bool(told)


@pytest.fixture(scope="module")
def one_bytes(catalog: Catalog) -> int:
    return get(made(catalog), NAME)[0].checkpoint.nbytes


def test_switching_back_to_a_resident_checkpoint_costs_no_load(catalog: Catalog) -> None:
    residency = made(catalog)
    first, _ = get(residency, NAME)
    get(residency, OTHER)
    again, waited = get(residency, NAME)
    assert again is first and not waited
    assert residency.names == (NAME, OTHER)


def test_the_least_recently_used_goes_first_and_those_in_use_last(catalog: Catalog, one_bytes: int) -> None:
    residency = made(catalog, Budgets(int(2.2 * one_bytes), 0))
    get(residency, NAME)
    get(residency, OTHER, NAME)
    get(residency, THIRD, NAME)
    assert residency.names == (THIRD, NAME)  # the older one is in use
    get(residency, OTHER)
    assert residency.names == (OTHER, THIRD)


def test_even_what_jobs_need_goes_when_there_is_room_for_one_only(catalog: Catalog, one_bytes: int) -> None:
    residency = made(catalog, Budgets(one_bytes, 0))
    for name in (NAME, OTHER, NAME):
        get(residency, name, NAME, OTHER)
        assert residency.names == (name,)


def test_what_leaves_the_device_waits_in_host_memory(catalog: Catalog, one_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    monkeypatch.setattr(Checkpoint, "to", lambda self, device, twins=None: moved.append(device))
    residency = made(catalog, Budgets(int(1.2 * one_bytes), 2 * one_bytes), host=CPU)
    first, _ = get(residency, NAME)
    get(residency, OTHER)
    assert (residency.names, len(moved)) == ((OTHER,), 1)
    again, waited = get(residency, NAME)
    assert again is first and waited  # a copy is told of, but it is no load
    assert (residency.names, len(moved)) == ((NAME,), 3)


def test_host_memory_has_its_own_budget(catalog: Catalog, one_bytes: int) -> None:
    residency = made(catalog, Budgets(int(1.2 * one_bytes), int(1.2 * one_bytes)), host=CPU)
    first = get(residency, NAME)[0]
    get(residency, OTHER)
    get(residency, THIRD)
    assert get(residency, NAME)[0] is not first


def test_a1111s_limit_of_checkpoints(catalog: Catalog) -> None:
    residency = made(catalog)
    residency.limit(2, one_on_device=False)
    for name in (NAME, OTHER, THIRD):
        get(residency, name)
    assert residency.names == (THIRD, OTHER)
    residency.limit(1, one_on_device=False)
    assert residency.names == (THIRD,)
    residency.limit(2, one_on_device=True)  # without another place to wait in, the device keeps both
    get(residency, NAME)
    assert residency.names == (NAME, THIRD)
    residency = made(catalog, host=CPU)
    residency.limit(2, one_on_device=True)
    first = get(residency, NAME)[0]
    get(residency, OTHER)
    assert residency.names == (OTHER,)
    assert get(residency, NAME)[0] is first


def test_parts_that_two_checkpoints_have_in_common_are_held_once(tiny_data: Path) -> None:
    folder = tiny_data / "models" / "Stable-diffusion"
    one, other = load_file(folder / NAME), load_file(folder / OTHER)
    mixed = {name: (one if name.startswith("first_stage_model.") else other)[name] for name in one}
    save_file(mixed, folder / "mixed.safetensors")
    catalog = Catalog(ServerSettings(data_dir=tiny_data))
    catalog.refresh()
    residency = made(catalog)
    first, second = get(residency, NAME)[0].checkpoint, get(residency, "mixed.safetensors")[0].checkpoint
    shared = {w.data_ptr() for w in first.weights} & {w.data_ptr() for w in second.weights}
    vae = [t for name, t in one.items() if name.startswith("first_stage_model.")]
    assert len(shared) >= len(vae)
    both = storage_bytes([*first.weights, *second.weights])
    assert both <= first.nbytes + second.nbytes - 4 * sum(t.numel() for t in vae)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    alone = get(made(catalog), "mixed.safetensors")[0].checkpoint
    context = torch.randn(1, 77, 64, generator=torch.Generator().manual_seed(2))
    assert torch.equal(second.decode(latents), first.decode(latents))
    assert torch.equal(second.denoise(latents, torch.ones(1), context), alone.denoise(latents, torch.ones(1), context))
    catalog.close()


def test_the_next_checkpoint_is_read_while_the_current_one_works(catalog: Catalog) -> None:
    residency = made(catalog)
    get(residency, NAME)
    assert residency.read_ahead(OTHER, {NAME})
    assert not residency.read_ahead(OTHER, {NAME})
    assert residency.patience_s(OTHER) == residency_file.LONGEST_WAIT_S or OTHER in residency.names
    end = time.monotonic() + 60
    while OTHER not in residency.names:
        assert time.monotonic() < end
        residency.patience_s(OTHER)
        time.sleep(0.01)
    assert not get(residency, OTHER)[1]


def test_nothing_is_read_ahead_that_does_not_fit_beside_what_is_in_use(catalog: Catalog, one_bytes: int) -> None:
    residency = made(catalog, Budgets(int(1.5 * one_bytes), int(1.5 * one_bytes)))
    get(residency, NAME)
    assert not residency.read_ahead(OTHER, {NAME})
    assert residency.names == (NAME,)
    assert residency_file.SHORTEST_WAIT_S <= residency.patience_s(OTHER) <= residency_file.LONGEST_WAIT_S
    assert residency.patience_s("no such file") == 0  # the sooner it is asked for, the sooner its job is told


def test_a_load_that_runs_out_of_memory_frees_the_others_and_is_tried_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    residency = made(catalog)
    get(residency, NAME)
    real, attempts = residency_file.load_checkpoint, []

    def small(*args: object, **options: object) -> Checkpoint:
        attempts.append(residency.names)
        if len(attempts) == 1 or not works:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(residency_file, "load_checkpoint", small)
    works = True
    get(residency, OTHER, NAME)
    assert attempts == [(NAME,), ()]
    assert residency.names == (OTHER,)
    works = False
    with pytest.raises(TooLarge, match=THIRD):
        get(residency, THIRD)
    works = True
    assert get(residency, NAME)[0].checkpoint.nbytes > 0


def test_thirty_swaps_hold_no_more_than_one(catalog: Catalog, one_bytes: int) -> None:
    residency = made(catalog, Budgets(one_bytes, one_bytes))
    for turn in range(30):
        held = get(residency, (NAME, OTHER)[turn % 2])[0]
        assert storage_bytes(held.checkpoint.weights) <= one_bytes
        assert len(residency.names) == 1


@pytest.mark.parametrize(
    ("text", "size"), [("6G", 6 * 2**30), ("512M", 2**29), ("80%", 800), ("1.5GiB", 3 * 2**29), ("123", 123), ("2kb", 2048)]
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert bytes_of(text, 1000) == size


@pytest.mark.parametrize("text", ["", "six", "-1G", "6X", "G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        bytes_of(text, 1000)


def test_a_file_that_goes_while_it_is_loaded(tiny_data: Path) -> None:
    settings = ServerSettings(data_dir=tiny_data, embedded_dir=ROOT / "models" / "Stable-diffusion")
    catalog = Catalog(settings)
    residency = Residency(catalog, torch.device("cpu"), torch.float32, PLENTY)
    with pytest.raises(BadModelFile):
        residency.get(NAME, (), lambda _: (settings.models / "Stable-diffusion" / NAME).unlink())
    told: list[str] = []

    def wait() -> None:
        try:
            residency.sha256(NAME)
        except BadModelFile as error:
            told.append(str(error))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(20)
    catalog.close()
    assert not thread.is_alive() and told == [f"{NAME} cannot be read: No such file or directory."]


def test_a_file_that_is_replaced_is_loaded_anew_once_and_by_nobody_who_has_begun(tiny_data: Path) -> None:
    catalog = Catalog(ServerSettings(data_dir=tiny_data))
    folder, residency = catalog.settings.models / "Stable-diffusion", made(catalog)
    first, _ = get(residency, NAME)
    (folder / NAME).unlink()  # a link to the file of all tests
    shutil.copyfile(folder / OTHER, folder / NAME)
    os.utime(folder / NAME, ns=(1, 1))
    for _ in range(3):
        assert get(residency, NAME, NAME) == (first, False), "a job that has begun goes on with what it has"
    told: list[str] = []
    second = residency.get(NAME, (NAME,), told.append, renew=True)
    assert second is not first and second.file.is_current() and told == ["tiny-a"]
    for _ in range(3):
        assert residency.get(NAME, (NAME,), told.append, renew=True) is second and told == ["tiny-a"], "once"
    assert residency.sha256(NAME) == catalog.hash(catalog.find(OTHER))
    catalog.close()
