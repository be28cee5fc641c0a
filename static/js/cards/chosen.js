// The checkpoint that the page uses: its file, and its family and native size as far as they are known.

import { cardPage } from "./source.js";
import { deliver } from "../letters.js";
import { attempt } from "../notes.js";

const families = new Map();
const natives = new Map();
const watchers = new Set();
let now = "";

/** Calls `watcher()` whenever another checkpoint is chosen, or its family has become known. */
export function onChosen(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** File name of the chosen checkpoint, as the dropdown shows it. */
export function chosenFile() {
  const shown = document.querySelector("#setting_sd_model_checkpoint input")?.value ?? "";
  return shown.replace(/ \[[0-9a-f]+\]$/, "");
}

/** Its family; empty while that is not known. */
export const chosenFamily = () => families.get(now) ?? "";

/** The side of the square that it draws best, in pixels; 0 while that is not known. */
export const chosenNative = () => natives.get(now) ?? 0;

/** Whether a card suits the chosen checkpoint; what is not known is not held against it. */
export function fits({ kind, family }) {
  const wanted = chosenFamily();
  return kind === "checkpoint" || !family || !wanted || family === wanted;
}

export const choose = (card) => attempt(() => deliver("choose_model", card.filename));

async function look() {
  const file = chosenFile();
  if (file === now) return;
  now = file;
  for (const watcher of [...watchers]) watcher();
  if (!file || families.has(file)) return;
  const card = await cardPage({ kind: "checkpoint", filename: file }).catch(() => null);
  families.set(file, card?.family ?? "");
  natives.set(file, card?.native_size_px ?? 0);
  for (const watcher of [...watchers]) watcher();
}

export function listen() {
  document.addEventListener("dk-fields", () => look());
  look();
}
