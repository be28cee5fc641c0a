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

/** Keeps a layer under a name, a moment after each change; where the browser forbids it, paint is forgotten with the page. */
export class PaintKeeper {
  constructor(name) {
    this.name = name;
    this.version = 0;
    this.waiting = null;
    this.kept = 0; // the version that the database has
    window.addEventListener("pagehide", () => this.flush());
  }

  changed(layer) {
    if (layer.version === this.version) return;
    this.version = layer.version;
    clearTimeout(this.timer);
    this.waiting = layer;
    this.timer = setTimeout(() => this.flush(), WAIT_MS);
  }

  /** Keeps at once what waits to be kept. */
  flush() {
    clearTimeout(this.timer);
    const layer = this.waiting;
    this.waiting = null;
    if (layer) this.write(layer).catch(() => {});
  }

  async write(layer) {
    const { version } = layer;
    const file = layer.isBlank() ? null : await png(layer.canvas);
    await withStore("readwrite", (store) => (file ? store.put(file, this.name) : store.delete(this.name)));
    this.kept = version;
  }

  /** Gives a layer what was kept, if anything was. */
  async restore(layer) {
    const file = await withStore("readonly", (store) => store.get(this.name)).catch(() => null);
    if (file) layer.restore(await createImageBitmap(file, { colorSpaceConversion: "none" }));
  }
}
