// This browser's jobs as the server tells them. The server is the only truth: after every gap it is asked again.

import { address, call, post } from "./api.js";
import { note } from "./notes.js";

const KEPT = 40;
const ACTIVE = new Set(["queued", "running"]);

/** id -> job as GET /api/v1/jobs tells it, with `preview` (an address) while one is there. */
const jobs = new Map();
const listeners = new Set();
/** Ids that were accepted and of which nothing else is known yet. */
const expected = new Set();

export const isActive = (job) => ACTIVE.has(job.state);

/** Calls `listener` after every change; at once as well. */
export function onJobs(listener) {
  listeners.add(listener);
  listener();
  return () => listeners.delete(listener);
}

function tell() {
  for (const listener of listeners) listener();
}

/** A tab's jobs, oldest first. */
export function jobsOf(tab) {
  return [...jobs.values()].filter((job) => job.mode === tab).sort((one, other) => one.created - other.created);
}

/** The job of a tab that Interrupt and Skip mean: the one that runs, else the first that waits; null without any. */
export function activeJob(tab) {
  const active = jobsOf(tab).filter(isActive);
  return active.find((job) => job.state === "running") ?? active[0] ?? null;
}

export function anyActive() {
  return [...jobs.values()].some(isActive);
}

export function job(id) {
  return jobs.get(id);
}

function merge(told) {
  const known = jobs.get(told.id);
  const next = { ...known, ...told };
  if (!isActive(next)) {
    next.preview = null;
    // A failure is told once, to the page that saw the job begin; a reload does not bring it up again.
    const followed = known ? isActive(known) : expected.has(told.id);
    if (followed && next.state === "failed" && next.error) note(next.error.message);
    expected.delete(told.id);
  }
  jobs.set(told.id, next);
}

/** Takes what the server said of one job. What it leaves out stays as it was. */
export function take(told) {
  merge(told);
  forgetOld();
  tell();
}

/** Follows a job that was just accepted. */
export async function follow(id) {
  expected.add(id);
  await askJob(id);
}

/** The first picture of a job, once it has ended. */
export async function firstPicture(id) {
  await follow(id);
  const ended = await new Promise((resolve) => {
    let stop = () => {};
    const look = () => {
      const known = jobs.get(id);
      if (known && isActive(known)) return;
      queueMicrotask(() => stop());
      resolve(known);
    };
    stop = onJobs(look);
  });
  const told = ended ?? (await call(`api/v1/jobs/${encodeURIComponent(id)}`));
  if (!told.pictures.length) throw new Error(told.error?.message ?? "The picture was not made.");
  return told.pictures[0];
}

/** Takes a whole answer of GET /api/v1/jobs: an active job that it does not hold any more is gone. */
export function takeAll(list) {
  const told = new Set(list.map((entry) => entry.id));
  for (const known of jobs.values()) if (isActive(known) && !told.has(known.id)) jobs.delete(known.id);
  for (const entry of list) merge(entry);
  forgetOld();
  tell();
}

function forgetOld() {
  const over = [...jobs.values()].filter((entry) => !isActive(entry)).sort((one, other) => one.created - other.created);
  for (const old of over.slice(0, Math.max(0, over.length - KEPT))) jobs.delete(old.id);
}

/** A preview that the server has; the number keeps the browser from showing an older one. */
export function takePreview(id, number) {
  const known = jobs.get(id);
  if (!known || !isActive(known)) return;
  known.preview = address(`api/v1/jobs/${encodeURIComponent(id)}/preview?number=${number}`);
  tell();
}

/** Asks for one job. */
export async function askJob(id) {
  take(await call(`api/v1/jobs/${encodeURIComponent(id)}`));
}

/** Asks for this browser's latest jobs, waiting and running ones included. */
export async function askJobs() {
  takeAll(await call(`api/v1/jobs?limit=${KEPT}`));
}

async function stop(id, how) {
  await post(`api/v1/jobs/${encodeURIComponent(id)}/${how}`);
}

/** Stops the tab's job with what it has so far; one that still waits is dropped. */
export async function interrupt(tab) {
  const meant = activeJob(tab);
  if (meant) await stop(meant.id, meant.state === "queued" ? "cancel" : "interrupt");
}

/** Goes on to the next picture of the tab's job; one that still waits is dropped. */
export async function skip(tab) {
  const meant = activeJob(tab);
  if (meant) await stop(meant.id, meant.state === "queued" ? "cancel" : "skip");
}

export const cancel = (id) => stop(id, "cancel");

export const pictureAddress = (id) => address(`api/v1/pictures/${encodeURIComponent(id)}`);
