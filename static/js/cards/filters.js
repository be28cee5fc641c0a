// What cards can be found and sorted by: a search field, family, folder, order, favourites; gives a query for the cards' source.

import { h, iconButton, setText } from "../dom.js";

const WAIT_MS = 200;
const SORTS = { name: "By name", date: "By date", size: "By size", used: "Last used" };
/** What one wants to see first: names from A, everything else from the newest or largest. */
const FROM_THE_TOP = { name: false, date: true, size: true, used: true };
const UNKNOWN = "(unknown)";

export class CardFilters {
  /**
   * `changed()` is called after each change; `id` begins the ids of the fields; `kept` is what an earlier visit left of the order;
   * `tools` are further buttons.
   */
  constructor({ id, changed, label, kept = {}, tools = [] }) {
    this.changed = changed;
    this.text = h("input", { type: "search", id: `${id}_search`, placeholder: "Search names, trigger words and tags", "aria-label": label, autocomplete: "off",
      spellcheck: "false", oninput: () => this.later() });
    this.family = this.select(`${id}_family`, "Family");
    this.folder = this.select(`${id}_folder`, "Folder");
    this.sort = h("select", { id: `${id}_sort`, "aria-label": "Order", onchange: () => this.sorted() },
      ...Object.entries(SORTS).map(([value, name]) => h("option", { value }, name)));
    this.sort.value = SORTS[kept.sort] ? kept.sort : "name";
    this.turn = iconButton("ascending", "Turn the order round", () => this.turned(!this.descending), { id: `${id}_descending` });
    this.favourites = iconButton("star", "Favourites only", () => this.press(), { id: `${id}_favourites`, "aria-pressed": "false" });
    this.wipe = h("button", { type: "button", class: "dk-link", id: `${id}_clear`, hidden: true, onclick: () => this.clear() }, "Clear");
    this.words = h("span", { class: "dk-mc-count", id: `${id}_count`, role: "status" });
    this.node = h("div", { class: "dk-mc-filters", role: "search" },
      h("div", { class: "dk-mc-find" }, this.text, this.wipe, this.favourites, ...tools),
      h("div", { class: "dk-mc-find" }, this.words, this.family, this.folder, this.sort, this.turn));
    this.descending = kept.descending ?? FROM_THE_TOP[this.sort.value];
    this.drawTurn();
  }

  select(id, label) {
    return h("select", { id, "aria-label": label, onchange: () => this.changed() }, h("option", { value: "" }, label));
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.changed(), WAIT_MS);
  }

  sorted() {
    this.turned(FROM_THE_TOP[this.sort.value]);
  }

  turned(descending) {
    this.descending = descending;
    this.drawTurn();
    this.changed();
  }

  drawTurn() {
    this.turn.classList.toggle("dk-icon-ascending", !this.descending);
    this.turn.classList.toggle("dk-icon-descending", this.descending);
  }

  press() {
    this.favourites.setAttribute("aria-pressed", String(!this.onlyFavourites()));
    this.changed();
  }

  onlyFavourites() {
    return this.favourites.getAttribute("aria-pressed") === "true";
  }

  clear() {
    for (const field of [this.text, this.family, this.folder]) field.value = "";
    this.favourites.setAttribute("aria-pressed", "false");
    this.changed();
  }

  isEmpty() {
    return !this.text.value.trim() && !this.family.value && !this.folder.value && !this.onlyFavourites();
  }

  /** The order alone, for another visit. */
  order() {
    return { sort: this.sort.value, descending: this.descending };
  }

  /** The query without kinds and portion. */
  query() {
    const query = new URLSearchParams({ sort: this.sort.value });
    if (this.descending) query.set("descending", "true");
    if (this.text.value.trim()) query.set("query", this.text.value.trim());
    if (this.family.value) query.set("family", this.family.value === UNKNOWN ? "" : this.family.value);
    if (this.folder.value) query.set("folder", this.folder.value);
    if (this.onlyFavourites()) query.set("favourites", "true");
    return query;
  }

  /** Says how much fits, and fills the lists with what there is; what is chosen stays, even where nothing fits any more. */
  take({ total, unread, facets: { families, folders } }, word) {
    setText(this.words, `${total} ${word}${total === 1 ? "" : "s"}${unread ? ` · ${unread} files are still being looked at` : ""}`);
    this.options(this.family, "Family", families.map(({ value, files }) => [value || UNKNOWN, value || "Unknown", files]));
    const indented = (name) => `${"\u2003".repeat(name.split("/").length - 1)}${name.split("/").at(-1)}`;
    this.options(this.folder, "Folder", folders.map(({ value, files }) => [value, indented(value), files]));
    this.wipe.hidden = this.isEmpty();
  }

  options(select, label, entries) {
    const chosen = select.value;
    const options = entries.map(([value, name, count]) => h("option", { value }, `${name} (${count})`));
    if (chosen && !entries.some(([value]) => value === chosen)) options.push(h("option", { value: chosen }, chosen));
    select.replaceChildren(h("option", { value: "" }, label), ...options);
    select.value = chosen;
    select.hidden = options.length === 0;
  }
}
