"""What tags of LoRAs and hypernetworks ask for."""

import pytest

from app.prompt import cut_tags
from app.recipes.adapters import wishes_of
from app.recipes.ops import AdapterWish


def wishes(prompt: str) -> list[AdapterWish]:
    return list(wishes_of(cut_tags(prompt)[1]))


def lora(name: str = "a", text: float = 1.0, denoiser: float = 1.0, rank: int | None = None) -> AdapterWish:
    return AdapterWish(kind="lora", name=name, text=text, denoiser=denoiser, rank=rank)


@pytest.mark.parametrize(
    ("tag", "wish"),
    [
        ("<lora:a>", lora()),
        ("<lora:a:0.5>", lora("a", 0.5, 0.5)),
        ("<lora:a:0.5:0.7>", lora("a", 0.5, 0.7)),
        ("<lora:a:0.5:0.7:8>", lora("a", 0.5, 0.7, 8)),
        ("<lora:a:-1>", lora("a", -1.0, -1.0)),
        ("<lora:a:te=0.2>", lora("a", 0.2, 0.2)),
        ("<lora:a:unet=0.2>", lora("a", 1.0, 0.2)),
        ("<lora:a:te=0.2:unet=0.8:dyn=4>", lora("a", 0.2, 0.8, 4)),
        ("<lora:a:0.3:unet=0.8>", lora("a", 0.3, 0.8)),
        ("<lyco:a:0.5>", lora("a", 0.5, 0.5)),
        ("<lora:a b, c:0.5>", lora("a b, c", 0.5, 0.5)),
        ("<hypernet:h:0.5>", AdapterWish(kind="hypernetwork", name="h", text=0.5, denoiser=0.5)),
    ],
)
def test_a_tag_is_read(tag: str, wish: AdapterWish) -> None:
    assert wishes(f"a cat {tag} in a garden") == [wish]


@pytest.mark.parametrize(
    "tag",
    ["<lora:a:abc>", "<lora:a:1:x>", "<lora:a:1:1:two>", "<lora:te=1>", "<foo:a:1>", "<lora:>", "<b>", "<lora:a:inf>", "<lora:a:nan>"],
)
def test_what_cannot_be_read_does_nothing_and_harms_no_other_tag(tag: str) -> None:
    assert wishes(f"{tag} <lora:b>") == [lora("b")]


def test_a_second_mention_changes_the_first_ones_strength() -> None:
    assert wishes("<lora:a:0.5> <lora:b:0.1> <lora:a:0.3>") == [lora("a", 0.3, 0.3), lora("b", 0.1, 0.1), lora("a", 0.3, 0.3)]
    assert [wish.text for wish in wishes("<lora:a:0.5> <hypernet:a:0.3>")] == [0.5, 0.3]
