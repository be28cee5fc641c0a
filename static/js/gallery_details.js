// What is known of the chosen picture, or of several, and what can be done with them.

import { address, call, post } from "./api.js";
import { copyText, fileSize, h, iconButton } from "./dom.js";
import { fillTab, sendFile } from "./letters.js";
import { attempt, note } from "./notes.js";

const plural = (count) => `${count} picture${count === 1 ? "" : "s"}`;

/** The picture with its infotext, as the server reads it from the file. */
export const details = (id) => call(`api/v1/gallery/pictures/${id}`);

export class Details {
  /** `gallery`: {marked(pictures), gone(ids), open(), compare(), names(kind)}. */
  constructor(gallery) {
    this.gallery = gallery;
    this.pictures = [];
    this.body = h("div", { class: "dk-gallery-body" });
    this.close = iconButton("close", "Close", () => this.show([]), { id: "gallery_close" });
    this.node = h("aside", { class: "dk-gallery-details", id: "gallery_details", "aria-label": "Chosen picture" }, this.close, this.body);
  }

  show(pictures) {
    this.pictures = pictures;
    this.node.classList.toggle("dk-gallery-shown", pictures.length > 0);
    if (!pictures.length) this.body.replaceChildren(h("p", { class: "dk-plain-note" }, "Choose a picture to see how it was made."));
    else if (pictures.length === 1) this.one(pictures[0]);
    else this.several(pictures);
  }

  ids() {
    return this.pictures.map((picture) => picture.id);
  }

  one(picture) {
    this.infotext = h("div", { class: "dk-infotext", id: "gallery_infotext", tabindex: "0", role: "region", "aria-label": "Settings of the picture" }, "…");
    const facts = [`${picture.width} × ${picture.height}`, picture.format.toUpperCase(), fileSize(picture.size_bytes), new Date(picture.modified * 1000).toLocaleString()];
    const image = h("button", { type: "button", class: "dk-stage dk-gallery-look", "aria-label": "Show the picture in full size", onclick: () => this.gallery.open() },
      h("img", { src: picture.url, alt: picture.prompt.slice(0, 200) || picture.name }));
    const send = (target, label, icon) => h("button", { type: "button", class: `dk-action dk-icon-${icon}`, id: `gallery_send_to_${target}`,
      onclick: () => attempt(() => this.send(target, picture)) }, label);
    this.body.replaceChildren(image, h("div", { class: "dk-gallery-name" }, picture.place), h("div", { class: "dk-gallery-facts" }, facts.join(" · ")), this.marks(),
      h("div", { class: "dk-actions-row" }, send("txt2img", "txt2img", "text"), send("img2img", "img2img", "image"), send("inpaint", "Inpaint", "mask"), send("extras", "Extras", "zoom-in"), send("pnginfo", "PNG Info", "info")),
      h("div", { class: "dk-actions-row" }, this.link(picture, "download", "Download", ""), this.link(picture, "shield", "Without settings", "&strip=true"),
        iconButton("copy", "Copy the settings as text", () => attempt(() => this.copy(picture)), { id: "gallery_copy" }), this.trash()),
      this.infotext);
    attempt(async () => {
      const told = await details(picture.id);
      if (this.pictures[0]?.id === picture.id) this.infotext.textContent = told.infotext || "This picture says nothing about how it was made.";
    });
  }

  several(pictures) {
    const compare = pictures.length === 2 ? h("button", { type: "button", class: "dk-action dk-icon-compare", id: "gallery_compare", onclick: () => this.gallery.compare() }, "Compare") : null;
    this.body.replaceChildren(
      h("div", { class: "dk-gallery-several" }, ...pictures.slice(0, 12).map((picture) => h("img", { src: picture.thumbnail, alt: picture.name, loading: "lazy" }))),
      h("div", { class: "dk-gallery-name", id: "gallery_count" }, `${plural(pictures.length)} chosen`), this.marks(),
      h("div", { class: "dk-actions-row" }, compare, this.archive("Download as zip", "download", false), this.archive("Zip without settings", "shield", true), this.trash()));
  }

  link(picture, icon, label, more) {
    return h("a", { class: `dk-action dk-icon-${icon}`, id: `gallery_${icon}`, href: `${picture.url}&download=true${more}`, download: picture.name }, label);
  }

  archive(label, icon, strip) {
    return h("button", { type: "button", class: `dk-action dk-icon-${icon}`, id: strip ? "gallery_zip_strip" : "gallery_zip", onclick: () => this.zip(strip) }, label);
  }

  /** A form, because the browser then writes the archive to the disk as it comes. */
  zip(strip) {
    const form = h("form", { method: "post", action: address("api/v1/gallery/zip"), hidden: true }, h("input", { name: "ids", value: this.ids().join(",") }),
      h("input", { name: "strip", value: String(strip) }));
    document.body.append(form);
    form.submit();
    form.remove();
  }

  trash() {
    return iconButton("trash", "Put into the trash", () => attempt(() => this.throwAway()), { id: "gallery_trash" });
  }

  /** Stars, heart, tags and albums: of all chosen pictures where they agree. */
  marks() {
    const all = (test) => this.pictures.every(test);
    const rating = all((picture) => picture.rating === this.pictures[0].rating) ? this.pictures[0].rating : 0;
    const favourite = all((picture) => picture.favourite);
    const stars = [1, 2, 3, 4, 5].map((count) => h("button", { type: "button", class: `dk-star${count <= rating ? " dk-star-on" : ""}`, "aria-label": `${count} star${count > 1 ? "s" : ""}`,
      "aria-pressed": String(count === rating), onclick: () => this.mark({ rating: count === rating ? 0 : count }) }, count <= rating ? "★" : "☆"));
    const heart = iconButton("heart", "Favourite", () => this.mark({ favourite: !favourite }), { id: "gallery_favourite", "aria-pressed": String(favourite) });
    return h("div", { class: "dk-gallery-marks" }, h("div", { class: "dk-gallery-stars", role: "group", "aria-label": "Stars" }, heart, ...stars),
      this.labels("tag", "tags", "Add a tag"), this.labels("album", "albums", "Add to an album"));
  }

  labels(kind, field, placeholder) {
    const names = this.pictures[0][field].filter((name) => this.pictures.every((picture) => picture[field].includes(name)));
    const list = h("datalist", { id: `gallery_known_${kind}` }, ...this.gallery.names(kind).map((value) => h("option", { value })));
    const input = h("input", { type: "text", id: `gallery_add_${kind}`, maxlength: "100", placeholder, "aria-label": placeholder, list: list.id, onkeydown: (event) => {
      if (event.key !== "Enter" || event.isComposing || !input.value.trim()) return;
      event.preventDefault();
      this.mark({ [`add_${field}`]: [input.value.trim()] }, `#gallery_add_${kind}`);
    } });
    const chips = names.map((name) => h("span", { class: "dk-chip" }, name,
      h("button", { type: "button", "aria-label": `Remove ${name}`, onclick: () => this.mark({ [`remove_${field}`]: [name] }) }, "×")));
    return h("div", { class: "dk-chips", role: "group", "aria-label": kind === "tag" ? "Tags" : "Albums" }, ...chips, input, list);
  }

  /** One after another: an answer that overtook another would bring back what that one changed. */
  mark(change, focus = null) {
    const ids = this.ids();
    if (ids.length) this.marking = (this.marking ?? Promise.resolve()).then(() => attempt(() => this.sendMarks(ids, change, focus)));
  }

  async sendMarks(ids, change, focus) {
    const changed = await post("api/v1/gallery/marks", { ids, ...change });
    const news = new Map(changed.map((picture) => [picture.id, picture]));
    this.pictures = this.pictures.map((picture) => news.get(picture.id) ?? picture);
    this.body.querySelector(".dk-gallery-marks")?.replaceWith(this.marks());
    this.gallery.marked(changed);
    if (focus) this.body.querySelector(focus)?.focus();
  }

  async throwAway() {
    const ids = this.ids();
    if (!ids.length) return;
    await post("api/v1/gallery/trash", { ids });
    note(`${plural(ids.length)} put into the trash.`, "info");
    this.gallery.gone(ids);
  }

  async copy(picture) {
    await copyText((await details(picture.id)).infotext);
    note("The settings are in the clipboard.", "info");
  }

  async send(target, picture) {
    const { usable, chunk } = await details(picture.id);
    if (target === "txt2img") {
      if (!usable) throw new Error("This picture says nothing about how it was made.");
      fillTab("txt2img", usable, { chunk });
      return;
    }
    const answer = await fetch(picture.url, { credentials: "same-origin" });
    if (!answer.ok) throw new Error("The picture is not there any more.");
    await sendFile(target, new File([await answer.blob()], picture.name, { type: answer.headers.get("Content-Type") ?? "image/png" }), usable, { chunk });
  }
}
