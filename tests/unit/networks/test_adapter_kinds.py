"""Each kind of adapter against its definition, written out another way: as layers that are run, as loops, as whole matrices."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from app.networks.adapters import Change, DoesNotFit, change_of

OUT, IN, RANK = 12, 8, 3
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}  # float32 sums in another order


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


WEIGHT, CONV, X, PICTURE = rand(OUT, IN), rand(OUT, IN, 3, 3), rand(5, IN, seed=1), rand(2, IN, 6, 6, seed=2)


def weight_of(change: Change) -> Tensor:
    assert change.weight is not None
    return change.weight


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, **TOLERANCE)


def test_lora_is_two_layers_beside_the_layer() -> None:
    up, down = rand(OUT, RANK), rand(RANK, IN)
    made = weight_of(change_of({"lora_up": up, "lora_down": down, "alpha": torch.tensor(1.5)}, WEIGHT, None))
    close(F.linear(X, made), F.linear(F.linear(X, down), up) * 1.5 / RANK)


def test_lora_without_alpha_has_no_scale() -> None:
    up, down = rand(OUT, RANK), rand(RANK, IN)
    close(F.linear(X, weight_of(change_of({"lora_up": up, "lora_down": down}, WEIGHT, None))), F.linear(F.linear(X, down), up))


def test_a_limited_rank_uses_the_first_ranks_at_the_scale_of_all() -> None:
    up, down = rand(OUT, RANK), rand(RANK, IN)
    made = weight_of(change_of({"lora_up": up, "lora_down": down, "alpha": torch.tensor(1.5)}, WEIGHT, None, rank=2))
    close(made, (torch.outer(up[:, 0], down[0]) + torch.outer(up[:, 1], down[1])) * 1.5 / RANK)


@pytest.mark.parametrize("core", [False, True])
def test_locon_is_a_chain_of_convolutions(core: bool) -> None:
    parts = {"lora_up": rand(OUT, RANK, 1, 1), "alpha": torch.tensor(2.0)}
    if core:
        parts |= {"lora_down": rand(RANK, IN, 1, 1), "lora_mid": rand(RANK, RANK, 3, 3)}
        inner = F.conv2d(F.conv2d(PICTURE, parts["lora_down"]), parts["lora_mid"])
    else:
        parts |= {"lora_down": rand(RANK, IN, 3, 3)}
        inner = F.conv2d(PICTURE, parts["lora_down"])
    made = weight_of(change_of(parts, CONV, None))
    close(F.conv2d(PICTURE, made), F.conv2d(inner, parts["lora_up"]) * 2 / RANK)


def test_loha_entry_by_entry() -> None:
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    a1, b1, a2, b2 = (rand(*shape, seed=i) for i, shape in enumerate([(OUT, RANK), (RANK, IN)] * 2))
    made = weight_of(change_of({**dict(zip(names, (a1, b1, a2, b2), strict=True)), "alpha": torch.tensor(6.0)}, WEIGHT, None))
    for i in range(OUT):
        for j in range(IN):
            expected = (a1[i] * b1[:, j]).sum() * (a2[i] * b2[:, j]).sum() * 6 / RANK
            assert float(made[i, j]) == pytest.approx(float(expected), rel=1e-4, abs=1e-5)


def test_loha_with_cores_is_a_product_of_two_convolution_kernels() -> None:
    parts = {f"hada_w{n}_a": rand(RANK, OUT, seed=n) for n in (1, 2)} | {f"hada_w{n}_b": rand(RANK, IN, seed=n) for n in (1, 2)}
    parts |= {f"hada_t{n}": rand(RANK, RANK, 3, 3, seed=n) for n in (1, 2)}
    kernels = []
    for n in (1, 2):
        wide = F.conv2d(torch.eye(IN).reshape(IN, IN, 1, 1), parts[f"hada_w{n}_b"][:, :, None, None]).squeeze()  # (inputs, ranks)
        inner = torch.tensordot(parts[f"hada_t{n}"], wide, dims=([1], [1]))  # (rank, 3, 3, inputs)
        kernels.append(torch.tensordot(parts[f"hada_w{n}_a"], inner, dims=([0], [0])).permute(0, 3, 1, 2))
    close(weight_of(change_of(parts, CONV, None)), kernels[0] * kernels[1])


@pytest.mark.parametrize("factorised", [(), ("2",), ("1", "2")])
def test_lokr_block_by_block(factorised: tuple[str, ...]) -> None:
    shapes = {"1": (3, 2), "2": (4, 4)}
    parts, factors = {"alpha": torch.tensor(2.0)}, {}
    for number, (rows, columns) in shapes.items():
        if number in factorised:
            parts |= {f"lokr_w{number}_a": rand(rows, 2, seed=1), f"lokr_w{number}_b": rand(2, columns, seed=2)}
            factors[number] = parts[f"lokr_w{number}_a"] @ parts[f"lokr_w{number}_b"]
        else:
            factors[number] = parts[f"lokr_w{number}"] = rand(rows, columns, seed=3)
    made = weight_of(change_of(parts, WEIGHT, None))
    for i in range(3):
        for j in range(2):
            block = made[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
            close(block, factors["1"][i, j] * factors["2"] * (2.0 / 2 if factorised else 1.0))


def test_ia3_scales_outputs_or_inputs() -> None:
    outputs, inputs = rand(OUT, seed=4), rand(IN, seed=5)
    by_output = weight_of(change_of({"weight": outputs, "on_input": torch.tensor(0.0)}, WEIGHT, None))
    close(F.linear(X, WEIGHT + by_output), F.linear(X, WEIGHT) * (1 + outputs))
    by_input = weight_of(change_of({"weight": inputs, "on_input": torch.tensor(1.0)}, WEIGHT, None))
    close(F.linear(X, WEIGHT + by_input), F.linear(X * (1 + inputs), WEIGHT))


def test_glora_runs_the_inputs_through_a_layer_of_their_own() -> None:
    a1, a2, b1, b2 = rand(RANK, IN), rand(IN, RANK), rand(RANK, IN, seed=7), rand(OUT, RANK)
    made = weight_of(change_of({"a1": a1, "a2": a2, "b1": b1, "b2": b2, "alpha": torch.tensor(9.0)}, WEIGHT, None))
    turned = X + F.linear(F.linear(X, a1), a2)
    close(F.linear(X, WEIGHT + made), F.linear(turned, WEIGHT) + F.linear(F.linear(X, b1), b2))


def test_full_differences_and_norms_are_added() -> None:
    difference, bias = rand(OUT, IN, seed=8), rand(OUT, seed=9)
    change = change_of({"diff": difference, "diff_b": bias, "alpha": torch.tensor(7.0)}, WEIGHT, torch.zeros(OUT))
    assert change.bias is not None
    assert torch.equal(weight_of(change), difference) and torch.equal(change.bias, bias)
    norm = change_of({"w_norm": bias, "b_norm": 2 * bias}, torch.ones(OUT), torch.zeros(OUT))
    assert norm.bias is not None
    assert torch.equal(weight_of(norm), bias) and torch.equal(norm.bias, 2 * bias)


def skew(blocks: Tensor) -> Tensor:
    return blocks - blocks.mT


@pytest.mark.parametrize("weight", [WEIGHT, CONV])
def test_oft_turns_blocks_of_outputs(weight: Tensor) -> None:
    blocks = rand(3, 4, 4) * 0.3
    made = weight_of(change_of({"oft_blocks": blocks}, weight, None))
    turned = torch.cat([torch.linalg.inv((torch.eye(4) - skew(b)).T) @ (torch.eye(4) + skew(b)).T @ w
                        for b, w in zip(blocks, weight.flatten(1).split(4), strict=True)])  # fmt: skip
    close((weight + made).flatten(1), turned)
    close((weight + made).flatten(1).norm(dim=0), weight.flatten(1).norm(dim=0))  # a rotation keeps every column's length


def test_oft_shortens_turns_that_alpha_does_not_allow() -> None:
    blocks, alpha = rand(3, 4, 4), 0.01
    short = skew(blocks) * (alpha * OUT / skew(blocks).norm())
    made = weight_of(change_of({"oft_blocks": blocks, "alpha": torch.tensor(alpha)}, WEIGHT, None))
    close(made, weight_of(change_of({"oft_blocks": short / 2}, WEIGHT, None)))


def test_boft_is_a_product_of_sparse_turns() -> None:
    weight = rand(16, IN)
    blocks = rand(2, 4, 4, 4) * 0.2
    turns = torch.linalg.inv(torch.eye(4) - skew(blocks).mT).mT @ (torch.eye(4) + skew(blocks))
    expected = weight
    for level, factor in enumerate(turns):
        stride = 2 * 2**level
        order = torch.arange(16).reshape(-1, 2, stride).transpose(1, 2).flatten()
        dense = torch.zeros(16, 16)
        for number, turn in enumerate(factor):
            rows = order[4 * number : 4 * number + 4]
            dense[rows[:, None], rows[None, :]] = turn
        expected = dense @ expected
    made = weight_of(change_of({"oft_blocks": blocks}, weight, None))
    close(weight + made, expected)
    close((weight + made).norm(dim=0), weight.norm(dim=0))


@pytest.mark.parametrize(("shape", "side"), [((1, IN), 0), ((OUT, 1), 1)])
def test_dora_sets_lengths_and_keeps_the_changed_direction(shape: tuple[int, int], side: int) -> None:
    lengths = rand(*shape).abs() + 1
    parts = {"lora_up": rand(OUT, RANK), "lora_down": rand(RANK, IN), "alpha": torch.tensor(1.0)}
    plain = WEIGHT + weight_of(change_of(parts, WEIGHT, None))
    merged = WEIGHT + weight_of(change_of({**parts, "dora_scale": lengths}, WEIGHT, None))
    close(merged.norm(dim=side), lengths.flatten())
    close(F.cosine_similarity(merged, plain, dim=side), torch.ones(lengths.numel()))


def test_dora_of_convolutions_counts_the_whole_kernel() -> None:
    parts = {"lora_up": rand(OUT, RANK, 1, 1), "lora_down": rand(RANK, IN, 3, 3), "dora_scale": rand(1, IN, 1, 1).abs() + 1}
    merged = CONV + weight_of(change_of(parts, CONV, None))
    close(merged.transpose(0, 1).flatten(1).norm(dim=1), parts["dora_scale"].flatten())


def test_lycoris_kinds_are_computed_in_the_files_number_format_and_lora_is_not() -> None:
    half = {"lokr_w1": rand(3, 2).half(), "lokr_w2": rand(4, 4).half()}
    assert weight_of(change_of(half, WEIGHT, None)).dtype == torch.float16
    assert weight_of(change_of({"lora_up": rand(OUT, 2).half(), "lora_down": rand(2, IN).half()}, WEIGHT, None)).dtype == torch.float32
    assert weight_of(change_of({"diff": rand(OUT, IN).to(torch.float8_e4m3fn)}, WEIGHT, None)).dtype == torch.float32


@pytest.mark.parametrize(
    "parts",
    [
        {"lora_up": rand(OUT + 1, RANK), "lora_down": rand(RANK, IN)},
        {"lora_up": rand(OUT, RANK), "lora_down": rand(RANK + 1, IN)},
        {"hada_w1_a": rand(OUT, 2), "hada_w1_b": rand(2, IN), "hada_w2_a": rand(OUT, 2), "hada_w2_b": rand(2, IN + 1)},
        {"lokr_w1": rand(3, 2), "lokr_w2": rand(4, 5)},
        {"lokr_w1": rand(3, 2)},
        {"weight": rand(OUT + 1)},
        {"oft_blocks": rand(5, 4, 4)},
        {"oft_blocks": rand(4, 4)},
        {"a1": rand(RANK, IN), "a2": rand(IN + 1, RANK), "b1": rand(RANK, IN), "b2": rand(OUT, RANK)},
        {"diff": rand(IN, OUT)},
        {"diff": rand(OUT, IN), "diff_b": rand(OUT)},
        {"lora_up": rand(OUT, RANK), "lora_down": rand(RANK, IN), "dora_scale": rand(1, IN + 1)},
    ],
)
def test_shapes_that_do_not_fit_are_told(parts: dict[str, Tensor]) -> None:
    with pytest.raises(DoesNotFit):
        change_of(parts, WEIGHT, None)
