// What a control does, told where the mouse rests: Gradio's buttons have no tooltips of their own.

const TEXTS = {
  ".dk-exact": "The job shares no forward with others: the same bytes again, whatever else the server is doing. Slower while others use it.",
  "#img2img_image_cfg_scale": "How much checkpoints that edit pictures keep to the input picture; others do not read it.",
};

function label({ target }) {
  const button = target.closest?.(".dk-icon-button");
  if (button && !button.title) button.title = button.getAttribute("aria-label") ?? button.textContent.trim();
  for (const [selector, text] of Object.entries(TEXTS)) {
    const control = target.closest?.(selector);
    if (control && !control.title) control.title = text;
  }
}

export function start() {
  document.addEventListener("pointerover", label);
  document.addEventListener("focusin", label);
}
