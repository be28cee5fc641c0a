"""PyPI's `webuiapi`, the client that calls most of A1111's API, against a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import webuiapi
from PIL import Image

from app.metadata import params_from_infotext
from tests.conftest import link_tree
from tests.support.server import running_server

SMALL = {"steps": 3, "width": 64, "height": 64, "seed": 5}


@pytest.fixture(scope="module")
def api(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webuiapi.WebUIApi]:
    data = link_tree(tiny_store, tmp_path_factory.mktemp("webuiapi"))
    with running_server(data, "--nowebui", "--device", "cpu", path="sdapi/v1/options") as url:
        yield webuiapi.WebUIApi(baseurl=f"{url}sdapi/v1")


@pytest.mark.parametrize("sampler", ["Euler", "Euler a", "DPM++ 2M", "DDIM"])
def test_txt2img_with_the_clients_own_defaults(api: webuiapi.WebUIApi, sampler: str) -> None:
    result = api.txt2img(prompt="a red house", negative_prompt="fog", sampler_name=sampler, **SMALL)
    assert isinstance(result.image, Image.Image) and result.image.size == (64, 64)
    assert result.info["all_seeds"] == [5]
    assert params_from_infotext(result.info["infotexts"][0]).values["sampler"] == sampler


def test_img2img(api: webuiapi.WebUIApi) -> None:
    start = api.txt2img(prompt="a red house", **SMALL).image
    result = api.img2img(images=[start], prompt="a blue house", denoising_strength=0.6, **SMALL)
    assert result.image.size == (64, 64) and result.image.tobytes() != start.tobytes()


def test_lists(api: webuiapi.WebUIApi) -> None:
    assert {"Euler", "Euler a", "DPM++ 2M", "DDIM"} <= set(api.util_get_sampler_names())
    assert {"automatic", "karras"} <= set(api.util_get_scheduler_names())
    assert "tiny-a.safetensors" in " ".join(api.util_get_model_names())
    assert [upscaler["name"] for upscaler in api.get_upscalers()][:3] == ["None", "Lanczos", "Nearest"]
    for listed in (api.get_sd_models, api.get_sd_vae, api.get_loras, api.get_hypernetworks, api.get_face_restorers):
        assert isinstance(listed(), list)
    for listed in (api.get_latent_upscale_modes, api.get_realesrgan_models, api.get_prompt_styles):
        assert isinstance(listed(), list)
    assert set(api.get_embeddings()) == {"loaded", "skipped"}
    assert set(api.get_scripts()) == {"txt2img", "img2img"}
    assert set(api.get_memory()) == {"ram", "cuda"}


def test_options_and_models(api: webuiapi.WebUIApi) -> None:
    api.util_set_model("tiny-b.safetensors")
    assert api.util_get_current_model().startswith("tiny-b")
    assert api.txt2img(prompt="a", **SMALL).info["sd_model_name"] == "tiny-b"
    api.set_options({"sd_model_checkpoint": "tiny-a.safetensors"})
    api.set_options(api.get_options())
    assert api.util_get_current_model().startswith("tiny-a")
    assert isinstance(api.get_cmd_flags(), dict)
    api.refresh_checkpoints()


def test_png_info(api: webuiapi.WebUIApi) -> None:
    made = api.txt2img(prompt="a green door", **SMALL)
    said = api.png_info(made.image)
    assert isinstance(said.info, str)


def test_progress_and_control(api: webuiapi.WebUIApi) -> None:
    api.util_wait_for_ready(check_interval=0.1)
    assert api.get_progress()["progress"] == 0.0
    api.interrupt()
    api.skip()
    assert len(api.txt2img(prompt="a", **SMALL).images) == 1


def test_extras(api: webuiapi.WebUIApi) -> None:
    start = api.txt2img(prompt="a", **SMALL).image
    doubled = api.extra_single_image(image=start, upscaler_1="Lanczos", upscaling_resize=2)
    assert doubled.image.size == (128, 128)
    both = api.extra_batch_images(images=[start, start], name_list=["a.png", "b.png"], upscaler_1="Nearest", upscaling_resize=2)
    assert [image.size for image in both.images] == [(128, 128)] * 2
