// "Generate forever": a new job whenever the tab has none. A toggle beside the prompt, and A1111's menu on the Generate button.

import { define, h, iconButton, overPage } from "./dom.js";
import { activeJob, jobsOf, onJobs } from "./jobs.js";
import { note } from "./notes.js";

const PAUSE_MS = 300;
const ACCEPTED_MS = 10_000;
const LONG_PRESS_MS = 600;

/** Tab to when its last press was, while it goes on for ever. */
const going = new Map();
const toggles = new Set();
let menu = null;

function draw() {
  for (const toggle of toggles) toggle.draw();
}

export function setForever(tab, on) {
  if (on) going.set(tab, { pressed: 0, since: Date.now() / 1000 });
  else going.delete(tab);
  draw();
  if (on) press(tab);
}

/** A press that was refused would be refused again. */
export function answered({ error }) {
  if (!error || going.size === 0) return;
  going.clear();
  draw();
  note("Generate forever has ended.", "info");
}

function press(tab) {
  const state = going.get(tab);
  if (!state || activeJob(tab) || Date.now() - state.pressed < ACCEPTED_MS) return;
  const last = jobsOf(tab).at(-1);
  if (last?.state === "failed" && last.created > state.since) {
    setForever(tab, false);
    note("Generate forever has ended, because a job failed.", "info");
    return;
  }
  state.pressed = Date.now();
  document.querySelector(`#${tab}_generate`)?.click();
}

function watch() {
  for (const [tab, state] of going) {
    if (activeJob(tab)) state.pressed = 0;
    else setTimeout(() => press(tab), PAUSE_MS);
  }
}

function closeMenu() {
  menu?.remove();
  menu = null;
}

function openMenu(tab, x, y) {
  closeMenu();
  const item = (label, on) => h("button", { type: "button", role: "menuitem", onclick: () => {
    closeMenu();
    setForever(tab, on);
  } }, label);
  menu = h("div", { class: "dk-menu", role: "menu", "aria-label": "Generate" }, item("Generate forever", true), item("Cancel generate forever", false));
  overPage().append(menu);
  const box = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(x, window.innerWidth - box.width - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(y, window.innerHeight - box.height - 8))}px`;
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) [...menu.children].at(([...menu.children].indexOf(document.activeElement) + step) % menu.children.length).focus();
    if (event.key === "Escape") {
      event.stopPropagation();
      closeMenu();
    }
  });
  menu.firstElementChild.focus();
}

const tabOf = (event) => event.target.closest?.("#txt2img_generate, #img2img_generate")?.id.split("_")[0];

/** iOS tells nobody of a long press; where others do, the second opening changes nothing. */
function longPress(event) {
  const tab = event.pointerType === "touch" && tabOf(event);
  if (!tab) return;
  const timer = setTimeout(() => {
    openMenu(tab, event.clientX, event.clientY);
    document.addEventListener("click", (press) => press.stopPropagation(), { capture: true, once: true });
  }, LONG_PRESS_MS);
  const end = () => clearTimeout(timer);
  for (const kind of ["pointerup", "pointercancel", "pointermove"]) document.addEventListener(kind, end, { once: true });
}

export function start() {
  onJobs(watch);
  document.addEventListener("contextmenu", (event) => {
    const tab = tabOf(event);
    if (!tab) return;
    event.preventDefault();
    openMenu(tab, event.clientX, event.clientY);
  });
  document.addEventListener("pointerdown", (event) => {
    if (menu && !menu.contains(event.target)) closeMenu();
    longPress(event);
  });
}

/** <dk-forever tab="txt2img">: the toggle. */
class Forever extends HTMLElement {
  connectedCallback() {
    const tab = this.getAttribute("tab");
    if (!this.firstChild) {
      this.button = iconButton("forever", "Generate forever", () => setForever(tab, !going.has(tab)), { id: `${tab}_forever` });
      this.append(this.button);
    }
    toggles.add(this);
    this.draw();
  }

  disconnectedCallback() {
    toggles.delete(this);
  }

  draw() {
    this.button.setAttribute("aria-pressed", String(going.has(this.getAttribute("tab"))));
  }
}

define("dk-forever", Forever);
