// What the fields hold, kept in this browser: a reload or a closed tab loses no prompt.

const KEY = "darkroom.draft";
const WAIT_MS = 400;
const SHARED = new Set(["checkpoint", "clip_skip"]);

let loaded = false;
let timer = null;
const draft = { txt2img: {}, img2img: {}, shared: {} };

/** From now on changes are the user's; those before came from the page's own start. */
export function setLoaded() {
  loaded = true;
}

export const isLoaded = () => loaded;

function write() {
  try {
    localStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // Storage is full or forbidden: the page works, it only forgets.
  }
}

/** Takes the values of a tab's fields. */
export function keep(tab, names, values) {
  names.forEach((name, at) => {
    (SHARED.has(name) ? draft.shared : draft[tab])[name] = values[at];
  });
  if (!loaded) return;
  clearTimeout(timer);
  timer = setTimeout(write, WAIT_MS);
}

export function start() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    for (const part of Object.keys(draft)) Object.assign(draft[part], kept[part]);
  } catch {
    // An unreadable draft is no draft.
  }
  window.addEventListener("pagehide", () => {
    if (timer !== null) write();
  });
}
