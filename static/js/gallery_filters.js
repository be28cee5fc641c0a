// The gallery's search field and what pictures can be filtered by; gives a query for /api/v1/gallery.

import { call } from "./api.js";
import { h, iconButton } from "./dom.js";

const WAIT_MS = 250;
const CHOICES = [["model", "Checkpoint"], ["lora", "LoRA"], ["sampler", "Sampler"], ["size", "Size"], ["tag", "Tag"], ["album", "Album"]];
const DAY_S = 86_400;

export class Filters {
  constructor(changed) {
    this.changed = changed;
    this.text = h("input", { type: "search", id: "gallery_search", placeholder: "Search prompts and file names", "aria-label": "Search the gallery",
      title: '"two words" stand together, -word must not be there, word* is a beginning, negative:word looks into negative prompts', oninput: () => this.later() });
    this.selects = Object.fromEntries(CHOICES.map(([kind, label]) => [kind, h("select", { id: `gallery_${kind}`, onchange: () => this.changed() },
      h("option", { value: "" }, label))]));
    this.rating = h("select", { id: "gallery_rating", "aria-label": "Stars", onchange: () => this.changed() }, h("option", { value: "" }, "Stars"),
      ...[1, 2, 3, 4, 5].map((stars) => h("option", { value: String(stars) }, stars === 5 ? "★★★★★" : `${"★".repeat(stars)} or more`)));
    this.order = h("select", { id: "gallery_order", "aria-label": "Order", onchange: () => this.changed() },
      h("option", { value: "newest" }, "Newest first"), h("option", { value: "oldest" }, "Oldest first"));
    this.seed = h("input", { type: "text", inputmode: "numeric", id: "gallery_seed", placeholder: "Seed", "aria-label": "Seed", oninput: () => this.later() });
    this.after = this.date("gallery_after", "From");
    this.before = this.date("gallery_before", "To");
    this.favourite = h("button", { type: "button", class: "dk-icon-button dk-icon-heart", id: "gallery_favourites", title: "Favourites only", "aria-label": "Favourites only",
      "aria-pressed": "false", onclick: () => this.press() });
    for (const [kind, label] of CHOICES) this.selects[kind].setAttribute("aria-label", label);
    this.more = h("div", { class: "dk-gallery-filters", id: "gallery_filters", role: "group", "aria-label": "Filters" }, ...Object.values(this.selects), this.rating, this.seed,
      this.after.box, this.before.box, this.order);
    this.wipe = h("button", { type: "button", class: "dk-link", id: "gallery_clear", hidden: true, onclick: () => this.clear() }, "Clear");
    this.toggle = iconButton("filter", "Filters", () => this.fold(), { id: "gallery_filter_toggle", "aria-expanded": "false", "aria-controls": "gallery_filters" });
    this.node = h("div", { class: "dk-gallery-find" }, h("div", { class: "dk-gallery-search" }, this.text, this.wipe, this.favourite, this.toggle), this.more);
  }

  date(id, label) {
    const input = h("input", { type: "date", id, onchange: () => this.changed() });
    return { input, box: h("label", { class: "dk-gallery-date" }, h("span", {}, label), input) };
  }

  fold() {
    const open = this.node.classList.toggle("dk-gallery-open");
    this.toggle.setAttribute("aria-expanded", String(open));
  }

  press() {
    this.favourite.setAttribute("aria-pressed", String(this.favourite.getAttribute("aria-pressed") !== "true"));
    this.changed();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.changed(), WAIT_MS);
  }

  clear() {
    for (const field of [this.text, this.seed, this.rating, this.after.input, this.before.input, ...Object.values(this.selects)]) field.value = "";
    this.order.value = "newest";
    this.favourite.setAttribute("aria-pressed", "false");
    this.changed();
  }

  /** The query without cursor. */
  query() {
    const query = new URLSearchParams({ order: this.order.value });
    const put = (name, value) => value && query.set(name, value);
    put("query", this.text.value.trim());
    put("seed", this.seed.value.trim());
    put("rating", this.rating.value);
    for (const [kind] of CHOICES) put(kind, this.selects[kind].value);
    if (this.favourite.getAttribute("aria-pressed") === "true") query.set("favourite", "true");
    put("after", this.moment(this.after.input, 0));
    put("before", this.moment(this.before.input, DAY_S));
    return query;
  }

  moment(input, more) {
    return input.value ? String(new Date(`${input.value}T00:00:00`).getTime() / 1000 + more) : "";
  }

  isEmpty() {
    return [...this.query().keys()].every((name) => name === "order");
  }

  /** Fills the lists with what there is. */
  async refresh() {
    this.wipe.hidden = this.isEmpty() && this.order.value === "newest";
    this.known = await call("api/v1/gallery/choices");
    for (const [kind, label] of CHOICES) {
      const select = this.selects[kind];
      const chosen = select.value;
      const values = this.known[kind] ?? [];
      const options = values.map(({ value, pictures }) => h("option", { value }, `${value} (${pictures})`));
      if (chosen && !values.some(({ value }) => value === chosen)) options.push(h("option", { value: chosen }, chosen));
      select.replaceChildren(h("option", { value: "" }, label), ...options);
      select.value = chosen;
      select.disabled = options.length === 0;
    }
  }
}
