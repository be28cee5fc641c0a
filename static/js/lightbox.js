// A picture over the whole window; arrows go on, Esc or a click closes.

import { h, iconButton } from "./dom.js";

let box = null;

function build() {
  const picture = h("img", { alt: "" });
  const node = h("dialog", { class: "dk-lightbox", "aria-label": "Picture" },
    picture,
    iconButton("previous", "Previous picture", () => box.move(-1)),
    iconButton("next", "Next picture", () => box.move(1)),
    iconButton("close", "Close", () => node.close()),
  );
  node.addEventListener("click", (event) => {
    if (event.target === node || event.target === picture) node.close();
  });
  node.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    box.move(step);
  });
  document.body.append(node);
  return { node, picture, move: () => {} };
}

/** Opens with one picture; `move(step)` gives the address and words of its neighbour. */
export function openLightbox(shown, move) {
  box ??= build();
  const show = ({ src, alt }) => {
    box.picture.src = src;
    box.picture.alt = alt;
  };
  box.move = (step) => show(move(step));
  show(shown);
  box.node.showModal();
}
