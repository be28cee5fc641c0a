// Mouse, pen and fingers on a canvas: one paints, two fingers (or the middle button, or Space) move and zoom.

const LINE_PX = 32;
const WHEEL_RATE = 0.0022;

export class Pointers {
  /** `editor`: paints(), begin(event), move(points), end(), drop(), pan(dx, dy), zoom(factor, x, y), hover(event or null), grow(steps), wheelZooms(),
   * scrollsPage(). */
  constructor(node, editor) {
    this.node = node;
    this.editor = editor;
    this.fingers = new Map();
    this.space = false;
    const on = (kind, listener, options) => node.addEventListener(kind, listener.bind(this), options);
    on("pointerdown", this.down);
    on("pointermove", this.moved);
    on("pointerup", this.up);
    on("pointercancel", this.lost);
    on("pointerleave", () => this.editor.hover(null));
    on("wheel", this.wheel, { passive: false });
    on("contextmenu", (event) => this.editor.paints() && event.preventDefault());
    document.addEventListener("keyup", (event) => event.key === " " && this.hold(false));
    window.addEventListener("blur", () => this.hold(false));
  }

  /** While Space is held, dragging moves the picture. */
  hold(on) {
    this.space = on;
    this.node.classList.toggle("dk-canvas-grab", on);
  }

  down(event) {
    this.node.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.fingers.size === 2) {
      if (this.action === "paint") this.editor.drop();
      this.action = "pinch";
      return;
    }
    if (this.fingers.size > 2) return;
    if (event.pointerType === "touch" && this.editor.scrollsPage()) {
      this.action = null;
      return;
    }
    const moves = event.button === 1 || this.space || !this.editor.paints();
    this.action = moves ? "pan" : "paint";
    if (moves) {
      if (event.button === 1) event.preventDefault();
      return;
    }
    event.preventDefault();
    this.node.closest("[tabindex]")?.focus({ preventScroll: true });
    if (!this.editor.begin(event)) this.action = null;
  }

  moved(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") this.editor.hover(event);
      return;
    }
    const now = { x: event.clientX, y: event.clientY };
    if (this.action === "pinch") this.pinch(event.pointerId, before, now);
    else if (this.action === "pan") this.editor.pan(now.x - before.x, now.y - before.y);
    else if (this.action === "paint") {
      const all = event.getCoalescedEvents?.() ?? [];
      this.editor.move(all.length ? all : [event]);
      if (event.pointerType !== "touch") this.editor.hover(event);
    }
    this.fingers.set(event.pointerId, now);
  }

  pinch(id, before, now) {
    const other = [...this.fingers].find(([each]) => each !== id)?.[1];
    if (!other) return;
    const apart = (one) => Math.hypot(one.x - other.x, one.y - other.y);
    this.editor.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    if (apart(before) > 0) this.editor.zoom(apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
  }

  up(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    if (this.action === "paint") this.editor.end();
    // After a pinch the finger that is left paints nothing.
    if (this.fingers.size === 0) this.action = null;
  }

  lost(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    if (this.action === "paint") this.editor.drop();
    if (this.fingers.size === 0) this.action = null;
  }

  wheel(event) {
    const turned = event.deltaMode === 1 ? event.deltaY * LINE_PX : event.deltaY || event.deltaX;
    if (event.altKey && this.editor.paints()) {
      event.preventDefault();
      this.editor.grow(-Math.sign(turned));
      this.editor.hover(event);
    } else if (event.ctrlKey || event.metaKey || event.shiftKey || this.editor.wheelZooms()) {
      event.preventDefault();
      this.editor.zoom(Math.exp(-turned * WHEEL_RATE), event.clientX, event.clientY);
      this.editor.hover(event);
    }
  }
}
