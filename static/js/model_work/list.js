// <dk-model-jobs>: every model job with what came of it, or how far it is; and what lies in the trash of the model folders.

import { call } from "../api.js";
import { define, fileSize, h, iconButton, setText } from "../dom.js";
import { attempt } from "../notes.js";
import { ask, drop, factsOf, isBusy, look, onModelJobs, shareOf } from "./jobs.js";

class ModelJobs extends HTMLElement {
  connectedCallback() {
    if (!this.list) this.build();
    this.stop = onModelJobs((entries) => this.draw(entries));
    look();
  }

  disconnectedCallback() {
    this.stop();
  }

  build() {
    this.rows = new Map();
    this.list = h("div", { class: "dk-downloads", role: "list", "aria-label": "Model jobs" });
    this.append(this.list);
  }

  /** Rows stay where they are while only their numbers change: a press or the focus is not lost with them. */
  draw(entries) {
    const before = this.rows;
    this.rows = new Map(entries.map((entry) => [entry.id, this.rowOf(entry, before.get(entry.id))]));
    const nodes = [...this.rows.values()].map(({ node }) => node);
    for (const node of [...this.list.children]) if (!nodes.includes(node)) node.remove();
    nodes.forEach((node, at) => {
      if (this.list.children[at] !== node) this.list.insertBefore(node, this.list.children[at] ?? null);
    });
  }

  rowOf(entry, before) {
    const row = before?.state === entry.state ? before : this.row(entry);
    setText(row.facts, factsOf(entry));
    if (row.bar) row.bar.value = shareOf(entry);
    return row;
  }

  row(entry) {
    const { id, title, state, summary, error } = entry;
    const facts = h("span", { class: "dk-model-facts" });
    const bar = state === "running" ? h("progress", { max: "1", "aria-label": `How far it is: ${title}` }) : null;
    const node = h("div", { class: `dk-download dk-download-${state}`, role: "listitem", "data-id": id, "data-state": state },
      h("div", { class: "dk-download-about" }, h("span", { class: "dk-download-name" }, title), facts,
        summary && h("span", { class: "dk-job-summary" }, summary),
        error && h("span", { class: "dk-model-problem", role: "note" }, error), bar),
      iconButton("close", isBusy(entry) ? `Cancel: ${title}` : `Take off this list: ${title}`, () => drop(entry)));
    return { node, facts, bar, state };
  }
}

define("dk-model-jobs", ModelJobs);

const TRASH = "api/v1/models/trash";

class ModelTrash extends HTMLElement {
  connectedCallback() {
    if (!this.box) this.build();
    this.busy = new Set();
    this.stop = onModelJobs((entries) => this.follow(entries));
  }

  disconnectedCallback() {
    this.stop();
  }

  build() {
    this.list = h("div", { class: "dk-downloads", role: "list", "aria-label": "Models in the trash" });
    this.words = h("p", { class: "dk-plain-note" });
    this.box = h("details", { class: "dk-model-part", ontoggle: () => this.box.open && this.look() }, h("summary", {}, "Trash"), this.words, this.list);
    this.append(this.box);
  }

  /** What jobs put in and take out is seen once they have ended. */
  follow(entries) {
    const ended = entries.some((entry) => this.busy.has(entry.id) && !isBusy(entry));
    this.busy = new Set(entries.filter(isBusy).map(({ id }) => id));
    if (ended && this.box.open) this.look();
  }

  async look() {
    const entries = await attempt(() => call(TRASH));
    if (!entries) return;
    setText(this.words, entries.length ? "" : "Nothing was thrown away.");
    this.list.replaceChildren(...entries.map(({ key, kind, place, size_bytes: size, beside, deleted }) => {
      const company = beside.length ? `with ${beside.length === 1 ? "one file" : `${beside.length} files`} beside it` : null;
      const facts = [kind, fileSize(size), company, new Date(deleted * 1000).toLocaleString()];
      return h("div", { class: "dk-download", role: "listitem" },
        h("div", { class: "dk-download-about" }, h("span", { class: "dk-download-name" }, place), h("span", { class: "dk-model-facts" }, facts.filter(Boolean).join(" · "))),
        iconButton("undo", `Take ${place} back`, () => ask({ action: "restore", key })),
        iconButton("trash", `Delete ${place} for good`, () => this.destroy(key, place)));
    }));
  }

  destroy(key, place) {
    if (window.confirm(`Delete ${place} for good?`)) ask({ action: "destroy", key });
  }
}

define("dk-model-trash", ModelTrash);
