// <dk-input-picture>: the picture that img2img starts from, stored on the server as soon as it is chosen.

import { call } from "./api.js";
import { define, h, setText } from "./dom.js";
import { DropBox } from "./drop.js";
import { note } from "./notes.js";

class InputPicture extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.value = null;
    this.box = new DropBox({ label: "Picture to start from", inputId: "img2img_file", onFile: (file) => this.read(file),
      onClear: () => this.set(null) });
    this.words = h("p", { class: "dk-drop-note", "aria-live": "polite" });
    this.append(this.box.node, this.words);
  }

  /** Stores a file; what is no picture becomes a note. */
  async read(file) {
    setText(this.words, "Storing the picture …");
    try {
      const { id } = await call("api/v1/inputs", { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
      const { width, height } = await this.box.show(file);
      this.set({ id, width, height });
    } catch (error) {
      this.set(this.value);
      note(error.message);
    }
  }

  set(stored) {
    this.value = stored;
    if (!stored) this.box.clear();
    setText(this.words, stored ? `${stored.width} × ${stored.height}` : "");
  }
}

define("dk-input-picture", InputPicture);

/** Ids of the pictures a job starts from. */
export function inputImages() {
  const stored = document.querySelector("dk-input-picture")?.value;
  return stored ? [stored.id] : [];
}

/** Width and height of the input picture in steps of 8 pixels; null without one. */
export function inputSize() {
  const stored = document.querySelector("dk-input-picture")?.value;
  if (!stored) return null;
  return [stored.width, stored.height].map((side) => Math.max(8, Math.round(side / 8) * 8));
}
