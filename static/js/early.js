// What somebody types before the page's start values have come: they would be written over it.
// A classic script, because modules run only after the boxes can be typed into.

window.darkroomEarly = (() => {
  const PROMPTS = "#txt2img_prompt, #txt2img_neg_prompt, #img2img_prompt, #img2img_neg_prompt";

  const EVERY_MS = 50;
  const HOLD_MS = 800;
  const typed = new Map();

  function remember({ target }) {
    const box = target.closest?.(PROMPTS);
    if (box && target.matches("textarea")) typed.set(box.id, target.value);
  }

  function putBack() {
    for (const [id, value] of typed) {
      const field = document.querySelector(`#${id} textarea`);
      if (!field || field.value === value) continue;
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  /** The start values have come, but Gradio draws them when it likes: what was typed is held on to for a moment more. */
  function restore() {
    const timer = setInterval(putBack, EVERY_MS);
    setTimeout(() => {
      clearInterval(timer);
      putBack();
      document.removeEventListener("input", remember, true);
      typed.clear();
    }, HOLD_MS);
  }

  document.addEventListener("input", remember, true);
  return { restore };
})();
