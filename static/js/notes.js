// Notes in a corner of the page: what went wrong (or what was done), in one sentence, said to screen readers as well.

import { h, iconButton } from "./dom.js";

const STAYS_MS = { error: 15000, warning: 10000, info: 4000 };

function corner() {
  let node = document.getElementById("dk-notes");
  if (!node) {
    node = h("div", { id: "dk-notes", "aria-live": "assertive", role: "status" });
    document.body.append(node);
  }
  return node;
}

/** Shows one sentence; `kind` is error, warning or info. The same sentence is not stacked. */
export function note(sentence, kind = "error") {
  const place = corner();
  for (const old of place.children) if (old.dataset.sentence === sentence) old.remove();
  const card = h("div", { class: `dk-note dk-note-${kind}`, "data-sentence": sentence, role: kind === "error" ? "alert" : null },
    h("span", {}, sentence),
    iconButton("close", "Dismiss", () => card.remove()),
  );
  place.append(card);
  while (place.children.length > 5) place.firstElementChild.remove();
  setTimeout(() => card.remove(), STAYS_MS[kind] ?? STAYS_MS.info);
}

/** Runs an action; what is refused becomes a note. Gives back the answer, or undefined. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") note(error.message);
    return undefined;
  }
}
