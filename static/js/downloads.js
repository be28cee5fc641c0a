// <dk-downloads>: models from Civitai, Hugging Face or an address; each with how far it is, its speed and what can be done with it.

import { call } from "./api.js";
import { define, duration, fileSize, h, iconButton, setText } from "./dom.js";
import { refreshModels } from "./models.js";
import { attempt, note } from "./notes.js";

const PATH = "api/v1/models/downloads";
const LOOK_MS = 1_000;
const BUSY = ["queued", "running"];
const STATES = { queued: "waits", running: "", paused: "paused", done: "here", failed: "failed" };
const KINDS = { "": "Folder: by what it is", checkpoint: "Checkpoints", lora: "LoRAs", embedding: "Embeddings", hypernetwork: "Hypernetworks", vae: "VAEs",
  upscaler: "Upscalers" };

let entries = [];
let timer = null;
const watchers = new Set();

export const isBusy = ({ state }) => BUSY.includes(state);

/** Calls `watcher(entries, allowed)` after each look at the list, until the function that is given back is called. */
export function onDownloads(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Asks for the list; as long as something comes, again every second, whichever tab is shown: others wait for the file, too. */
async function look() {
  clearTimeout(timer);
  const answer = await call(PATH).catch(() => null);
  if (answer) {
    const came = new Set(entries.filter(isBusy).map(({ id }) => id));
    entries = answer.downloads;
    for (const watcher of [...watchers]) watcher(entries, answer.allowed);
    if (entries.some(({ id, state }) => state === "done" && came.has(id))) landed();
  }
  clearTimeout(timer);
  if (entries.some(isBusy)) timer = setTimeout(look, LOOK_MS);
}

/** Lists of models hold what the server found when it last looked. */
function landed() {
  document.getElementById("refresh_sd_model_checkpoint")?.click();
  refreshModels().catch(() => {});
}

/** Asks for a file by its address, its page at Civitai, or its hash; gives back the download, or nothing where it was refused. */
export async function download(wanted, kind = null) {
  const taken = await attempt(() => call(PATH, { method: "POST", json: { url: wanted, kind } }));
  if (taken) note("The download has begun; the Models tab shows how far it is.", "info");
  look();
  return taken;
}

/** Goes on with one that is paused or has failed, holds it back, or (`drop`) forgets it. */
export async function act(id, what) {
  const path = what === "drop" ? `${PATH}/${id}` : `${PATH}/${id}/${what}`;
  await attempt(() => call(path, { method: what === "drop" ? "DELETE" : "POST" }));
  await look();
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
    this.stopWatching = onDownloads((downloads, allowed) => this.show(downloads, allowed));
    look();
  }

  disconnectedCallback() {
    this.stopWatching();
  }

  build() {
    this.rows = new Map();
    this.wish = h("input", { type: "text", id: "download_wish", class: "dk-input", autocomplete: "off", spellcheck: "false",
      placeholder: "A page at Civitai, a file at Hugging Face, any address, or a hash", "aria-label": "What to download" });
    this.kind = h("select", { id: "download_kind", "aria-label": "Folder that the file goes into" },
      ...Object.entries(KINDS).map(([value, label]) => h("option", { value }, label)));
    this.form = h("form", { class: "dk-download-form", onsubmit: (event) => this.ask(event) },
      this.wish, this.kind, h("button", { type: "submit", id: "download_start", class: "dk-action dk-icon-download" }, "Download"));
    this.list = h("div", { class: "dk-downloads", role: "list", "aria-label": "Downloads" });
    this.refused = h("p", { class: "dk-plain-note", hidden: true },
      "This server does not download models; its owner can allow it with --download-models on.");
    this.append(this.form, this.refused, this.list);
    new IntersectionObserver((seen) => {
      if (seen.some((entry) => entry.isIntersecting)) look();
    }).observe(this);
  }

  async ask(event) {
    event.preventDefault();
    const wanted = this.wish.value.trim();
    if (wanted && (await download(wanted, this.kind.value || null))) this.wish.value = "";
  }

  show(downloads, allowed) {
    this.form.hidden = !allowed;
    this.refused.hidden = allowed;
    this.draw(downloads);
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
    const facts = h("span", { class: "dk-model-facts" });
    const bar = BUSY.includes(state) ? h("progress", { max: "1", "aria-label": `How far ${title} is` }) : null;
    const node = h("div", { class: `dk-download dk-download-${state}`, role: "listitem", "data-id": id, "data-state": state },
      h("div", { class: "dk-download-about" },
        page ? h("a", { class: "dk-download-name", href: page, target: "_blank", rel: "noreferrer noopener" }, title)
          : h("span", { class: "dk-download-name" }, title),
        facts, error && h("span", { class: "dk-model-problem", role: "note" }, error), bar),
      BUSY.includes(state) && iconButton("pause", `Pause ${title}`, () => act(id, "pause")),
      ["paused", "failed"].includes(state) && iconButton("play", `Go on with ${title}`, () => act(id, "resume")),
      iconButton("close", state === "done" ? `Take ${title} off this list` : `Give ${title} up`, () => act(id, "drop")));
    return { node, facts, bar };
  }
}

define("dk-downloads", Downloads);
