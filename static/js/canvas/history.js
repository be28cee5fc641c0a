// Steps that can be taken back and done again, within a budget of bytes.

const BUDGET_BYTES = 256 * 1024 * 1024;

export class History {
  constructor(budget = BUDGET_BYTES) {
    this.budget = budget;
    this.clear();
  }

  clear() {
    this.done = [];
    this.undone = [];
  }

  /** A step `{undo, redo, bytes}` that was just taken. The oldest are forgotten where they take too much memory. */
  push(step) {
    this.done.push(step);
    this.undone = [];
    let bytes = this.done.reduce((sum, each) => sum + each.bytes, 0);
    while (bytes > this.budget && this.done.length > 1) bytes -= this.done.shift().bytes;
  }

  get canUndo() {
    return this.done.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  undo() {
    this.move(this.done, this.undone, "undo");
  }

  redo() {
    this.move(this.undone, this.done, "redo");
  }

  move(from, to, how) {
    const step = from.pop();
    if (!step) return;
    step[how]();
    to.push(step);
  }
}
