// What somebody types before the page's start values have come: they would be written over it.
// A classic script, because modules run only after the boxes can be typed into.

window.darkroomEarly = (() => {
  /** In the order in which the page gives their start values. */
  const PROMPTS = ["txt2img_prompt", "txt2img_neg_prompt", "img2img_prompt", "img2img_neg_prompt"];

  const EVERY_MS = 50;
  const HOLD_MS = 800;
  const typed = new Map();

  function remember({ target }) {
    const box = target.closest?.(PROMPTS.map((id) => `#${id}`).join());
    if (box && target.matches("textarea")) typed.set(box.id, target.value);
  }

  /** Only a start value is replaced: any other is somebody's, a picture's settings for one. */
  function putBack(starts) {
    for (const [id, value] of typed) {
      const field = document.querySelector(`#${id} textarea`);
      if (!field || field.value === value || field.value !== (starts[PROMPTS.indexOf(id)] ?? "")) continue;
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  /** The start values have come, but Gradio draws them when it likes: what was typed before is held on to for a moment more. */
  function restore(starts) {
    document.removeEventListener("input", remember, true);
    const timer = setInterval(() => putBack(starts), EVERY_MS);
    setTimeout(() => {
      clearInterval(timer);
      putBack(starts);
      typed.clear();
    }, HOLD_MS);
  }

  document.addEventListener("input", remember, true);
  return { restore };
})();
