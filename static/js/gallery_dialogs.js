// The gallery's windows over the page: two pictures held against each other, the trash, the folders.

import { call, post } from "./api.js";
import { h, iconButton, setText } from "./dom.js";
import { attempt, note } from "./notes.js";

/** A window with a title; closing it removes it. */
function open(id, title, ...children) {
  const node = h("dialog", { class: "dk-window", id, "aria-label": title }, h("div", { class: "dk-window-head" }, h("h3", {}, title), iconButton("close", "Close", () => node.close())), ...children);
  node.addEventListener("close", () => node.remove());
  node.addEventListener("click", (event) => {
    if (event.target === node) node.close();
  });
  document.body.append(node);
  node.showModal();
  return node;
}

/** What differs between two pictures; a slider lays one over the other. */
export async function compare(one, other) {
  const told = await call(`api/v1/gallery/compare?one=${one.id}&other=${other.id}`);
  const same = told.settings.filter((pair) => pair.one === pair.other);
  const differs = told.settings.filter((pair) => pair.one !== pair.other);
  const row = (pair, changed) => h("tr", { class: changed ? "dk-differs" : null }, h("th", { scope: "row" }, pair.label), h("td", {}, pair.one || "–"), h("td", {}, pair.other || "–"));
  const table = (pairs, changed) => h("table", { class: "dk-table" }, h("tbody", {}, ...pairs.map((pair) => row(pair, changed))));
  const share = told.pixels && (told.pixels.share * 100).toFixed(told.pixels.share < 0.1 ? 2 : 1);
  const sentence = !told.pixels ? "The pictures have different sizes, so their pixels cannot be compared."
    : told.pixels.maximum === 0 ? "Every pixel is the same." : `${share} % of the pixels differ: by ${told.pixels.mean.toFixed(2)} of 255 on average, ${told.pixels.maximum} at most.`;
  const overlay = told.pixels ? slider(one, other) : null;
  const look = (picture, label) => h("figure", {}, h("img", { src: picture.url, alt: label }), h("figcaption", {}, label));
  const difference = told.difference && told.pixels.maximum ? h("figure", {}, h("img", { src: told.difference, alt: "Differences" }), h("figcaption", {}, "Differences, eight times as bright")) : null;
  open("gallery_compare_window", "Compare", h("p", { id: "gallery_pixels" }, sentence),
    h("div", { class: "dk-compare-looks" }, look(one, one.name), look(other, other.name), difference),
    differs.length ? table(differs, true) : h("p", { class: "dk-plain-note" }, "All settings are the same."), overlay,
    same.length ? h("details", {}, h("summary", {}, `${same.length} settings are the same`), table(same, false)) : null);
}

function slider(one, other) {
  const top = h("img", { src: other.url, alt: "" });
  const range = h("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": "How much of the second picture is shown" });
  const cut = () => {
    top.style.clipPath = `inset(0 0 0 ${range.value}%)`;
  };
  range.addEventListener("input", cut);
  cut();
  return h("div", { class: "dk-compare-slider" }, h("div", { class: "dk-compare-over" }, h("img", { src: one.url, alt: "" }), top), range);
}

/** Everything in the trash, to bring back or to delete for good; `changed` is called after either. */
export async function trash(changed) {
  const list = h("div", { class: "dk-trash", role: "list" });
  const empty = h("button", { type: "button", class: "dk-action dk-icon-trash", id: "gallery_empty_trash" }, "Delete all for good");
  const words = h("p", { class: "dk-plain-note" });
  let entries = await call("api/v1/gallery/trash");
  const done = (keys) => {
    entries = entries.filter((entry) => !keys.includes(entry.key));
    draw();
    changed();
  };
  const restore = async (entry) => {
    await post("api/v1/gallery/trash/restore", { keys: [entry.key] });
    done([entry.key]);
  };
  const destroy = async (keys) => {
    if (!window.confirm(`Delete ${keys.length === 1 ? "this picture" : `${keys.length} pictures`} for good? This cannot be undone.`)) return;
    await post("api/v1/gallery/trash/destroy", { keys });
    done(keys);
  };
  const card = (entry) => h("div", { class: "dk-trash-entry", role: "listitem" }, h("img", { src: entry.thumbnail, alt: "", loading: "lazy" }),
    h("span", { class: "dk-trash-name" }, entry.place, h("small", {}, new Date(entry.deleted * 1000).toLocaleString())),
    h("button", { type: "button", class: "dk-action", onclick: () => attempt(() => restore(entry)) }, "Restore"),
    iconButton("trash", "Delete for good", () => attempt(() => destroy([entry.key]))));
  const draw = () => {
    list.replaceChildren(...entries.map(card));
    empty.hidden = entries.length < 2;
    setText(words, entries.length ? "Pictures stay here until they are deleted for good." : "The trash is empty.");
  };
  empty.addEventListener("click", () => attempt(() => destroy(entries.map((entry) => entry.key))));
  draw();
  open("gallery_trash_window", "Trash", words, list, empty);
}

/** The folders that are looked through. */
export async function folders(changed) {
  const list = h("div", { class: "dk-trash", role: "list" });
  const path = h("input", { type: "text", id: "gallery_folder", placeholder: "/whole/path/of/a/folder", "aria-label": "Folder on the server" });
  const draw = (known) => list.replaceChildren(...known.map((folder) => h("div", { class: "dk-trash-entry", role: "listitem" }, h("span", { class: "dk-trash-name" }, folder.path),
    folder.number === 0 ? h("small", {}, "outputs") : iconButton("close", `Leave out ${folder.path}`, () => attempt(() => leave(folder))))));
  const leave = async (folder) => {
    draw(await call(`api/v1/gallery/folders/${folder.number}`, { method: "DELETE" }));
    changed();
  };
  const add = async () => {
    draw(await post("api/v1/gallery/folders", { path: path.value }));
    path.value = "";
    note("The folder is being looked through.", "info");
    changed();
  };
  const refresh = async (rebuild) => {
    await post(`api/v1/gallery/refresh?rebuild=${rebuild}`);
    changed();
  };
  path.addEventListener("keydown", (event) => {
    if (event.key === "Enter") attempt(add);
  });
  draw(await call("api/v1/gallery/folders"));
  open("gallery_folders_window", "Folders", h("p", { class: "dk-plain-note" }, "Every picture in these folders, at any depth. Files stay where they are."), list,
    h("div", { class: "dk-actions-row" }, path, h("button", { type: "button", class: "dk-action", id: "gallery_folder_add", onclick: () => attempt(add) }, "Add")),
    h("div", { class: "dk-actions-row" }, h("button", { type: "button", class: "dk-action dk-icon-refresh", onclick: () => attempt(() => refresh(false)) }, "Look through again"),
      h("button", { type: "button", class: "dk-action", id: "gallery_rebuild", onclick: () => attempt(() => refresh(true)) }, "Make the index anew")));
}
