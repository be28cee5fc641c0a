// Pictures that are dropped on a prompt or pasted anywhere: their settings go into the fields, as in A1111.

import { isVisible } from "./dom.js";
import { pictureIn } from "./drop.js";
import { shownTab } from "./keys.js";
import { fill, readAddress, readPicture, sendFile } from "./letters.js";
import { attempt } from "./notes.js";

const PROMPTS = ["txt2img_prompt", "txt2img_neg_prompt", "img2img_prompt", "img2img_neg_prompt"];

function promptAt(node) {
  const box = node?.closest?.(PROMPTS.map((id) => `#${id}`).join());
  return box && box.querySelector("textarea") ? box : null;
}

/** Fills a tab from what was read; a picture without settings is refused with a sentence. */
function use(tab, told) {
  if (!told.infotext) throw new Error(["This picture says nothing about how it was made.", ...told.warnings].at(-1));
  fill(tab, told.usable, { chunk: told.chunk });
}

function addressIn(transfer) {
  const first = (transfer?.getData("text/uri-list") ?? "").split(/\r?\n/).find((line) => line && !line.startsWith("#"));
  return /^https?:\/\//.test(first ?? "") ? first : null;
}

function onDragOver(event) {
  const kinds = event.dataTransfer?.types ?? [];
  if (promptAt(event.target) && (kinds.includes("Files") || kinds.includes("text/uri-list"))) event.preventDefault();
}

function onDrop(event) {
  const box = promptAt(event.target);
  if (!box) return;
  const file = pictureIn(event.dataTransfer);
  const address = file ? null : addressIn(event.dataTransfer);
  if (!file && !address) return; // a text is dropped as a text
  event.preventDefault();
  event.stopPropagation();
  const tab = box.id.startsWith("img2img") ? "img2img" : "txt2img";
  attempt(async () => use(tab, file ? await readPicture(file) : await readAddress(address)));
}

/** A picture box that is shown takes what is pasted; elsewhere it fills txt2img, or is shown by PNG Info. */
function onPaste(event) {
  const file = pictureIn(event.clipboardData);
  if (!file || [...document.querySelectorAll(".dk-drop, .dk-canvas")].some(isVisible)) return;
  event.preventDefault();
  const tab = shownTab();
  attempt(async () => {
    if (!tab) await sendFile("pnginfo", file);
    else use(tab, await readPicture(file));
  });
}

export function listen() {
  document.addEventListener("dragover", onDragOver, { capture: true });
  document.addEventListener("drop", onDrop, { capture: true });
  document.addEventListener("paste", onPaste);
}
