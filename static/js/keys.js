// The page's keys, as A1111 has them: Ctrl+Enter generates, Alt+Enter skips, Esc interrupts, Ctrl+Up/Down weights words.

import { isVisible } from "./dom.js";
import { activeJob, interrupt, skip } from "./jobs.js";
import { attempt } from "./notes.js";
import { closeStyleEditor } from "./style_editor.js";
import { reweigh } from "./weights.js";

const TABS = ["txt2img", "img2img"];
const WEIGHT_STEP = 0.1;

/** The generation tab that is shown; null on the other tabs. */
export function shownTab() {
  return TABS.find((tab) => {
    const button = document.querySelector(`#${tab}_generate`);
    return button && isVisible(button);
  }) ?? null;
}

function isPrompt(node) {
  return node instanceof HTMLTextAreaElement && /^(txt2img|img2img)_(neg_)?prompt$/.test(node.closest("[id$='_prompt']")?.id ?? "");
}

function weigh(box, delta) {
  const edit = reweigh(box.value, box.selectionStart, box.selectionEnd, delta);
  if (!edit) return;
  box.setSelectionRange(edit.from, edit.to);
  // insertText keeps the browser's undo; setRangeText, its successor, loses it.
  if (!document.execCommand("insertText", false, edit.insert)) {
    box.setRangeText(edit.insert, edit.from, edit.to, "end");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }
  box.setSelectionRange(edit.start, edit.end);
}

/** Esc closes what is open first: a full-screen picture or canvas, a dropdown's list; each of them does so itself. */
function somethingIsOpen() {
  return document.querySelector("dialog[open], ul.options, .dk-canvas-full") !== null;
}

function onKey(event) {
  if (event.isComposing) return;
  const modified = event.ctrlKey || event.metaKey;
  if (modified && (event.key === "ArrowUp" || event.key === "ArrowDown") && isPrompt(event.target)) {
    event.preventDefault();
    weigh(event.target, event.key === "ArrowUp" ? WEIGHT_STEP : -WEIGHT_STEP);
    return;
  }
  const tab = shownTab();
  if (!tab) return;
  if (modified && event.key === "Enter") {
    event.preventDefault();
    event.stopPropagation();
    document.querySelector(`#${tab}_generate`).click();
  } else if (event.altKey && event.key === "Enter") {
    event.preventDefault();
    if (activeJob(tab)) attempt(() => skip(tab));
  } else if (event.key === "Escape" && !somethingIsOpen()) {
    if (closeStyleEditor()) event.preventDefault();
    else if (activeJob(tab)) {
      event.preventDefault();
      attempt(() => interrupt(tab));
    }
  }
}

export function listen() {
  document.addEventListener("keydown", onKey, { capture: true });
}
