// A wall of thumbnails of which only those in sight exist, however many there are; with a cursor and a selection for the keyboard.

import { h } from "./dom.js";

const GAP = 8;
const SPARE_ROWS = 2;
const NEAR_END_ROWS = 6;

export class PictureGrid {
  /** `on`: {chosen(), open(), more()}, called after a change of the selection, for a double click or Enter, and near the end. */
  constructor(on) {
    this.on = on;
    this.items = [];
    this.tiles = new Map();
    this.cursor = -1;
    this.anchor = -1;
    this.selected = new Set();
    this.picking = false;
    this.space = h("div", { class: "dk-wall-space" });
    this.node = h("div", { class: "dk-wall", id: "gallery_grid", tabindex: "0", role: "listbox", "aria-multiselectable": "true", "aria-label": "Pictures in the gallery",
      onscroll: () => this.draw(), onkeydown: (event) => this.key(event) }, this.space);
    new ResizeObserver(() => this.draw()).observe(this.node);
  }

  /** Other pictures from the top; those that were chosen stay chosen if they are still there. */
  reset(items) {
    const at = this.items[this.cursor]?.id;
    this.items = items;
    const there = new Set(items.map((item) => item.id));
    this.selected = new Set([...this.selected].filter((id) => there.has(id)));
    this.cursor = this.anchor = items.findIndex((item) => item.id === at);
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.draw();
  }

  append(items) {
    this.items = [...this.items, ...items];
    this.draw();
  }

  /** Takes over what changed in some pictures. */
  update(changed) {
    const news = new Map(changed.map((item) => [item.id, item]));
    this.items = this.items.map((item) => news.get(item.id) ?? item);
    for (const id of news.keys()) this.drop(id);
    this.draw();
  }

  /** Takes pictures away; the cursor stays where it was. */
  remove(ids) {
    const gone = new Set(ids);
    this.items = this.items.filter((item) => !gone.has(item.id));
    for (const id of gone) {
      this.drop(id);
      this.selected.delete(id);
    }
    this.cursor = Math.min(this.cursor, this.items.length - 1);
    this.anchor = this.cursor;
    this.draw();
  }

  drop(id) {
    this.tiles.get(id)?.remove();
    this.tiles.delete(id);
  }

  /** The pictures that are chosen: the selection, else the one under the cursor. */
  chosen() {
    if (this.selected.size) return this.items.filter((item) => this.selected.has(item.id));
    const one = this.items[this.cursor];
    return one ? [one] : [];
  }

  columns() {
    const width = this.node.clientWidth - GAP;
    const wanted = width < 500 ? 108 : 168;
    return Math.max(2, Math.floor(width / (wanted + GAP)));
  }

  side() {
    return Math.floor((this.node.clientWidth - GAP) / this.columns()) - GAP;
  }

  draw() {
    if (!this.node.clientWidth) return;
    const columns = this.columns();
    const step = this.side() + GAP;
    const rows = Math.ceil(this.items.length / columns);
    this.space.style.height = `${rows * step + GAP}px`;
    const first = Math.max(0, Math.floor(this.node.scrollTop / step) - SPARE_ROWS);
    const last = Math.min(rows, Math.ceil((this.node.scrollTop + this.node.clientHeight) / step) + SPARE_ROWS);
    const shown = new Set();
    for (let index = first * columns; index < Math.min(last * columns, this.items.length); index += 1) {
      const item = this.items[index];
      shown.add(item.id);
      this.place(item, index, columns, step);
    }
    for (const id of [...this.tiles.keys()]) if (!shown.has(id)) this.drop(id);
    const current = this.items[this.cursor];
    if (current && shown.has(current.id)) this.node.setAttribute("aria-activedescendant", `gallery_${current.id}`);
    else this.node.removeAttribute("aria-activedescendant");
    if (rows - last < NEAR_END_ROWS) this.on.more();
  }

  place(item, index, columns, step) {
    let tile = this.tiles.get(item.id);
    if (!tile) {
      tile = this.tile(item);
      this.tiles.set(item.id, tile);
      this.space.append(tile);
    }
    const side = step - GAP;
    tile.style.transform = `translate(${GAP + (index % columns) * step}px, ${GAP + Math.floor(index / columns) * step}px)`;
    tile.style.width = tile.style.height = `${side}px`;
    const on = this.selected.size ? this.selected.has(item.id) : index === this.cursor;
    tile.setAttribute("aria-selected", String(on));
    tile.classList.toggle("dk-wall-cursor", index === this.cursor);
    tile.setAttribute("aria-posinset", String(index + 1));
    tile.setAttribute("aria-setsize", String(this.items.length));
  }

  tile(item) {
    const words = item.prompt || item.name;
    const image = h("img", { src: item.thumbnail, alt: "", loading: "lazy", decoding: "async", draggable: "false" });
    image.addEventListener("error", () => image.replaceWith(h("span", { class: "dk-wall-broken" }, item.name)), { once: true });
    const stars = item.rating ? h("span", { class: "dk-wall-stars", "aria-hidden": "true" }, "★".repeat(item.rating)) : null;
    const heart = item.favourite ? h("span", { class: "dk-wall-heart", "aria-hidden": "true" }, "♥") : null;
    const said = [words.slice(0, 120), item.rating && `${item.rating} stars`, item.favourite && "favourite"].filter(Boolean).join(", ");
    const tile = h("div", { class: "dk-wall-tile", id: `gallery_${item.id}`, role: "option", title: words.slice(0, 300), "aria-label": said }, image, stars, heart,
      h("span", { class: "dk-wall-check", "aria-hidden": "true" }, "✓"));
    tile.addEventListener("click", (event) => this.click(item, event));
    tile.addEventListener("dblclick", () => this.on.open());
    return tile;
  }

  click(item, event) {
    const index = this.items.findIndex((one) => one.id === item.id);
    if (event.shiftKey) this.extend(index);
    else if (event.ctrlKey || event.metaKey || this.picking) this.toggle(index);
    else this.go(index);
  }

  /** Puts the cursor on one picture and chooses it alone. */
  go(index) {
    if (!this.items.length) return;
    this.cursor = this.anchor = Math.max(0, Math.min(index, this.items.length - 1));
    this.selected.clear();
    this.changed();
  }

  toggle(index) {
    if (index < 0 || !this.items[index]) return;
    if (!this.selected.size && !this.picking && this.items[this.cursor] && this.cursor !== index) this.selected.add(this.items[this.cursor].id);
    const { id } = this.items[index];
    if (!this.selected.delete(id)) this.selected.add(id);
    this.cursor = this.anchor = index;
    this.changed();
  }

  extend(index) {
    const to = Math.max(0, Math.min(index, this.items.length - 1));
    const from = this.anchor < 0 ? to : this.anchor;
    this.selected = new Set(this.items.slice(Math.min(from, to), Math.max(from, to) + 1).map((item) => item.id));
    this.cursor = to;
    this.changed();
  }

  changed() {
    this.reveal();
    this.draw();
    this.on.chosen();
  }

  reveal() {
    const step = this.side() + GAP;
    const top = Math.floor(this.cursor / this.columns()) * step;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + step + GAP > this.node.scrollTop + this.node.clientHeight) this.node.scrollTop = top + step + GAP - this.node.clientHeight;
  }

  key(event) {
    const columns = this.columns();
    const page = columns * Math.max(1, Math.floor(this.node.clientHeight / (this.side() + GAP)) - 1);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    const modified = event.ctrlKey || event.metaKey;
    if (step !== undefined && !modified && !event.altKey) {
      const target = this.cursor < 0 ? 0 : Math.max(0, Math.min(this.items.length - 1, this.cursor + step));
      if (event.shiftKey) this.extend(target);
      else this.go(target);
    } else if (event.key === " ") this.toggle(this.cursor);
    else if (event.key === "Enter" && !modified && !event.altKey) this.on.open();
    else if (event.key === "a" && modified) {
      this.selected = new Set(this.items.map((item) => item.id));
      this.changed();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
