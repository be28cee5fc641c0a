// <dk-png-info>: what a picture says about how it was made, beside what will be used here, and the ways from there.

import { call } from "./api.js";
import { compared } from "./compare.js";
import { define, fileSize, h, setText } from "./dom.js";
import { DropBox } from "./drop.js";
import { getButton } from "./get_file.js";
import { firstPicture, pictureAddress } from "./jobs.js";
import { fill, readAddress, readPicture, reproduce, sendFile } from "./letters.js";
import { attempt, note } from "./notes.js";

const WELCOME = "Drop a picture, or a text that stood beside one, to see how it was made.";
const STATES = { here: "here", "by name": "here, by its name", "other file": "here, but another file", missing: "missing" };
const LEVELS = {
  exact: "Exact: it can be made again as it is.",
  close: "Close: it can be made again nearly.",
  partial: "Partial: something is missing.",
};

class PngInfo extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.box = new DropBox({ label: "Picture", inputId: "pnginfo_file", accept: "image/*,.txt,.json", onFile: (file) => this.read(file),
      onClear: () => this.reset() });
    this.note = h("p", { class: "dk-plain-note", role: "status" }, WELCOME);
    this.verdict = h("div", { class: "dk-verdict", id: "pnginfo_verdict", role: "status", hidden: true });
    this.buttons = h("div", { class: "dk-actions-row", hidden: true },
      this.sender("txt2img", "Send to txt2img", "text"), this.sender("img2img", "Send to img2img", "image"),
      this.sender("inpaint", "Send to inpaint", "mask"), this.sender("extras", "Send to Extras", "zoom-in"),
      h("button", { type: "button", class: "dk-action dk-icon-image", id: "pnginfo_reproduce", onclick: () => attempt(() => this.reproduce()) },
        "Reproduce"),
      h("button", { type: "button", class: "dk-action dk-icon-shield", id: "pnginfo_stripped", onclick: () => attempt(() => this.stripped()) },
        "Without settings"));
    this.files = h("table", { class: "dk-table dk-files-table", hidden: true, "aria-label": "Files of the picture" });
    this.table = h("table", { class: "dk-table dk-settings-table", hidden: true, "aria-label": "Settings of the picture" });
    this.text = h("pre", { class: "dk-infotext", id: "pnginfo_text", hidden: true, tabindex: "0", "aria-label": "Text in the picture" });
    this.raw = h("details", { class: "dk-raw", id: "pnginfo_raw", hidden: true }, h("summary", {}, "As the program wrote it"),
      h("pre", { class: "dk-infotext", tabindex: "0" }));
    this.comparison = h("div", { id: "pnginfo_comparison" });
    this.append(h("div", { class: "dk-two" }, h("div", {}, this.box.node, this.address()), h("div", { class: "dk-png-told" },
      this.note, this.verdict, this.buttons, this.text, this.files, this.table, this.raw)), this.comparison);
  }

  /** A field for an address, where the server fetches pictures. */
  address() {
    if (this.getAttribute("addresses") !== "on") return "";
    const input = h("input", { type: "url", id: "pnginfo_address", placeholder: "https://…", "aria-label": "Address of a picture" });
    const go = (event) => {
      event.preventDefault();
      if (input.value.trim()) this.readFrom(input.value.trim());
    };
    return h("form", { class: "dk-address", onsubmit: go }, input, h("button", { type: "submit", class: "dk-action" }, "Fetch"));
  }

  sender(tab, label, icon) {
    return h("button", { type: "button", class: `dk-action dk-icon-${icon}`, id: `pnginfo_send_to_${tab}`,
      onclick: () => attempt(() => sendFile(tab, this.file, this.told.usable, this.choice())) }, label);
  }

  reset(sentence = WELCOME) {
    this.file = null;
    this.told = { infotext: "", usable: "", chunk: "" };
    setText(this.note, sentence);
    for (const node of [this.verdict, this.buttons, this.files, this.table, this.text, this.raw]) node.hidden = true;
    this.comparison.replaceChildren();
  }

  /** Reads a file on the server; what is no picture becomes the tab's note. */
  async read(file) {
    await this.take(async () => ({ file, told: await readPicture(file) }), "Reading …");
  }

  async readFrom(url) {
    await this.take(async () => {
      const told = await readAddress(url);
      return { file: told.file, told };
    }, "Fetching …");
  }

  async take(reading, meanwhile) {
    this.reset(meanwhile);
    const asked = {};
    this.asked = asked;
    try {
      const { file, told } = await reading();
      if (this.asked === asked) this.show(file, told);
    } catch (error) {
      if (this.asked !== asked) return;
      this.box.clear();
      this.reset(error.message);
    }
  }

  show(file, told) {
    this.file = file;
    this.told = told;
    const isPicture = told.width > 0;
    if (isPicture) this.box.show(file);
    else this.box.clear();
    const kind = isPicture ? `${told.format}, ${told.width} × ${told.height}, ${fileSize(file.size)}` : `${file.name}, ${fileSize(file.size)}`;
    const program = told.dialect && told.dialect !== "a1111" ? `, written by ${told.dialect}` : "";
    const silent = told.warnings.length ? told.warnings.join(" ") : "This picture says nothing about how it was made.";
    setText(this.note, told.infotext ? `${kind}${program}` : `${kind}. ${silent}`);
    this.buttons.hidden = false;
    this.buttons.querySelector("#pnginfo_send_to_txt2img").disabled = !told.infotext;
    for (const tab of ["img2img", "inpaint", "extras"]) this.buttons.querySelector(`#pnginfo_send_to_${tab}`).disabled = !isPicture;
    this.buttons.querySelector("#pnginfo_reproduce").disabled = !told.whole || !isPicture;
    this.buttons.querySelector("#pnginfo_stripped").disabled = !isPicture;
    this.text.hidden = !told.infotext;
    setText(this.text, told.infotext);
    this.raw.hidden = !told.raw;
    setText(this.raw.querySelector("pre"), told.raw);
    this.showVerdict(told.verdict);
    this.showFiles(told.resources);
    this.showSettings(told.settings);
  }

  showVerdict(verdict) {
    this.verdict.hidden = !verdict;
    if (!verdict) return;
    this.verdict.className = `dk-verdict dk-verdict-${verdict.level}`;
    const reasons = verdict.reasons.map((reason) => h("li", {}, reason));
    this.verdict.replaceChildren(h("strong", {}, LEVELS[verdict.level]), reasons.length ? h("ul", {}, ...reasons) : "");
  }

  showFiles(resources) {
    this.files.hidden = resources.length === 0;
    const row = ({ kind, name, hash, state, found, links }) => h("tr", { class: `dk-file-${state.replace(" ", "-")}` },
      h("th", { scope: "row" }, kind),
      h("td", {}, name, hash ? h("code", {}, ` ${hash}`) : ""),
      h("td", {}, found ? `${STATES[state]}: ${found}` : STATES[state],
        links.length && hash ? getButton(hash, () => attempt(() => this.fileCame())) : "", ...links.map(([label, address]) =>
        h("a", { class: "dk-find", href: address, target: "_blank", rel: "noopener noreferrer" }, label))));
    this.files.replaceChildren(h("tbody", {}, ...resources.map(row)));
  }

  /** A missing file is here now: says anew which are, and what that means for the picture; ticks stay as they are. */
  async fileCame() {
    const { file } = this;
    const told = await readPicture(file);
    if (this.file !== file) return;
    this.showVerdict(told.verdict);
    this.showFiles(told.resources);
  }

  showSettings(settings) {
    this.table.hidden = settings.length === 0;
    const row = ({ label, told, used, field }) => {
      const box = field ? h("input", { type: "checkbox", checked: true, "data-field": field, "aria-label": `Take ${label}` }) : "";
      return h("tr", { class: field ? null : "dk-unused" }, h("td", {}, box), h("th", { scope: "row" }, label), h("td", {}, told),
        h("td", {}, used === told ? "the same" : used));
    };
    const head = h("tr", {}, ...["Take", "Setting", "In the picture", "Used here"].map((title) => h("th", { scope: "col" }, title)));
    this.table.replaceChildren(h("thead", {}, head), h("tbody", {}, ...settings.map(row)));
  }

  /** Hands a copy to the browser's downloads that says nothing about itself. */
  async stripped() {
    const { file } = this;
    const copy = await call("api/v1/stripped", { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" }, as: "blob" });
    const link = h("a", { href: URL.createObjectURL(copy), download: file.name });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  /** What the ticks leave out, for whoever fills fields. */
  choice() {
    const leave = [...this.table.querySelectorAll("input[data-field]")].filter((box) => !box.checked).map((box) => box.dataset.field);
    return { leave, chunk: this.told.chunk };
  }

  /** Fills txt2img, makes the picture again, and shows both. */
  async reproduce() {
    const { file, told } = this;
    const choice = this.choice();
    this.comparison.replaceChildren(h("p", { class: "dk-plain-note", role: "status" }, "Making the picture again …"));
    try {
      fill("txt2img", told.usable, choice);
      const answer = await reproduce(told.usable, choice);
      for (const sentence of answer.warnings) note(sentence, "warning");
      const made = await firstPicture(answer.job);
      if (this.file !== file) return;
      const picture = await fetch(pictureAddress(made.id), { credentials: "same-origin" });
      if (!picture.ok) throw new Error("The new picture is not there any more.");
      this.comparison.replaceChildren(await compared(file, await picture.blob()));
    } catch (error) {
      this.comparison.replaceChildren();
      throw error;
    }
  }
}

define("dk-png-info", PngInfo);
