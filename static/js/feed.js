// News of this browser's jobs: server-sent events, and asking every second or so where a proxy swallows them.

import { address } from "./api.js";
import { cardsChanged } from "./cards/source.js";
import { note } from "./notes.js";
import { anyActive, askJob, askJobs, job, take, takePreview } from "./jobs.js";

const SILENCE_MS = 3_000; // a running job has news more often, unless a proxy keeps the stream to itself
const RETRY_MS = 5_000;
const POLL_MS = 1_500;

let source = null;
let heardAt = 0;

const heard = () => {
  heardAt = Date.now();
};

function read(handler) {
  return (event) => {
    heard();
    handler(JSON.parse(event.data));
  };
}

/** News of a job that is known is taken as it is; an unknown one is asked for whole. */
function update(id, news) {
  if (job(id)) take({ id, ...news });
  else askJob(id).catch(() => {});
}

function ended({ job: id, state, interrupted, error }) {
  askJob(id).catch(() => update(id, { state, interrupted, error }));
}

const HANDLERS = {
  job: ({ job: id, state, position = null, loading = null, again = null }) => update(id, { state, position, loading, again }),
  progress: ({ job: id, fraction, ...counts }) => update(id, { state: "running", loading: null, position: null, progress: fraction, ...counts }),
  preview: ({ job: id, number }) => takePreview(id, number),
  picture: ({ job: id }) => askJob(id).catch(() => {}),
  note: ({ text }) => note(text, "warning"),
  ended,
  models: () => cardsChanged(),
};

/** A browser allows six connections to a server: tabs that nobody looks at give theirs back. */
function leave() {
  source?.close();
  source = null;
}

function listen() {
  leave();
  if (document.visibilityState !== "visible") return;
  source = new EventSource(address("api/v1/events"), { withCredentials: true });
  source.addEventListener("open", refresh);
  source.addEventListener("missed", refresh);
  for (const [kind, handler] of Object.entries(HANDLERS)) source.addEventListener(kind, read(handler));
  source.addEventListener("error", () => {
    if (source?.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS); // refused; a cut one comes back by itself
  });
}

async function refresh() {
  try {
    await askJobs();
  } catch {
    // The server is away; the next question may find it again.
  }
}

/** Begins, and never ends while the page is open. The jobs are asked for at once: an event stream may never come through. */
export function start() {
  listen();
  refresh();
  setInterval(() => {
    if (anyActive() && Date.now() - heardAt > SILENCE_MS) refresh();
  }, POLL_MS);
  document.addEventListener("visibilitychange", () => {
    listen();
    if (document.visibilityState === "visible") refresh(); // a laptop that slept has missed things
  });
}
