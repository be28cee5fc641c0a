// <dk-merger>: A1111's Checkpoint Merger, with LoRAs that go into the mixture, and conversions.

import { call } from "../api.js";
import { define, h, iconButton, setText } from "../dom.js";
import { ask, look, onModelJobs } from "./jobs.js";

const METHODS = {
  "No interpolation": [1, "No interpolation will be used. Requires one model; A. Allows for format conversion, VAE baking and LoRAs."],
  "Weighted sum": [2, "A weighted sum will be used for interpolation. Requires two models; A and B. The result is calculated as A * (1 - M) + B * M"],
  "Add difference": [3, "The difference between the last two models will be added to the first. Requires three models; A, B and C. The result is calculated as A + (B - C) * M"],
};
const FORMATS = [["As in A", ""], ["float16 (half)", "fp16"], ["bfloat16", "bf16"], ["float32", "fp32"], ["float8 (denoiser)", "fp8"]];
const CONFIGS = ["A, B or C", "B", "C", "Don't"];
const AT_ONCE = 1000;

const labelled = (label, ...nodes) => h("label", { class: "dk-merge-field" }, h("span", {}, label), ...nodes);
const choice = (id, pairs) => h("select", { id, class: "dk-input" }, ...pairs.map(([label, value]) => h("option", { value }, label)));
const line = (id, placeholder = "") => h("input", { type: "text", id, class: "dk-input", placeholder, autocomplete: "off", spellcheck: "false" });
const check = (id, label, checked) => {
  const box = h("input", { type: "checkbox", id });
  box.checked = checked;
  return [box, h("label", { class: "dk-check" }, box, label)];
};

/** Fills a dropdown with file names; what is chosen stays chosen while it is there. */
function fill(select, names, first) {
  const { value } = select;
  const options = [...(first === undefined ? [] : [["", first]]), ...names.map((name) => [name, name])];
  select.replaceChildren(...options.map(([text, label]) => h("option", { value: text }, label)));
  if (options.some(([text]) => text === value)) select.value = value;
}

/** Files of a kind that can be used, by their places below their folder. */
async function namesOf(kind) {
  const names = [];
  for (let offset = 0, total = 1; offset < total; offset += AT_ONCE) {
    const answer = await call(`api/v1/models/cards?kind=${kind}&offset=${offset}&limit=${AT_ONCE}`);
    names.push(...answer.cards.filter(({ problem }) => !problem).map(({ filename }) => filename));
    total = answer.total;
  }
  return names;
}

class Merger extends HTMLElement {
  connectedCallback() {
    if (!this.form) this.build();
    this.stop = onModelJobs((entries, allowed) => this.told(entries, allowed));
    look();
  }

  disconnectedCallback() {
    this.stop();
  }

  build() {
    this.names = { checkpoint: [], lora: [], vae: [] };
    this.loras = h("div", { class: "dk-merge-loras", role: "list", "aria-label": "LoRAs that go in" });
    this.form = this.mergeForm();
    this.converter = this.convertForm();
    this.refused = h("p", { class: "dk-plain-note", hidden: true }, "Models are not changed from here: this server is public and has no password.");
    const open = (box) => h("details", { class: "dk-model-part", ontoggle: () => this.loadNames() }, ...box);
    this.parts = [open([h("summary", { id: "models_merge" }, "Merge checkpoints"), this.form]), open([h("summary", { id: "models_convert" }, "Convert"), this.converter])];
    this.append(this.refused, ...this.parts);
    this.method("Weighted sum");
  }

  mergeForm() {
    this.models = ["primary", "secondary", "tertiary"].map((place) => choice(`modelmerger_${place}_model_name`, []));
    const [a, b, c] = this.models;
    this.custom = line("modelmerger_custom_name");
    this.amount = h("input", { type: "range", id: "modelmerger_interp_amount", min: "0", max: "1", step: "0.05", value: "0.3", "aria-label": "Multiplier (M)" });
    this.number = h("input", { type: "number", class: "dk-input", min: "-10", max: "10", step: "0.01", value: "0.3", "aria-label": "Multiplier (M), as a number" });
    this.amount.addEventListener("input", () => { this.number.value = this.amount.value; });
    this.number.addEventListener("input", () => { this.amount.value = this.number.value; });
    this.radios = Object.keys(METHODS).map((name) => h("input", { type: "radio", name: "modelmerger_interp_method", value: name, onchange: () => this.method(name) }));
    this.formula = h("p", { class: "dk-plain-note", id: "modelmerger_interp_description" });
    this.format = choice("modelmerger_numbers", FORMATS);
    this.vae = choice("modelmerger_bake_in_vae", [["None", ""]]);
    this.config = choice("modelmerger_config_method", CONFIGS.map((name) => [name, name]));
    this.discard = line("modelmerger_discard_weights", "model_ema");
    this.blocks = line("modelmerger_block_weights", "25 (SD1, SD2) or 19 (SDXL) numbers between commas");
    const [metadata, metadataLabel] = check("modelmerger_save_metadata", "Save metadata (the recipe)", true);
    this.metadata = metadata;
    return h("form", { class: "dk-merge", onsubmit: (event) => this.merge(event) },
      h("div", { class: "dk-merge-models" }, labelled("Primary model (A)", a), labelled("Secondary model (B)", b), labelled("Tertiary model (C)", c)),
      labelled("Custom Name (Optional)", this.custom),
      h("fieldset", { class: "dk-merge-methods" }, h("legend", {}, "Interpolation Method"),
        ...this.radios.map((radio) => h("label", { class: "dk-check" }, radio, radio.value)), this.formula),
      h("div", { class: "dk-merge-amount" }, h("span", {}, "Multiplier (M)"), this.amount, this.number),
      h("div", { class: "dk-merge-lora-part" }, this.loras,
        h("button", { type: "button", class: "dk-action", id: "modelmerger_add_lora", onclick: () => this.addLora() }, "Add a LoRA to the result")),
      h("div", { class: "dk-merge-options" },
        labelled("Number format", this.format), labelled("Bake in VAE", this.vae), labelled("Copy config from", this.config),
        labelled("Discard weights with matching name", this.discard), labelled("Weights of blocks", this.blocks), metadataLabel),
      h("button", { type: "submit", class: "dk-action dk-merge-go", id: "modelmerger_merge" }, "Merge"));
  }

  convertForm() {
    const model = choice("convert_model", []);
    const format = choice("convert_numbers", [["As they are", ""], ...FORMATS.slice(1)]);
    const averaged = choice("convert_averaged", [["Leave out", "drop"], ["Keep", "keep"], ["Take in place of the others", "use"]]);
    const vae = choice("convert_bake_in_vae", [["None", ""]]);
    const name = line("convert_name");
    model.addEventListener("change", () => { if (!name.dataset.typed) name.value = `${model.value.replace(/^.*\/|\.[^.]+$/g, "")}-${format.value || "new"}`; });
    format.addEventListener("change", () => model.dispatchEvent(new Event("change")));
    name.addEventListener("input", () => { name.dataset.typed = name.value ? "yes" : ""; });
    this.converts = { model, vae };
    const onsubmit = (event) => {
      event.preventDefault();
      ask({ action: "convert", filename: model.value, name: name.value, numbers: format.value || null, averaged: averaged.value, bake_in_vae: vae.value || "None" });
    };
    return h("form", { class: "dk-merge", onsubmit },
      h("p", { class: "dk-plain-note" }, "Writes a new .safetensors file: from a .ckpt, in another number format, without what drawing does not need."),
      h("div", { class: "dk-merge-options" }, labelled("Checkpoint", model), labelled("Number format", format), labelled("Averaged weights (EMA)", averaged),
        labelled("Bake in VAE", vae), labelled("Name of the new file", name)),
      h("button", { type: "submit", class: "dk-action dk-merge-go", id: "convert_go" }, "Convert"));
  }

  /** Which models a method needs, and what it does. */
  method(name) {
    const [needs, words] = METHODS[name];
    for (const radio of this.radios) radio.checked = radio.value === name;
    this.models.forEach((select, at) => { select.disabled = at >= needs; });
    this.amount.disabled = this.number.disabled = this.blocks.disabled = needs === 1;
    setText(this.formula, words);
  }

  addLora() {
    const select = h("select", { class: "dk-input", "aria-label": "LoRA" });
    fill(select, this.names.lora);
    const weight = h("input", { type: "number", class: "dk-input", min: "-10", max: "10", step: "0.05", value: "1", "aria-label": "Weight of the LoRA" });
    const row = h("div", { class: "dk-merge-lora", role: "listitem" }, select, weight, iconButton("close", "Without this LoRA", () => row.remove()));
    this.loras.append(row);
    select.focus();
  }

  merge(event) {
    event.preventDefault();
    const method = this.radios.find(({ checked }) => checked).value;
    const [a, b, c] = this.models.map((select) => (select.disabled ? "" : select.value));
    const loras = [...this.loras.children].map((row) => ({ name: row.querySelector("select").value, weight: Number(row.querySelector("input").value) }));
    ask({ action: "merge", primary_model_name: a, secondary_model_name: b, tertiary_model_name: c, interp_method: method,
      multiplier: Number(this.number.value), block_weights: this.blocks.disabled ? "" : this.blocks.value, loras: loras.filter(({ name }) => name),
      custom_name: this.custom.value, numbers: this.format.value || null, bake_in_vae: this.vae.value || "None", discard_weights: this.discard.value,
      config_source: this.config.value, save_metadata: this.metadata.checked });
  }

  /** The dropdowns follow what is there. */
  async loadNames() {
    if (!this.parts.some((part) => part.open)) return;
    const kinds = Object.keys(this.names);
    const found = await Promise.all(kinds.map((kind) => namesOf(kind).catch(() => null)));
    kinds.forEach((kind, at) => { this.names[kind] = found[at] ?? this.names[kind]; });
    const { checkpoint, lora, vae } = this.names;
    this.models.forEach((select, at) => fill(select, checkpoint, at ? "" : undefined));
    for (const select of this.loras.querySelectorAll("select")) fill(select, lora);
    fill(this.vae, vae, "None");
    fill(this.converts.model, checkpoint);
    fill(this.converts.vae, vae, "None");
    if (!this.converter.querySelector("#convert_name").value) this.converts.model.dispatchEvent(new Event("change"));
  }

  told(entries, allowed) {
    this.refused.hidden = allowed;
    for (const part of this.parts) part.hidden = !allowed;
    const done = entries.filter(({ state }) => state === "done").length;
    if (this.done !== undefined && done !== this.done) this.loadNames();
    this.done = done;
  }
}

define("dk-merger", Merger);
