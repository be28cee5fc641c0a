// A wall of cards, or a table of rows, of which only those in sight exist; what comes into sight is asked for in portions.

import { h } from "../dom.js";
import { attempt } from "../notes.js";
import { sameFile } from "./source.js";

const GAP = 10;
const PORTION = 100;
const SPARE_ROWS = 2;
const ROW_HEIGHT = 46;
const CARD_WIDTH = 164;
const NARROW_CARD_WIDTH = 138;
const CARD_RATIO = 1.3;

export class CardWall {
  /** `load(offset, limit)` gives `{cards, total, ...}`; `draw(card, asRow)` a card's element, whose first button has its place in the row of keys. */
  constructor({ label, load, draw }) {
    this.load = load;
    this.draw = draw;
    this.asRows = false;
    this.forget();
    this.space = h("div", { class: "dk-mc-space" });
    this.node = h("div", { class: "dk-mc-wall", role: "list", "aria-label": label, onscroll: () => this.show(), onkeydown: (event) => this.key(event) }, this.space);
    new ResizeObserver(() => this.show()).observe(this.node);
  }

  forget() {
    this.cards = [];
    this.asked = new Set();
    this.total = 0;
    for (const { node } of this.shown?.values() ?? []) node.remove();
    this.shown = new Map();
  }

  /** Asks anew from the top; gives the answer, or nothing where a later question overtook it. `keep`: what is shown stays where it is. */
  async reset({ keep = false } = {}) {
    const turn = {};
    this.turn = turn;
    const top = keep ? this.node.scrollTop : 0;
    const focus = this.focused();
    const first = keep ? Math.floor((this.range()?.first ?? 0) / PORTION) * PORTION : 0;
    const answer = await attempt(() => this.load(first, PORTION));
    if (this.turn !== turn || !answer) return undefined;
    this.forget();
    this.take(first, answer);
    this.node.scrollTop = top;
    this.show();
    if (focus && keep) this.shown.get(focus.at)?.node.querySelectorAll("button")[focus.button]?.focus({ preventScroll: true });
    return answer;
  }

  /** Which button of which card has the focus; null where none has. */
  focused() {
    const tile = document.activeElement?.closest?.("[data-at]");
    if (!tile || !this.node.contains(tile)) return null;
    return { at: Number(tile.dataset.at), button: [...tile.querySelectorAll("button")].indexOf(document.activeElement) };
  }

  take(offset, answer) {
    this.asked.add(offset);
    this.total = answer.total;
    answer.cards.forEach((card, at) => {
      this.cards[offset + at] = card;
    });
  }

  async ask(offset) {
    if (this.asked.has(offset)) return;
    this.asked.add(offset);
    const { turn } = this;
    const answer = await attempt(() => this.load(offset, PORTION));
    if (this.turn !== turn) return;
    if (!answer) {
      this.asked.delete(offset);
      return;
    }
    this.take(offset, answer);
    this.show();
  }

  /** Takes over what changed in one card. */
  update(card) {
    const at = this.cards.findIndex((one) => one && sameFile(one, card));
    if (at < 0) return;
    this.cards[at] = { ...this.cards[at], ...card };
    this.redraw(at);
  }

  redraw(at) {
    const old = this.shown.get(at);
    if (!old) return;
    const focus = this.focused();
    old.node.remove();
    this.shown.delete(at);
    this.show();
    if (focus?.at === at) this.shown.get(at)?.node.querySelectorAll("button")[focus.button]?.focus({ preventScroll: true });
  }

  /** Draws every card in sight anew. */
  redrawAll() {
    for (const at of [...this.shown.keys()]) this.redraw(at);
  }

  setRows(asRows) {
    this.asRows = asRows;
    this.node.classList.toggle("dk-mc-rows", asRows);
    for (const { node } of this.shown.values()) node.remove();
    this.shown.clear();
    this.show();
  }

  /** What fits side by side, and how far from one row to the next. */
  measure() {
    const width = this.node.clientWidth;
    if (this.asRows) return { columns: 1, width, height: ROW_HEIGHT, step: ROW_HEIGHT };
    const columns = Math.max(2, Math.floor((width - GAP) / ((width < 720 ? NARROW_CARD_WIDTH : CARD_WIDTH) + GAP)));
    const side = Math.floor((width - GAP) / columns) - GAP;
    const height = Math.round(side * CARD_RATIO);
    return { columns, width: side, height, step: height + GAP };
  }

  range() {
    if (!this.node.clientWidth) return null;
    const { columns, step } = this.measure();
    const rows = Math.ceil(this.total / columns);
    const first = Math.max(0, Math.floor(this.node.scrollTop / step) - SPARE_ROWS);
    const last = Math.min(rows, Math.ceil((this.node.scrollTop + Math.max(this.node.clientHeight, step)) / step) + SPARE_ROWS);
    return { first: first * columns, last: Math.min(this.total, last * columns) };
  }

  show() {
    const { columns, width, height, step } = this.measure();
    const gap = this.asRows ? 0 : GAP;
    this.space.style.height = `${Math.ceil(this.total / columns) * step + gap}px`;
    const range = this.range();
    if (!range) return;
    for (const [at, { node }] of this.shown) {
      if (at >= range.first && at < range.last) continue;
      node.remove();
      this.shown.delete(at);
    }
    for (let at = range.first; at < range.last; at += 1) {
      if (this.cards[at]) this.place(at, gap + (at % columns) * (width + gap), gap + Math.floor(at / columns) * step, width, height);
      else this.ask(Math.floor(at / PORTION) * PORTION);
    }
  }

  place(at, left, top, width, height) {
    let shown = this.shown.get(at);
    if (!shown) {
      shown = { node: this.draw(this.cards[at], this.asRows) };
      shown.node.dataset.at = String(at);
      shown.node.setAttribute("aria-posinset", String(at + 1));
      shown.node.setAttribute("aria-setsize", String(this.total));
      this.shown.set(at, shown);
      const after = [...this.shown.keys()].filter((one) => one > at).sort((one, other) => one - other)[0];
      this.space.insertBefore(shown.node, after === undefined ? null : this.shown.get(after).node);
    }
    Object.assign(shown.node.style, { transform: `translate(${left}px, ${top}px)`, width: `${width}px`, height: `${height}px` });
  }

  /** Arrows go from card to card, also to those that are not in sight yet. */
  key(event) {
    const tile = event.target.closest?.("[data-at]");
    if (!tile || event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    const { columns, step, height } = this.measure();
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -Infinity, End: Infinity }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const to = Math.max(0, Math.min(this.total - 1, Number(tile.dataset.at) + move));
    const top = Math.floor(to / columns) * step;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + height + GAP > this.node.scrollTop + this.node.clientHeight) this.node.scrollTop = top + height + 2 * GAP - this.node.clientHeight;
    this.show();
    this.shown.get(to)?.node.querySelector("button")?.focus({ preventScroll: true });
  }
}
