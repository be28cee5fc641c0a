// What a tab's job is doing, as a bar and one line: place in the queue, loading, percent, step, picture, time left.

import { duration, h, setText } from "./dom.js";
import { cancel, isActive } from "./jobs.js";
import { attempt } from "./notes.js";

/** One line for people. */
export function describe(job) {
  if (job.state === "queued") {
    const ahead = (job.position ?? 1) - 1;
    if (job.held) return "Paused: it waits until the queue goes on";
    if (job.again) return job.again;
    return ahead <= 0 ? "Starting …" : `Queued: ${ahead} ${ahead === 1 ? "job" : "jobs"} before it`;
  }
  if (job.loading) return `Loading ${job.loading} …`;
  if (!job.steps) return "Starting …";
  const parts = [`${Math.floor(100 * job.progress)} %`, `step ${Math.min(job.step, job.steps)}/${job.steps}`];
  if (job.batches > 1) parts.push(`batch ${Math.min(job.batch + 1, job.batches)} of ${job.batches}`);
  if (job.eta_s !== null && job.eta_s !== undefined) parts.push(`${duration(job.eta_s)} left`);
  return parts.join(" · ");
}

/** The bar of the running job and a line for each one that waits behind it. */
export class ProgressBar {
  constructor(tab) {
    this.fill = h("div", { class: "dk-bar-fill" });
    this.line = h("span", { class: "dk-bar-line" });
    this.bar = h("div", { class: "dk-bar", role: "progressbar", "aria-label": `${tab} progress`, "aria-valuemin": "0", "aria-valuemax": "100" },
      this.fill, this.line);
    this.queue = h("ul", { class: "dk-queue", "aria-label": "Other jobs" });
    this.node = h("div", { class: "dk-progress", hidden: true }, this.bar, this.queue);
  }

  /** `watched`: the job that the stage shows; null: the first that runs or waits. */
  show(jobs, watched) {
    const active = jobs.filter(isActive);
    const shown = watched ?? active.find((job) => job.state === "running") ?? active[0];
    this.node.hidden = !shown;
    if (!shown) return;
    const percent = Math.round(100 * (shown.progress ?? 0));
    const busy = shown.state === "queued" ? !shown.held : Boolean(shown.loading) || !shown.steps;
    this.bar.classList.toggle("dk-bar-busy", busy);
    this.fill.style.width = `${busy ? 100 : percent}%`;
    const said = describe(shown);
    setText(this.line, said);
    this.bar.setAttribute("aria-valuenow", String(percent));
    this.bar.setAttribute("aria-valuetext", said);
    this.showOthers(active.filter((job) => job !== shown));
  }

  showOthers(others) {
    const key = others.map((job) => job.id).join();
    if (key !== this.othersKey) {
      this.othersKey = key;
      this.queue.replaceChildren(...others.map((job) => this.other(job)));
    }
    others.forEach((job, at) => setText(this.queue.children[at].children[1], describe(job)));
  }

  other(job) {
    return h("li", {},
      h("span", { class: "dk-queue-prompt" }, job.params.prompt || "(no prompt)"),
      h("span", { class: "dk-queue-place" }),
      h("button", { type: "button", class: "dk-link", "aria-label": `Cancel: ${job.params.prompt.slice(0, 60)}`,
        onclick: () => attempt(() => cancel(job.id)) }, "Cancel"));
  }
}
