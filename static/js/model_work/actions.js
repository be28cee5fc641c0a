// <dk-model-actions kind="lora" filename="x.safetensors">: what can be done with one model file. When it has another name or place, or is
// gone, a "dk-model-changed" event bubbles from it, with {action, kind, filename, file}: the name it had, and the one it has ("" if gone).

import { define, h, setText } from "../dom.js";
import { ask, factsOf, isBusy, onModelJobs, shareOf } from "./jobs.js";

const CONVERTED = ["checkpoint", "lora", "vae"];
const MOVES = ["rename", "move", "trash"];

class ModelActions extends HTMLElement {
  static observedAttributes = ["kind", "filename"];

  connectedCallback() {
    if (!this.buttons) this.build();
    this.stop = onModelJobs((entries, allowed) => this.follow(entries, allowed));
  }

  disconnectedCallback() {
    this.stop();
  }

  attributeChangedCallback() {
    if (this.buttons) this.offerConvert();
  }

  get file() {
    return { kind: this.getAttribute("kind"), filename: this.getAttribute("filename") };
  }

  build() {
    const button = (label, icon, onclick) => h("button", { type: "button", class: `dk-action dk-icon-${icon}`, onclick }, label);
    this.convert = button("Convert …", "swap", () => this.askFor("Convert"));
    this.buttons = h("div", { class: "dk-model-buttons" },
      button("Verify", "shield", () => this.begin({ action: "verify" })),
      button("Rename …", "text", () => this.askFor("Rename")),
      button("Move …", "folder", () => this.askFor("Move")),
      this.convert,
      button("Throw away", "trash", () => this.begin({ action: "trash" })));
    this.asked = h("form", { class: "dk-model-asked", hidden: true });
    this.words = h("p", { class: "dk-job-summary", role: "status" });
    this.bar = h("progress", { max: "1", hidden: true, "aria-label": "How far it is" });
    this.append(this.buttons, this.asked, this.words, this.bar);
    this.offerConvert();
  }

  offerConvert() {
    this.convert.hidden = !CONVERTED.includes(this.file.kind);
  }

  async begin(action) {
    this.asked.hidden = true;
    const job = await ask({ ...action, ...this.file }, (sentence) => this.say(sentence, true));
    if (job) this.job = job.id;
  }

  /** Here and not in a note: these buttons are mostly in a window, and notes lie behind it. */
  say(sentence, isProblem) {
    setText(this.words, sentence);
    this.words.classList.toggle("dk-model-problem", isProblem);
  }

  /** A line with what an action needs to know. */
  askFor(what) {
    const { kind, filename } = this.file;
    const parts = filename.split("/");
    const stem = parts.pop().replace(/\.[^.]+$/, "");
    const starts = { Rename: stem, Move: parts.join("/"), Convert: `${stem}-fp16` };
    const labels = { Rename: "New name", Move: "Folder below that of its kind; empty for that itself", Convert: "Name of the new file" };
    const input = h("input", { type: "text", class: "dk-input", "aria-label": labels[what], placeholder: labels[what], autocomplete: "off", spellcheck: "false" });
    input.value = starts[what];
    const format = what === "Convert" ? h("select", { "aria-label": "Number format" }, ...["fp16", "bf16", "fp32", "fp8"].map((name) => h("option", {}, name))) : null;
    const onsubmit = (event) => {
      event.preventDefault();
      if (what === "Rename") this.begin({ action: "rename", name: input.value });
      if (what === "Move") this.begin({ action: "move", folder: input.value });
      if (what === "Convert") this.begin({ action: "convert", kind, name: input.value, numbers: format.value });
    };
    const form = h("form", { class: "dk-model-asked", onsubmit }, input, format, h("button", { type: "submit", class: "dk-action" }, what),
      h("button", { type: "button", class: "dk-action", onclick: () => { form.hidden = true; } }, "Cancel"));
    this.asked.replaceWith(form);
    this.asked = form;
    input.select();
    input.focus();
  }

  follow(entries, allowed) {
    this.hidden = !allowed;
    const entry = entries.find(({ id }) => id === this.job);
    if (!entry) return;
    this.bar.hidden = entry.state !== "running";
    this.bar.value = shareOf(entry);
    this.say(isBusy(entry) ? `${entry.title} … ${factsOf(entry)}` : entry.summary || entry.error || entry.state, Boolean(entry.error));
    if (isBusy(entry)) return;
    this.job = null;
    const { action } = entry.action;
    if (entry.state !== "done" || !MOVES.includes(action)) return;
    const detail = { action, ...this.file, file: entry.file };
    if (entry.file) this.setAttribute("filename", entry.file);
    this.dispatchEvent(new CustomEvent("dk-model-changed", { bubbles: true, detail }));
  }
}

define("dk-model-actions", ModelActions);
