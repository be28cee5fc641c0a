// <dk-settings-search>: leaves of the Settings tab what the words fit: a setting's label, what is said of it, its section, or A1111's name.

import { define, h } from "./dom.js";

const PREFIX = "option_";

class SettingsSearch extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.box = h("input", { type: "search", id: "settings_search", placeholder: "Search settings", "aria-label": "Search settings", oninput: () => this.look() });
    this.none = h("p", { class: "dk-mc-empty", hidden: true, role: "status" }, "No setting fits.");
    this.append(this.box, this.none);
  }

  look() {
    const words = this.box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const card of document.querySelectorAll("#tab_settings .dk-card")) {
      const section = card.querySelector("h3")?.textContent ?? "";
      const settings = [...card.querySelectorAll(`[id^="${PREFIX}"]`)];
      for (const setting of settings) {
        const name = setting.id.slice(PREFIX.length);
        const text = [section, setting.textContent, name, name.replaceAll("_", " ")].join(" ").toLowerCase();
        setting.hidden = !words.every((word) => text.includes(word));
      }
      const left = settings.filter(({ hidden }) => !hidden).length;
      card.hidden = left === 0;
      found += left;
    }
    this.none.hidden = found > 0;
  }
}

define("dk-settings-search", SettingsSearch);
