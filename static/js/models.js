// <dk-models>: every checkpoint with what is known of it; hashes come in while they are being made. <dk-model-hint>: how to add one.

import { call } from "./api.js";
import { define, fileSize, h, isVisible, setText } from "./dom.js";
import { deliver } from "./letters.js";
import { attempt } from "./notes.js";

const WATCH_MS = 2_000;
const HINT = "To add a full-size checkpoint, put its .safetensors file into models/Stable-diffusion and press refresh.";

let known = [];
let hashing = null;
const watchers = new Set();

/** Asks for the list and shows it everywhere. */
export async function refreshModels() {
  const answer = await call("api/v1/models");
  known = answer.checkpoints;
  hashing = answer.hashing;
  for (const watcher of watchers) watcher();
}

class Models extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.table = h("div", { class: "dk-models", role: "list", "aria-label": "Checkpoints" });
    this.head = h("div", { class: "dk-models-head" },
      h("p", {}, "Every checkpoint in models/Stable-diffusion, at any depth. Put a further .safetensors file there and press Refresh, or download one."),
      h("button", { type: "button", class: "dk-action dk-icon-refresh", id: "models_refresh",
        onclick: () => document.getElementById("refresh_sd_model_checkpoint").click() }, "Refresh"));
    this.append(this.head, this.table);
    watchers.add(() => this.show());
    refreshModels().catch(() => {});
    setInterval(() => {
      const unfinished = known.some((model) => !model.problem && !model.sha256);
      if (isVisible(this) && unfinished) refreshModels().catch(() => {});
    }, WATCH_MS);
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) refreshModels().catch(() => {});
    }).observe(this);
    document.addEventListener("dk-fields", () => this.mark());
  }

  show() {
    this.table.replaceChildren(...known.map((model) => this.card(model)));
    if (!known.length) this.table.append(h("p", { class: "dk-plain-note" }, "There is no checkpoint yet."));
    this.mark();
  }

  card(model) {
    const facts = [model.family, model.native_size_px && `${model.native_size_px} × ${model.native_size_px}`, fileSize(model.size_bytes)];
    const about = h("div", { class: "dk-model-about" },
      h("strong", { class: "dk-model-name" }, model.filename),
      h("span", { class: "dk-model-facts" }, facts.filter(Boolean).join(" · ")),
      model.embedded && h("span", { class: "dk-model-badge" }, "comes with Darkroom"),
      model.description && h("span", { class: "dk-model-description" }, model.description),
      model.problem ? h("span", { class: "dk-model-problem", role: "note" }, model.problem) : this.hash(model));
    const choose = model.problem ? null : h("button", { type: "button", class: "dk-action dk-model-choose", "aria-label": `Use ${model.filename}`,
      onclick: () => attempt(() => deliver("choose_model", model.filename)) }, "Use");
    return h("div", { class: `dk-model${model.problem ? " dk-model-bad" : ""}`, role: "listitem", "data-file": model.filename }, about, choose);
  }

  hash(model) {
    if (model.sha256) {
      return h("span", { class: "dk-model-hash" }, h("code", { title: "Short hash" }, model.sha256.slice(0, 10)), " ", h("code", { class: "dk-sha", title: "sha256" }, model.sha256));
    }
    const now = hashing?.current === model.filename;
    const share = hashing?.total_bytes ? ` (${Math.floor((100 * hashing.done_bytes) / hashing.total_bytes)} % of all)` : "";
    return h("span", { class: "dk-model-hash" }, now ? `sha256 is being made${share} …` : "sha256 follows");
  }

  /** Marks the checkpoint that the page uses. */
  mark() {
    const chosen = document.querySelector("#setting_sd_model_checkpoint input")?.value ?? "";
    for (const card of this.table.querySelectorAll(".dk-model")) {
      const on = chosen === card.dataset.file || chosen.startsWith(`${card.dataset.file} [`);
      card.classList.toggle("dk-model-chosen", on);
      const button = card.querySelector(".dk-model-choose");
      if (button) {
        setText(button, on ? "In use" : "Use");
        button.disabled = on;
      }
    }
  }
}

define("dk-models", Models);

class ModelHint extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.hidden = true;
    this.append(h("p", { class: "dk-hint" }, HINT));
    watchers.add(() => this.show());
    this.show();
  }

  /** Shown while there is nothing but the small checkpoint that ships with Darkroom. */
  show() {
    const usable = known.filter((model) => !model.problem);
    this.hidden = !known.length || usable.some((model) => (model.native_size_px ?? 512) >= 512);
  }
}

define("dk-model-hint", ModelHint);
