// <dk-top-end>: the right end of the top line: what the engine is doing, and the theme switch.

import { call } from "./api.js";
import { define, h, setText } from "./dom.js";
import { themeButton } from "./theme.js";

const ASK_MS = 15_000;
const STARTING_MS = 1_500;

class TopEnd extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.state = h("span", { class: "dk-state", "aria-label": "Engine" });
    this.append(this.state, themeButton());
    this.watch();
  }

  async watch() {
    const settled = document.visibilityState !== "visible" || (await this.ask());
    setTimeout(() => this.watch(), settled ? ASK_MS : STARTING_MS);
  }

  /** Shows the engine's state; true once it knows its device. */
  async ask() {
    try {
      const { device, dtype } = await call("api/v1/status");
      setText(this.state, [device, dtype].filter(Boolean).join(" · "));
      this.state.classList.remove("dk-state-away");
      return Boolean(dtype);
    } catch {
      setText(this.state, "server unreachable");
      this.state.classList.add("dk-state-away");
      return false;
    }
  }
}

define("dk-top-end", TopEnd);
