// A picture laid over what it was made from, with a line between them that can be moved.

import { h } from "./dom.js";

/** How the start is brought to the result's size, by the number of the resize mode. */
const FITS = ["fill", "cover", "contain", "fill"];

export class BeforeAfter {
  constructor() {
    this.before = h("img", { class: "dk-before", alt: "Before", draggable: "false" });
    this.after = h("img", { alt: "After", draggable: "false" });
    this.line = h("input", { type: "range", min: "0", max: "1000", value: "500", "aria-label": "How much of the start is seen",
      oninput: () => this.draw() });
    this.box = h("div", { class: "dk-split" }, this.after, this.before, h("span", { class: "dk-split-line", "aria-hidden": "true" }), this.line,
      h("span", { class: "dk-split-name", "aria-hidden": "true" }, "before"), h("span", { class: "dk-split-name dk-split-after", "aria-hidden": "true" }, "after"));
    this.node = h("div", { class: "dk-stage dk-split-stage", hidden: true }, this.box);
    this.draw();
  }

  draw() {
    this.box.style.setProperty("--dk-at", `${this.line.value / 10}%`);
  }

  /** Shows addresses of both; `width` and `height` are the result's, `mode` is the resize mode that it was made with. */
  show(before, after, { width, height, most, mode }) {
    if (this.before.getAttribute("src") !== before) this.before.src = before;
    if (this.after.getAttribute("src") !== after) this.after.src = after;
    this.before.style.objectFit = FITS[mode] ?? "fill";
    this.box.style.aspectRatio = `${width} / ${height}`;
    this.box.style.setProperty("--dk-width", `${most}px`);
    this.box.style.setProperty("--dk-ratio", String(width / height));
  }
}
