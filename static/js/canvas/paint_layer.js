// What is painted over a picture, at the picture's own resolution: strokes, fills, undo, and the mask or picture it comes to.

import { Stroke } from "./brush.js";
import { History } from "./history.js";

/** A layer over a larger picture is coarser than it, so that memory is bounded. */
const MOST_PIXELS = 16 * 1024 * 1024;
const STRIP_ROWS = 256;

export function newCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

export class PaintLayer {
  /** `onChange` is called after everything that changes what is painted. */
  constructor(onChange) {
    this.onChange = onChange;
    this.history = new History();
    this.canvas = newCanvas(1, 1);
    this.kept = newCanvas(1, 1); // as it was before the stroke that is being made
    this.version = 0;
    this.stroke = null;
  }

  /** Fits itself to a picture of that size; what was painted stays, stretched. */
  resize(width, height) {
    this.scale = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
    const [wide, high] = [width, height].map((side) => Math.max(1, Math.round(side * this.scale)));
    if (wide === this.canvas.width && high === this.canvas.height) return;
    const old = this.canvas;
    this.canvas = newCanvas(wide, high);
    this.canvas.getContext("2d").drawImage(old, 0, 0, wide, high);
    this.kept = newCanvas(wide, high);
    this.kept.getContext("2d").drawImage(this.canvas, 0, 0);
    this.history.clear();
    this.changed();
  }

  changed() {
    this.version += 1;
    this.onChange();
  }

  /** Begins a stroke at a point of the picture. */
  begin(brush, point) {
    this.stroke = new Stroke(this.canvas.getContext("2d"), { ...brush, size: brush.size * this.scale });
    this.extend(point);
  }

  extend({ x, y }) {
    this.stroke?.to({ x: x * this.scale, y: y * this.scale });
    this.onChange();
  }

  /** Ends the stroke: one step of the history. */
  end() {
    const box = this.stroke?.box;
    this.stroke = null;
    if (box) this.commit(box);
  }

  /** As if the stroke had not been begun. */
  drop() {
    const box = this.stroke && this.inside(this.stroke.box);
    this.stroke = null;
    if (box) copyBack(this.canvas, part(this.kept, box), box);
    this.onChange();
  }

  /** Takes all paint away. */
  clear() {
    this.whole((context) => context.clearRect(0, 0, this.canvas.width, this.canvas.height));
  }

  /** What was painted is bare, and what was bare is painted. */
  invert(colour) {
    this.whole((context) => {
      context.globalCompositeOperation = "source-out";
      context.fillStyle = colour;
      context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    });
  }

  /** Paint where a mask picture is bright, or where it is not transparent if it is so anywhere, in place of what there was. */
  load(mask, colour) {
    const { width, height } = this.canvas;
    const layer = newCanvas(width, height);
    const context = layer.getContext("2d", { willReadFrequently: true });
    context.drawImage(mask, 0, 0, width, height);
    const pixels = context.getImageData(0, 0, width, height);
    brightnessToAlpha(pixels.data);
    context.putImageData(pixels, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = colour;
    context.fillRect(0, 0, width, height);
    this.whole((own) => {
      own.clearRect(0, 0, width, height);
      own.drawImage(layer, 0, 0);
    });
  }

  /** Paint that was kept, in place of what there is. */
  restore(paint) {
    this.resize(paint.width, paint.height);
    this.whole((context) => {
      context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      context.drawImage(paint, 0, 0);
    });
    this.history.clear();
    this.onChange();
  }

  whole(change) {
    const context = this.canvas.getContext("2d");
    context.save();
    change(context);
    context.restore();
    this.commit({ left: 0, top: 0, right: this.canvas.width, bottom: this.canvas.height });
  }

  commit(rough) {
    const box = this.inside(rough);
    if (!box) {
      this.changed();
      return;
    }
    const [before, after] = [part(this.kept, box), part(this.canvas, box)];
    copyBack(this.kept, after, box);
    const put = (patch) => () => {
      copyBack(this.canvas, patch, box);
      copyBack(this.kept, patch, box);
      this.changed();
    };
    this.history.push({ undo: put(before), redo: put(after), bytes: box.width * box.height * 8 });
    this.changed();
  }

  /** The box in whole pixels of the layer; null outside of it. */
  inside({ left, top, right, bottom }) {
    const [x, y] = [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top))];
    const width = Math.min(this.canvas.width, Math.ceil(right)) - x;
    const height = Math.min(this.canvas.height, Math.ceil(bottom)) - y;
    return width > 0 && height > 0 ? { x, y, width, height } : null;
  }

  /** Whether nothing is painted. */
  isBlank() {
    const { width, height } = this.canvas;
    const context = this.canvas.getContext("2d");
    for (let top = 0; top < height; top += STRIP_ROWS) {
      const { data } = context.getImageData(0, top, width, Math.min(STRIP_ROWS, height - top));
      for (let at = 3; at < data.length; at += 4) if (data[at]) return false;
    }
    return true;
  }

  /** A grey picture of that size, white where there is paint; `solid`: also where there is only a trace of it. */
  mask(width, height, { solid = false } = {}) {
    const canvas = newCanvas(width, height);
    const context = canvas.getContext("2d");
    context.drawImage(this.canvas, 0, 0, width, height);
    if (solid) inStrips(canvas, (data) => {
      for (let at = 3; at < data.length; at += 4) if (data[at]) data[at] = 255;
    });
    context.globalCompositeOperation = "source-in";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    return canvas;
  }

  /** The picture with what is painted over it, in the picture's resolution. */
  over(picture) {
    const canvas = newCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    context.drawImage(this.canvas, 0, 0, picture.width, picture.height);
    return canvas;
  }
}

function part(canvas, { x, y, width, height }) {
  const patch = newCanvas(width, height);
  patch.getContext("2d").drawImage(canvas, x, y, width, height, 0, 0, width, height);
  return patch;
}

function copyBack(canvas, patch, { x, y, width, height }) {
  const context = canvas.getContext("2d");
  context.clearRect(x, y, width, height);
  context.drawImage(patch, x, y);
}

/** Changes a canvas's pixels, few rows at a time. */
function inStrips(canvas, change) {
  const context = canvas.getContext("2d");
  for (let top = 0; top < canvas.height; top += STRIP_ROWS) {
    const strip = context.getImageData(0, top, canvas.width, Math.min(STRIP_ROWS, canvas.height - top));
    change(strip.data);
    context.putImageData(strip, 0, top);
  }
}

function brightnessToAlpha(data) {
  for (let at = 3; at < data.length; at += 4) if (data[at] < 255) return;
  for (let at = 0; at < data.length; at += 4) data[at + 3] = Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
}

/** The canvas as a PNG file. */
export function png(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The browser has no memory left for this picture."))), "image/png");
  });
}
