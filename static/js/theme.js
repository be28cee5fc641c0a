// Dark or light: the address (?__theme=) decides, then what this browser chose, then the server's --theme, then the system.

import { iconButton } from "./dom.js";

const KEY = "darkroom.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

function wanted() {
  const asked = new URLSearchParams(window.location.search).get("__theme");
  if (asked === "dark" || asked === "light") return asked;
  const forced = document.querySelector('meta[name="darkroom-theme"]')?.content;
  return localStorage.getItem(KEY) || forced || (system.matches ? "dark" : "light");
}

function apply(theme) {
  // Gradio's own styles look for .dark on the root and on the body.
  for (const node of [document.documentElement, document.body]) node.classList.toggle("dark", theme === "dark");
  document.documentElement.style.colorScheme = theme;
}

export function start() {
  apply(wanted());
  system.addEventListener("change", () => apply(wanted()));
}

export function themeButton() {
  return iconButton("theme", "Switch between dark and light", () => {
    const next = document.body.classList.contains("dark") ? "light" : "dark";
    localStorage.setItem(KEY, next);
    apply(next);
  }, { id: "dk_theme" });
}
