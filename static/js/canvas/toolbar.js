// The canvas's tools: what paints, how wide and how soft, what takes back, and what is seen.

import { h, iconButton } from "../dom.js";

const LEAST_SHARE = 0.002;
const MOST_SHARE = 0.5;
const SIZE_STEPS = 100;

export const KEYS = [
  ["B, E", "brush, eraser (or the right mouse button)"],
  ["[ and ]", "smaller, larger brush (Alt and the wheel)"],
  ["Shift and [ ]", "softer, harder brush"],
  ["Shift and a click", "a straight line from the last point"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["Ctrl and the wheel, + and -", "zoom"],
  ["Space or the middle button", "move the picture; two fingers move and zoom"],
  ["0", "the whole picture"],
  ["I, Delete", "invert the mask, remove all paint"],
  ["M", "show or hide the paint"],
  ["F", "the whole window"],
  ["Alt and a click", "take a colour from the picture"],
];

/** Share of the picture's longer side at a place of the size slider: wide brushes lie as near each other as fine ones. */
export const shareAt = (place) => LEAST_SHARE * (MOST_SHARE / LEAST_SHARE) ** (place / SIZE_STEPS);
export const placeOf = (share) => (SIZE_STEPS * Math.log(share / LEAST_SHARE)) / Math.log(MOST_SHARE / LEAST_SHARE);

const group = (label, ...nodes) => h("div", { class: "dk-tool-group", role: "group", "aria-label": label }, ...nodes);

export class Toolbar {
  /** `editor`: choose(tool), setBrush(change), undo(), redo(), clear(), invert(), toggleShown(), zoomBy(factor), fit(), toggleFull(). */
  constructor(editor, prefix) {
    this.editor = editor;
    const tool = (icon, label, act, name) => iconButton(icon, label, act, { id: `${prefix}_${name}` });
    this.tools = {
      brush: tool("brush", "Brush (B)", () => editor.choose("brush"), "brush"),
      eraser: tool("eraser", "Eraser (E)", () => editor.choose("eraser"), "eraser"),
      dropper: tool("dropper", "Take a colour from the picture (Alt and a click)", () => editor.choose("dropper"), "dropper"),
    };
    this.colour = h("input", { type: "color", id: `${prefix}_colour`, class: "dk-colour", title: "Colour", "aria-label": "Colour",
      oninput: () => editor.setBrush({ colour: this.colour.value }) });
    this.size = this.slider(prefix, "size", "Size", SIZE_STEPS, (value) => ({ share: shareAt(value) }));
    this.hardness = this.slider(prefix, "hardness", "Hardness", 100, (value) => ({ hardness: value / 100 }));
    this.undo = tool("undo", "Undo (Ctrl+Z)", () => editor.undo(), "undo");
    this.redo = tool("redo", "Redo (Ctrl+Shift+Z)", () => editor.redo(), "redo");
    this.invert = tool("invert", "Invert the mask (I)", () => editor.invert(), "invert");
    this.shown = tool("eye", "Show the paint (M)", () => editor.toggleShown(), "shown");
    this.full = tool("full", "Whole window (F)", () => editor.toggleFull(), "full");
    this.zoomed = h("output", { class: "dk-zoom", "aria-label": "Zoom" });
    this.painting = h("div", { class: "dk-tools-row", role: "toolbar", "aria-label": "Painting" },
      group("Tools", this.tools.brush, this.tools.eraser, this.tools.dropper, this.colour),
      group("Steps", this.undo, this.redo, tool("trash", "Remove all paint (Delete)", () => editor.clear(), "clear"), this.invert, this.shown),
      h("div", { class: "dk-tool-sliders" }, this.size.node, this.hardness.node));
    this.looking = h("div", { class: "dk-tools-row dk-tools-looking", role: "toolbar", "aria-label": "View" },
      tool("zoom-out", "Smaller (-)", () => editor.zoomBy(1 / 1.4), "zoom_out"), this.zoomed,
      tool("zoom-in", "Larger (+)", () => editor.zoomBy(1.4), "zoom_in"),
      tool("fit", "The whole picture (0)", () => editor.fit(), "fit"), this.full,
      tool("keys", "Keys of the canvas (?)", () => editor.showKeys(), "keys"),
      tool("close", "Remove the picture", () => editor.remove(), "remove"));
  }

  slider(prefix, name, label, most, change) {
    const told = h("output", {});
    const input = h("input", { type: "range", id: `${prefix}_${name}`, min: "0", max: String(most), step: "1",
      oninput: () => this.editor.setBrush(change(Number(input.value))) });
    return { input, told, node: h("label", { class: "dk-tool-slider" }, h("span", {}, label), input, told) };
  }

  /** Shows what the editor holds. */
  draw({ tool, brush, sizePx, paints, colours, canUndo, canRedo, shown, full, zoom }) {
    this.painting.hidden = !paints;
    for (const [name, button] of Object.entries(this.tools)) button.setAttribute("aria-pressed", String(name === tool));
    this.tools.dropper.hidden = this.colour.hidden = !colours;
    this.invert.hidden = colours;
    this.colour.value = brush.colour;
    this.size.input.value = String(Math.round(placeOf(brush.share)));
    this.size.told.textContent = `${sizePx < 10 ? sizePx.toFixed(1) : Math.round(sizePx)} px`;
    this.hardness.input.value = String(Math.round(brush.hardness * 100));
    this.hardness.told.textContent = `${Math.round(brush.hardness * 100)}%`;
    for (const { input } of [this.size, this.hardness]) input.style.setProperty("--dk-done", `${(100 * input.value) / input.max}%`);
    this.undo.disabled = !canUndo;
    this.redo.disabled = !canRedo;
    this.shown.setAttribute("aria-pressed", String(shown));
    this.full.setAttribute("aria-pressed", String(full));
    this.zoomed.textContent = `${Math.round(zoom * 100)}%`;
  }
}

/** A window that lists the canvas's keys. */
export function keysDialog() {
  const rows = KEYS.map(([keys, what]) => h("tr", {}, h("th", { scope: "row" }, keys), h("td", {}, what)));
  const dialog = h("dialog", { class: "dk-keys-dialog", "aria-label": "Keys of the canvas" }, h("h3", {}, "Keys of the canvas"),
    h("table", { class: "dk-table" }, h("tbody", {}, ...rows)),
    h("button", { type: "button", class: "dk-action", onclick: () => dialog.close() }, "Close"));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}
