// <dk-tokens box="txt2img_prompt">: how many tokens the prompt takes of the chunks it fills, as 12/75.

import { post } from "./api.js";
import { define, h, setText } from "./dom.js";

const WAIT_MS = 250;
const CHUNK = 75;

class TokenCounter extends HTMLElement {
  connectedCallback() {
    if (this.label) return;
    this.label = h("span", { class: "dk-tokens", title: "Tokens of the prompt, of the room in its chunks of 75" }, `0/${CHUNK}`);
    this.spoken = h("span", { class: "dk-hidden" }, " tokens");
    this.append(this.label, this.spoken);
    this.last = "";
    document.addEventListener("input", (event) => {
      if (event.target.closest?.(`#${this.getAttribute("box")}`)) this.count(event.target.value);
    });
    document.addEventListener("dk-fields", () => this.read());
    // Gradio fills the box of a tab when the tab is first shown, after this element was made.
    new IntersectionObserver(() => requestAnimationFrame(() => this.read())).observe(this);
  }

  read() {
    const box = document.querySelector(`#${this.getAttribute("box")} textarea`);
    if (box) this.count(box.value);
  }

  count(text) {
    if (text === this.last) return;
    this.last = text;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(text), WAIT_MS);
  }

  async ask(text) {
    this.asking?.abort();
    this.asking = new AbortController();
    try {
      const negative = this.getAttribute("box").endsWith("_neg_prompt");
      const { count, limit } = text.trim() ? await post("api/v1/tokens", { text, negative }) : { count: 0, limit: CHUNK };
      if (text !== this.last) return;
      setText(this.label, `${count}/${limit}`);
      this.label.classList.toggle("dk-tokens-long", limit > CHUNK);
    } catch {
      setText(this.label, `–/${CHUNK}`); // the server is away: the counter waits for the next keystroke
    }
  }
}

define("dk-tokens", TokenCounter);
