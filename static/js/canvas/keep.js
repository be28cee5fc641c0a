// Paint that a reload does not lose: layers as PNG files in this browser's own database.

import { png } from "./paint_layer.js";

const DATABASE = "darkroom";
const STORE = "paint";
const WAIT_MS = 600;

function opened() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(DATABASE, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function withStore(mode, act) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const asked = act(database.transaction(STORE, mode).objectStore(STORE));
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  } finally {
    database.close();
  }
}

function bytes(url) {
  return Uint8Array.from(atob(url.split(",")[1]), (letter) => letter.charCodeAt(0));
}

/** Keeps a layer under a name, a moment after each change; where the browser forbids it, paint is forgotten with the page. */
export class PaintKeeper {
  constructor(name) {
    this.name = name;
    this.version = 0;
    this.waiting = null; // the layer that the database has not yet, also while it is being written: a page that goes away ends that
    this.lastWord = `darkroom-${STORE}-${name}`; // where this tab keeps paint that may have come too late for the database
    this.kept = 0; // the version that the database has
    // Opened beforehand: a page that goes away waits for nothing.
    opened().then((database) => (this.database = database)).catch(() => {});
    window.addEventListener("pagehide", () => this.leave());
  }

  changed(layer) {
    if (layer.version === this.version) return;
    this.version = layer.version;
    clearTimeout(this.timer);
    this.waiting = layer;
    this.timer = setTimeout(() => this.write(layer).catch(() => {}), WAIT_MS);
  }

  /** Keeps what waits to be kept, without any of the browser's slower ways: the page goes away. */
  leave() {
    clearTimeout(this.timer);
    const layer = this.waiting;
    this.waiting = null;
    if (!layer) return;
    const url = layer.isBlank() ? "" : layer.canvas.toDataURL("image/png");
    try {
      sessionStorage.setItem(this.lastWord, url);
    } catch {
      // More than a tab may keep: then the database has to be quick enough.
    }
    if (!this.database) return;
    const transaction = this.database.transaction(STORE, "readwrite");
    const store = transaction.objectStore(STORE);
    if (url) store.put(bytes(url), this.name);
    else store.delete(this.name);
    transaction.commit();
  }

  async write(layer) {
    const { version } = layer;
    const file = layer.isBlank() ? null : await png(layer.canvas);
    await withStore("readwrite", (store) => (file ? store.put(file, this.name) : store.delete(this.name)));
    sessionStorage.removeItem(this.lastWord);
    this.kept = version;
    if (version === this.version) this.waiting = null;
  }

  /** Gives a layer what was kept, if anything was. */
  async restore(layer) {
    const lastWord = sessionStorage.getItem(this.lastWord);
    const kept = lastWord === null ? await withStore("readonly", (store) => store.get(this.name)).catch(() => null) : lastWord && bytes(lastWord);
    if (kept) layer.restore(await createImageBitmap(new Blob([kept], { type: "image/png" }), { colorSpaceConversion: "none" }));
  }
}
