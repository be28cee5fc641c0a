// The picture and its paint as they are seen: a Konva stage that is zoomed and moved, over a canvas of any size.

const MOST_ZOOM = 32;
/** From here on single pixels are looked at. */
const CRISP_ZOOM = 3;
const LEAST_SHARE = 0.25;

/** Konva (static/vendor/konva), fetched when the first canvas is shown. */
async function loadKonva() {
  await import("../../vendor/konva/konva.min.js");
  return window.Konva;
}

export class View {
  /** Builds the stage inside `node`; `onResize()` is called when that has another size. */
  static async create(node, onResize) {
    return new View(await loadKonva(), node, onResize);
  }

  constructor(Konva, node, onResize) {
    this.node = node;
    this.onResize = onResize;
    const layer = () => new Konva.Layer({ listening: false });
    this.stage = new Konva.Stage({ container: node, width: node.clientWidth || 1, height: node.clientHeight || 1, listening: false });
    this.below = layer();
    this.above = layer();
    this.top = layer();
    this.stage.add(this.below, this.above, this.top);
    this.picture = new Konva.Image({ image: null });
    this.paint = new Konva.Image({ image: null });
    this.ring = new Konva.Circle({ visible: false, stroke: "#fff", strokeWidth: 1.5, strokeScaleEnabled: false });
    this.shade = new Konva.Circle({ visible: false, stroke: "#000", strokeWidth: 3.5, opacity: 0.55, strokeScaleEnabled: false });
    this.below.add(this.picture);
    this.above.add(this.paint);
    this.top.add(this.shade, this.ring);
    this.fitted = true;
    this.width = this.height = 1;
    new ResizeObserver(() => this.resized()).observe(node);
  }

  /** Shows a picture; the same part of it stays in sight if its size is the same. */
  show(picture) {
    const same = picture.width === this.width && picture.height === this.height;
    this.width = picture.width;
    this.height = picture.height;
    for (const image of [this.picture, this.paint]) image.size({ width: this.width, height: this.height });
    this.picture.image(picture);
    if (!same || this.fitted) this.fit();
    else this.below.batchDraw();
  }

  /** Shows paint (null: none), that much of it. */
  showPaint(canvas, opacity) {
    this.paint.image(canvas);
    this.paint.opacity(opacity);
    this.paint.visible(canvas !== null);
    this.above.batchDraw();
  }

  redraw() {
    this.above.batchDraw();
  }

  resized() {
    const { clientWidth, clientHeight } = this.node;
    if (!clientWidth || !clientHeight) return;
    this.stage.size({ width: clientWidth, height: clientHeight });
    if (this.fitted) this.fit();
    this.onResize();
  }

  get zoom() {
    return this.stage.scaleX();
  }

  get fitZoom() {
    return Math.min(this.stage.width() / this.width, this.stage.height() / this.height);
  }

  /** The whole picture, as large as there is room. */
  fit() {
    const zoom = this.fitZoom;
    this.place(zoom, (this.stage.width() - this.width * zoom) / 2, (this.stage.height() - this.height * zoom) / 2);
    this.fitted = true;
  }

  /** Nearer or farther by a factor; the picture's point below (x, y) of the window stays there. */
  zoomBy(factor, x = this.middle.x, y = this.middle.y) {
    const zoom = Math.min(MOST_ZOOM, Math.max(this.fitZoom * LEAST_SHARE, this.zoom * factor));
    const at = this.stage.position();
    const [inX, inY] = this.local(x, y);
    const grown = zoom / this.zoom;
    this.place(zoom, inX - (inX - at.x) * grown, inY - (inY - at.y) * grown);
  }

  /** Moves what is seen; the picture cannot be lost out of sight, and one that is shown whole is so again in a canvas of another size. */
  pan(dx, dy) {
    const at = this.stage.position();
    const { fitted } = this;
    this.place(this.zoom, at.x + dx, at.y + dy);
    this.fitted = fitted;
  }

  place(zoom, x, y) {
    const within = (value, size, room) => Math.min(room - Math.min(40, size / 2), Math.max(Math.min(40, size / 2) - size, value));
    this.stage.scale({ x: zoom, y: zoom });
    this.stage.position({ x: within(x, this.width * zoom, this.stage.width()), y: within(y, this.height * zoom, this.stage.height()) });
    this.fitted = false;
    for (const layer of [this.below, this.above]) layer.imageSmoothingEnabled(zoom * (window.devicePixelRatio || 1) < CRISP_ZOOM);
    this.stage.batchDraw();
  }

  /** The middle of the canvas in the window. */
  get middle() {
    const box = this.node.getBoundingClientRect();
    return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
  }

  local(x, y) {
    const box = this.node.getBoundingClientRect();
    return [x - box.left, y - box.top];
  }

  /** The picture's point at (x, y) of the window. */
  toPicture(x, y) {
    const at = this.stage.position();
    const [inX, inY] = this.local(x, y);
    return { x: (inX - at.x) / this.zoom, y: (inY - at.y) / this.zoom };
  }

  /** A ring as large as the brush at (x, y) of the window; null: no ring. */
  showBrush(point, size = 0) {
    const shown = point ? this.toPicture(point.x, point.y) : null;
    for (const ring of [this.shade, this.ring]) {
      ring.visible(shown !== null);
      if (shown) ring.setAttrs({ ...shown, radius: Math.max(size / 2, 1.5 / this.zoom) });
    }
    this.top.batchDraw();
  }
}
