// <dk-controls tab="txt2img">: Interrupt and Skip, shown beside Generate while the tab has a job.

import { define, h } from "./dom.js";
import { activeJob, interrupt, onJobs, skip } from "./jobs.js";
import { attempt } from "./notes.js";

class Controls extends HTMLElement {
  connectedCallback() {
    this.stopListening?.();
    if (!this.firstChild) {
      const tab = this.getAttribute("tab");
      this.append(
        h("button", { type: "button", id: `${tab}_interrupt`, class: "dk-stop", title: "Stop with what is there so far (Esc)",
          onclick: () => attempt(() => interrupt(tab)) }, "Interrupt"),
        h("button", { type: "button", id: `${tab}_skip`, class: "dk-stop", title: "Go on with the next picture (Alt+Enter)",
          onclick: () => attempt(() => skip(tab)) }, "Skip"),
      );
    }
    this.stopListening = onJobs(() => {
      this.hidden = activeJob(this.getAttribute("tab")) === null;
    });
  }

  disconnectedCallback() {
    this.stopListening?.();
  }
}

define("dk-controls", Controls);
