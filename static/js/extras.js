// <dk-extras>: enlarges one picture, several, or those of a folder, one request a picture, so that each is there as soon as it is done.

import { call } from "./api.js";
import { define, h, setText } from "./dom.js";
import { DropBox } from "./drop.js";
import { sendFile } from "./letters.js";
import { attempt } from "./notes.js";

const MODES = { single: "Single picture", batch: "Several pictures", folder: "A folder" };
const KINDS = /\.(png|jpe?g|webp|avif|gif|bmp|tiff?)$/i;

async function inBase64(file) {
  const reader = new FileReader();
  const read = new Promise((resolve, reject) => {
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
  });
  reader.readAsDataURL(file);
  return (await read).split(",")[1] ?? "";
}

function asFile({ picture, format }, name) {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  const type = format === "jpg" ? "jpeg" : format;
  return new File([bytes], name.replace(/(\.[^.]*)?$/, `.${format}`), { type: `image/${type}` });
}

class Extras extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.files = [];
    this.addresses = [];
    this.box = new DropBox({ label: "Picture to enlarge", inputId: "extras_file", onFile: (file) => this.take([file], file), onClear: () => this.take([]) });
    this.batch = this.chooser("extras_files", "Choose pictures", { multiple: true });
    this.folder = this.chooser("extras_folder", "Choose a folder", { webkitdirectory: true });
    this.chosen = h("p", { class: "dk-plain-note", role: "status" });
    this.modes = h("div", { class: "dk-extras-modes", role: "group", "aria-label": "What to enlarge" },
      ...Object.entries(MODES).map(([mode, label]) =>
        h("button", { type: "button", class: "dk-action", id: `extras_mode_${mode}`, "data-mode": mode, onclick: () => this.show(mode) }, label)));
    this.go = h("button", { type: "button", class: "dk-action", id: "extras_generate", onclick: () => attempt(() => this.run()) }, "Enlarge");
    this.stop = h("button", { type: "button", class: "dk-action", id: "extras_stop", hidden: true, onclick: () => { this.stopped = true; } }, "Stop");
    this.told = h("p", { class: "dk-plain-note", role: "status", id: "extras_told" });
    this.results = h("div", { class: "dk-extras-results", id: "extras_gallery" });
    this.append(h("div", { class: "dk-extras" },
      h("div", {}, this.modes, this.box.node, this.batch, this.folder, this.chosen, this.settings(), h("div", { class: "dk-actions-row" }, this.go, this.stop)),
      h("div", {}, this.told, this.results)));
    this.show("single");
  }

  chooser(id, label, more) {
    const input = h("input", { type: "file", class: "dk-hidden", id, tabindex: "-1", accept: "image/*", "aria-label": label,
      onchange: () => {
        const files = [...input.files];
        input.value = ""; // so that the same files can be chosen again
        this.take(files.filter((file) => KINDS.test(file.name)));
      } });
    for (const [name, value] of Object.entries(more)) input[name] = value;
    return h("div", {}, h("button", { type: "button", class: "dk-action dk-icon-folder", onclick: () => input.click() }, label), input);
  }

  settings() {
    const field = (id, label, node) => h("label", {}, label, Object.assign(node, { id: `extras_${id}` }));
    const number = (value, low, high, step) => h("input", { type: "number", value, min: low, max: high, step });
    const upscalers = () => h("select", {}, ...JSON.parse(this.getAttribute("upscalers")).map((name) => h("option", { value: name }, name)));
    const to = h("select", {}, h("option", { value: "0" }, "by a factor"), h("option", { value: "1" }, "to a size"));
    this.fields = { mode: to, factor: number(4, 1, 16, 0.05), width: number(512, 8, 16384, 8), height: number(512, 8, 16384, 8),
      crop: h("input", { type: "checkbox", checked: true }), first: upscalers(), second: upscalers(), share: number(0, 0, 1, 0.01),
      folder: h("input", { type: "text", placeholder: "extras-images", maxlength: "200", title: "A folder below the outputs folder; empty: extras-images" }) };
    this.fields.first.value = "Lanczos";
    const { mode, factor, width, height, crop, first, second, share } = this.fields;
    const bySize = [field("upscaling_resize_w", "Width", width), field("upscaling_resize_h", "Height", height), field("upscaling_crop", "Cut to fit", crop)];
    const byFactor = [field("upscaling_resize", "Factor", factor)];
    const shown = () => {
      for (const node of bySize) node.hidden = mode.value === "0";
      for (const node of byFactor) node.hidden = mode.value === "1";
    };
    mode.addEventListener("change", shown);
    shown();
    this.into = field("output_dir", "Save in outputs/", this.fields.folder);
    return h("fieldset", {}, h("legend", { class: "dk-hidden" }, "How to enlarge"), field("resize_mode", "Enlarge", mode), ...byFactor, ...bySize,
      field("upscaler_1", "Upscaler", first), field("upscaler_2", "Second upscaler", second), field("upscaler_2_visibility", "Share of the second", share),
      this.into);
  }

  /** Takes a picture that is sent from another tab. */
  read(file) {
    this.show("single");
    this.take([file], file);
  }

  show(mode) {
    this.mode = mode;
    for (const button of this.modes.children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    this.box.node.hidden = mode !== "single";
    this.batch.hidden = mode !== "batch";
    this.folder.hidden = mode !== "folder";
    this.into.hidden = mode !== "folder";
    this.box.clear();
    this.take([]);
  }

  take(files, shown = null) {
    this.files = files;
    if (shown) this.box.show(shown);
    const many = `${files.length} picture${files.length === 1 ? "" : "s"} chosen.`;
    setText(this.chosen, files.length || this.mode === "single" ? (this.mode === "single" ? "" : many) : "Files that are no pictures are left out.");
  }

  request() {
    const { mode, factor, width, height, crop, first, second, share, folder } = this.fields;
    const size = mode.value === "1" ? { width: Number(width.value), height: Number(height.value), crop: crop.checked }
      : { factor: Number(factor.value) };
    return { ...size, upscaler: first.value, second_upscaler: second.value, second_share: Number(share.value),
      folder: this.mode === "folder" ? folder.value.trim() : "" };
  }

  /** One picture after the other; one that fails is told, and the others follow. */
  async run() {
    if (!this.files.length) throw new Error("Choose a picture first.");
    const [files, asked, several, failed] = [this.files, this.request(), this.mode !== "single", []];
    this.clear();
    this.stopped = false;
    this.go.disabled = true;
    this.stop.hidden = files.length < 2;
    let done = 0;
    for (const file of files) {
      if (this.stopped) break;
      setText(this.told, files.length > 1 ? `Enlarging ${done + failed.length + 1} of ${files.length} …` : "Enlarging …");
      try {
        const json = { ...asked, picture: await inBase64(file), name: several ? file.name : "" };
        const answer = await call("api/v1/extras", { method: "POST", json });
        this.add(asFile(answer, file.name), answer);
        done += 1;
      } catch (error) {
        failed.push(`${file.name}: ${error.message}`);
      }
    }
    this.go.disabled = false;
    this.stop.hidden = true;
    setText(this.told, [`${done} of ${files.length} done.`, ...failed].join(" "));
  }

  add(file, { saved_as: savedAs, problem }) {
    const address = URL.createObjectURL(file);
    this.addresses.push(address);
    const size = h("span");
    const image = h("img", { src: address, alt: file.name, onload: () => setText(size, `${image.naturalWidth} × ${image.naturalHeight}`) });
    const send = (target, label, icon) => h("button", { type: "button", class: `dk-action dk-icon-${icon}`, onclick: () => attempt(() => sendFile(target, file)) }, label);
    const kept = h("p", { class: "dk-plain-note" }, savedAs ? `Saved as ${savedAs}` : `Not saved. ${problem}`);
    this.results.append(h("figure", {}, image, h("figcaption", { class: "dk-actions-row" }, file.name, size,
      h("a", { class: "dk-action dk-icon-download", href: address, download: file.name }, "Download"), send("img2img", "Send to img2img", "image")), kept));
  }

  clear() {
    for (const address of this.addresses) URL.revokeObjectURL(address);
    this.addresses = [];
    this.results.replaceChildren();
  }
}

define("dk-extras", Extras);
