// <dk-png-info>: what a picture says about how it was made, and the way from there into the other tabs.

import { define, fileSize, h, setText } from "./dom.js";
import { DropBox } from "./drop.js";
import { readPicture, sendFile } from "./letters.js";
import { attempt } from "./notes.js";

class PngInfo extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.box = new DropBox({ label: "Picture", inputId: "pnginfo_file", onFile: (file) => this.read(file), onClear: () => this.reset() });
    this.note = h("p", { class: "dk-plain-note", role: "status" }, "Drop a picture to see how it was made.");
    this.buttons = h("div", { class: "dk-actions-row", hidden: true },
      this.sender("txt2img", "Send to txt2img", "text"), this.sender("img2img", "Send to img2img", "image"));
    this.table = h("table", { class: "dk-table dk-settings-table", hidden: true, "aria-label": "Settings of the picture" });
    this.text = h("pre", { class: "dk-infotext", id: "pnginfo_text", hidden: true, tabindex: "0", "aria-label": "Text in the picture" });
    this.append(h("div", { class: "dk-two" }, h("div", {}, this.box.node), h("div", { class: "dk-png-told" },
      this.note, this.buttons, this.text, this.table)));
  }

  sender(tab, label, icon) {
    return h("button", { type: "button", class: `dk-action dk-icon-${icon}`, id: `pnginfo_send_to_${tab}`,
      onclick: () => attempt(() => sendFile(tab, this.file, this.infotext)) }, label);
  }

  reset(sentence = "Drop a picture to see how it was made.") {
    this.file = null;
    this.infotext = "";
    setText(this.note, sentence);
    this.note.hidden = false;
    this.buttons.hidden = this.table.hidden = this.text.hidden = true;
  }

  /** Reads a file on the server; what is no picture becomes the tab's note. */
  async read(file) {
    this.reset("Reading …");
    const asked = {};
    this.asked = asked;
    try {
      const told = await readPicture(file);
      if (this.asked === asked) this.show(file, told);
    } catch (error) {
      if (this.asked !== asked) return;
      this.box.clear();
      this.reset(error.message);
    }
  }

  show(file, told) {
    this.file = file;
    this.infotext = told.infotext;
    this.box.show(file);
    const kind = `${told.format}, ${told.width} × ${told.height}, ${fileSize(file.size)}`;
    setText(this.note, told.infotext ? kind : `${kind}. This picture says nothing about how it was made.`);
    this.buttons.hidden = false;
    this.buttons.querySelector("#pnginfo_send_to_txt2img").disabled = !told.infotext;
    this.text.hidden = !told.infotext;
    setText(this.text, told.infotext);
    const rows = told.settings.map(([label, value]) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, value)));
    this.table.replaceChildren(h("tbody", {}, ...rows));
    this.table.hidden = rows.length === 0;
  }
}

define("dk-png-info", PngInfo);
