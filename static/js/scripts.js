// The Script dropdown: shows the chosen script's controls, and offers the known values of a plot's axes.

import { call } from "./api.js";
import { appears, define, h } from "./dom.js";
import { attempt } from "./notes.js";

const LISTS = {
  "Checkpoint name": ["sdapi/v1/sd-models", (entry) => entry.model_name],
  "Refiner checkpoint": ["sdapi/v1/sd-models", (entry) => entry.model_name],
  VAE: ["sdapi/v1/sd-vae", (entry) => entry.model_name],
  Styles: ["sdapi/v1/prompt-styles", (entry) => entry.name],
};
const LETTERS = ["X", "Y", "Z"];

/** Shows the controls of a script of a tab, and hides those of the others. */
export function showScript(tab, title) {
  for (const box of document.querySelectorAll(`[id^="${tab}_script_"].dk-script`)) {
    box.classList.toggle("dk-chosen", box.querySelector("dk-script-name")?.getAttribute("title") === title);
  }
  return [];
}

const quoted = (value) => (value.includes(",") ? `"${value.replaceAll('"', '""')}"` : value);

/** Buttons that write an axis's known values (samplers, checkpoints ...) into its field. */
class AxisValues extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.known = JSON.parse(this.getAttribute("values"));
    this.script = this.getAttribute("tab");
    const button = (letter) => h("button", { type: "button", class: "dk-action dk-icon-down", title: "Choose an axis with a list of values first",
      onclick: () => attempt(() => this.fill(letter)) }, `Fill in all ${letter} values`);
    this.append(h("div", { class: "dk-actions-row" }, ...LETTERS.map(button)));
  }

  async fill(letter) {
    const axis = document.querySelector(`#${this.script}_${letter}_type input`).value;
    const values = await this.valuesOf(axis);
    if (!values.length) throw new Error(`${axis} has no list of values; write some with commas between, like 1, 2, 5-9 (+2).`);
    const field = (await appears(`#${this.script}_${letter}_values`)).querySelector("textarea, input");
    field.value = values.map(quoted).join(", ");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  async valuesOf(axis) {
    if (this.known[axis]) return this.known[axis];
    const list = LISTS[axis];
    return list ? (await call(list[0])).map(list[1]) : [];
  }
}

define("dk-axis-values", AxisValues);
