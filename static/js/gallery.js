// <dk-gallery>: every picture in the outputs folder and the folders that were added; found, looked at, marked, compared, thrown away.

import { call } from "./api.js";
import { define, h, iconButton, isVisible, setText } from "./dom.js";
import { Details } from "./gallery_details.js";
import { compare, folders, trash } from "./gallery_dialogs.js";
import { Filters } from "./gallery_filters.js";
import { PictureGrid } from "./gallery_grid.js";
import { onJobs } from "./jobs.js";
import { openLightbox } from "./lightbox.js";
import { attempt } from "./notes.js";

const PAGE = 120;
const WATCH_MS = 2_000;

class Gallery extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.filters = new Filters(() => this.search());
    this.grid = new PictureGrid({ chosen: () => this.choose(), open: () => this.enlarge(), more: () => this.more() });
    this.details = new Details({ marked: (changed) => this.marked(changed), gone: (ids) => this.gone(ids), open: () => this.enlarge(), compare: () => this.compare(),
      names: (kind) => (this.filters.known?.[kind] ?? []).map(({ value }) => value) });
    this.words = h("span", { class: "dk-gallery-status", id: "gallery_status", role: "status" });
    this.pick = iconButton("select", "Choose several pictures", () => this.picking(), { id: "gallery_pick", "aria-pressed": "false" });
    this.folders = iconButton("folder", "Folders and index", () => attempt(() => folders(() => this.search())), { id: "gallery_folders", hidden: true });
    const bin = iconButton("trash", "Open the trash", () => attempt(() => trash(() => this.search())), { id: "gallery_open_trash" });
    this.empty = h("p", { class: "dk-empty dk-gallery-empty", hidden: true });
    this.append(this.filters.node, h("div", { class: "dk-gallery-bar" }, this.words, this.pick, this.folders, bin),
      h("div", { class: "dk-gallery-main" }, h("div", { class: "dk-gallery-wall" }, this.grid.node, this.empty), this.details.node));
    this.details.show([]);
    this.addEventListener("keydown", (event) => this.key(event));
    onJobs(() => this.jobsChanged());
    setInterval(() => isVisible(this) && attempt(() => this.watch()), WATCH_MS);
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.search();
    }).observe(this);
  }

  /** Asks from the top; an answer that is overtaken by a later question is dropped. */
  async search() {
    const asked = {};
    this.asked = asked;
    await attempt(async () => {
      const query = this.filters.query();
      query.set("limit", String(PAGE));
      const [page] = await Promise.all([call(`api/v1/gallery?${query}`), this.filters.refresh()]);
      if (this.asked !== asked) return;
      this.query = query;
      this.cursor = page.cursor;
      this.count = page.total_is_least ? `more than ${page.total}` : String(page.total);
      this.grid.reset(page.pictures);
      this.choose();
      await this.watch();
    });
  }

  async more() {
    if (!this.cursor || this.loading) return;
    this.loading = true;
    const { asked, cursor } = this;
    await attempt(async () => {
      const query = new URLSearchParams(this.query);
      query.set("cursor", cursor);
      const page = await call(`api/v1/gallery?${query}`);
      if (this.asked !== asked) return;
      this.cursor = page.cursor;
      this.grid.append(page.pictures);
    });
    this.loading = false;
  }

  /** How far the index is; new pictures are shown at once while nobody has scrolled away. */
  async watch() {
    const status = await call("api/v1/gallery/status");
    this.folders.hidden = !status.owner;
    const shown = this.filters.isEmpty() ? `${status.total} picture${status.total === 1 ? "" : "s"}` : `${this.count ?? "…"} of ${status.total} pictures`;
    setText(this.words, status.scanning && status.read ? `${shown} · looking through the folders: ${status.looked_at} files, ${status.read} new` : shown);
    this.empty.hidden = this.grid.items.length > 0;
    setText(this.empty, status.scanning ? "Looking through the folders …" : status.total ? "No picture fits." : "Pictures that are saved appear here.");
    const changed = this.total !== undefined && this.total !== status.total;
    this.total = status.total;
    if (changed && this.grid.node.scrollTop === 0) this.search();
  }

  jobsChanged() {
    if (isVisible(this)) attempt(() => this.watch());
  }

  choose() {
    const chosen = this.grid.chosen();
    const key = chosen.map((picture) => picture.id).join();
    if (key === this.shownKey) return;
    this.shownKey = key;
    this.details.show(chosen);
  }

  marked(changed) {
    this.grid.update(changed);
    this.filters.refresh().catch(() => {});
  }

  gone(ids) {
    this.total -= ids.length;
    this.grid.remove(ids);
    this.choose();
    this.search();
  }

  picking() {
    this.grid.picking = !this.grid.picking;
    this.pick.setAttribute("aria-pressed", String(this.grid.picking));
    if (!this.grid.picking) this.grid.go(this.grid.cursor);
  }

  compare() {
    const [one, other] = this.grid.chosen();
    if (other) attempt(() => compare(one, other));
  }

  enlarge() {
    const shown = () => {
      const picture = this.grid.items[this.grid.cursor];
      return { src: picture.url, alt: picture.prompt.slice(0, 200) || picture.name };
    };
    if (this.grid.cursor < 0) return;
    openLightbox(shown(), (step) => {
      this.grid.go(this.grid.cursor + step);
      return shown();
    });
  }

  /** Keys that act on what is chosen, wherever in the gallery the focus is but in a field. */
  key(event) {
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const act = {
      f: () => this.details.mark({ favourite: !this.details.pictures.every((picture) => picture.favourite) }),
      c: () => this.compare(),
      Delete: () => attempt(() => this.details.throwAway()),
      "/": () => this.filters.text.focus(),
      Escape: () => {
        this.grid.selected.clear();
        this.grid.changed();
      },
    }[event.key] ?? (/^[0-5]$/.test(event.key) ? () => this.details.mark({ rating: Number(event.key) }) : null);
    if (!act) return;
    event.preventDefault();
    act();
  }
}

define("dk-gallery", Gallery);
