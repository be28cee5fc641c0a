// Cards of model files as the server tells them: found, looked at, changed; and who wants to know of a change.

import { call } from "../api.js";

const PATH = "api/v1/models";

/** The kinds of model files, as the page calls them, and where a person puts them. */
export const KINDS = {
  checkpoint: { title: "Checkpoints", many: "checkpoints", one: "checkpoint", folder: "models/Stable-diffusion" },
  lora: { title: "LoRAs", many: "LoRAs", one: "LoRA", folder: "models/Lora" },
  embedding: { title: "Embeddings", many: "embeddings", one: "embedding", folder: "embeddings" },
  hypernetwork: { title: "Hypernetworks", many: "hypernetworks", one: "hypernetwork", folder: "models/hypernetworks" },
  vae: { title: "VAEs", many: "VAEs", one: "VAE", folder: "models/VAE" },
  upscaler: { title: "Upscalers", many: "upscalers", one: "upscaler", folder: "models/ESRGAN" },
};

const listeners = new Set();

/** Calls `listener(card)` after a change of one card, and `listener(null)` when files may have come or gone. */
export function onCards(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function cardsChanged(card = null) {
  for (const listener of [...listeners]) listener(card);
}

/** A part of the cards that fit: `{cards, total, facets, unread}`. */
export function findCards(query, offset, limit) {
  const asked = new URLSearchParams(query);
  asked.set("offset", String(offset));
  asked.set("limit", String(limit));
  return call(`${PATH}/cards?${asked}`);
}

/** Where a file's card, preview or hashes are asked for: `what` is cards, previews or hashes. */
export const pathOf = (what, { kind, filename }) => `${PATH}/${what}/${kind}/${filename.split("/").map(encodeURIComponent).join("/")}`;

/** All that is known of one file. */
export const cardPage = (card) => call(pathOf("cards", card));

/** Says some of one file (favourite, notes, preferred weight ...); gives what is known of it afterwards. */
export async function changeCard(card, change) {
  const changed = await call(pathOf("cards", card), { method: "PUT", json: change });
  cardsChanged(changed);
  return changed;
}

export const sameFile = (one, other) => one.kind === other.kind && one.filename === other.filename;
