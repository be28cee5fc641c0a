// The meter at the top: how busy the machine is, its memory, the queue, pictures a minute. A press opens the queue.

import { fileSize, h, setText } from "./dom.js";
import { note } from "./notes.js";
import { openQueue } from "./queue.js";

const percent = (part) => `${Math.round(100 * part)} %`;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** "5.6 / 25.3 GB": the unit once. */
function memory({ memory_used_bytes: used, memory_total_bytes: total }) {
  const all = fileSize(total);
  const unit = all.split(" ")[1];
  const part = fileSize(used);
  return part.endsWith(unit) ? `${part.split(" ")[0]} / ${all}` : `${part} / ${all}`;
}

export class Meter {
  constructor() {
    this.load = h("span", {});
    this.memory = h("span", {});
    this.queue = h("span", { class: "dk-meter-queue" });
    this.pace = h("span", { class: "dk-meter-pace" });
    this.node = h("button", { type: "button", id: "dk-meter", class: "dk-meter", "aria-haspopup": "dialog", title: "Open the queue",
      hidden: true, onclick: openQueue }, this.load, this.memory, this.queue, this.pace);
    this.deaths = null;
  }

  /** Takes an answer of GET /api/v1/status. */
  show(status) {
    const waiting = status.running + status.queued;
    this.node.hidden = false;
    setText(this.load, `${status.machine.toUpperCase()} ${percent(status.load)}`);
    setText(this.memory, memory(status));
    setText(this.queue, plural(waiting, "job"));
    setText(this.pace, `${status.pictures_a_minute} / min`);
    this.node.style.setProperty("--dk-load", status.load);
    this.node.style.setProperty("--dk-memory", status.memory_used_bytes / Math.max(1, status.memory_total_bytes));
    this.node.setAttribute("aria-label", `Queue: ${plural(waiting, "job")}, ${plural(status.pictures_a_minute, "picture")} a minute; `
      + `${status.machine} ${percent(status.load)} busy, memory ${memory(status)}`);
    if (this.deaths !== null && status.engine_deaths > this.deaths) {
      note(`The engine was started again: ${status.last_death}. Its jobs begin anew.`, "warning");
    }
    this.deaths = status.engine_deaths;
  }
}
