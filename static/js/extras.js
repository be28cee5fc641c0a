// <dk-extras>: enlarges one picture, several, or those of a folder, one request a picture, so that each is there as soon as it is done.

import { call } from "./api.js";
import { define, h, setText } from "./dom.js";
import { DropBox } from "./drop.js";
import { sendFile } from "./letters.js";
import { attempt } from "./notes.js";

const MODES = { single: "Single picture", batch: "Several pictures", folder: "A folder" };
const KINDS = /\.(png|jpe?g|webp|avif|gif|bmp|tiff?)$/i;
/** How a format's files begin, in base64; AVIF begins with a length. */
const STARTS = { iVBOR: "png", "/9j/": "jpeg", UklGR: "webp" };

async function inBase64(file) {
  const reader = new FileReader();
  const read = new Promise((resolve, reject) => {
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
  });
  reader.readAsDataURL(file);
  return (await read).split(",")[1] ?? "";
}

function asFile(text, name) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const type = Object.entries(STARTS).find(([start]) => text.startsWith(start))?.[1] ?? "avif";
  return new File([bytes], name.replace(/(\.[^.]*)?$/, `.${type === "jpeg" ? "jpg" : type}`), { type: `image/${type}` });
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
      crop: h("input", { type: "checkbox", checked: true }), first: upscalers(), second: upscalers(), share: number(0, 0, 1, 0.01) };
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
    return h("fieldset", {}, h("legend", { class: "dk-hidden" }, "How to enlarge"), field("resize_mode", "Enlarge", mode), ...byFactor, ...bySize,
      field("upscaler_1", "Upscaler", first), field("upscaler_2", "Second upscaler", second), field("upscaler_2_visibility", "Share of the second", share));
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
    const { mode, factor, width, height, crop, first, second, share } = this.fields;
    return { resize_mode: Number(mode.value), upscaling_resize: Number(factor.value), upscaling_resize_w: Number(width.value),
      upscaling_resize_h: Number(height.value), upscaling_crop: crop.checked, upscaler_1: first.value, upscaler_2: second.value,
      extras_upscaler_2_visibility: Number(share.value) };
  }

  /** One picture after the other; one that fails is told, and the others follow. */
  async run() {
    if (!this.files.length) throw new Error("Choose a picture first.");
    const [files, asked, failed] = [this.files, this.request(), []];
    this.clear();
    this.stopped = false;
    this.go.disabled = true;
    this.stop.hidden = files.length < 2;
    let done = 0;
    for (const file of files) {
      if (this.stopped) break;
      setText(this.told, files.length > 1 ? `Enlarging ${done + failed.length + 1} of ${files.length} …` : "Enlarging …");
      try {
        const body = { ...asked, image: await inBase64(file) };
        const answer = await call("sdapi/v1/extra-single-image", { method: "POST", json: body });
        this.add(asFile(answer.image, file.name));
        done += 1;
      } catch (error) {
        failed.push(`${file.name}: ${error.message}`);
      }
    }
    this.go.disabled = false;
    this.stop.hidden = true;
    setText(this.told, [`${done} of ${files.length} done.`, ...failed].join(" "));
  }

  add(file) {
    const address = URL.createObjectURL(file);
    this.addresses.push(address);
    const size = h("span");
    const image = h("img", { src: address, alt: file.name, onload: () => setText(size, `${image.naturalWidth} × ${image.naturalHeight}`) });
    const send = (target, label, icon) => h("button", { type: "button", class: `dk-action dk-icon-${icon}`, onclick: () => attempt(() => sendFile(target, file)) }, label);
    this.results.append(h("figure", {}, image, h("figcaption", { class: "dk-actions-row" }, file.name, size,
      h("a", { class: "dk-action dk-icon-download", href: address, download: file.name }, "Download"), send("img2img", "Send to img2img", "image"))));
  }

  clear() {
    for (const address of this.addresses) URL.revokeObjectURL(address);
    this.addresses = [];
    this.results.replaceChildren();
  }
}

define("dk-extras", Extras);
