// img2img over a folder: its pictures and their masks, chosen in the browser, stored one after another when Generate is pressed.

import { h, setText } from "./dom.js";
import { storeInput } from "./inputs.js";

/** What may be taken from each picture, as app/ui/parts/batch.py names it. */
const TAKEN = { prompt: "Prompt", negative_prompt: "Negative prompt", seed: "Seed", cfg_scale: "CFG scale", sampler: "Sampler", steps: "Steps",
  checkpoint: "Checkpoint" };
const PICTURE = /\.(png|jpe?g|webp|avif|gif|bmp|tiff?)$/i;

const stem = (file) => file.name.replace(/\.[^.]*$/, "");
const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

function pictures(list) {
  return [...list].filter((file) => PICTURE.test(file.name)).sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
}

/** Buttons that choose files or a folder, and drop; `files` holds the pictures among them. */
class Files {
  constructor(name, title, onChange) {
    this.files = [];
    this.onChange = onChange;
    const input = (id, more) => h("input", { type: "file", id, class: "dk-hidden", tabindex: "-1", multiple: true, "aria-label": title, ...more,
      onchange: ({ target }) => {
        const files = [...target.files];
        target.value = ""; // so that the same files can be chosen again
        this.take(files);
      } });
    const some = input(`img2img_batch_${name}_files`, { accept: "image/*" });
    const folder = input(`img2img_batch_${name}_folder`, { webkitdirectory: true });
    folder.webkitdirectory = true;
    this.words = h("span", { class: "dk-batch-count", role: "status" });
    const button = (label, icon, press) => h("button", { type: "button", class: `dk-action dk-icon-${icon}`, "aria-label": `${title}: ${label}`, onclick: press }, label);
    this.node = h("div", { class: "dk-batch-files", role: "group", "aria-label": title }, h("strong", {}, title), this.words,
      h("div", { class: "dk-actions-row" }, button("Choose a folder", "folder", () => folder.click()), button("Choose files", "upload", () => some.click()),
        button("None", "close", () => this.take([]))), some, folder);
    this.node.addEventListener("dragover", (event) => event.preventDefault());
    this.node.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length) this.take([...event.dataTransfer.files]);
    });
    this.take([]);
  }

  take(list) {
    this.files = pictures(list);
    const others = list.length - this.files.length;
    setText(this.words, list.length ? `${count(this.files.length, "picture")}${others ? `; ${count(others, "other file")} left out` : ""}` : "none yet");
    this.onChange();
  }
}

export class BatchPanel {
  /** `limit`: how many pictures the server takes in one batch. */
  constructor(limit) {
    this.limit = limit;
    this.stored = new WeakMap();
    const changed = () => this.draw();
    this.starts = new Files("pictures", "Pictures", changed);
    this.masks = new Files("masks", "Masks, if any: named as the pictures, or one for all", changed);
    this.boxes = Object.entries(TAKEN).map(([name, title]) => h("label", { class: "dk-check" },
      h("input", { type: "checkbox", id: `img2img_batch_take_${name}`, value: name }), h("span", {}, title)));
    this.progress = h("p", { class: "dk-batch-count", id: "img2img_batch_progress", "aria-live": "polite" });
    this.node = h("div", { class: "dk-batch", id: "img2img_batch", hidden: true }, this.starts.node, this.masks.node,
      h("fieldset", { class: "dk-batch-take" }, h("legend", {}, "Taken from each picture that tells it"), ...this.boxes), this.progress);
    this.draw();
  }

  draw() {
    document.body.dataset.batchMasks = this.masks?.files.length ? "some" : "none";
  }

  /** The mask of a picture: the only one there is, or the one of its name. */
  maskOf(file) {
    const { files } = this.masks;
    if (files.length < 2) return files[0] ?? null;
    const found = files.find((mask) => stem(mask) === stem(file));
    if (!found) throw new Error(`There is no mask for ${file.name}: give each picture one, or one for all.`);
    return found;
  }

  /** What a job for each picture starts from. Throws with a sentence where something is missing. */
  async start() {
    if (this.busy) throw new Error("The pictures of the last batch are still being stored.");
    const { files } = this.starts;
    if (files.length > this.limit) throw new Error(`A batch has at most ${this.limit} pictures; this one has ${files.length}.`);
    const pairs = files.map((file) => [file, this.maskOf(file)]);
    const take = this.boxes.map((box) => box.firstChild).filter((box) => box.checked).map((box) => box.value);
    this.busy = true;
    try {
      const batch = [];
      for (const [file, mask] of pairs) {
        setText(this.progress, `Storing picture ${batch.length + 1} of ${pairs.length} …`);
        const { id, infotext, chunk } = await this.once(file, "picture");
        const told = take.length ? { infotext, chunk } : {};
        batch.push({ id, ...told, mask: mask ? (await this.once(mask, "mask")).id : "" });
      }
      return { batch, take };
    } finally {
      this.busy = false;
      setText(this.progress, "");
    }
  }

  async once(file, kind) {
    if (!this.stored.has(file)) {
      try {
        this.stored.set(file, await storeInput(file, kind));
      } catch (error) {
        throw new Error(`${file.name}: ${error.message}`);
      }
    }
    return this.stored.get(file);
  }
}
