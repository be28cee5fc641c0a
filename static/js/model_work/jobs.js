// Model jobs: what is asked of model files, and how far it is. Elements of this folder watch the one list that is kept here.

import { call } from "../api.js";
import { duration, fileSize } from "../dom.js";
import { refreshModels } from "../models.js";
import { attempt, note } from "../notes.js";

const PATH = "api/v1/models/actions";
const LOOK_MS = 700;
const BUSY = ["queued", "running"];
const STATES = { queued: "waits", running: "", done: "", failed: "failed", cancelled: "cancelled", interrupted: "interrupted" };

let entries = [];
let timer = null;
const watchers = new Set();

export const isBusy = ({ state }) => BUSY.includes(state);

/** Calls `watcher(entries, allowed)` after each look at the list, until the function that is given back is called. */
export function onModelJobs(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Asks for the list; as long as something is at work, again and again, whichever tab is shown. */
export async function look() {
  clearTimeout(timer);
  const answer = await call(PATH).catch(() => null);
  if (answer) {
    const before = new Set(entries.filter(isBusy).map(({ id }) => id));
    entries = answer.jobs;
    for (const watcher of [...watchers]) watcher(entries, answer.allowed);
    const ended = entries.filter((entry) => before.has(entry.id) && !isBusy(entry));
    for (const { state, summary, error, title } of ended) {
      if (state === "done") note(summary, "info");
      else if (state === "failed") note(`${title}: ${error}`);
    }
    if (ended.some(({ state, action }) => state === "done" && action.action !== "verify")) changed();
  }
  clearTimeout(timer);
  if (entries.some(isBusy)) timer = setTimeout(look, LOOK_MS);
}

/** Lists of models hold what the server found when it last looked. */
function changed() {
  document.getElementById("refresh_sd_model_checkpoint")?.click();
  refreshModels().catch(() => {});
}

/** Begins an action; gives back its job, or nothing where it was refused: `refused` is told why. */
export async function ask(action, refused = note) {
  const job = await call(PATH, { method: "POST", json: action }).catch((error) => refused(error.message));
  if (job) {
    entries = [job, ...entries];
    for (const watcher of [...watchers]) watcher(entries, true); // the job may have ended before the next look, and its end is news, too
    look();
  }
  return job;
}

/** Ends one that waits or is at work; takes one that has ended off the list. */
export async function drop(entry) {
  const path = isBusy(entry) ? `${PATH}/${entry.id}/cancel` : `${PATH}/${entry.id}`;
  await attempt(() => call(path, { method: isBusy(entry) ? "POST" : "DELETE" }));
  await look();
}

/** What is told of a job beside its title: state, size, speed, the time left. */
export function factsOf({ state, done_bytes: done, total_bytes: total, bytes_per_s: speed, left_s: left }) {
  const running = state === "running";
  const size = running && total ? `${fileSize(done)} of ${fileSize(total)}` : null;
  return [STATES[state], size, running && speed > 0 ? `${fileSize(speed)} a second` : null,
    left !== null && left !== undefined ? `${duration(left)} left` : null].filter(Boolean).join(" · ");
}

/** How much of a job is done, 0..1. */
export const shareOf = ({ done_bytes: done, total_bytes: total }) => (total ? Math.min(1, done / total) : 0);
