// The prompt boxes as cards use them: which was typed in last and where, and edits that the browser can undo.

const BOXES = { prompt: "prompt", negative: "neg_prompt" };

/** Box id to what it held and where the cursor stood when it was left. */
const left = new Map();
const last = { txt2img: "prompt", img2img: "prompt" };
let editing = false;

/** The textarea of a tab's prompt, or of its negative prompt. */
export function box(tab, which = "prompt") {
  return document.querySelector(`#${tab}_${BOXES[which]} textarea`);
}

/** Which of a tab's two boxes was typed in last. */
export const lastBox = (tab) => last[tab];

function whose(node) {
  const found = /^(txt2img|img2img)_(prompt|neg_prompt)$/.exec(node.closest?.("[id$='_prompt']")?.id ?? "");
  return found && node instanceof HTMLTextAreaElement ? { tab: found[1], which: found[2] === "prompt" ? "prompt" : "negative" } : null;
}

/** Where a tab's box had its cursor; null where nobody put it into this text. */
export function cursor(tab, which) {
  const known = left.get(`${tab} ${which}`);
  return known && known.text === box(tab, which)?.value ? known.at : null;
}

/** Replaces a part of a box's text. On a touch screen without the focus, which would bring the keyboard up. */
export function edit(tab, which, { from, to, insert }, touch = false) {
  const area = box(tab, which);
  if (!area) return;
  const focused = document.activeElement;
  let done = false;
  editing = true;
  if (!touch) {
    area.focus({ preventScroll: true });
    area.setSelectionRange(from, to);
    // insertText keeps the browser's undo; setRangeText, its successor, loses it.
    done = document.execCommand(insert ? "insertText" : "delete", false, insert);
    focused?.focus?.({ preventScroll: true });
  }
  if (!done) {
    area.setRangeText(insert, from, to, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
  editing = false;
  left.set(`${tab} ${which}`, { text: area.value, at: from + insert.length });
}

/** Makes a box hold this text, by changing only the part that differs. */
export function rewrite(tab, which, text, touch = false) {
  const old = box(tab, which)?.value ?? "";
  let from = 0;
  while (from < old.length && from < text.length && old[from] === text[from]) from += 1;
  let behind = 0;
  while (behind < old.length - from && behind < text.length - from && old.at(-1 - behind) === text.at(-1 - behind)) behind += 1;
  if (old !== text) edit(tab, which, { from, to: old.length - behind, insert: text.slice(from, text.length - behind) }, touch);
}

export function listen() {
  document.addEventListener("focusin", ({ target }) => {
    const found = editing ? null : whose(target);
    if (found) last[found.tab] = found.which;
  });
  document.addEventListener("focusout", ({ target }) => {
    const found = editing ? null : whose(target);
    if (found) left.set(`${found.tab} ${found.which}`, { text: target.value, at: target.selectionEnd });
  });
}
