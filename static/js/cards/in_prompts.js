// What a card stands for in the prompts of a tab: whether it is there, putting it in and taking it out.

import { box, cursor, edit, lastBox, rewrite } from "./prompts.js";
import { holds, piece, put, take, takeWords } from "./tags.js";

/** Puts a card into a tab's prompts, or takes it out where it stands in one of them. */
export function toggle(tab, card, touch = false) {
  const where = standsIn(tab, card);
  if (where.length) {
    for (const which of where) rewrite(tab, which, take(box(tab, which).value, card), touch);
    if (card.negative_text) rewrite(tab, "negative", takeWords(box(tab, "negative").value, card.negative_text), touch);
    return;
  }
  const which = card.kind === "embedding" ? lastBox(tab) : "prompt"; // tags act from the prompt alone
  edit(tab, which, put(box(tab, which).value, cursor(tab, which), piece(card)), touch);
  const unwanted = (card.negative_text ?? "").trim();
  if (unwanted && !box(tab, "negative").value.includes(unwanted)) edit(tab, "negative", put(box(tab, "negative").value, null, unwanted), touch);
}

/** The boxes of a tab that hold a card. */
export function standsIn(tab, card) {
  return ["prompt", "negative"].filter((which) => holds(box(tab, which)?.value ?? "", card));
}
