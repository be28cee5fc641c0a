// <dk-input-picture>: the picture that img2img starts from, what is painted on it, and what a job gets of both.

import { BatchPanel } from "./batch.js";
import { Editor, MASK_COLOUR } from "./canvas/editor.js";
import { PaintKeeper } from "./canvas/keep.js";
import { PaintLayer, png } from "./canvas/paint_layer.js";
import { chosenNative, onChosen } from "./cards/chosen.js";
import { define, h, iconButton, isVisible, setText } from "./dom.js";
import { DropBox, pictureIn } from "./drop.js";
import { storedInput, storeInput } from "./inputs.js";
import { fill, withoutSize } from "./letters.js";
import { attempt, note } from "./notes.js";
import { extended, markRoom, OutpaintPanel } from "./outpaint.js";
import { ModeStrip, MODES } from "./start_modes.js";
import { follow, sizeFor } from "./start_size.js";

const KEPT = "darkroom.img2img.picture";
const TELLS_SETTINGS = /\bSteps: \d/;
/** So many times the pixels that its checkpoint draws best, and a picture falls to pieces. */
const TOO_LARGE = 4;

/** The picture's pixels as they are in the file; a format that the browser does not read comes from the server. */
async function decoded(file, id) {
  const exactly = { colorSpaceConversion: "none" };
  try {
    return await createImageBitmap(file, exactly);
  } catch {
    try {
      return await createImageBitmap(await storedInput(id), exactly);
    } catch {
      throw new Error("The browser has no room for this picture.");
    }
  }
}

class InputPicture extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.value = null;
    this.shown = null;
    this.sent = {};
    this.box = new DropBox({ label: "Picture to start from", inputId: "img2img_file", onFile: (file) => this.read(file), onClear: () => this.set(null) });
    this.editor = new Editor("img2img", { onRemove: () => this.set(null) });
    this.keepers = { mask: new PaintKeeper("mask"), colour: new PaintKeeper("colour") };
    const layer = (name) => {
      const made = new PaintLayer(() => {
        this.editor.draw();
        this.keepers[name]?.changed(made);
      });
      return made;
    };
    this.layers = { mask: layer("mask"), colour: layer("colour"), room: layer("room") };
    this.batch = new BatchPanel(Number(this.getAttribute("batch-limit")));
    this.outpaint = new OutpaintPanel(() => this.value && attempt(() => this.reshow()));
    this.maskBox = new DropBox({ label: "Mask", inputId: "img2img_mask_file", pastes: false, onFile: (file) => attempt(() => this.readMask(file)), onClear: () => {} });
    this.maskBox.node.classList.add("dk-drop-low");
    this.words = h("p", { class: "dk-drop-note", "aria-live": "polite" });
    this.offer = h("div", { class: "dk-offer", id: "img2img_offer", role: "status", hidden: true });
    this.strip = new ModeStrip((mode) => attempt(() => this.show(mode)));
    const picture = h("div", { class: "dk-start" }, this.box.node, this.editor.node);
    this.append(this.strip.node, picture, this.batch.node, this.maskBox.node, this.outpaint.node, this.words, this.offer);
    onChosen(() => this.tell());
    this.listen(picture);
    this.strip.draw();
    attempt(() => this.show(this.strip.mode));
    this.draw();
    this.restore();
  }

  /** What is dropped or pasted while a picture is there takes its place. */
  listen(node) {
    const over = (on) => (event) => {
      event.preventDefault();
      node.classList.toggle("dk-drop-over", on);
    };
    node.addEventListener("dragenter", over(true));
    node.addEventListener("dragover", over(true));
    node.addEventListener("dragleave", over(false));
    node.addEventListener("drop", (event) => {
      over(false)(event);
      const file = pictureIn(event.dataTransfer);
      if (file) this.read(file);
    });
    // Beside the boxes the browser would open the file in place of the page.
    document.addEventListener("dragover", (event) => isVisible(this) && event.dataTransfer?.types.includes("Files") && event.preventDefault());
    document.addEventListener("drop", (event) => {
      const file = isVisible(this) && !event.defaultPrevented ? pictureIn(event.dataTransfer) : null;
      if (!file) return;
      event.preventDefault();
      this.read(file);
    });
    document.addEventListener("paste", (event) => {
      const file = isVisible(this.editor.node) ? pictureIn(event.clipboardData) : null;
      if (!file) return;
      event.preventDefault();
      this.read(file);
    });
  }

  get mode() {
    return MODES[this.strip.mode];
  }

  /** Opens a sub-tab: what it shows, then what it paints on. */
  async show(mode) {
    const { paint, hint } = MODES[mode];
    this.hint = hint;
    this.maskBox.node.hidden = mode !== "inpaint_upload";
    this.outpaint.node.hidden = mode !== "outpaint";
    this.batch.node.hidden = mode !== "batch";
    this.draw();
    this.editor.paintOn(null, false);
    if (this.value) await this.reshow();
    if (this.strip.mode === mode) this.editor.paintOn(paint ? this.layers[paint] : null, paint === "colour");
  }

  /** Shows the picture, or with more room around it; `follows`: whether width and height go with it, else only if its size is another one. */
  async reshow(follows = null) {
    const { picture } = this.value;
    const outpaints = this.strip.mode === "outpaint";
    const before = this.shown;
    this.shown = outpaints && !this.outpaint.isNone ? extended(picture, this.outpaint.room) : picture;
    if (outpaints) this.mark();
    const other = before?.width !== this.shown.width || before?.height !== this.shown.height;
    follow(this.shown, { fields: follows ?? other });
    this.tell();
    if (this.editor.picture !== this.shown) await this.editor.show(this.shown);
  }

  /** Paints the new room, once: what is corrected by hand stays until there is another room or picture. */
  mark() {
    const { room } = this.layers;
    const { left, right, up, down, overlap } = this.outpaint.room;
    const marked = [this.value.id, left, right, up, down, overlap].join(" ");
    room.resize(this.shown.width, this.shown.height);
    if (this.marked === marked) return;
    this.marked = marked;
    if (this.outpaint.isNone) room.clear();
    else markRoom(room, this.value.picture, this.outpaint.room, MASK_COLOUR);
  }

  tell() {
    if (!this.value || !this.shown || this.strip.mode === "batch") {
      setText(this.words, this.hint);
      return;
    }
    const { width, height } = this.shown;
    const [wide, high] = sizeFor(this.shown);
    const smaller = wide < width - 8 ? `; it is drawn at ${wide} × ${high} unless you choose another size` : "";
    const native = chosenNative();
    const large = native && wide * high > TOO_LARGE * native ** 2 ? ` The checkpoint draws best near ${native} × ${native}: a smaller size suits it better.` : "";
    setText(this.words, `${width} × ${height}${smaller}. ${this.hint}${large}`);
  }

  /** Stores a file; what is no picture becomes a note. `mode`: the sub-tab that is shown then; `next`: it shows already what was painted. */
  async read(file, { mode = null, offers = true, next = false } = {}) {
    const shown = mode ?? (this.strip.mode === "batch" ? "img2img" : null);
    if (shown) this.strip.choose(shown);
    setText(this.words, "Storing the picture …");
    this.offer.hidden = true;
    const asked = this.ask();
    try {
      const stored = await storeInput(file);
      if (this.asked !== asked || !(await this.take(file, stored.id, asked))) return;
      if (next && !this.layers.colour.isBlank()) this.layers.colour.clear();
      if (offers && TELLS_SETTINGS.test(stored.infotext)) this.offerSettings(stored);
    } catch (error) {
      if (this.asked === asked) this.tell();
      note(error.message);
    }
  }

  /** What is asked for now; whatever was asked for before it comes too late. */
  ask() {
    this.asked = {};
    return this.asked;
  }

  /** Decodes a stored picture and shows it; gives whether nothing else was asked for meanwhile. */
  async take(file, id, asked, { follows = true } = {}) {
    const picture = await decoded(file, id);
    if (this.asked !== asked) {
      picture.close();
      return false;
    }
    const old = this.value?.picture;
    this.set({ id, picture });
    await this.reshow(follows);
    old?.close();
    return this.asked === asked;
  }

  /** The settings of a picture that tells them, to be taken with a press. */
  offerSettings({ infotext, chunk }) {
    const take = () => {
      this.offer.hidden = true;
      attempt(() => fill("img2img", infotext, withoutSize({ chunk })));
    };
    this.offer.replaceChildren(h("span", {}, "This picture tells how it was made."),
      h("button", { type: "button", class: "dk-action dk-icon-paste", id: "img2img_use_settings", onclick: take }, "Use its settings"),
      iconButton("close", "Leave the settings as they are", () => (this.offer.hidden = true)));
    this.offer.hidden = false;
  }

  /** Takes a mask's file as the server reads it: its alpha or its brightness, checked before a browser decodes it. */
  async readMask(file) {
    const { id } = await storeInput(file, "mask");
    const mask = await createImageBitmap(await storedInput(id), { colorSpaceConversion: "none" });
    const { mask: layer } = this.layers;
    if (!this.value) layer.resize(mask.width, mask.height);
    layer.load(mask, MASK_COLOUR);
    note("The mask is in place; it can be painted on.", "info");
  }

  set(stored) {
    this.value = stored;
    if (!stored) {
      this.ask();
      this.shown = null;
      this.offer.hidden = true;
      follow(null);
    }
    this.draw();
    try {
      localStorage.setItem(KEPT, stored?.id ?? "");
    } catch {
      // The picture is forgotten with the page.
    }
  }

  draw() {
    const batch = this.strip.mode === "batch";
    this.box.node.hidden = batch || this.value !== null;
    this.editor.node.hidden = batch || this.value === null;
    this.tell();
  }

  /** The picture and the paint that were here when the page was left. */
  async restore() {
    try {
      await Promise.all(Object.entries(this.keepers).map(([name, keeper]) => keeper.restore(this.layers[name])));
      const id = localStorage.getItem(KEPT);
      if (!id || this.asked) return;
      const asked = this.ask();
      const file = await storedInput(id);
      if (this.asked === asked) await this.take(file, id, asked, { follows: false });
    } catch {
      // Storage is forbidden, or the server has the picture no more.
    }
  }

  /** What a job starts from: ids of its pictures and of its mask. Throws with a sentence where something is missing. */
  async start() {
    if (this.strip.mode === "batch") return this.batch.start();
    if (!this.value) return { images: [] };
    const { paint, masks, hint } = this.mode;
    const layer = paint && this.layers[paint];
    if (!layer || (!masks && layer.isBlank())) return { images: [this.value.id] };
    if (layer.isBlank()) throw new Error(`Nothing is marked yet. ${hint}`);
    const { width, height } = this.shown;
    const key = `${this.value.id} ${layer.version}`;
    const once = (name, kind, draw) => this.once(name, key, async () => storeInput(await png(draw()), kind));
    const solid = paint === "colour";
    const composed = { colour: () => layer.over(this.shown), room: () => this.shown }[paint];
    const image = composed ? await once(`${paint} picture`, "picture", composed) : this.value.id;
    return { images: [image], mask: masks ? await once(`${paint} mask`, "mask", () => layer.mask(width, height, { solid })) : "" };
  }

  /** The id of what was stored under that name; with the same key it is not sent again. */
  async once(name, key, send) {
    if (this.sent[name]?.key !== key) this.sent[name] = { key, id: (await send()).id };
    return this.sent[name].id;
  }
}

define("dk-input-picture", InputPicture);

/** What a job of img2img starts from. */
export async function startPictures() {
  return (await document.querySelector("dk-input-picture")?.start()) ?? { images: [] };
}

/** Width and height of the input picture in steps of 8 pixels; null without one. */
export function inputSize() {
  const shown = document.querySelector("dk-input-picture")?.shown;
  return shown ? sizeFor(shown) : null;
}
