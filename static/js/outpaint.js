// Outpainting: a picture with more room around it, and the mask of that room.

import { newCanvas } from "./canvas/paint_layer.js";
import { h } from "./dom.js";

const KEPT = "darkroom.img2img.outpaint";
const STEP = 8;
const MOST = 2048;
const SIDES = { left: "Left", right: "Right", up: "Up", down: "Down" };
const FILLS = { mirror: "the picture, mirrored", edges: "its edges, stretched" };
const FIRST = { left: 64, right: 64, up: 0, down: 0, overlap: 8, fill: "mirror" };

function kept() {
  try {
    return { ...FIRST, ...JSON.parse(localStorage.getItem(KEPT) ?? "{}") };
  } catch {
    return { ...FIRST }; // storage is forbidden, or holds something else
  }
}

/** The picture's pixels, and around them its mirror images. */
function mirrored(context, picture, { left, up }, width, height) {
  const { width: wide, height: high } = picture;
  for (let column = -Math.ceil(left / wide); left + column * wide < width; column += 1) {
    for (let row = -Math.ceil(up / high); up + row * high < height; row += 1) {
      const [flipX, flipY] = [column % 2 ? -1 : 1, row % 2 ? -1 : 1];
      context.setTransform(flipX, 0, 0, flipY, left + (column + (flipX < 0 ? 1 : 0)) * wide, up + (row + (flipY < 0 ? 1 : 0)) * high);
      context.drawImage(picture, 0, 0);
    }
  }
  context.resetTransform();
}

/** The picture's pixels, and around them those of its edges as long lines. */
function stretched(context, picture, { left, right, up, down }) {
  const { width: wide, height: high } = picture;
  const columns = [[0, 1, 0, left], [0, wide, left, wide], [wide - 1, 1, left + wide, right]];
  const rows = [[0, 1, 0, up], [0, high, up, high], [high - 1, 1, up + high, down]];
  context.imageSmoothingEnabled = false;
  for (const [fromX, fromWide, x, width] of columns) {
    for (const [fromY, fromHigh, y, height] of rows) {
      if (width && height) context.drawImage(picture, fromX, fromY, fromWide, fromHigh, x, y, width, height);
    }
  }
}

/** A canvas with the picture and the room around it. */
export function extended(picture, room) {
  const { left, right, up, down, fill } = room;
  const canvas = newCanvas(picture.width + left + right, picture.height + up + down);
  const context = canvas.getContext("2d");
  if (fill === "edges") stretched(context, picture, room);
  else mirrored(context, picture, room, canvas.width, canvas.height);
  return canvas;
}

/** Paints the room on a layer of the extended picture, and so much of the picture as it should overlap: all of it, if the overlap reaches so far. */
export function markRoom(layer, picture, { left, right, up, down, overlap }, colour) {
  const { scale } = layer;
  const inside = (before, size, after) => [before ? before + overlap : 0, before + size - (after ? overlap : 0) + (after ? 0 : MOST)];
  const [x, endX] = inside(left, picture.width, right);
  const [y, endY] = inside(up, picture.height, down);
  layer.whole((context) => {
    context.fillStyle = colour;
    context.clearRect(0, 0, layer.canvas.width, layer.canvas.height);
    context.fillRect(0, 0, layer.canvas.width, layer.canvas.height);
    context.clearRect(x * scale, y * scale, Math.max(0, endX - x) * scale, Math.max(0, endY - y) * scale);
  });
  layer.history.clear();
}

/** How much room there should be on each side, and what is in it at first. */
export class OutpaintPanel {
  constructor(onChange) {
    this.room = kept();
    const change = (part) => {
      Object.assign(this.room, part);
      try {
        localStorage.setItem(KEPT, JSON.stringify(this.room));
      } catch {
        // It is forgotten with the page.
      }
      onChange();
    };
    const number = (name, title, step) => {
      const input = h("input", { type: "number", id: `img2img_outpaint_${name}`, min: "0", max: String(MOST), step: String(step), value: String(this.room[name]) });
      input.addEventListener("change", () => {
        const value = Math.min(MOST, Math.max(0, Math.round(Number(input.value) / step) * step || 0));
        input.value = String(value);
        change({ [name]: value });
      });
      return h("label", { class: "dk-number" }, h("span", {}, title), input);
    };
    const fill = h("select", { id: "img2img_outpaint_fill", onchange: () => change({ fill: fill.value }) },
      ...Object.entries(FILLS).map(([value, title]) => h("option", { value, selected: value === this.room.fill }, title)));
    this.node = h("div", { class: "dk-outpaint", role: "group", "aria-label": "Outpaint", hidden: true },
      ...Object.entries(SIDES).map(([name, title]) => number(name, `${title}, px`, STEP)), number("overlap", "Overlap, px", 1),
      h("label", { class: "dk-number dk-wide" }, h("span", {}, "New room begins with"), fill));
  }

  get isNone() {
    return Object.keys(SIDES).every((side) => this.room[side] === 0);
  }
}
