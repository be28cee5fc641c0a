// The queue: who runs, who waits and for how long; moving, dropping, holding back, making again.

import { call, post } from "./api.js";
import { duration, h, iconButton, overPage, setText } from "./dom.js";
import { askJobs, follow } from "./jobs.js";
import { attempt } from "./notes.js";

const ASK_MS = 2_000;
const ENDS = { done: "Done", failed: "Failed", cancelled: "Cancelled" };

let panel = null;

export function openQueue() {
  panel ??= new Panel();
  panel.open();
}

const path = (id, what) => `api/v1/queue/${encodeURIComponent(id)}/${what}`;

function standing(job) {
  const left = job.eta_s === null ? "" : ` · about ${duration(job.eta_s)}`;
  const made = job.wanted > 1 ? ` · ${job.pictures} of ${job.wanted} pictures` : "";
  const again = job.again ? ` · ${job.again}` : "";
  if (job.state === "running") return `${Math.floor(100 * job.progress)} %${left}${made}`;
  return `waits${left}${made}${again}`;
}

/** Where the time of an ended job went, in a line; empty where nothing is known. */
export function timing({ seconds = {}, cost = null }) {
  const parts = Object.entries(seconds).filter(([, spent]) => spent >= 0.05).map(([phase, spent]) => `${phase} ${spent.toFixed(1)} s`);
  if (cost !== null) parts.push(`cost ${cost.toPrecision(2)}`);
  return parts.join(", ");
}

function ending(job) {
  const short = job.state === "done" && job.interrupted;
  const made = `${job.pictures} ${short ? `of ${job.wanted} ` : ""}${(short ? job.wanted : job.pictures) === 1 ? "picture" : "pictures"}`;
  const why = job.error ? `: ${job.error.message}` : "";
  return [`${short ? "Interrupted" : ENDS[job.state]}${why}`, made, timing(job)].filter(Boolean).join(" · ");
}

/** Rows by job, kept from answer to answer so that what has the focus keeps it. */
class Rows {
  constructor(label, make) {
    this.make = make;
    this.rows = new Map();
    this.node = h("ol", { class: "dk-line", "aria-label": label });
  }

  show(jobs, say) {
    const focus = document.activeElement;
    for (const id of [...this.rows.keys()]) if (!jobs.some((job) => job.id === id)) this.rows.delete(id);
    const nodes = jobs.map((job, at) => {
      if (!this.rows.has(job.id)) this.rows.set(job.id, this.make(job));
      const row = this.rows.get(job.id);
      row.update(job, say(job), at, jobs);
      return row.node;
    });
    if (nodes.length !== this.node.children.length || nodes.some((node, at) => node !== this.node.children[at])) {
      this.node.replaceChildren(...nodes);
      if (this.node.contains(focus)) focus.focus();
    }
  }
}

class Panel {
  constructor() {
    this.paused = h("button", { type: "button", class: "dk-action", onclick: () => this.change(this.isPaused ? "resume" : "pause") });
    this.told = h("p", { class: "dk-hint", role: "status" });
    this.live = new Rows("Jobs that run or wait", (job) => this.liveRow(job));
    this.latest = new Rows("The last jobs", (job) => this.endedRow(job));
    this.latestTitle = h("h3", {}, "Ended");
    this.node = h("dialog", { class: "dk-queue-panel", id: "dk-queue-panel", "aria-label": "Queue" },
      h("header", {}, h("h2", {}, "Queue"), this.paused, iconButton("close", "Close", () => this.node.close())),
      this.told, this.live.node, this.latestTitle, this.latest.node);
    this.node.addEventListener("click", (event) => {
      if (event.target === this.node) this.node.close();
    });
    this.node.addEventListener("close", () => clearTimeout(this.timer));
    overPage().append(this.node);
  }

  open() {
    this.node.showModal();
    this.watch();
  }

  async watch() {
    clearTimeout(this.timer);
    await this.ask();
    if (this.node.open) this.timer = setTimeout(() => this.watch(), ASK_MS);
  }

  async ask() {
    try {
      this.show(await call("api/v1/queue"));
    } catch (error) {
      setText(this.told, error.message);
    }
  }

  show({ everybody, paused, jobs, latest }) {
    this.isPaused = paused;
    setText(this.paused, paused ? "Resume" : "Pause");
    const count = jobs.length ? `${jobs.length} ${jobs.length === 1 ? "job" : "jobs"}${everybody ? "" : " of yours"}.` : "Nothing waits.";
    setText(this.told, paused ? `Paused: what waits stays where it is. ${count}` : count);
    this.live.show(jobs, standing);
    this.latest.show(latest, ending);
    this.latestTitle.hidden = latest.length === 0;
  }

  async change(what, body) {
    const answer = await attempt(() => post(`api/v1/queue/${what}`, body));
    if (answer) this.show(answer);
    askJobs().catch(() => {});
  }

  liveRow({ id, prompt }) {
    const short = prompt.slice(0, 60) || "(no prompt)";
    const number = h("span", { class: "dk-line-number" });
    const said = h("span", { class: "dk-line-said" });
    let place = 1;
    const move = (to) => this.act(id, "move", { position: Math.max(1, to) });
    const up = iconButton("up", `Earlier: ${short}`, () => move(place - 1));
    const down = iconButton("down", `Later: ${short}`, () => move(place + 1));
    const drop = iconButton("close", `Cancel: ${short}`, () => this.act(id, "cancel"));
    const bar = h("span", { class: "dk-line-bar" });
    const node = h("li", {}, number, h("span", { class: "dk-line-prompt" }, prompt || "(no prompt)"), said, h("span", { class: "dk-line-buttons" }, up, down, drop), bar);
    const update = (job, text, at, jobs) => {
      const waiting = jobs.filter((one) => one.state === "queued");
      place = waiting.findIndex((one) => one.id === id) + 1;
      setText(number, job.state === "running" ? "▶" : String(job.position ?? ""));
      number.setAttribute("aria-label", job.state === "running" ? "runs" : `place ${job.position}`);
      setText(said, text);
      up.disabled = place <= 1;
      down.disabled = place === 0 || place === waiting.length;
      up.hidden = down.hidden = place === 0;
      bar.style.width = `${100 * job.progress}%`;
    };
    return { node, update };
  }

  endedRow({ id, prompt }) {
    const said = h("span", { class: "dk-line-said" });
    const node = h("li", {}, h("span", { class: "dk-line-prompt" }, prompt || "(no prompt)"), said,
      h("span", { class: "dk-line-buttons" },
        h("button", { type: "button", class: "dk-link", "aria-label": `Make again: ${prompt.slice(0, 60)}`, onclick: () => this.again(id) }, "Again")));
    return { node, update: (job, text) => setText(said, text) };
  }

  async act(id, what, body) {
    const answer = await attempt(() => post(path(id, what), body));
    if (answer) this.show(answer);
    askJobs().catch(() => {});
  }

  async again(id) {
    const answer = await attempt(() => post(path(id, "requeue")));
    if (!answer) return;
    follow(answer.id).catch(() => {});
    this.watch();
  }
}
