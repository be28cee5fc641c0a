// The sub-tabs of img2img: what each paints, and what of the tab it shows.

import { h } from "./dom.js";

const KEPT = "darkroom.img2img.mode";

/** `paint`: the layer that is painted on; `masks`: whether only what is painted is drawn anew. */
export const MODES = {
  img2img: { title: "img2img", hint: "The whole picture is drawn anew." },
  sketch: { title: "Sketch", paint: "colour", hint: "Paint on the picture; the whole of it is drawn anew." },
  inpaint: { title: "Inpaint", paint: "mask", masks: true, hint: "Paint over what should be drawn anew." },
  inpaint_sketch: { title: "Inpaint sketch", paint: "colour", masks: true, hint: "Paint what should be there; only that is drawn anew." },
  inpaint_upload: { title: "Inpaint upload", paint: "mask", masks: true, hint: "Choose a mask file; what is white in it is drawn anew." },
  outpaint: { title: "Outpaint", paint: "room", masks: true, hint: "Say how much room to add; the picture is continued there." },
  batch: { title: "Batch", hint: "Every picture is drawn anew with these settings, one job each." },
};

export class ModeStrip {
  /** `onChange(mode)` is called with the name of each mode that is chosen. */
  constructor(onChange) {
    this.onChange = onChange;
    this.buttons = Object.entries(MODES).map(([mode, { title }]) => h("button", { type: "button", role: "tab", id: `img2img_${mode}_tab`,
      "data-mode": mode, onclick: () => this.choose(mode) }, title));
    this.node = h("div", { class: "dk-subtabs", id: "mode_img2img", role: "tablist", "aria-label": "Kind of img2img", onkeydown: (event) => this.key(event) },
      ...this.buttons);
    let kept = null;
    try {
      kept = localStorage.getItem(KEPT);
    } catch {
      // Storage is forbidden: the first mode it is.
    }
    this.mode = kept in MODES ? kept : "img2img";
  }

  choose(mode) {
    this.mode = mode;
    try {
      localStorage.setItem(KEPT, mode);
    } catch {
      // The mode is forgotten with the page.
    }
    this.draw();
    this.onChange(mode);
  }

  draw() {
    document.body.dataset.img2img = this.mode;
    for (const button of this.buttons) {
      const on = button.dataset.mode === this.mode;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    }
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const at = this.buttons.findIndex((button) => button.dataset.mode === this.mode);
    const next = this.buttons.at((at + step) % this.buttons.length);
    this.choose(next.dataset.mode);
    next.focus();
  }
}
