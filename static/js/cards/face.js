// How a card looks: a picture with a name below it, or a row of a table.

import { fileSize, h, iconButton } from "../dom.js";
import { attempt } from "../notes.js";
import { chosenFamily, fits } from "./chosen.js";
import { KINDS, changeCard } from "./source.js";

const DAY_MS = 86_400_000;

/** The time as a list tells it: the day, and for the last week how long ago. */
export function ago(seconds) {
  if (!seconds) return "";
  const then = new Date(seconds * 1000);
  const days = Math.floor((Date.now() - then.getTime()) / DAY_MS);
  if (days <= 0) return "today";
  if (days === 1) return "yesterday";
  return days < 8 ? `${days} days ago` : then.toLocaleDateString();
}

export function star(card) {
  return iconButton("star", card.favourite ? `Take ${card.name} from the favourites` : `Make ${card.name} a favourite`, (event) => {
    event.stopPropagation();
    attempt(() => changeCard(card, { favourite: !card.favourite }));
  }, { class: "dk-mc-star dk-icon-button dk-icon-star", "aria-pressed": String(Boolean(card.favourite)) });
}

function look(card) {
  const blank = () => h("span", { class: `dk-mc-blank dk-mc-blank-${card.kind}`, "aria-hidden": "true" }, card.name.slice(0, 1).toUpperCase());
  if (!card.preview) return blank();
  const image = h("img", { src: card.preview, alt: "", loading: "lazy", decoding: "async", draggable: "false" });
  image.addEventListener("error", () => image.replaceWith(blank()), { once: true });
  return image;
}

const misfit = (card) => (fits(card) ? null
  : h("span", { class: "dk-mc-mark dk-mc-misfit", title: `Made for ${card.family}; the chosen checkpoint is ${chosenFamily()}` }, `for ${card.family}`));

/**
 * A card. `press(card, event)` is what a press on it does, `pressed` whether that has been done (null: it does not stay),
 * `open(card)` shows its page; `said` is what a press is called.
 */
export function cardFace(card, { press, open, pressed, said, current = false }) {
  const about = [card.family, card.kind === "checkpoint" ? fileSize(card.size_bytes) : card.form].filter(Boolean).join(" · ");
  const main = h("button", { type: "button", class: "dk-mc-main", title: card.filename, "aria-label": `${said} ${card.name}`,
    "aria-pressed": pressed === null ? null : String(pressed), onclick: (event) => press(card, event) },
  h("span", { class: "dk-mc-look" }, card.problem ? h("span", { class: "dk-mc-reason" }, h("strong", {}, "Cannot be used"), card.problem) : look(card)),
  h("span", { class: "dk-mc-label" }, h("strong", {}, card.name), h("small", {}, about || KINDS[card.kind].one)));
  const info = iconButton("info", `About ${card.name}`, () => open(card), { class: "dk-mc-info dk-icon-button dk-icon-info" });
  const marks = [card.problem ? null : misfit(card), current ? h("span", { class: "dk-mc-mark dk-mc-now" }, "in use") : null].filter(Boolean);
  return h("div", { class: "dk-mc", role: "listitem", "data-kind": card.kind, "data-file": card.filename }, main,
    marks.length ? h("span", { class: "dk-mc-marks" }, ...marks) : null, h("span", { class: "dk-mc-buttons" }, info, star(card)));
}

/** The columns of the table of cards: title, and what orders by it. */
export const COLUMNS = [["Name", "name"], ["Kind", null], ["Family", null], ["Size", "size"], ["Date", "date"], ["Last used", "used"]];

/** A card as a row of that table. */
export function cardRow(card, { press, said, current = false }) {
  const cells = [KINDS[card.kind].one, card.family, fileSize(card.size_bytes), ago(card.modified), ago(card.last_used)];
  const main = h("button", { type: "button", class: "dk-mc-line", title: card.filename, "aria-label": `${said} ${card.name}`, onclick: (event) => press(card, event) },
    h("span", { class: "dk-mc-cell dk-mc-name" }, h("strong", {}, card.name), card.problem ? h("small", { class: "dk-mc-said" }, card.problem)
      : card.folder ? h("small", {}, card.folder) : null, current ? h("small", { class: "dk-mc-mark dk-mc-now" }, "in use") : null),
    ...cells.map((text) => h("span", { class: "dk-mc-cell" }, text || "–")));
  return h("div", { class: "dk-mc dk-mc-row", role: "listitem", "data-kind": card.kind, "data-file": card.filename }, main, star(card));
}
