// Two pictures side by side with their difference, pixel by pixel; both are decoded here, nothing is sent anywhere.

import { h, setText } from "./dom.js";

const AMPLIFIED = 8;

async function pixels(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** What differs between two pictures of one size: how many pixels, by how much at most and on average (0 to 255). */
export function differenceOf(one, other) {
  const shown = new ImageData(one.width, one.height);
  let differing = 0;
  let largest = 0;
  let sum = 0;
  for (let at = 0; at < one.data.length; at += 4) {
    let most = 0;
    for (let channel = 0; channel < 3; channel += 1) {
      const by = Math.abs(one.data[at + channel] - other.data[at + channel]);
      sum += by;
      if (by > most) most = by;
      shown.data[at + channel] = Math.min(255, by * AMPLIFIED);
    }
    shown.data[at + 3] = 255;
    if (most) differing += 1;
    if (most > largest) largest = most;
  }
  return { shown, differing, largest, mean: sum / (one.data.length * 0.75) };
}

function figure(title, node) {
  return h("figure", { class: "dk-compared" }, node, h("figcaption", {}, title));
}

function image(blob, title) {
  const address = URL.createObjectURL(blob);
  const node = h("img", { src: address, alt: title });
  node.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
  return figure(title, node);
}

/** A box with both pictures, what differs between them, and one sentence that says so. */
export async function compared(first, second) {
  const box = h("div", { class: "dk-comparison", role: "region", "aria-label": "Comparison" });
  const said = h("p", { class: "dk-plain-note", id: "pnginfo_difference", role: "status" });
  const row = h("div", { class: "dk-compared-row" }, image(first, "The picture"), image(second, "Made again"));
  box.append(said, row);
  let both;
  try {
    both = await Promise.all([pixels(first), pixels(second)]);
  } catch {
    setText(said, "The browser cannot decode one of the two, so their pixels cannot be compared.");
    return box;
  }
  const [one, other] = both;
  if (one.width !== other.width || one.height !== other.height) {
    setText(said, `They differ in size: ${one.width} × ${one.height} and ${other.width} × ${other.height}.`);
    return box;
  }
  const found = differenceOf(one, other);
  if (!found.differing) {
    setText(said, "Both are equal in every pixel.");
    return box;
  }
  const share = ((100 * found.differing) / (one.width * one.height)).toFixed(1);
  setText(said, `${share}% of the pixels differ, by at most ${found.largest} and on average ${found.mean.toFixed(2)} of 255.`);
  const canvas = h("canvas", { width: String(one.width), height: String(one.height), role: "img", "aria-label": "What differs" });
  canvas.getContext("2d").putImageData(found.shown, 0, 0);
  row.append(figure(`What differs, ${AMPLIFIED} times`, canvas));
  return box;
}
