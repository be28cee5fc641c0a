// A box that takes a picture file: dropped, chosen, or pasted while its tab is shown. The file is kept as it is, byte for byte.

import { h, iconButton, isVisible } from "./dom.js";

export function pictureIn(transfer) {
  return [...(transfer?.files ?? [])].find((file) => file.size >= 0) ?? null;
}

/** Builds the box; `onFile(file)` is called with each new file, `onClear()` when it is emptied. */
export class DropBox {
  constructor({ label, inputId, onFile, onClear, accept = "image/*", pastes = true }) {
    this.onFile = onFile;
    this.pastes = pastes;
    this.input = h("input", { type: "file", accept, class: "dk-hidden", id: inputId, tabindex: "-1", "aria-label": label,
      onchange: () => this.take(this.input.files[0]) });
    this.image = h("img", { alt: "The chosen picture", hidden: true });
    const ways = pastes ? "drop it here, paste it, or click to choose a file" : "drop it here, or click to choose a file";
    this.words = h("span", { class: "dk-drop-words" }, h("span", { class: "dk-drop-icon dk-icon-upload", "aria-hidden": "true" }),
      h("strong", {}, label), h("span", {}, ways));
    this.button = h("button", { type: "button", class: "dk-drop-button", "aria-label": `${label}: choose a file`, onclick: () => this.input.click() },
      this.image, this.words);
    this.clearing = iconButton("close", "Remove the picture", () => {
      this.clear();
      onClear();
    }, { hidden: true });
    this.node = h("div", { class: "dk-drop" }, this.button, this.clearing, this.input);
    this.listen();
  }

  listen() {
    const over = (on) => (event) => {
      event.preventDefault();
      this.node.classList.toggle("dk-drop-over", on);
    };
    this.node.addEventListener("dragenter", over(true));
    this.node.addEventListener("dragover", over(true));
    this.node.addEventListener("dragleave", over(false));
    this.node.addEventListener("drop", (event) => {
      over(false)(event);
      event.stopPropagation();
      this.take(pictureIn(event.dataTransfer));
    });
    document.addEventListener("paste", (event) => {
      const file = this.pastes && isVisible(this.node) ? pictureIn(event.clipboardData) : null;
      if (!file) return;
      event.preventDefault();
      this.take(file);
    });
  }

  take(file) {
    this.input.value = ""; // so that the same file can be chosen again
    if (!file) return;
    this.onFile(file);
  }

  /** Shows a picture that was taken; gives its size once the browser has decoded it. */
  async show(file) {
    this.release();
    this.address = URL.createObjectURL(file);
    this.image.src = this.address;
    this.image.hidden = false;
    this.words.hidden = true;
    this.clearing.hidden = false;
    try {
      await this.image.decode();
    } catch {
      // A format that only the server reads: its size stays unknown here.
    }
    return { width: this.image.naturalWidth, height: this.image.naturalHeight };
  }

  clear() {
    this.release();
    this.image.removeAttribute("src");
    this.image.hidden = true;
    this.words.hidden = false;
    this.clearing.hidden = true;
  }

  release() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
  }
}
