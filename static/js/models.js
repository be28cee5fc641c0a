// <dk-models>: the Models tab, every model file as a card or as a row of a table. <dk-model-hint>: how to add a checkpoint.

import { chosenFile, onChosen } from "./cards/chosen.js";
import { COLUMNS, cardFace, cardRow } from "./cards/face.js";
import { CardFilters } from "./cards/filters.js";
import { openCard } from "./cards/page.js";
import { KINDS, cardsChanged, findCards, onCards } from "./cards/source.js";
import { CardWall } from "./cards/wall.js";
import { define, h, iconButton, isVisible, setText } from "./dom.js";

const KEY = "darkroom.models";
const WATCH_MS = 2_000;
const LARGEST = 20;
const HINT = "To add a full-size checkpoint, put its .safetensors file into models/Stable-diffusion and press refresh.";

/** Files may have come or gone: every list of models asks again. */
export async function refreshModels() {
  cardsChanged();
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {}; // an unreadable note is none
  }
}

class Models extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    const before = kept();
    this.kind = KINDS[before.kind] ? before.kind : "";
    this.build(before);
    this.table(before.view === "table");
    onCards((card) => (card ? this.wall.update(card) : isVisible(this) && this.search(true)));
    onChosen(() => this.wall.redrawAll());
    setInterval(() => this.unread && isVisible(this) && this.search(true), WATCH_MS);
    new IntersectionObserver((seen) => {
      if (seen.some((entry) => entry.isIntersecting)) this.search(true);
    }).observe(this);
  }

  build(before) {
    this.kinds = h("div", { class: "dk-mc-kinds", role: "group", "aria-label": "Kind" });
    this.view = iconButton("rows", "Show a table", () => this.table(!this.wall.asRows), { id: "models_view", "aria-pressed": "false" });
    const again = iconButton("refresh", "Look through the folders again", () => document.getElementById("refresh_sd_model_checkpoint").click(), { id: "models_refresh" });
    this.filters = new CardFilters({ id: "models", label: "Search models", changed: () => this.search(), kept: before, tools: [this.view, again] });
    this.head = h("div", { class: "dk-mc-head", hidden: true }, ...COLUMNS.map(([title, sort]) => this.column(title, sort)), h("span", {}));
    this.wall = new CardWall({ label: "Models", load: (offset, limit) => this.load(offset, limit), draw: (card, asRow) => this.draw(card, asRow) });
    this.empty = h("p", { class: "dk-mc-empty", hidden: true });
    this.append(this.kinds, this.filters.node, this.head, this.wall.node, this.empty);
  }

  column(title, sort) {
    if (!sort) return h("span", { class: "dk-mc-cell" }, title);
    return h("button", { type: "button", class: "dk-mc-cell", "data-sort": sort, onclick: () => this.order(sort) }, title);
  }

  /** A press on a column orders by it; a second one turns the order round. */
  order(sort) {
    if (this.filters.sort.value === sort) this.filters.turned(!this.filters.descending);
    else {
      this.filters.sort.value = sort;
      this.filters.sorted();
    }
  }

  table(on) {
    this.wall.setRows(on);
    this.head.hidden = !on;
    this.view.setAttribute("aria-pressed", String(on));
    this.keep();
  }

  keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify({ view: this.wall.asRows ? "table" : "cards", kind: this.kind, ...this.filters.order() }));
    } catch {
      // Storage is full or forbidden: the page works, it only forgets.
    }
  }

  load(offset, limit) {
    const query = this.filters.query();
    if (this.kind) query.set("kind", this.kind);
    return findCards(query, offset, limit);
  }

  async search(keep = false) {
    this.keep();
    const answer = await this.wall.reset({ keep });
    if (!answer) return;
    this.unread = answer.unread;
    this.filters.take(answer, "file");
    this.drawKinds(answer.facets.kinds);
    for (const column of this.head.querySelectorAll("button")) {
      const on = column.dataset.sort === this.filters.sort.value;
      column.setAttribute("aria-pressed", String(on));
      column.classList.toggle("dk-mc-down", on && this.filters.descending);
    }
    this.empty.hidden = answer.total > 0;
    this.wall.node.hidden = answer.total === 0;
    const { folder } = KINDS[this.kind] ?? {};
    setText(this.empty, !this.filters.isEmpty() || !folder ? "No file fits." : `There is nothing here yet. Put files into ${folder}, or download one above.`);
  }

  drawKinds(counts) {
    const files = new Map(counts.map((count) => [count.value, count.files]));
    const all = counts.reduce((sum, count) => sum + count.files, 0);
    const focused = this.kinds.contains(document.activeElement) ? document.activeElement.dataset.kind : null;
    const button = (kind, title, count) => h("button", { type: "button", class: "dk-mc-kind", "data-kind": kind, "aria-pressed": String(kind === this.kind),
      onclick: () => this.choose(kind) }, title, h("small", {}, String(count)));
    this.kinds.replaceChildren(button("", "All", all), ...Object.entries(KINDS).map(([kind, { title }]) => button(kind, title, files.get(kind) ?? 0)));
    if (focused !== null) this.kinds.querySelector(`[data-kind="${focused}"]`)?.focus();
  }

  choose(kind) {
    this.kind = kind;
    this.filters.family.value = this.filters.folder.value = "";
    this.search();
  }

  draw(card, asRow) {
    const current = card.kind === "checkpoint" && chosenFile() === card.filename;
    return (asRow ? cardRow : cardFace)(card, { press: openCard, open: openCard, pressed: null, said: "About", current });
  }
}

define("dk-models", Models);

class ModelHint extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.hidden = true;
    this.append(h("p", { class: "dk-hint" }, HINT));
    onCards((card) => !card && this.look());
    this.look();
  }

  /** Shown while there is nothing but the small checkpoints that ship with Darkroom. */
  async look() {
    const { cards } = await findCards({ kind: "checkpoint", sort: "size", descending: "true" }, 0, LARGEST).catch(() => ({ cards: [] }));
    this.hidden = !cards.length || cards.some(({ problem, embedded }) => !problem && !embedded);
  }
}

define("dk-model-hint", ModelHint);
