// <dk-cards tab="txt2img">: A1111's tabs of cards beside "Generation". A press puts what a card stands for into the prompt, or takes it out.

import { define, h, iconButton, isVisible } from "../dom.js";
import { showTab } from "../letters.js";
import { choose, chosenFile, onChosen } from "./chosen.js";
import { cardFace } from "./face.js";
import { CardFilters } from "./filters.js";
import { standsIn, toggle } from "./in_prompts.js";
import { openCard, tabShown } from "./page.js";
import { KINDS, findCards, onCards } from "./source.js";
import { CardWall } from "./wall.js";

const TABS = { "": "Generation", embedding: "Textual Inversion", hypernetwork: "Hypernetworks", checkpoint: "Checkpoints", lora: "Lora" };
const WATCH_MS = 2_000;
const ENDINGS = { embedding: ".safetensors, .pt or .png", hypernetwork: ".pt", checkpoint: ".safetensors", lora: ".safetensors" };

const isTouch = (event) => (event.pointerType ? event.pointerType === "touch" : window.matchMedia("(pointer: coarse)").matches);

class Cards extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    this.tab = this.getAttribute("tab");
    this.kind = "";
    this.build();
    onCards((card) => (card ? this.wall.update(card) : this.kind && isVisible(this.panel) && this.search(true)));
    onChosen(() => this.kind && this.wall.redrawAll());
    document.addEventListener("dk-fields", () => this.mark());
    document.addEventListener("input", ({ target }) => target instanceof HTMLTextAreaElement && this.mark());
    new IntersectionObserver((seen) => {
      if (!seen.some((entry) => entry.isIntersecting)) return;
      tabShown(this.tab);
      if (this.kind) this.search(true); // files may have come while another tab was shown
    }).observe(this);
    setInterval(() => this.unread && isVisible(this.panel) && this.search(true), WATCH_MS);
  }

  build() {
    const tabs = Object.entries(TABS).map(([kind, label]) => h("button", { type: "button", role: "tab", class: "dk-mc-tab", id: `${this.tab}_${kind || "generation"}_tab`,
      "aria-selected": String(kind === ""), "data-kind": kind, onclick: () => this.open(kind) }, label));
    this.strip = h("div", { class: "dk-mc-tabs", role: "tablist", "aria-label": "Generation and cards", onkeydown: (event) => this.key(event) }, ...tabs);
    const again = iconButton("refresh", "Look through the folders again", () => document.getElementById("refresh_sd_model_checkpoint")?.click(),
      { id: `${this.tab}_cards_refresh` });
    this.filters = new CardFilters({ id: `${this.tab}_cards`, label: "Search cards", changed: () => this.search(), tools: [again] });
    this.empty = h("div", { class: "dk-mc-empty", hidden: true });
    this.wall = new CardWall({ label: "Cards", load: (offset, limit) => this.load(offset, limit), draw: (card) => this.draw(card) });
    this.panel = h("div", { class: "dk-mc-panel", role: "tabpanel", hidden: true }, this.filters.node, this.wall.node, this.empty);
    this.append(this.strip, this.panel);
  }

  /** Shows one kind's cards in the place of the settings; "" shows the settings. */
  open(kind) {
    const changed = kind !== this.kind;
    this.kind = kind;
    for (const button of this.strip.children) {
      const on = button.dataset.kind === kind;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    this.panel.hidden = !kind;
    this.closest(".dk-settings")?.classList.toggle("dk-mc-open", Boolean(kind));
    if (!kind) return;
    this.panel.setAttribute("aria-label", TABS[kind]);
    if (changed) {
      this.filters.text.value = this.filters.family.value = this.filters.folder.value = "";
      this.wall.forget();
      this.wall.show();
    }
    this.search();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...this.strip.children];
    const next = all[(all.findIndex((one) => one.dataset.kind === this.kind) + step + all.length) % all.length];
    next.click();
    next.focus();
  }

  load(offset, limit) {
    const query = this.filters.query();
    query.set("kind", this.kind);
    return findCards(query, offset, limit);
  }

  async search(keep = false) {
    const { kind } = this;
    const answer = await this.wall.reset({ keep });
    if (!answer || kind !== this.kind) return;
    this.unread = answer.unread;
    this.filters.take(answer, "card");
    this.empty.hidden = answer.total > 0;
    this.wall.node.hidden = answer.total === 0;
    if (!answer.total) this.tellEmpty();
  }

  tellEmpty() {
    if (!this.filters.isEmpty()) {
      this.empty.replaceChildren(h("p", {}, "No card fits."));
      return;
    }
    const { many, folder } = KINDS[this.kind];
    this.empty.replaceChildren(h("p", {}, `There are no ${many} yet. Put ${ENDINGS[this.kind]} files into `,
      h("code", {}, folder), ", in sub-folders if you like; they show up here by themselves or with the button above."),
    h("button", { type: "button", class: "dk-action dk-icon-download", onclick: () => showTab("models") }, "Download one in the Models tab"));
  }

  draw(card) {
    const checkpoint = card.kind === "checkpoint";
    const on = checkpoint ? chosenFile() === card.filename : standsIn(this.tab, card).length > 0;
    return cardFace(card, { press: (pressed, event) => this.press(pressed, event), open: openCard, pressed: on, said: checkpoint ? "Use" : "Put into the prompt:",
      current: checkpoint && on });
  }

  press(card, event) {
    if (card.problem) openCard(card);
    else if (card.kind === "checkpoint") choose(card);
    else toggle(this.tab, card, isTouch(event));
    this.mark();
  }

  /** Which cards stand in the prompts now. */
  mark() {
    if (!this.kind || this.kind === "checkpoint" || this.panel.hidden) return;
    for (const [at, { node }] of this.wall.shown) {
      const main = node.querySelector(".dk-mc-main");
      const on = String(standsIn(this.tab, this.wall.cards[at]).length > 0);
      if (main.getAttribute("aria-pressed") !== on) main.setAttribute("aria-pressed", on);
    }
  }
}

define("dk-cards", Cards);
