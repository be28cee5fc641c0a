// The dialog that edits styles: what Gradio's column lacks to be one.

import { appears, isVisible } from "./dom.js";

const NAME = "Edit styles";

/** The dialog of that id is being opened: it says what it is, and its first field has the focus. */
export function styleEditorOpened(id) {
  appears(`#${id}`).then((box) => {
    box.setAttribute("role", "dialog");
    box.setAttribute("aria-label", NAME);
    box.querySelector("input")?.focus();
  });
  return [];
}

/** Closes the dialog that is shown; gives whether there was one. */
export function closeStyleEditor() {
  const box = [...document.querySelectorAll(".dk-style-editor")].find(isVisible);
  box?.querySelector("[id$='_edit_style_close']").click();
  return box !== undefined;
}
