"""ComfyUI graphs of the kinds that people make, each small: what is read from them, and what is left out."""

import json

import pytest

from app.metadata import parse_infotext, read_text
from tests.support.comfy_graphs import Nodes, base, changed, node, said


def test_one_pass() -> None:
    told = said(base())
    wanted = {
        "Prompt": "a castle",
        "Negative prompt": "fog",
        "Steps": "20",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": "6.5",
        "Seed": "11",
        "Size-1": "640",
        "Size-2": "448",
        "Model": "base",
    }
    assert {name: told[name] for name in wanted} == wanted
    assert "Denoising strength" not in told and "VAE" not in told


def test_two_passes_with_an_upscale_are_the_hires_fix() -> None:
    second = node(
        "KSampler",
        seed=12,
        steps=8,
        cfg=6.5,
        sampler_name="euler",
        scheduler="normal",
        denoise=0.45,
        model=["model", 0],
        positive=["good", 0],
        negative=["bad", 0],
        latent_image=["larger", 0],
    )
    larger = node("LatentUpscaleBy", samples=["pass", 0], upscale_method="nearest-exact", scale_by=1.5)
    told = said(changed(base(second=second, larger=larger), "decode", samples=["second", 0]))
    assert (told["Steps"], told["Seed"], told["Sampler"], told["Size-1"]) == ("20", "11", "DPM++ 2M", "640")
    assert (told["Hires steps"], told["Denoising strength"], told["Hires upscale"], told["Hires sampler"]) == ("8", "0.45", "1.5", "Euler")


def test_a_pass_without_noise_of_its_own_is_a_refiner() -> None:
    main = node(
        "KSamplerAdvanced",
        add_noise="enable",
        noise_seed=5,
        steps=25,
        cfg=7,
        sampler_name="euler",
        scheduler="normal",
        start_at_step=0,
        end_at_step=20,
        model=["model", 0],
        positive=["good", 0],
        negative=["bad", 0],
        latent_image=["latent", 0],
    )
    refine = changed({"x": main}, "x", add_noise="disable", noise_seed=6, start_at_step=20, model=["other", 0], latent_image=["pass", 0])[
        "x"
    ]
    other = node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors")
    told = said(changed(base(**{"pass": main}, refine=refine, other=other), "decode", samples=["refine", 0]))
    assert (told["Seed"], told["Model"], told["Refiner"], told["Refiner switch at"]) == ("5", "base", "refiner", "0.8")


def test_custom_samplers_with_a_guider() -> None:
    told = said(
        base(
            **{
                "pass": node(
                    "SamplerCustomAdvanced",
                    noise=["noise", 0],
                    guider=["guider", 0],
                    sampler=["sampler", 0],
                    sigmas=["split", 0],
                    latent_image=["latent", 0],
                ),
                "noise": node("RandomNoise", noise_seed=99),
                "guider": node("CFGGuider", model=["model", 0], positive=["flux", 0], negative=["bad", 0], cfg=["number", 0]),
                "flux": node("FluxGuidance", conditioning=["good", 0], guidance=3.5),
                "number": node("PrimitiveFloat", value=2.5),
                "sampler": node("KSamplerSelect", sampler_name="res_multistep"),
                "split": node("SplitSigmas", sigmas=["sigmas", 0], step=3),
                "sigmas": node("BasicScheduler", model=["model", 0], scheduler="beta", steps=12, denoise=0.8),
            }
        )
    )
    assert (told["Seed"], told["CFG scale"], told["Sampler"], told["Schedule type"], told["Steps"]) == (
        "99",
        "2.5",
        "res_multistep",
        "Beta",
        "12",
    )
    assert (told["Distilled CFG Scale"], told["Denoising strength"]) == ("3.5", "0.8")


@pytest.mark.parametrize(
    ("chain", "prompt"),
    [
        ({"p": node("ConditioningZeroOut", conditioning=["good", 0])}, ""),
        ({"p": node("ControlNetApply", conditioning=["good", 0], control_net=["c", 0], image=["i", 0], strength=1)}, "a castle"),
        ({"p": node("ControlNetApplyAdvanced", positive=["good", 0], negative=["bad", 0], image=["i", 0])}, "a castle"),
        (
            {
                "p": node("ConditioningCombine", conditioning_1=["good", 0], conditioning_2=["two", 0]),
                "two": node("CLIPTextEncode", text="dusk"),
            },
            "a castle\nAND dusk",
        ),
        (
            {
                "p": node("ConditioningConcat", conditioning_to=["good", 0], conditioning_from=["two", 0]),
                "two": node("CLIPTextEncode", text="dusk"),
            },
            "a castle\nBREAK dusk",
        ),
        ({"p": node("CLIPTextEncodeSDXL", text_g="hill", text_l="hill", clip=["model", 1])}, "hill"),
        ({"p": node("CLIPTextEncode", text=["s", 0]), "s": node("PrimitiveStringMultiline", value="from far")}, "from far"),
        (
            {
                "p": node("CLIPTextEncode", text=["s", 0]),
                "s": node("StringConcatenate", string_a="one", string_b=["t", 0], delimiter=", "),
                "t": node("ShowText|pysssss", text_0="two"),
            },
            "one, two",
        ),
        ({"p": node("ImpactWildcardEncode", wildcard_text="__x__", populated_text="red", clip=["model", 1])}, "red"),
        (
            {
                "p": node("CLIPTextEncode", text=["s", 0]),
                "s": node("ComfySwitchNode", switch=["b", 0], on_true="yes", on_false="no"),
                "b": node("PrimitiveBoolean", value=False),
            },
            "no",
        ),
        ({"p": node("CLIPTextEncode", text=["s", 0]), "s": node("OllamaGenerate", prompt="make one up")}, ""),
        ({"p": node("Context (rgthree)", base_ctx=["ctx", 0]), "ctx": node("Context (rgthree)", positive=["good", 0])}, "a castle"),
    ],
    ids=range(12),
)
def test_texts_through_chains(chain: Nodes, prompt: str) -> None:
    slot = 4 if "Context" in chain["p"]["class_type"] else 0
    assert said(changed(base(**chain), "pass", positive=["p", slot]))["Prompt"] == prompt


def test_loras_stand_in_the_prompt_in_the_order_in_which_they_are_applied() -> None:
    chain = {
        "one": node(
            "LoraLoader", model=["model", 0], clip=["model", 1], lora_name="a\\first.safetensors", strength_model=0.8, strength_clip=0.5
        ),
        "power": node(
            "Power Lora Loader (rgthree)",
            model=["one", 0],
            lora_1={"on": True, "lora": "second.safetensors", "strength": 0.3},
            lora_2={"on": False, "lora": "off.safetensors", "strength": 1},
        ),
        "apply": node("CR Apply LoRA Stack", model=["power", 0], lora_stack=["stack", 0]),
        "stack": node(
            "CR LoRA Stack",
            switch_1="On",
            lora_name_1="third.safetensors",
            model_weight_1=1.0,
            clip_weight_1=1.0,
            switch_2="Off",
            lora_name_2="off.safetensors",
            model_weight_2=1,
            clip_weight_2=1,
        ),
        "last": node("LoraLoaderModelOnly", model=["apply", 0], lora_name="fourth.safetensors", strength_model=0.25),
    }
    told = said(changed(base(**chain), "pass", model=["last", 0]))
    assert told["Prompt"] == "a castle <lora:first:0.8:te=0.5:unet=0.8> <lora:second:0.3> <lora:third:1> <lora:fourth:0.25>"
    assert told["Model"] == "base"


def test_clip_skip_vae_and_a_picture_to_start_from() -> None:
    nodes = base(
        skip=node("CLIPSetLastLayer", clip=["model", 1], stop_at_clip_layer=-2),
        own=node("VAELoader", vae_name="sharp.safetensors"),
        photo=node("LoadImage", image="a.png"),
        encode=node("VAEEncode", pixels=["photo", 0], vae=["own", 0]),
    )
    nodes = changed(changed(nodes, "good", clip=["skip", 0]), "decode", vae=["own", 0])
    told = said(changed(nodes, "pass", latent_image=["encode", 0], denoise=0.6))
    assert (told["Clip skip"], told["VAE"], told["Denoising strength"]) == ("2", "sharp.safetensors", "0.6")
    assert "Size-1" not in told


def test_the_workflow_alone_with_a_subgraph_a_reroute_and_a_bypass() -> None:
    workflow = {
        "nodes": [
            {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["base.safetensors"], "inputs": []},
            {"id": 2, "type": "sub-id", "inputs": [{"name": "clip", "type": "CLIP", "link": 1}], "outputs": [{"type": "CONDITIONING"}]},
            {
                "id": 3,
                "type": "CLIPTextEncode",
                "widgets_values": ["fog /* and mist */"],
                "inputs": [{"name": "clip", "type": "CLIP", "link": 2}],
            },
            {"id": 4, "type": "EmptyLatentImage", "widgets_values": [512, 768, 1], "inputs": []},
            {"id": 5, "type": "Reroute", "inputs": [{"name": "", "type": "*", "link": 3}], "outputs": [{"type": "LATENT"}]},
            {
                "id": 6,
                "type": "LoraLoaderModelOnly",
                "mode": 4,
                "widgets_values": ["off.safetensors", 1],
                "inputs": [{"name": "model", "type": "MODEL", "link": 4}],
                "outputs": [{"type": "MODEL"}],
            },
            {
                "id": 7,
                "type": "KSampler",
                "widgets_values": [7, "randomize", 30, 5.5, "euler_ancestral", "normal", 1],
                "inputs": [
                    {"name": "model", "type": "MODEL", "link": 5},
                    {"name": "positive", "type": "CONDITIONING", "link": 6},
                    {"name": "negative", "type": "CONDITIONING", "link": 7},
                    {"name": "latent_image", "type": "LATENT", "link": 8},
                ],
            },
            {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "type": "LATENT", "link": 9}]},
            {"id": 9, "type": "SaveImage", "widgets_values": ["x"], "inputs": [{"name": "images", "type": "IMAGE", "link": 10}]},
        ],
        "links": [
            [1, 1, 1, 2, 0, "CLIP"],
            [2, 1, 1, 3, 0, "CLIP"],
            [3, 4, 0, 5, 0, "*"],
            [4, 1, 0, 6, 0, "MODEL"],
            [5, 6, 0, 7, 0, "MODEL"],
            [6, 2, 0, 7, 1, "CONDITIONING"],
            [7, 3, 0, 7, 2, "CONDITIONING"],
            [8, 5, 0, 7, 3, "LATENT"],
            [9, 7, 0, 8, 0, "LATENT"],
            [10, 8, 0, 9, 0, "IMAGE"],
        ],
        "definitions": {
            "subgraphs": [
                {
                    "id": "sub-id",
                    "inputs": [{"name": "clip"}],
                    "outputs": [{"name": "CONDITIONING"}],
                    "nodes": [
                        {
                            "id": 1,
                            "type": "CLIPTextEncode",
                            "widgets_values": ["a castle"],
                            "inputs": [{"name": "clip", "type": "CLIP", "link": 1}],
                        }
                    ],
                    "links": [
                        {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0},
                        {"id": 2, "origin_id": 1, "origin_slot": 0, "target_id": -20, "target_slot": 0},
                    ],
                }
            ]
        },
    }
    told = parse_infotext(read_text(json.dumps(workflow)).infotext)
    assert (told["Prompt"], told["Negative prompt"], told["Model"]) == ("a castle", "fog", "base")
    assert (told["Seed"], told["Steps"], told["Sampler"], told["Size-2"]) == ("7", "30", "Euler a", "768")


def test_a_graph_without_a_sampler_says_so() -> None:
    record = read_text(json.dumps({"1": node("LoadImage", image="a.png"), "2": node("SaveImage", images=["1", 0])}))
    assert record.recipe is not None and record.infotext == "" and "no sampler" in record.recipe.warnings[0]
