"""ComfyUI: the graph that made the picture, in PNG chunks, EXIF tags or the EXIF comment."""

import re
from collections.abc import Iterator

from app.metadata.dialects.comfy.graph import Graph, Link, Node, api_graph, is_kind
from app.metadata.dialects.comfy.models import clip_skip_of, model_of, vae_of
from app.metadata.dialects.comfy.passes import Pass, adds_noise, main_pass, outputs_of, passes_of
from app.metadata.dialects.comfy.settings import PassSettings, settings_of, size_in
from app.metadata.dialects.comfy.switches import settled
from app.metadata.dialects.comfy.texts import Texts, conditioning_text
from app.metadata.dialects.comfy.workflow import ui_graph
from app.metadata.dialects.told import Told, model_name, number
from app.metadata.json_text import json_object
from app.metadata.record import PictureRecord, Recipe

_TAG = re.compile(r"\s*(prompt|workflow):\s*(?=\{)", re.IGNORECASE)
_MAX_OUTPUTS = 40
_FACTOR = re.compile(r"(?<![a-z0-9])(\d)x|x(\d)(?![a-z0-9])", re.IGNORECASE)


class ComfyUI:
    """Walks from the picture back; the main pass's settings are the picture's, those before it are hires fix or named in a warning."""

    name = "comfyui"

    def parse(self, record: PictureRecord) -> Recipe | None:
        """The settings; None for pictures without a graph. A graph without a sampler gives a warning and no settings."""
        found = next(_graphs(record), None)
        if found is None:
            return None
        graph, raw = found
        told = told_by_graph(graph, record)
        if told.is_empty:
            warning = "The ComfyUI graph in the picture has no sampler that is known here, so it tells no settings."
            return Recipe(self.name, "", raw, (*told.warnings, warning))
        return told.recipe(self.name, raw)


def graph_of(record: PictureRecord) -> Graph | None:
    """The picture's graph, in the API form where it has both."""
    found = next(_graphs(record), None)
    return found[0] if found else None


def _graphs(record: PictureRecord) -> Iterator[tuple[Graph, str]]:
    prompts: list[object] = [record.items.get("prompt")]
    workflows: list[object] = [record.items.get("workflow")]
    for text in record.tags.values():
        if mark := _TAG.match(text):
            (prompts if mark[1].casefold() == "prompt" else workflows).append(text[mark.end() :])
    if record.data:
        prompts += [record.data.get("prompt"), record.data]
        workflows += [record.data.get("workflow"), record.data]
    for said in prompts:
        if (graph := api_graph(json_object(said))) is not None:
            yield graph, said if isinstance(said, str) else record.text
    for said in workflows:
        if (graph := ui_graph(json_object(said))) is not None:
            yield graph, said if isinstance(said, str) else record.text


def told_by_graph(graph: Graph, record: PictureRecord) -> Told:
    """What a graph says of the picture that it made; nothing if it has no sampler."""
    told = Told()
    graph = settled(graph)
    chains = [(output, passes) for output in outputs_of(graph)[:_MAX_OUTPUTS] if (passes := passes_of(graph, output)[0])]
    if not chains:
        return told
    output, passes = _fitting(graph, chains, record)
    main = _main(graph, passes)
    first = _first_of_two(main)
    start = first or main
    own, last = settings_of(graph, start.node), settings_of(graph, main.node)
    _sampling(told, own)
    _texts(told, graph, own, last)
    size = size_in(graph, passes_of(graph, start.node)[1])
    if size is not None:
        told.put_size(_rounded(size[0]), _rounded(size[1]))
    _models(told, graph, own)
    _decoder(told, graph, output, start)
    script = _hires_script(graph, start)
    if first is not None:
        _hires(told, graph, main, own, last)
    elif script is not None:
        _scripted(told, graph, script)
    elif own.denoise is not None and own.denoise < 1:
        told.put("Denoising strength", own.denoise)
    refined = first is None and _refiner(told, graph, main, passes, own)
    others = len([one for one in passes if not one.is_repair]) - (2 if first or refined else 1)
    if others > 0:
        told.warnings.append(
            f"The graph has {others} more sampling {'passes' if others > 1 else 'pass'} than can be told here; the main one is shown."
        )
    return told


def _refiner(told: Told, graph: Graph, main: Pass, passes: list[Pass], own: PassSettings) -> bool:
    """A1111's refiner, if that is what goes on with the main pass: another checkpoint from some step on, without new noise."""
    after = next((one for one in passes if main in one.before and not one.is_repair and not adds_noise(graph, one.node)), None)
    if after is None:
        return False
    model = model_of(graph, settings_of(graph, after.node).model).name
    start, steps = number(graph.number(after.node, "start_at_step")), number(own.steps)
    if not model or model == model_of(graph, own.model).name or not start or not steps or start >= steps:
        return False
    told.put("Refiner", model_name(model))
    told.put("Refiner switch at", round(start / steps, 4))
    return True


def _rounded(side: str) -> int:
    return int(number(side) or 0)


def _main(graph: Graph, passes: list[Pass]) -> Pass:
    """The main pass; stage C for Stable Cascade, whose second stage only decodes."""
    main = main_pass(graph, passes, None)
    stage_c = conditioning_text(graph, settings_of(graph, main.node).positive, "positive").stage_c
    return main_pass(graph, passes, stage_c) if stage_c is not None else main


def _fitting(graph: Graph, chains: list[tuple[Node, list[Pass]]], record: PictureRecord) -> tuple[Node, list[Pass]]:
    """The output that this file comes from: the one whose size fits, else the one with the most passes before it."""
    for output, passes in chains if len(chains) > 1 else []:
        main = _main(graph, passes)
        size = None if main.is_upscaled or _first_of_two(main) else size_in(graph, passes_of(graph, main.node)[1])
        if size is not None and (_rounded(size[0]), _rounded(size[1])) == (record.width, record.height):
            return output, passes
    return max(chains, key=lambda chain: len([one for one in chain[1] if not one.is_repair]))


def _first_of_two(main: Pass) -> Pass | None:
    """The pass before the main one if the two are A1111's hires fix: an upscale between them, and nothing before."""
    before = [one for one in main.before if not one.is_repair]
    return before[0] if len(before) == 1 and main.is_upscaled and not [one for one in before[0].before if not one.is_repair] else None


def _sampling(told: Told, own: PassSettings) -> None:
    told.put("Steps", own.steps)
    told.put_sampler(own.sampler, own.scheduler)
    told.put("CFG scale", "1" if own.guides_without_negative else own.cfg)
    told.put("Seed", own.seed)


def _texts(told: Told, graph: Graph, own: PassSettings, last: PassSettings) -> None:
    positive = conditioning_text(graph, own.positive, "positive")
    negative = conditioning_text(graph, own.negative, "negative") if own.negative is not None else Texts()
    if not positive.parts and last is not own:
        positive = conditioning_text(graph, last.positive, "positive")
    told.prompt, told.negative = positive.text, negative.text
    told.put("Distilled CFG Scale", positive.guidance)
    told.put("Clip skip", clip_skip_of(graph, positive.encoder or negative.encoder))
    if not positive.is_whole:
        told.warnings.append("Some of the prompt was computed while the graph ran, and is not in the picture.")


def _models(told: Told, graph: Graph, own: PassSettings) -> None:
    model = model_of(graph, own.model)
    if model.name and model.name.startswith("urn:air:"):
        told.keep({"Checkpoint": model.name})
    else:
        told.put_model(model.name)
    if model.others:
        told.keep({"Merged with": ", ".join(model_name(name) for name in model.others)})
        told.warnings.append("The graph merges several checkpoints; the first one is shown.")
    for name, weight, clip in model.loras:
        told.put_lora(name, weight, clip)


def _decoder(told: Told, graph: Graph, output: Node, start: Pass) -> None:
    walked = passes_of(graph, output)[1]
    decoders = [node for node in walked if is_kind(node, "vaedecode")]
    names = ("vae", "optional_vae", "basic_pipe", "pipe", "context")
    links = (node.inputs.get(name) for node in [*decoders, start.node] for name in names)
    link = next((value for value in links if isinstance(value, Link)), None)
    told.put("VAE", model_file(vae_of(graph, link)))


def model_file(name: str | None) -> str | None:
    """A file's name without its folder."""
    return name.replace("\\", "/").rsplit("/", 1)[-1] if name else None


def _hires_script(graph: Graph, start: Pass) -> Node | None:
    """The second pass that a script node hangs on a sampler, whose inputs name it."""
    source = graph.source(start.node, "script")
    for _ in range(10):
        if source is None or is_kind(source[0], "highresfix", "hiresfix"):
            break
        source = graph.source(source[0], "script")
    return source[0] if source is not None else None


def _scripted(told: Told, graph: Graph, script: Node) -> None:
    told.put("Denoising strength", graph.number(script, "denoise"))
    told.put("Hires steps", graph.number(script, "hires_steps"))
    told.put("Hires upscale", graph.number(script, "upscale_by"))
    upscaler = "pixel_upscaler" if graph.word(script, "upscale_type") == "pixel" else "latent_upscaler"
    told.put("Hires upscaler", model_name(graph.word(script, upscaler)))


def _hires(told: Told, graph: Graph, main: Pass, own: PassSettings, last: PassSettings) -> None:
    told.put("Denoising strength", last.denoise)
    told.put("Hires steps", last.steps)
    other = Told()
    other.put_sampler(last.sampler, last.scheduler)
    for label, hires in (("Sampler", "Hires sampler"), ("Schedule type", "Hires schedule type")):
        if other.fields.get(label, told.fields.get(label)) != told.fields.get(label):
            told.put(hires, other.fields.get(label))
    if number(last.cfg) != number(own.cfg):
        told.put("Hires CFG Scale", last.cfg)
    if model_of(graph, last.model).name != model_of(graph, own.model).name:
        told.put("Hires checkpoint", model_name(model_of(graph, last.model).name))
    factor, named = 1.0, None
    size: tuple[str | None, str | None] | None = None
    for node in main.between:
        loader = graph.source(node, "upscale_model")
        if loader is not None:
            named = graph.word(loader[0], "model_name") or named
            found = _FACTOR.search(named or "")
            factor *= float(found[1] or found[2]) if found else 0
        factor *= number(graph.number(node, "scale_by", "upscale_by", "rescale_factor")) or 1
        if size is None and is_kind(node, "upscale", "scale", "resize"):
            sides = graph.number(node, "width"), graph.number(node, "height")
            size = sides if None not in sides else None
        named = named or graph.word(node, "upscale_method")
    told.put("Hires upscaler", model_name(named) if named else None)
    if size is not None:
        told.put_size(size[0], size[1], label="Hires resize")
    elif factor not in (0, 1):
        told.put("Hires upscale", factor)
