"""The page's few events: Generate, fill from an infotext, choose a checkpoint, apply settings, load. None waits for a picture."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.components import Component

from app.jobs.options import TEXT_ENCODER as TEXT_ENCODER_OPTION
from app.models import ModelFile, chosen_checkpoint, text_encoder_named
from app.schema.errors import DarkroomError, UnknownName
from app.schema.params import Mode
from app.ui.parts.batch import submit_batch
from app.ui.parts.draft import Draft, read_draft
from app.ui.parts.events import QUIET, RAW, script
from app.ui.parts.fields import control_update, named
from app.ui.parts.fill import fill_from_infotext
from app.ui.parts.folded import CHECKPOINTS, checkpoint_field_choices
from app.ui.parts.generation import GenerationTab
from app.ui.parts.handlers import Handler, answering
from app.ui.parts.overrides import overrides_for, overrides_update
from app.ui.parts.picture_info import picture_info
from app.ui.parts.reproduce import reproduce
from app.ui.parts.services import PageParts
from app.ui.parts.start import StartValues, start_values
from app.ui.parts.style_editor import wire_style_editor
from app.ui.parts.submit import Answer, Asked, submit
from app.ui.parts.top import CHECKPOINT_OPTION, CLIP_SKIP_OPTION, Top, checkpoint_choices, shows_clip_skip
from app.ui.parts.upscale import upscale_values
from app.ui.tabs.settings import SettingsTab, setting_update

SHARED = ("checkpoint", "clip_skip")
SIZES = ("width", "height")


@dataclass(frozen=True)
class Post:
    """How our scripts and the handlers talk: letters come in with a press of a hidden button, answers go back."""

    letter: gr.Textbox
    answer: gr.JSON


@dataclass(frozen=True)
class Page:
    """The page's built parts, and the handlers of their events."""

    parts: PageParts
    top: Top
    tabs: Mapping[Mode, GenerationTab]
    settings: SettingsTab
    post: Post

    def wire(self, blocks: gr.Blocks, strip: gr.Tabs) -> None:
        """Connects everything; `strip` holds the tabs."""
        for mode, tab in self.tabs.items():
            self._wire_generate(mode, tab)
            self._wire_fill(mode, tab)
            self._wire_styles(tab)
            self._wire_draft(tab)
        self._wire_upscale(self.tabs["txt2img"])
        self._wire_checkpoint()
        self._wire_png_info()
        self._wire_settings()
        self._wire_load(blocks)
        # A picture's size, which static/js/start_size.js tells.
        sides = [self.tabs["img2img"].controls[name] for name in SIZES]
        hidden_button("img2img_size").click(None, None, sides, js=script("JSON.parse(darkroom.takeLetter('img2img_size'))"), **QUIET)
        # A narrow window hides tabs in a menu, where no script can press them.
        js = script("({ __type__: 'update', selected: darkroom.takeLetter('show_tab') })")
        hidden_button("show_tab").click(None, None, strip, js=js, **QUIET)

    def _shared(self) -> list[Component]:
        return [self.top.checkpoint, self.top.clip_skip]

    def _handle(
        self, listen: Callable[..., Any], handler: Handler, inputs: Sequence[Component], outputs: Sequence[Component], **how: Any
    ) -> Any:
        """Connects a handler whose answer, the last output, is told on the page; `outputs` are those before it. Gives the event back."""
        all_outputs = [*outputs, self.post.answer]
        event = listen(answering(handler, inputs, all_outputs), [*inputs], all_outputs, **{**RAW, **how})
        event.then(None, self.post.answer, None, js=script("darkroom.readAnswer(values[0])"), **QUIET)
        return event

    def _asker(self, request: gr.Request) -> dict[str, str]:
        return {"client": self.parts.client_of(request.request), "user": self.parts.user_of(request.request)}

    def _wire_generate(self, mode: Mode, tab: GenerationTab) -> None:
        names = (*tab.controls, *SHARED)

        def generate(request: gr.Request, *values: Any) -> dict[str, Any]:
            *given, overrides, styles, letter = values
            fields, scripted = given[: len(names)], given[len(names) :]
            told = _read_letter(letter)
            if told.get("problem"):
                return Answer(error=str(told["problem"])).as_json()
            asker = self._asker(request)
            asked = Asked(mode=mode, values=named(names, fields), overrides=overrides, styles=styles or [], **_start_of(told))
            asked = replace(asked, script=tab.scripts.call(scripted))
            if isinstance(told.get("batch"), list):
                return submit_batch(self.parts, asked, told, **asker).as_json()
            return submit(self.parts, asked, **asker).as_json()

        inputs = [*tab.controls.values(), *self._shared(), *tab.scripts.inputs, tab.overrides, tab.styles, self.post.letter]
        js = script(f"darkroom.collect('{mode}', values)")
        self._handle(tab.generate.click, generate, inputs, [], js=js, trigger_mode="multiple")

    def _wire_upscale(self, tab: GenerationTab) -> None:
        names = (*tab.controls, *SHARED)

        def upscale(request: gr.Request, *values: Any) -> dict[str, Any]:
            *fields, overrides, letter = values
            told = _read_letter(letter)
            wanted = upscale_values(told, named(names, fields), self.parts.catalog)
            asked = Asked(mode="txt2img", values=wanted, overrides=overrides, images=_texts(told.get("images")))
            return submit(self.parts, asked, **self._asker(request)).as_json()

        inputs = [*tab.controls.values(), *self._shared(), tab.overrides, self.post.letter]
        js = script("[...values.slice(0, -1), darkroom.takeLetter('upscale_txt2img')]")
        self._handle(hidden_button("upscale_txt2img").click, upscale, inputs, [], js=js, trigger_mode="multiple")

    def _wire_fill(self, mode: Mode, tab: GenerationTab) -> None:
        def fill(text: str | None, leave: Sequence[str] = (), chunk: str = "") -> list[Any]:
            options = self.parts.options.view()
            scripts = tab.scripts.scripts
            filling = fill_from_infotext(text or "", self.parts.catalog, leave=leave, chunk=chunk, scripts=scripts, mode=mode)
            updates: list[Any] = [control_update(name, filling.values.get(name)) for name in tab.controls]
            checkpoint = gr.update(value=filling.checkpoint.filename) if filling.checkpoint else gr.skip()
            clip_skip = filling.values.get("clip_skip")
            shown = shows_clip_skip(options, clip_skip)
            overrides = overrides_update(overrides_for(filling.values, options) if filling.is_whole else ())
            script_ = tab.scripts.told(filling.script) if filling.is_whole else tab.scripts.updates({})
            answer = Answer(warnings=filling.warnings, notes=filling.notes)
            return [*updates, checkpoint, control_update("clip_skip", clip_skip, visible=shown), overrides, *script_, answer.as_json()]

        def fill_asked(letter: str) -> list[Any]:
            asked = _read_letter(letter)
            return fill(str(asked.get("text", "")), _texts(asked.get("leave")), str(asked.get("chunk", "")))

        pressed = hidden_button(f"fill_{mode}")
        outputs = [*tab.controls.values(), *self._shared(), tab.overrides, *tab.scripts.inputs]
        js = script(f"darkroom.takeLetter('fill_{mode}')")
        self._handle(pressed.click, fill_asked, [self.post.letter], outputs, js=js, trigger_mode="multiple")
        # A1111's arrow: what stands in the prompt box may be a whole infotext.
        self._handle(tab.paste.click, fill, [tab.controls["prompt"]], outputs, js="(text) => text", trigger_mode="multiple")

    def _wire_styles(self, tab: GenerationTab) -> None:
        def apply(prompt: str | None, negative: str | None, styles: list[str] | None) -> list[Any]:
            return [*self.parts.styles.apply(prompt or "", negative or "", styles or []), [], Answer().as_json()]

        prompts: list[Component] = [tab.controls["prompt"], tab.controls["negative_prompt"], tab.styles]
        self._handle(tab.apply_styles.click, apply, prompts, prompts)
        editor = tab.style_editor
        self._handle(editor.apply.click, apply, prompts, prompts)
        editor.copy.click(None, prompts[:2], [editor.prompt, editor.negative], js="(prompt, negative) => [prompt, negative]", **QUIET)
        others = [other.styles for other in self.tabs.values() if other is not tab]
        wire_style_editor(editor, tab.edit_styles, [tab.styles, *others], self.parts.styles, self._handle)

    def _wire_draft(self, tab: GenerationTab) -> None:
        names = (*tab.controls, *SHARED, "overrides", *tab.scripts.names)
        kept: list[Any] = [*tab.controls.values(), *self._shared(), tab.overrides, *tab.scripts.inputs]
        gr.on(
            [control.change for control in kept],
            None,
            kept,
            None,
            js=f"(...values) => window.darkroom?.changed('{tab.name}', {json.dumps(names)}, values)",
            trigger_mode="always_last",
            **QUIET,
        )

    def _wire_checkpoint(self) -> None:
        sizes = [tab.controls[name] for tab in self.tabs.values() for name in SIZES]

        def choose(wanted: str | None, *sides: Any) -> list[Any]:
            model = self.parts.catalog.find(str(wanted or ""))
            self.parts.options.set_many({CHECKPOINT_OPTION: model.title})
            # A file may have come since the page was opened: a value that is no choice would show as nothing.
            choices = checkpoint_choices(self.parts.catalog.checkpoints())
            return [gr.update(choices=choices, value=model.filename), *self._native_sizes(model, sides), Answer().as_json()]

        outputs = [self.top.checkpoint, *sizes]
        js = script("[darkroom.takeLetter('choose_model'), ...values.slice(1)]")
        pressed = hidden_button("choose_model")
        self._handle(self.top.checkpoint.input, choose, outputs, outputs)
        self._handle(pressed.click, choose, [self.post.letter, *sizes], outputs, js=js)

        def refresh(shown: str | None) -> list[Any]:
            self.parts.catalog.refresh()
            choices = checkpoint_choices(self.parts.catalog.checkpoints())
            further = [gr.update(choices=checkpoint_field_choices(name, choices)) for _, name in fields]
            update, answer = gr.update(choices=choices), Answer()
            if shown not in [filename for _, filename in choices]:  # renamed, moved, thrown away, or the first one has come
                model = usual_checkpoint(self.parts)
                update = gr.update(choices=choices, value=model.filename if model else None)
                if shown and model:
                    answer = Answer(warnings=(f"The checkpoint {shown} is not there any more under that name; {model.filename} is used.",))
            return [update, *further, *self._style_updates(), answer.as_json()]

        fields = [(tab, name) for tab in self.tabs.values() for name in tab.controls if name in CHECKPOINTS]
        further: list[Component] = [tab.controls[name] for tab, name in fields]
        outputs = [self.top.checkpoint, *further, *(tab.styles for tab in self.tabs.values())]
        event = self._handle(self.top.refresh.click, refresh, [self.top.checkpoint], outputs)
        event.then(None, None, None, js=script("darkroom.modelsChanged()"), **QUIET)

    def _native_sizes(self, model: ModelFile, sides: Sequence[Any]) -> list[Any]:
        """Another checkpoint's native size becomes this one's; a size that somebody chose stays."""
        natives = {other.facts.native_size_px for other in self.parts.catalog.checkpoints() if other.facts}
        if model.facts is None:
            return [gr.skip()] * len(sides)
        own = model.facts.native_size_px
        pairs = zip(sides[::2], sides[1::2], strict=True)
        follows = [width == height and width in natives and width != own for width, height in pairs]
        return [control_update(name, own if follow else None) for follow in follows for name in SIZES]

    def _wire_png_info(self) -> None:
        scripts = self.tabs["txt2img"].scripts.scripts

        def read(letter: str) -> dict[str, Any]:
            asked = _read_letter(letter)
            return {"id": asked.get("id"), **picture_info(asked, self.parts.catalog, self.parts.settings, scripts)}

        def again(request: gr.Request, letter: str) -> dict[str, Any]:
            asked = _read_letter(letter)
            return {"id": asked.get("id"), **reproduce(self.parts, asked, **self._asker(request)).as_json()}

        for name, handler in (("read_picture", read), ("reproduce", again)):
            js, answer = script(f"darkroom.takeLetter('{name}')"), self.post.answer
            guarded = answering(handler, [self.post.letter], [answer])
            event = hidden_button(name).click(guarded, self.post.letter, answer, js=js, trigger_mode="multiple", **RAW)
            event.then(None, self.post.answer, None, js=script("darkroom.pictureRead(values[0])"), **QUIET)

    def _wire_settings(self) -> None:
        names = tuple(self.settings.controls)

        def apply(*values: Any) -> list[Any]:
            wanted = named(names, values)
            reader = wanted.get(TEXT_ENCODER_OPTION)
            if isinstance(reader, str) and reader != self.parts.options.get(TEXT_ENCODER_OPTION):
                wanted[TEXT_ENCODER_OPTION] = text_encoder_named(self.parts.catalog, reader)
            changed = self.parts.options.set_many(wanted)
            said = f"Settings applied; {len(changed)} changed." if changed else "Nothing was changed."
            options = self.parts.options.get_all()
            return [
                control_update("clip_skip", options[CLIP_SKIP_OPTION], visible=shows_clip_skip(options)),
                Answer(notes=(said,)).as_json(),
            ]

        self._handle(self.settings.apply.click, apply, list(self.settings.controls.values()), [self.top.clip_skip])

    def _wire_load(self, blocks: gr.Blocks) -> None:
        def load(letter: str | None) -> list[Any]:
            draft = read_draft(letter or "")
            options = self.parts.options.get_all()
            chosen = opening_checkpoint(self.parts, draft)
            start = start_values(chosen.facts if chosen else None)
            clip_skip = draft.clip_skip if shows_clip_skip(options) and draft.clip_skip else options[CLIP_SKIP_OPTION]
            choices = checkpoint_choices(self.parts.catalog.checkpoints())
            updates: list[Any] = [
                gr.update(choices=choices, value=chosen.filename if chosen else None),
                control_update("clip_skip", clip_skip, visible=shows_clip_skip(options)),
                *self._style_updates(),
            ]
            for mode, tab in self.tabs.items():
                for name in tab.controls:
                    more = {"choices": checkpoint_field_choices(name, choices)} if name in CHECKPOINTS else {}
                    updates.append(control_update(name, _first_value(name, draft, mode, start), **more))
                updates += [overrides_update(draft.overrides[mode]), *tab.scripts.updates(draft.scripts[mode])]
            updates += [setting_update(control, options[name]) for name, control in self.settings.controls.items()]
            return [*updates, Answer().as_json()]

        controls = [control for tab in self.tabs.values() for control in (*tab.controls.values(), tab.overrides, *tab.scripts.inputs)]
        outputs = [*self._shared(), *(tab.styles for tab in self.tabs.values()), *controls, *self.settings.controls.values()]
        js = "() => localStorage.getItem('darkroom.draft') ?? ''"
        event = self._handle(blocks.load, load, [self.post.letter], outputs, js=js)
        prompts = [tab.controls[name] for tab in self.tabs.values() for name in ("prompt", "negative_prompt")]
        event.then(None, prompts, None, js=script("darkroom.loaded(values)"), **QUIET)

    def _style_updates(self) -> list[Any]:
        try:
            names = [style.name for style in self.parts.styles.list()]
        except DarkroomError:
            names = []
        return [gr.update(choices=names)] * len(self.tabs)


def opening_checkpoint(parts: PageParts, draft: Draft) -> ModelFile | None:
    """The browser's own last checkpoint if it is still here and sound, else what a job without a wish gets."""
    if draft.checkpoint:
        try:
            found = parts.catalog.find(draft.checkpoint)
        except UnknownName:
            found = None
        if found is not None and found.problem is None:
            return found
    return usual_checkpoint(parts)


def usual_checkpoint(parts: PageParts) -> ModelFile | None:
    """What a job without a wish gets; None: there is none."""
    return chosen_checkpoint(parts.catalog, str(parts.options.get(CHECKPOINT_OPTION) or ""))


def build_post() -> Post:
    """Two components that are never shown."""
    return Post(gr.Textbox(visible=False), gr.JSON(visible=False))


def hidden_button(name: str) -> gr.Button:
    """A button that only our scripts press (static/js/letters.js)."""
    return gr.Button(name, elem_id=f"dk_{name}", visible="hidden")


def _first_value(name: str, draft: Draft, mode: Mode, start: StartValues) -> object:
    """What a field holds when the page opens: what it held when it was left, else what suits the checkpoint."""
    kept = draft.fields[mode].get(name)
    if kept is not None:
        return kept
    suits = {"prompt": start.prompt, "steps": start.steps, "cfg_scale": start.cfg_scale, "width": start.size_px, "height": start.size_px}
    return suits.get(name)


def _read_letter(letter: object) -> dict[str, Any]:
    """The JSON object in a letter; empty for anything else, because letters come from a browser."""
    try:
        found = json.loads(str(letter or "{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _start_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a job starts from, of a letter of static/js/input_picture.js."""
    return {"images": _texts(told.get("images")), "mask": str(told.get("mask") or ""), "scaled": told.get("by") is True}


def _texts(told: object) -> tuple[str, ...]:
    """The texts of a list in a letter; none for anything else."""
    return tuple(str(text) for text in told) if isinstance(told, list) else ()
