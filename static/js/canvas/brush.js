// What a brush leaves: a line for a hard one, overlapping soft dots for a soft one.

/** Above this hardness an edge is as sharp as a line's own. */
const HARD = 0.97;
/** Dots of a soft line stand this share of their width apart, near enough not to be seen. */
const SPACING = 0.1;
/** Dots that overlap add up; each falls off faster than the line they make together should. */
const FALL_OFF = 2.4;
const STOPS = 12;

function softDot(size, hardness, colour) {
  const side = Math.max(2, Math.ceil(size) + 2);
  const dot = new OffscreenCanvas(side, side);
  const context = dot.getContext("2d");
  const middle = side / 2;
  const fade = context.createRadialGradient(middle, middle, 0, middle, middle, size / 2);
  fade.addColorStop(0, `rgb(0 0 0 / 1)`);
  for (let step = 0; step <= STOPS; step += 1) {
    const share = step / STOPS;
    fade.addColorStop(hardness + (1 - hardness) * share, `rgb(0 0 0 / ${(1 - share) ** FALL_OFF})`);
  }
  context.fillStyle = fade;
  context.fillRect(0, 0, side, side);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, side, side);
  return dot;
}

/** One stroke of a brush `{size, hardness, colour, erases}` on a canvas; sizes and points are the canvas's own pixels. */
export class Stroke {
  constructor(context, brush) {
    this.context = context;
    this.brush = brush;
    this.dot = brush.hardness < HARD && brush.size > 2 ? softDot(brush.size, brush.hardness, brush.colour) : null;
    this.last = null;
    this.ahead = 0;
    this.box = null;
  }

  /** Goes on to a point; the first one leaves a dot. */
  to({ x, y }) {
    const from = this.last ?? { x, y };
    this.reach(x, y);
    this.context.save();
    this.context.globalCompositeOperation = this.brush.erases ? "destination-out" : "source-over";
    if (this.dot) this.dots(from, { x, y });
    else this.line(from, { x, y });
    this.context.restore();
    this.last = { x, y };
  }

  line(from, to) {
    const { context, brush } = this;
    if (!this.last) {
      // A line without length is none.
      context.fillStyle = brush.colour;
      context.beginPath();
      context.arc(to.x, to.y, Math.max(1, brush.size) / 2, 0, 2 * Math.PI);
      context.fill();
      return;
    }
    context.strokeStyle = brush.colour;
    context.lineWidth = Math.max(1, brush.size);
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  }

  dots(from, to) {
    const distance = Math.hypot(to.x - from.x, to.y - from.y);
    const spacing = Math.max(0.5, this.brush.size * SPACING);
    const half = this.dot.width / 2;
    if (!this.last) this.context.drawImage(this.dot, to.x - half, to.y - half);
    let at = this.last ? this.ahead : spacing;
    for (; at <= distance; at += spacing) {
      const share = at / distance;
      this.context.drawImage(this.dot, from.x + (to.x - from.x) * share - half, from.y + (to.y - from.y) * share - half);
    }
    this.ahead = this.last ? at - distance : spacing;
  }

  /** Widens the box of what was touched. */
  reach(x, y) {
    const around = this.brush.size / 2 + 2;
    const box = this.box ?? { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    this.box = { left: Math.min(box.left, x - around), top: Math.min(box.top, y - around), right: Math.max(box.right, x + around),
      bottom: Math.max(box.bottom, y + around) };
  }
}
