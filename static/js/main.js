// The page's own scripts: Gradio's events reach them as window.darkroom, everything else by the elements they fill.

import "./controls.js";
import "./results.js";
import "./tokens.js";
import "./png_info.js";
import "./gallery.js";
import "./models.js";
import "./cards/panel.js";
import "./extras.js";
import "./settings_search.js";
import "./downloads.js";
import "./model_work/actions.js";
import "./model_work/list.js";
import "./model_work/merger.js";
import "./top_end.js";
import * as chosen from "./cards/chosen.js";
import * as prompts from "./cards/prompts.js";
import * as draft from "./draft.js";
import * as forever from "./forever.js";
import * as feed from "./feed.js";
import * as given from "./given.js";
import { inputSize, startPictures } from "./input_picture.js";
import { follow } from "./jobs.js";
import * as keys from "./keys.js";
import * as letters from "./letters.js";
import { refreshModels } from "./models.js";
import { shownSeed } from "./results.js";
import { showScript } from "./scripts.js";
import { resizesBy } from "./start_size.js";
import { styleEditorOpened } from "./style_editor.js";
import * as title from "./title.js";
import * as theme from "./theme.js";
import * as tooltips from "./tooltips.js";

function fieldsChanged() {
  document.dispatchEvent(new CustomEvent("dk-fields"));
}

/** What img2img starts from; a sentence where it cannot start, which the handler's answer then says. */
async function startLetter() {
  try {
    return { ...(await startPictures()), by: resizesBy() };
  } catch (error) {
    return { problem: error.message };
  }
}

window.darkroom = {
  /** Values of a Generate press; the last one is the letter, which carries what Gradio does not hold. */
  async collect(tab, values) {
    return [...values.slice(0, -1), JSON.stringify(tab === "img2img" ? await startLetter() : {})];
  },
  readAnswer(answer) {
    letters.readAnswer(answer);
    forever.answered(answer ?? {});
    if (answer?.job) follow(answer.job).catch(() => {});
    return [];
  },
  showTab: letters.showTab,
  takeLetter: letters.takeLetter,
  pictureRead(answer) {
    letters.pictureRead(answer);
    return [];
  },
  changed(tab, names, values) {
    draft.keep(tab, names, values);
    // The boxes hold the new values only after Gradio has drawn them.
    requestAnimationFrame(fieldsChanged);
    return [];
  },
  /** The page's start values are there; `starts` are those of the prompt boxes. */
  loaded(starts) {
    draft.setLoaded();
    window.darkroomEarly?.restore(starts);
    requestAnimationFrame(fieldsChanged);
    return [];
  },
  /** Whether the fields hold what they start with; tests wait for it. */
  isLoaded: draft.isLoaded,
  modelsChanged() {
    refreshModels().catch(() => {});
    return [];
  },
  shownSeed,
  showScript,
  styleEditorOpened,
  inputSize,
};

theme.start();
draft.start();
keys.listen();
prompts.listen();
chosen.listen();
given.listen();
title.start();
tooltips.start();
feed.start();
forever.start();
refreshModels().catch(() => {});
