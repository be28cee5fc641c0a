// <dk-results tab="txt2img">: progress, live preview, the gallery, and what can be done with the chosen picture.

import { post } from "./api.js";
import { BeforeAfter } from "./before_after.js";
import { copyText, define, h, iconButton, isVisible, setText } from "./dom.js";
import { isActive, jobsOf, onJobs, pictureAddress } from "./jobs.js";
import { inputAddress } from "./inputs.js";
import { sendPicture, startFrom, upscale } from "./letters.js";
import { openLightbox } from "./lightbox.js";
import { attempt, note } from "./notes.js";
import { describe, ProgressBar } from "./progress.js";
import { timing } from "./queue.js";

const STRIP_LENGTH = 36;
const LIVE = "live:";
const ENLARGED = 3;

/** Where a finished picture is, and whether it is a whole one. */
function whereKept({ id, saved_as: savedAs, job }) {
  const early = job.interrupted && id === job.pictures.at(-1).id ? "Interrupted: made of the steps that were done. " : "";
  const spent = timing(job);
  return `${early}${savedAs ? `Saved as ${savedAs}` : "Not saved; it stays in memory for a while."}${spent ? ` · ${spent}` : ""}`;
}

/** A grid stands before the pictures that it shows. */
const isGrid = (picture) => picture.number < 0 && picture.beside == null;
const isMask = (picture) => picture.beside != null;
const label = (picture) => (isGrid(picture) ? "All pictures of a job" : `${isMask(picture) ? "Mask of the picture" : "Picture"} with seed ${picture.seed}`);
const kind = (picture) => (isGrid(picture) ? "dk-grid" : isMask(picture) ? "dk-mask-tile" : null);

class Results extends HTMLElement {
  connectedCallback() {
    this.stopListening?.();
    this.tab = this.getAttribute("tab");
    if (!this.firstChild) this.build();
    this.stopListening = onJobs(() => this.update());
    this.onKey = (event) => this.arrows(event);
    document.addEventListener("keydown", this.onKey);
  }

  disconnectedCallback() {
    this.stopListening?.();
    document.removeEventListener("keydown", this.onKey);
  }

  build() {
    this.progress = new ProgressBar(this.tab);
    this.image = h("img", { alt: "", hidden: true });
    this.empty = h("p", { class: "dk-empty" }, "Pictures appear here.");
    this.stage = h("button", { type: "button", class: "dk-stage", "aria-label": "Show the picture in full size", onclick: () => this.enlarge() },
      this.image, this.empty);
    this.strip = h("div", { class: "dk-strip", id: `${this.tab}_gallery`, role: "listbox", "aria-label": "Pictures", "aria-orientation": "horizontal" });
    this.text = h("div", { class: "dk-infotext", id: `html_info_${this.tab}`, tabindex: "0", role: "region", "aria-label": "Settings of the picture" });
    this.kept = h("p", { class: "dk-kept", id: `html_log_${this.tab}` });
    this.compared = new BeforeAfter();
    this.actions = this.buildActions();
    this.spoken = h("div", { class: "dk-hidden", "aria-live": "polite" });
    this.append(this.progress.node, this.stage, this.compared.node, this.strip, this.actions, this.text, this.kept, this.spoken);
  }

  buildActions() {
    const action = (name, label, icon, act, title = null) =>
      h("button", { type: "button", class: `dk-action dk-icon-${icon}`, id: `${this.tab}_${name}`, title, onclick: () => attempt(() => act(this.chosen())) }, label);
    const send = (target, label, icon) => action(`send_to_${target}`, label, icon, (picture) => sendPicture(target, picture));
    // A result of img2img goes on where it is: fields and mask stay.
    const further = this.tab === "img2img"
      ? [action("send_to_img2img", "Start from this", "again", (picture) => startFrom(picture)),
        action("send_to_inpaint", "Inpaint this", "mask", (picture) => startFrom(picture, "inpaint"))]
      : [send("img2img", "Send to img2img", "image"), send("inpaint", "Send to inpaint", "mask"),
        action("upscale", "Upscale", "enlarge", (picture) => upscale(picture), "Draw this picture larger, with the settings of Hires. fix")];
    this.split = iconButton("split", "Before and after", () => this.toggleSplit(), { id: `${this.tab}_before_after`, "aria-pressed": "false", hidden: true });
    this.download = h("a", { class: "dk-icon-button dk-icon-download", title: "Download", "aria-label": "Download the picture", download: "" });
    this.open = h("a", { class: "dk-icon-button dk-icon-open", title: "Open in a new tab", "aria-label": "Open the picture in a new tab", target: "_blank" });
    this.stripped = h("a", { class: "dk-icon-button dk-icon-shield", title: "Download without the settings in it",
      "aria-label": "Download the picture without its settings", id: `${this.tab}_stripped`, download: "" });
    const save = iconButton("save", "Save a copy in log/images, with a line in log.csv", () => attempt(() => this.save()), { id: `save_${this.tab}` });
    const copy = iconButton("copy", "Copy the settings as text", () => this.copy());
    return h("div", { class: "dk-actions-row", hidden: true },
      send("txt2img", "Send to txt2img", "text"), ...further, send("extras", "Send to Extras", "zoom-in"), send("pnginfo", "Send to PNG Info", "info"),
      h("span", { class: "dk-icons" }, this.split, save, copy, this.open, this.download, this.stripped));
  }

  /** Newest job first, a job's pictures in their order. */
  pictures() {
    // A picture's mask, where the options ask for it, stands behind its picture.
    const withMasks = (job) => job.pictures.flatMap((picture) => [picture, ...(job.beside ?? []).filter((mask) => mask.beside === picture.number)]);
    const all = (job) => [...(job.grid ? [job.grid] : []), ...(job.grids ?? []), ...withMasks(job)];
    const made = jobsOf(this.tab).reverse().flatMap((job) => all(job).map((picture) => ({ ...picture, job })));
    return made.slice(0, STRIP_LENGTH);
  }

  /** Jobs that are being worked on, oldest first; several share the engine. */
  running() {
    return jobsOf(this.tab).filter((job) => job.state === "running");
  }

  /** The job that is watched; null while a finished picture is. */
  watched() {
    return this.running().find((job) => LIVE + job.id === this.shownId) ?? null;
  }

  /** The finished picture that is shown; null while a preview is. */
  chosen() {
    return this.picture ?? null;
  }

  update() {
    const jobs = jobsOf(this.tab);
    const newest = jobs.at(-1)?.id;
    if (newest !== this.newest) {
      this.newest = newest;
      this.pinned = null; // a new job: look at what happens, whatever was chosen before
    }
    const pictures = this.pictures();
    const running = this.running();
    const there = [...running.map((job) => LIVE + job.id), ...pictures.map((picture) => picture.id)];
    if (!there.includes(this.pinned)) this.pinned = null;
    this.shownId = this.pinned ?? there[0] ?? null;
    this.progress.show(jobs, this.watched());
    this.showStrip(pictures, running);
    this.showStage(pictures);
    this.announce(jobs);
  }

  announce(jobs) {
    const last = jobs.at(-1);
    if (!last) return;
    const state = `${last.id}:${last.state}`;
    if (this.announced && this.announced !== state && !isActive(last)) {
      setText(this.spoken, last.state === "done" ? `Finished: ${last.pictures.length} picture${last.pictures.length === 1 ? "" : "s"}` : `The job ${last.state}`);
    }
    this.announced = state;
  }

  showStrip(pictures, running) {
    const key = [...running, ...pictures].map((entry) => entry.id).join();
    if (key !== this.stripKey) {
      this.stripKey = key;
      const live = running.map((job) => this.tile(LIVE + job.id, `Being made: ${job.params.prompt.slice(0, 80)}`, h("span", { class: "dk-live" }, "live")));
      const made = pictures.map((picture) => this.tile(picture.id, label(picture),
        h("img", { src: pictureAddress(picture.id), alt: "", loading: "lazy", decoding: "async", class: kind(picture) })));
      this.strip.replaceChildren(...live, ...made);
      this.strip.hidden = this.strip.children.length === 0;
    }
    for (const tile of this.strip.children) {
      const on = tile.dataset.id === this.shownId;
      tile.setAttribute("aria-selected", String(on));
      tile.tabIndex = on ? 0 : -1;
    }
  }

  tile(id, label, inside) {
    return h("button", { type: "button", class: "dk-tile", role: "option", "aria-label": label, "data-id": id,
      onclick: () => this.choose(id) }, inside);
  }

  choose(id) {
    this.pinned = id;
    this.update();
    const tile = [...this.strip.children].find((child) => child.dataset.id === id);
    tile?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** The neighbour of the chosen picture, which becomes the chosen one. */
  move(step) {
    const ids = [...this.strip.children].map((tile) => tile.dataset.id);
    const at = ids.indexOf(this.shownId);
    if (ids.length) this.choose(ids[(at + step + ids.length) % ids.length]);
    return this.shown();
  }

  shown() {
    return { src: this.image.src, alt: this.image.alt };
  }

  showStage(pictures) {
    const live = this.watched();
    // Until its first preview comes, a new job leaves the last picture where it is.
    const picture = live ? (live.preview ? null : pictures[0]) : pictures.find((one) => one.id === this.shownId);
    this.picture = live?.preview ? null : picture;
    if (live?.preview) this.show(live.preview, "Preview of the picture that is being made", live.params);
    else if (picture) this.show(pictureAddress(picture.id), `Picture: ${picture.job.params.prompt.slice(0, 200)}`, picture);
    else this.show(null, "", { width: 0, height: 0 });
    this.stage.classList.toggle("dk-stage-live", Boolean(live?.preview));
    const first = live ?? jobsOf(this.tab).find(isActive);
    setText(this.empty, !first ? "Pictures appear here." : first.steps ? "The first steps are being made …" : describe(first));
    this.actions.hidden = !picture;
    this.showSplit();
    setText(this.text, picture?.infotext ?? "");
    setText(this.kept, picture ? whereKept(picture) : "");
    if (!picture) return;
    this.download.href = this.open.href = pictureAddress(picture.id);
    this.stripped.href = `${pictureAddress(picture.id)}?strip=true`;
    this.stripped.download = this.download.download = picture.saved_as?.split("/").at(-1) ?? `${picture.seed}.${picture.format}`;
  }

  /** Small pictures are shown up to three times their size, large ones fill the column; a preview is as large as its picture will be. */
  show(src, alt, { width, height }) {
    this.image.hidden = !src;
    this.empty.hidden = Boolean(src);
    if (src && this.image.getAttribute("src") !== src) this.image.src = src;
    this.image.alt = alt;
    this.image.style.setProperty("--dk-width", `${width * ENLARGED}px`);
    this.image.style.aspectRatio = `${width} / ${height}`;
  }

  toggleSplit() {
    this.splits = !this.splits;
    this.split.setAttribute("aria-pressed", String(this.splits));
    this.showSplit();
  }

  /** The chosen picture over what it was made from, where that is known and wanted. */
  showSplit() {
    const { picture } = this;
    const starts = picture && picture.number >= 0 && picture.job.mode === "img2img" ? picture.job.params.init_images : [];
    const on = Boolean(this.splits) && starts.length > 0;
    this.split.hidden = starts.length === 0;
    this.stage.hidden = on;
    this.compared.node.hidden = !on;
    if (!on) return;
    const { width, height, job, number } = picture;
    this.compared.show(inputAddress(starts[number % starts.length]), pictureAddress(picture.id), { width, height, most: width * ENLARGED,
      mode: job.params.resize_mode });
  }

  enlarge() {
    if (!this.image.hidden) openLightbox(this.shown(), (step) => this.move(step));
  }

  /** A1111's Save button. */
  async save() {
    const picture = this.chosen();
    if (!picture) return;
    const { saved_as: names } = await post(`api/v1/pictures/${encodeURIComponent(picture.id)}/save`);
    note(`Saved as ${names.join(", ")}.`, "info");
  }

  async copy() {
    const picture = this.chosen();
    if (!picture) return;
    await copyText(picture.infotext);
    note("The settings are in the clipboard.", "info");
  }

  arrows(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey || !isVisible(this) || document.querySelector("dialog[open]")) return;
    const focus = document.activeElement;
    if (focus && focus !== document.body && !this.contains(focus)) return;
    event.preventDefault();
    this.move(step);
    if (this.strip.contains(focus)) this.strip.querySelector("[aria-selected='true']")?.focus();
  }
}

define("dk-results", Results);

/** Seed of the picture that a tab shows; null without one. A text, because seeds have 64 bits. */
export function shownSeed(tab) {
  const picture = document.querySelector(`dk-results[tab="${tab}"]`)?.chosen();
  if (!picture) return null;
  return Number.isSafeInteger(picture.seed) ? String(picture.seed) : (/Seed: (\d+)/.exec(picture.infotext)?.[1] ?? null);
}
