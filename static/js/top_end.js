// <dk-top-end>: the right end of the top line: the engine's device, the meter, and the theme switch.

import { call } from "./api.js";
import { define, h, setText } from "./dom.js";
import { anyActive } from "./jobs.js";
import { Meter } from "./meter.js";
import { themeButton } from "./theme.js";

const IDLE_MS = 10_000;
const BUSY_MS = 3_000;
const STARTING_MS = 1_500;

class TopEnd extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.state = h("span", { class: "dk-state", "aria-label": "Engine" });
    this.meter = new Meter();
    this.append(this.state, this.meter.node, themeButton());
    this.watch();
  }

  async watch() {
    const settled = document.visibilityState !== "visible" || (await this.ask());
    setTimeout(() => this.watch(), settled ? (anyActive() ? BUSY_MS : IDLE_MS) : STARTING_MS);
  }

  /** Shows the engine's state; true once it knows its device. */
  async ask() {
    try {
      const status = await call("api/v1/status");
      const { device, dtype } = status;
      this.meter.show(status);
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
