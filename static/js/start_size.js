// The size of an img2img job: that of its picture unless it is locked, or the picture's times a factor.

import { define, h, iconButton, setText } from "./dom.js";
import { deliver } from "./letters.js";

const LOCKED = "darkroom.img2img.size_locked";
const RESIZE = "darkroom.img2img.resize";
/** Larger pictures are brought to this: few checkpoints and cards draw more at once. */
const MOST_SIDE = 2048;
const LEAST_SIDE = 64;

let picture = null;

function kept(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // It is forgotten with the page.
  }
}

const inEights = (side) => Math.max(LEAST_SIDE, Math.round(side / 8) * 8);

/** Width and height of a picture as a job takes them: in steps of 8 pixels, brought down to what is drawn at once. */
export function sizeFor({ width, height }) {
  const share = Math.min(1, MOST_SIDE / Math.max(width, height));
  return [inEights(width * share), inEights(height * share)];
}

/** A new picture to start from (null: none); the fields follow it unless the size is locked, or they are told not to. */
export function follow(chosen, { fields = true } = {}) {
  picture = chosen;
  if (chosen && fields && kept(LOCKED) !== "yes") deliver("img2img_size", sizeFor(chosen));
  document.dispatchEvent(new CustomEvent("dk-start-size"));
}

/** Whether the size is a factor's. */
export const resizesBy = () => kept(RESIZE) === "by";

/** <dk-size-lock>: keeps width and height as they are when another picture comes. */
class SizeLock extends HTMLElement {
  connectedCallback() {
    if (!this.firstChild) {
      this.button = iconButton("unlock", "Keep this size when another picture comes", () => this.toggle(), { id: "img2img_size_lock" });
      this.append(this.button);
    }
    this.draw();
  }

  toggle() {
    const locked = kept(LOCKED) !== "yes";
    keep(LOCKED, locked ? "yes" : "no");
    if (!locked && picture) follow(picture);
    this.draw();
  }

  draw() {
    const locked = kept(LOCKED) === "yes";
    this.button.setAttribute("aria-pressed", String(locked));
    this.button.classList.toggle("dk-icon-lock", locked);
    this.button.classList.toggle("dk-icon-unlock", !locked);
  }
}

/** <dk-resize-tabs>: "Resize to" and "Resize by". */
class ResizeTabs extends HTMLElement {
  connectedCallback() {
    if (!this.firstChild) {
      const tab = (how, title) => h("button", { type: "button", role: "tab", id: `img2img_resize_${how}_tab`, "data-how": how, onclick: () => {
        keep(RESIZE, how);
        this.draw();
      } }, title);
      this.tabs = [tab("to", "Resize to"), tab("by", "Resize by")];
      this.words = h("p", { class: "dk-hint", id: "img2img_scale_resolution_preview" });
      this.append(h("div", { class: "dk-subtabs", role: "tablist", "aria-label": "Size" }, ...this.tabs), this.words);
      for (const kind of ["dk-start-size", "dk-fields"]) document.addEventListener(kind, () => this.tell());
    }
    this.draw();
  }

  draw() {
    const how = resizesBy() ? "by" : "to";
    document.body.dataset.resize = how;
    for (const tab of this.tabs) tab.setAttribute("aria-selected", String(tab.dataset.how === how));
    this.tell();
  }

  /** What the factor comes to. */
  tell() {
    const factor = Number(document.querySelector("#img2img_scale_by input[type=number]")?.value);
    const by = resizesBy();
    this.words.hidden = !by;
    if (!by) return;
    if (!picture) setText(this.words, "The size will be the picture's times this.");
    else setText(this.words, `${picture.width} × ${picture.height} becomes ${[picture.width, picture.height].map((side) => Math.floor((side * factor) / 8) * 8).join(" × ")}`);
  }
}

define("dk-size-lock", SizeLock);
define("dk-resize-tabs", ResizeTabs);
