// <dk-downloads>: models from Civitai, Hugging Face or an address; each with how far it is, its speed and what can be done with it.

import { call } from "./api.js";
import { define, duration, fileSize, h, iconButton, isVisible, setText } from "./dom.js";
import { refreshModels } from "./models.js";
import { attempt, note } from "./notes.js";

const PATH = "api/v1/models/downloads";
const LOOK_MS = 1_000;
const BUSY = ["queued", "running"];
const STATES = { queued: "waits", running: "", paused: "paused", done: "here", failed: "failed" };

/** Asks for a file by its address, its page at Civitai, or its hash; gives back whether it was taken. */
export async function download(wanted) {
  const taken = await attempt(() => call(PATH, { method: "POST", json: { url: wanted } }));
  if (taken) note("The download has begun; the Models tab shows how far it is.", "info");
  document.dispatchEvent(new CustomEvent("dk-downloads"));
  return Boolean(taken);
}

/** What is told of a download: its state, kind, size, speed and the time left. */
function factsOf({ kind, state, done_bytes: done, total_bytes: total, bytes_per_s: speed, left_s: left }) {
  const size = total ? (state === "done" ? fileSize(total) : `${fileSize(done)} of ${fileSize(total)}`) : null;
  return [STATES[state], kind, size, state === "running" && speed > 0 ? `${fileSize(speed)} a second` : null,
    left !== null && left !== undefined ? `${duration(left)} left` : null].filter(Boolean).join(" · ");
}

class Downloads extends HTMLElement {
  connectedCallback() {
    if (!this.firstChild) this.build();
    this.timer = setInterval(() => {
      if (isVisible(this) && [...this.known.values()].some((state) => BUSY.includes(state))) this.look();
    }, LOOK_MS);
    this.look();
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  build() {
    this.known = new Map();
    this.rows = new Map();
    this.wish = h("input", { type: "text", id: "download_wish", class: "dk-input", autocomplete: "off", spellcheck: "false",
      placeholder: "A page at Civitai, a file at Hugging Face, any address, or a hash", "aria-label": "What to download" });
    this.form = h("form", { class: "dk-download-form", onsubmit: (event) => this.ask(event) },
      this.wish, h("button", { type: "submit", id: "download_start", class: "dk-action dk-icon-download" }, "Download"));
    this.list = h("div", { class: "dk-downloads", role: "list", "aria-label": "Downloads" });
    this.refused = h("p", { class: "dk-plain-note", hidden: true },
      "This server does not download models; its owner can allow it with --download-models on.");
    this.append(this.form, this.refused, this.list);
    document.addEventListener("dk-downloads", () => this.look());
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.look();
    }).observe(this);
  }

  async ask(event) {
    event.preventDefault();
    const wanted = this.wish.value.trim();
    if (wanted && (await download(wanted))) this.wish.value = "";
  }

  async look() {
    const answer = await call(PATH).catch(() => null);
    if (!answer) return;
    this.form.hidden = !answer.allowed;
    this.refused.hidden = answer.allowed;
    const landed = answer.downloads.some(({ id, state }) => state === "done" && BUSY.includes(this.known.get(id)));
    this.known = new Map(answer.downloads.map(({ id, state }) => [id, state]));
    this.draw(answer.downloads);
    if (landed) {
      document.getElementById("refresh_sd_model_checkpoint")?.click();
      refreshModels().catch(() => {});
    }
  }

  /** Rows stay where they are while only their numbers change: a press or the focus is not lost with them. */
  draw(downloads) {
    const before = this.rows;
    this.rows = new Map(downloads.map((entry) => [entry.id, this.rowOf(entry, before.get(entry.id))]));
    const focused = [...before].find(([, { node }]) => node.contains(document.activeElement))?.[0];
    const nodes = [...this.rows.values()].map(({ node }) => node);
    for (const node of [...this.list.children]) if (!nodes.includes(node)) node.remove();
    nodes.forEach((node, at) => {
      if (this.list.children[at] !== node) this.list.insertBefore(node, this.list.children[at] ?? null);
    });
    const row = this.rows.get(focused);
    if (row && row !== before.get(focused)) row.node.querySelector("button").focus();
  }

  /** An entry's row: the one it had, unless that is made of other parts. */
  rowOf(entry, before) {
    const { asked, name, state, done_bytes: done, total_bytes: total, error, file, page } = entry;
    const title = file || name || asked;
    const parts = JSON.stringify([title, state, error, page]);
    const row = before?.parts === parts ? before : { parts, ...this.row(entry, title) };
    setText(row.facts, factsOf(entry));
    if (row.bar) row.bar.value = total ? Math.min(1, done / total) : 0;
    return row;
  }

  row({ id, state, error, page }, title) {
    const act = (what) => () => attempt(() => call(`${PATH}/${id}/${what}`, { method: "POST" })).then(() => this.look());
    const drop = () => attempt(() => call(`${PATH}/${id}`, { method: "DELETE" })).then(() => this.look());
    const facts = h("span", { class: "dk-model-facts" });
    const bar = BUSY.includes(state) ? h("progress", { max: "1", "aria-label": `How far ${title} is` }) : null;
    const node = h("div", { class: `dk-download dk-download-${state}`, role: "listitem", "data-id": id, "data-state": state },
      h("div", { class: "dk-download-about" },
        page ? h("a", { class: "dk-download-name", href: page, target: "_blank", rel: "noreferrer noopener" }, title)
          : h("span", { class: "dk-download-name" }, title),
        facts, error && h("span", { class: "dk-model-problem", role: "note" }, error), bar),
      BUSY.includes(state) && iconButton("pause", `Pause ${title}`, act("pause")),
      ["paused", "failed"].includes(state) && iconButton("play", `Go on with ${title}`, act("resume")),
      iconButton("close", state === "done" ? `Take ${title} off this list` : `Give ${title} up`, drop));
    return { node, facts, bar };
  }
}

define("dk-downloads", Downloads);
