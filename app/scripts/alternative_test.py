"""img2img alternative test: the picture is taken apart into noise under one prompt and drawn again under another."""

from app.schema.inversion import Inversion
from app.schema.params import Mode
from app.scripts.arguments import Argument, Given, note, number, switch, text, whole
from app.scripts.script import Draw, Drawn, Outcome, Plan, Script, Setting, Steps, Task


def _arguments(mode: Mode) -> tuple[Argument, ...]:
    return (
        note("* `CFG Scale` should be 2 or lower."),
        switch("sampler", "Override `Sampling method` to Euler?(this method is built for it)", True),
        switch("prompt", "Override `prompt` to the same value as `original prompt`?(and `negative prompt`)", True),
        text("original", "Original prompt"),
        text("original_negative", "Original negative prompt"),
        switch("steps", "Override `Sampling Steps` to the same value as `Decode steps`?", True),
        whole("decode_steps", "Decode steps", 50, 1, 150, most=1000),
        switch("strength", "Override `Denoising strength` to 1?", True),
        number("decode_cfg", "Decode CFG scale", 1.0, 0, 15, 0.1, most=1000),
        number("randomness", "Randomness", 0.0, 0, 1),
        switch("adjusted", "Sigma adjustment for finding noise for image"),
    )


def _plan(setting: Setting, given: Given) -> Plan:
    changes: dict[str, object] = {
        "inversion": Inversion(
            prompt=given.text("original"),
            negative_prompt=given.text("original_negative"),
            steps=given.whole("decode_steps"),
            cfg_scale=given.number("decode_cfg"),
            randomness=given.number("randomness"),
            sigma_adjustment=given.switch("adjusted"),
        )
    }
    if given.switch("sampler"):
        changes["sampler"] = "Euler"
    if given.switch("prompt"):
        changes |= {"prompt": given.text("original"), "negative_prompt": given.text("original_negative")}
    if given.switch("steps"):
        changes["steps"] = given.whole("decode_steps")
    if given.switch("strength"):
        changes["denoising_strength"] = 1.0
    told = {
        "Decode prompt": given.text("original"),
        "Decode negative prompt": given.text("original_negative"),
        "Decode CFG scale": str(given.number("decode_cfg")),
        "Decode steps": str(given.whole("decode_steps")),
        "Randomness": str(given.number("randomness")),
        "Sigma Adjustment": str(given.switch("adjusted")),
    }
    return Plan(_steps(Task(params=setting.changed(**changes), shown=0, extras=told)), 1, opens=False)


def _steps(task: Task) -> Steps:
    drawn: Drawn = yield Draw((task,))
    numbers = tuple(range(len(drawn[0])))
    return Outcome(
        images=numbers,
        infotexts=numbers,
        seeds=tuple(picture.seed for picture in drawn[0]),
        prompts=(task.params.prompt,) * len(numbers),
        negative_prompts=(task.params.negative_prompt,) * len(numbers),
    )


ALTERNATIVE_TEST = Script("img2img alternative test", "img2img alternative test", ("img2img",), _arguments, _plan)
