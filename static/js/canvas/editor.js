// A picture that can be painted on: tools, canvas, keys. What is painted lies in a PaintLayer that whoever owns the editor gives it.

import { h, isVisible, overPage } from "../dom.js";
import { Pointers } from "./pointers.js";
import { keysDialog, placeOf, shareAt, Toolbar } from "./toolbar.js";
import { View } from "./view.js";

const KEPT = "darkroom.brush";
const FIRST_BRUSH = { share: 0.08, hardness: 1, colour: "#e8452c" };
const STEP = 5;
const HARDER = 0.1;
const MASK_COLOUR = "#f02bc2";
const MASK_OPACITY = 0.55;

function keptBrush() {
  try {
    return { ...FIRST_BRUSH, ...JSON.parse(localStorage.getItem(KEPT) ?? "{}") };
  } catch {
    return { ...FIRST_BRUSH }; // storage is forbidden, or holds something else
  }
}

export class Editor {
  /** `onRemove()` is called when somebody takes the picture away. */
  constructor(prefix, { onRemove }) {
    this.onRemove = onRemove;
    this.brush = keptBrush();
    this.tool = "brush";
    this.shown = true;
    this.layer = null;
    this.begun = null; // the layer of the stroke that is being made
    this.picture = null;
    this.toolbar = new Toolbar(this, prefix);
    this.stage = h("div", { class: "dk-canvas-stage", id: `${prefix}_canvas`, tabindex: "0", role: "application",
      "aria-label": "Canvas: ? lists its keys" });
    this.node = h("div", { class: "dk-canvas" }, this.toolbar.painting, this.stage, this.toolbar.looking);
    this.pointers = new Pointers(this.stage, this);
    document.addEventListener("keydown", (event) => this.key(event), { capture: true });
    this.stage.addEventListener("pointerenter", () => (this.over = true));
    this.stage.addEventListener("pointerleave", () => (this.over = false));
  }

  /** Shows a decoded picture. */
  async show(picture) {
    this.picture = picture;
    this.stage.style.aspectRatio = `${picture.width} / ${picture.height}`;
    this.view ??= await View.create(this.stage, () => this.draw());
    if (this.picture !== picture) return;
    this.view.show(picture);
    this.layer?.resize(picture.width, picture.height);
    this.draw();
  }

  /** Paints on a layer from now on (null: on none); `colours`: in the brush's colour, else as a mask. */
  paintOn(layer, colours) {
    this.end();
    this.layer = layer;
    this.colours = colours;
    if (this.tool === "dropper") this.tool = "brush";
    if (this.picture) layer?.resize(this.picture.width, this.picture.height);
    this.draw();
  }

  get colour() {
    return this.colours ? this.brush.colour : MASK_COLOUR;
  }

  get sizePx() {
    return this.brush.share * Math.max(this.picture?.width ?? 512, this.picture?.height ?? 512);
  }

  draw() {
    const { layer, view } = this;
    view?.showPaint(layer && this.shown ? layer.canvas : null, this.colours ? 1 : MASK_OPACITY);
    this.stage.classList.toggle("dk-canvas-paints", layer !== null);
    this.stage.style.touchAction = this.scrollsPage() ? "pan-y" : "none";
    this.toolbar.draw({ tool: this.tool, brush: this.brush, sizePx: this.sizePx, paints: layer !== null, colours: Boolean(this.colours), shown: this.shown,
      canUndo: Boolean(layer?.history.canUndo), canRedo: Boolean(layer?.history.canRedo), full: Boolean(this.full), zoom: view?.zoom ?? 1 });
  }

  // What the tools do.

  choose(tool) {
    this.tool = tool;
    this.draw();
  }

  setBrush(change) {
    this.brush = { ...this.brush, ...change };
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.brush));
    } catch {
      // The brush is forgotten with the page.
    }
    this.draw();
  }

  grow(steps) {
    const place = Math.min(100, Math.max(0, placeOf(this.brush.share) + steps * STEP));
    this.setBrush({ share: shareAt(place) });
  }

  harden(by) {
    this.setBrush({ hardness: Math.min(1, Math.max(0, Math.round((this.brush.hardness + by) * 100) / 100)) });
  }

  /** The layer, while no stroke is being made on it: steps would get into each other's way. */
  get still() {
    return this.layer?.stroke ? null : this.layer;
  }

  undo() {
    this.still?.history.undo();
  }

  redo() {
    this.still?.history.redo();
  }

  clear() {
    this.still?.clear();
  }

  invert() {
    if (!this.colours) this.still?.invert(this.colour);
  }

  toggleShown() {
    this.shown = !this.shown;
    this.draw();
  }

  zoomBy(factor) {
    this.view?.zoomBy(factor);
    this.draw();
  }

  fit() {
    this.view?.fit();
    this.draw();
  }

  toggleFull() {
    this.full = !this.full;
    this.node.classList.toggle("dk-canvas-full", this.full);
    this.stage.focus({ preventScroll: true });
    requestAnimationFrame(() => this.fit());
  }

  remove() {
    if (this.full) this.toggleFull();
    this.onRemove();
  }

  showKeys() {
    const dialog = keysDialog();
    overPage().append(dialog);
    dialog.showModal();
  }

  // What pointers do.

  paints() {
    return Boolean(this.layer && this.picture && this.view);
  }

  /** Whether one finger moves the page: nothing is painted on, and the whole picture is in sight. */
  scrollsPage() {
    return !this.layer && !this.full && (this.view?.fitted ?? true);
  }

  begin(event) {
    const point = this.view.toPicture(event.clientX, event.clientY);
    if (this.colours && (this.tool === "dropper" || event.altKey)) {
      this.takeColour(point);
      return false;
    }
    if (!this.shown) this.toggleShown();
    const erases = this.tool === "eraser" || event.button === 2 || event.button === 5 || (event.buttons & 32) > 0;
    this.begun = this.layer;
    this.begun.begin({ size: this.sizePx, hardness: this.brush.hardness, colour: this.colour, erases }, event.shiftKey && this.last ? this.last : point);
    if (event.shiftKey && this.last) this.begun.extend(point);
    this.last = point;
    return true;
  }

  move(events) {
    for (const event of events) {
      this.last = this.view.toPicture(event.clientX, event.clientY);
      this.begun?.extend(this.last);
    }
  }

  end() {
    this.begun?.end();
    this.begun = null;
  }

  drop() {
    this.begun?.drop();
    this.begun = null;
  }

  pan(dx, dy) {
    this.view?.pan(dx, dy);
    this.draw();
  }

  zoom(factor, x, y) {
    this.view?.zoomBy(factor, x, y);
    this.draw();
  }

  wheelZooms() {
    return Boolean(this.full);
  }

  hover(event) {
    const paints = event && this.paints() && this.tool !== "dropper";
    this.view?.showBrush(paints ? { x: event.clientX, y: event.clientY } : null, this.sizePx);
  }

  takeColour({ x, y }) {
    const one = document.createElement("canvas");
    one.width = one.height = 1;
    const context = one.getContext("2d");
    for (const image of [this.picture, this.layer.canvas]) {
      context.drawImage(image, (Math.floor(x) * image.width) / this.picture.width, (Math.floor(y) * image.height) / this.picture.height, 1, 1, 0, 0, 1, 1);
    }
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    if (alpha) this.setBrush({ colour: `#${[red, green, blue].map((part) => part.toString(16).padStart(2, "0")).join("")}` });
    this.choose("brush");
  }

  // Keys, while the mouse rests on the canvas or the focus is in it.

  key(event) {
    if (event.isComposing || !this.picture || !isVisible(this.stage) || document.querySelector("dialog[open]")) return;
    const focus = document.activeElement;
    if (focus?.matches("textarea, select, [contenteditable], input:not([type=range], [type=checkbox], [type=radio], [type=color])")) return;
    if (!this.over && !this.full && !this.node.contains(focus)) return;
    const act = event.ctrlKey || event.metaKey ? this.stepKey(event) : event.altKey ? null : this.plainKey(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  stepKey(event) {
    const key = event.key.toLowerCase();
    if (!this.layer) return null;
    if (key === "y" || (key === "z" && event.shiftKey)) return () => this.redo();
    return key === "z" ? () => this.undo() : null;
  }

  plainKey(event) {
    const looking = { 0: () => this.fit(), "+": () => this.zoomBy(1.4), "=": () => this.zoomBy(1.4), "-": () => this.zoomBy(1 / 1.4),
      f: () => this.toggleFull(), "?": () => this.showKeys(), Escape: this.full ? () => this.toggleFull() : null };
    if (event.key in looking) return looking[event.key];
    if (event.key === " " && document.activeElement?.matches("button, input")) return null;
    if (event.key === " ") return () => this.pointers.hold(true);
    if (!this.layer) return null;
    return { b: () => this.choose("brush"), e: () => this.choose("eraser"), m: () => this.toggleShown(), i: () => this.invert(),
      Delete: () => this.clear(), "[": () => this.grow(-1), "]": () => this.grow(1), "{": () => this.harden(-HARDER), "}": () => this.harden(HARDER),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key] ?? null;
  }
}

export { MASK_COLOUR };
