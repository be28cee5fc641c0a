"""Each program's ways of writing, in the variants that real files have."""

import json
from typing import Any

import pytest

from app.metadata import PictureRecord, parse_infotext, read_recipe, read_text
from app.metadata.dialects import DIALECTS
from app.metadata.dialects.words import sampler_words, schedule_word
from app.metadata.record import Recipe


def recipe_of(text: str = "", tags: dict[str, str] | None = None, name: str = "", **items: str) -> Recipe:
    record = PictureRecord(
        format="PNG",
        width=512,
        height=640,
        text=text,
        items={key.replace("_DASH_", "-"): value for key, value in items.items()},
        tags=tags or {},
        name=name,
    )
    recipe = read_recipe(record)
    assert recipe is not None
    return recipe


def said(*arguments: Any, **more: Any) -> dict[str, object]:
    return parse_infotext(recipe_of(*arguments, **more).infotext)


def test_dream_command_lines() -> None:
    told = said(Dream='"a \\"red\\" car [fog, rain]" -s 50 -S 42 -W 512 -H 640 -C 7.5 -A k_euler_a -V 7,0.2 -G 0.8')
    assert (told["Prompt"], told["Negative prompt"], told["Sampler"], told["Seed"]) == ('a "red" car', "fog, rain", "Euler a", "42")
    assert (told["Variation seed"], told["Variation seed strength"], told["Dream G"]) == ("7", "0.2", "0.8")
    bare = said(Dream="a hill at dawn -s50 -W512 -H768 -C7.5 -Ak_lms -S9")
    assert (bare["Prompt"], bare["Steps"], bare["Sampler"], bare["Size-2"], bare["Seed"]) == ("a hill at dawn", "50", "LMS", "768", "9")
    assert said(Dream='"x" -s 10 -S 1 -W 64 -H 64 -I in.png -f 0.4')["Denoising strength"] == "0.4"


def test_invokeai_metadata_and_sd_metadata() -> None:
    newer = {
        "positive_prompt": "a castle",
        "negative_prompt": "",
        "seed": 5,
        "steps": 30,
        "cfg_scale": 6,
        "scheduler": "dpmpp_2m_k",
        "width": 512,
        "height": 768,
        "clip_skip": 1,
        "model": {"model_name": "dream", "base_model": "sd-1"},
        "vae": {"model_name": "own"},
        "loras": [{"lora": {"model_name": "pixel"}, "weight": 0.75}],
    }
    told = said(invokeai_metadata=json.dumps(newer))
    assert (told["Sampler"], told["Schedule type"], told["Clip skip"], told["VAE"]) == ("DPM++ 2M", "Karras", "2", "own")
    assert told["Prompt"] == "a castle <lora:pixel:0.75>" and told["Model"] == "dream"
    image = {
        "type": "img2img",
        "prompt": [{"prompt": "a cat [dog]", "weight": 1}],
        "steps": 20,
        "cfg_scale": 7,
        "seed": 3,
        "width": 64,
        "height": 64,
        "sampler": "ddim",
        "strength_steps": 15,
    }
    older = said(sd_DASH_metadata=json.dumps({"model_weights": "sd-1.4", "model_hash": "ab" * 32, "image": image}))
    assert (older["Prompt"], older["Negative prompt"], older["Denoising strength"], older["Model"]) == ("a cat", "dog", "0.75", "sd-1.4")


def test_novelai_in_webp_and_with_characters() -> None:
    comment = {
        "prompt": "2girls, {forest}",
        "uc": "lowres",
        "steps": 28,
        "sampler": "k_dpmpp_2m",
        "scale": 5,
        "seed": 8,
        "width": 832,
        "height": 1216,
        "noise_schedule": "karras",
        "request_type": "Img2ImgRequest",
        "strength": 0.6,
        "v4_prompt": {"caption": {"base_caption": "2girls, {forest}", "char_captions": [{"char_caption": "girl, red hair"}]}},
    }
    text = json.dumps({"Comment": json.dumps(comment), "Software": "NovelAI", "Source": "NovelAI Diffusion V4.5 4BDE2A90"})
    told = said(text, tags={"ImageDescription": "\0\0 2girls"})
    assert (told["Sampler"], told["Schedule type"], told["Size-1"], told["Denoising strength"]) == ("DPM++ 2M", "Karras", "832", "0.6")
    assert told["Prompt"] == "2girls, {forest}\ngirl, red hair" and told["Model"] == "NovelAI Diffusion V4.5 4BDE2A90"


def test_swarm_second_pass_and_loras() -> None:
    params = {
        "prompt": "a",
        "negativeprompt": "b",
        "model": "x/sdxl",
        "seed": 1,
        "steps": 20,
        "cfgscale": 7,
        "width": 64,
        "height": 64,
        "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras",
        "loras": ["f/one"],
        "loraweights": ["0.5"],
        "refinerupscale": 1.5,
        "refinersteps": 8,
        "refinercontrolpercentage": 0.4,
        "refinerupscalemethod": "model-4x.pth",
        "clipstopatlayer": -2,
    }
    told = said(json.dumps({"sui_image_params": params}))
    assert told["Prompt"] == "a <lora:one:0.5>" and (told["Sampler"], told["Clip skip"]) == ("DPM++ 2M SDE", "2")
    assert [told[f"Hires {name}"] for name in ("upscale", "steps", "upscaler")] == ["1.5", "8", "model-4x.pth"]


def test_fooocus_family() -> None:
    ruined = {
        "Prompt": "a",
        "Negative": "b",
        "steps": 5,
        "cfg": 2,
        "width": 64,
        "height": 64,
        "seed": 1,
        "sampler_name": "lcm",
        "scheduler": "simple",
        "base_model_name": "x.safetensors",
        "base_model_hash": "0123abcd",
        "loras": [["ff", "0.1 - low.safetensors"]],
    }
    told = said(json.dumps(ruined))
    assert told["Prompt"] == "a <lora:low:0.1>" and told["Model hash"] == "0123abcd" and told["Sampler"] == "LCM"
    log = {
        "Prompt": "a",
        "Negative Prompt": "",
        "Performance": "Speed",
        "Resolution": "(896, 1152)",
        "Guidance Scale": 4,
        "Base Model": "m",
        "Sampler": "dpmpp_2m_sde_gpu",
        "Scheduler": "karras",
        "Seed": 7,
        "LoRA 1": "off.safetensors : 1.65",
    }
    told = said(json.dumps(log))
    assert (told["Size-1"], told["Size-2"], told["Prompt"]) == ("896", "1152", "a <lora:off:1.65>")


def test_tensorart_takes_models_from_the_request_and_the_rest_from_the_graph() -> None:
    sampler = {"seed": 123, "steps": 30, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal", "latent_image": ["2", 0]}
    graph = {
        "1": {"class_type": "KSampler", "inputs": sampler},
        "2": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768}},
    }
    data = {"prompt": "a", "negativePrompt": "b", "seed": "-1", "baseModel": {"modelFileName": "m.safetensors", "hash": "0123456789"}}
    told = said(generation_data=json.dumps(data) + "\0", prompt=json.dumps(graph))
    assert (told["Seed"], told["Size-2"], told["Model"], told["Prompt"], told["Negative prompt"]) == ("123", "768", "m", "a", "b")


def test_easy_diffusion_as_json_and_as_lines() -> None:
    values = {
        "prompt": "a",
        "negative_prompt": "b",
        "seed": 4,
        "use_stable_diffusion_model": "d:\\x\\sd.ckpt",
        "clip_skip": True,
        "width": 64,
        "height": 64,
        "sampler_name": "dpmpp_2m",
        "num_inference_steps": 9,
        "guidance_scale": 6,
        "use_vae_model": None,
        "use_lora_model": ["one", "two"],
        "lora_alpha": [0.5, 1],
    }
    told = said(json.dumps(values))
    assert (told["Prompt"], told["Model"], told["Clip skip"]) == ("a <lora:one:0.5> <lora:two:1>", "sd", "2")
    lines = "Prompt: a\nNegative Prompt: b\nSeed: 4\nStable Diffusion model: sd\nSampler: euler_a\nSteps: 9\nGuidance Scale: 6\n"
    lines += "Width: 64\nHeight: 48"
    assert (said(lines)["Sampler"], said(lines)["Size-2"]) == ("Euler a", "48")


def test_draw_things_description_without_json() -> None:
    xmp = (
        "<xmp:CreatorTool>Draw Things</xmp:CreatorTool><dc:description><rdf:Alt><rdf:li xml:lang='x-default'>a &amp; b&#xA;-fog&#xA;"
        "Steps: 8, Sampler: DPM++ 2M Karras, Guidance Scale: 3.5, Seed: 9, Size: 64x128, Model: m.ckpt, Strength: 0.7"
        "</rdf:li></rdf:Alt></dc:description>"
    )
    told = said(**{"xmp": xmp})
    assert (told["Prompt"], told["Negative prompt"], told["Sampler"], told["Denoising strength"]) == ("a & b", "fog", "DPM++ 2M", "0.7")


def test_mochi_with_semicolons_and_in_lines() -> None:
    text = "Include in Image: a; b; Exclude from Image: c; Model: m; Steps: 6; Guidance Scale: 5.5; Seed: 1; Size: 64x64"
    assert said(tags={"ImageDescription": text})["Prompt"] == "a; b"
    lines = (
        "Include in Image: a\\nb\nExclude from Image: \nModel: m\nSteps: 6\nGuidance Scale: 5\nSeed: 1\nSize: 64x64\nMetadata Version: 2"
    )
    assert said(tags={"Caption": lines})["Prompt"] == "a\nb"


def test_midjourney_sygil_and_file_names() -> None:
    midjourney = recipe_of(Description="a castle --ar 16:9 --v 5 Job ID: 01234567-89ab-cdef-0123-456789abcdef")
    assert midjourney.infotext == "a castle" and "cannot be made again" in midjourney.warnings[0]
    assert said(**{"SD:prompt": "a", "SD:steps": "9", "SD:seed": "3", "SD:cfg_scale": "7", "SD:sampler_name": "k_lms"})["Sampler"] == "LMS"
    for name, seed in (("00014-1449410826.png", "1449410826"), ("000012.77.png", "77"), ("seed_27_00000.png", "27")):
        recipe = recipe_of(name=name)
        assert parse_infotext(recipe.infotext)["Seed"] == seed and "guessed" in recipe.warnings[0]
    assert recipe_of(name="a_photograph_of_an_astronaut_riding_a_horse.png").infotext == "a photograph of an astronaut riding a horse"
    assert read_recipe(PictureRecord(format="PNG", width=1, height=1, name="IMG 2041.jpg")) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a cat\r\nNegative prompt: dog\r\nSteps: 5, Sampler: Euler, Seed: 1, Size: 64x64", {"Prompt": "a cat", "Negative prompt": "dog"}),
        (
            "a cat.Negative prompt: dog.Steps: 5, Sampler: Euler, Seed: 1, Size: 64x64",
            {"Prompt": "a cat", "Negative prompt": "dog", "Seed": "1"},
        ),
        (
            "a cat\nNegative prompt: dog\nTemplate: a {cat|dog}\n"
            "Steps: 5, Seed: 1, Size: 64x64, App: SD.Next, Sampler: Euler FlowMatch, Sampler sigma: karras",
            {"Negative prompt": "dog", "Template": "a {cat|dog}", "Sampler": "Euler", "Schedule type": "Karras"},
        ),
        ("a\nSteps: 5, Seed: 1, Size: 64x64\nTemplate: b\nNegative Template: c", {"Steps": "5", "Template": "b", "Negative Template": "c"}),
        (
            'a\nSteps: 5, Seed: 1, Size: 64x64, Civitai resources: [{"type":"lora","modelName":"pix","weight":0.6}], '
            'Civitai metadata: {"steps":30,"prompt":"x, Seed: 9, y: z"}',
            {"Prompt": "a <lora:pix:0.6>", "Steps": "5", "Seed": "1"},
        ),
        (
            "a\nSteps: 4, CFG Scale: 2, Seed: 1, Size: 8 x 8, Sampler: dpmpp_sde_karras, "
            "Lora_0 Model name: x.safetensors, Lora_0 Strength model: 0.4",
            {"CFG scale": "2", "Size-1": "8", "Sampler": "DPM++ SDE", "Schedule type": "Karras", "Prompt": "a <lora:x:0.4>"},
        ),
        ("Postprocess upscale by: 4, Postprocess upscaler: 4x", {"Prompt": "", "Postprocess upscale by": "4"}),
        ("a\nSteps: 9, Seed: 1, Size: 512x768, First pass size: 0x0, Denoising strength: 0.7", {"Hires resize-2": 768, "Size-2": 640}),
    ],
    ids=range(8),
)
def test_infotexts_that_are_nearly_a1111s(text: str, wanted: dict[str, object]) -> None:
    told = parse_infotext(read_text(text).infotext)
    assert {name: told.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "sampler", "schedule"),
    [
        ("k_euler_ancestral", "Euler a", ""),
        ("DPM++ 2M Karras", "DPM++ 2M", "Karras"),
        ("dpmpp_2m_sde_gpu", "DPM++ 2M SDE", ""),
        ("Euler Ancestral Karras", "Euler a", "Karras"),
        ("Euler A Trailing", "Euler a", "Trailing"),
        ("euler discrete", "Euler", "Automatic"),
        ("FlowMatchEulerDiscreteScheduler", "Euler", ""),
        ("DPM2++ 2M FlowMatch", "DPM++ 2M", ""),
        ("dpm++2s_a", "DPM++ 2S a", ""),
        ("dpm++2mv2", "DPM++ 2M", ""),
        ("kdpm_2_a_k", "DPM2 a", "Karras"),
        ("DPMSolverMultistepScheduler", "DPM++ 2M", ""),
        ("res_multistep", "res_multistep", ""),
        ("er_sde_simple", "er_sde", "Simple"),
        ("dpmpp_3m", "dpmpp_3m", ""),
        ("Undefined", "", ""),
        ("[Forge] Flux Realistic", "[Forge] Flux Realistic", ""),
    ],
)
def test_sampler_names_of_every_program(name: str, sampler: str, schedule: str) -> None:
    assert sampler_words(name) == (sampler, schedule)


def test_schedule_names_and_the_table_of_dialects() -> None:
    words = ["karras", "sgm_uniform", "native", "ddim_uniform", "AYS", "KL Optimal", "linear_quadratic"]
    assert [schedule_word(word) for word in words] == [
        "Karras",
        "SGM Uniform",
        "Automatic",
        "DDIM",
        "Align Your Steps",
        "KL Optimal",
        "linear_quadratic",
    ]
    assert len({dialect.name for dialect in DIALECTS}) == len(DIALECTS) - 2, "A1111's comes three times"

    class Mine:
        name = "mine"

        def parse(self, record: PictureRecord) -> Recipe | None:
            return Recipe(self.name, "mine", record.text)

    mine = read_recipe(PictureRecord(format="PNG", width=1, height=1, text="x"), [Mine(), *DIALECTS])
    assert mine is not None and mine.infotext == "mine"
