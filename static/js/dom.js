// Small helpers to build page parts without writing HTML from data (so no text can become markup).

/** `h("button", {class: "x", onclick: f, "aria-label": "..."}, child, "text")` */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && typeof value === "boolean") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A button that shows an icon of static/icons and says `label`. */
export function iconButton(icon, label, onclick, more = {}) {
  return h("button", { type: "button", class: `dk-icon-button dk-icon-${icon}`, title: label, "aria-label": label, onclick, ...more });
}

/** The element of that selector, as soon as Gradio has made it: it builds a tab when the tab is first shown. */
export async function appears(selector) {
  const found = document.querySelector(selector);
  if (found) return found;
  return new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      const node = document.querySelector(selector);
      if (!node) return;
      observer.disconnect();
      resolve(node);
    });
    observer.observe(document.body, { childList: true, subtree: true });
  });
}

/** Where a panel belongs that lies over the page: inside Gradio's own box, whose fonts and colours it then has. */
export function overPage() {
  return document.querySelector(".gradio-container") ?? document.body;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function isVisible(node) {
  return node.isConnected && node.getClientRects().length > 0;
}

export function fileSize(bytes) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${String(whole % 60).padStart(2, "0")} min`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")} h`;
}

/** Puts a text into the clipboard, also on a page without https, where the newer way is forbidden. */
export async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const box = h("textarea", { class: "dk-hidden", "aria-hidden": "true" });
  box.value = text;
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
}

/** Registers a custom element once; a page that loads the script twice must not fail. */
export function define(name, kind) {
  if (!customElements.get(name)) customElements.define(name, kind);
}
