// A model's preview picture on its page: the last picture becomes it, a file does, or one is drawn for it.

import { call, post } from "../api.js";
import { h, setText } from "../dom.js";
import { firstPicture, jobsOf, pictureAddress } from "../jobs.js";
import { attempt, note } from "../notes.js";
import { chosenFile } from "./chosen.js";
import { cardsChanged, pathOf } from "./source.js";
import { piece } from "./tags.js";

const DRAWN_WITH = ["checkpoint", "lora", "embedding", "hypernetwork"];
/** Fields of txt2img that a preview is drawn with. */
const SETTINGS = { width: "width", height: "height", steps: "steps", cfg_scale: "cfg_scale" };

/** The newest finished picture of either generation tab; null before the first. */
function lastPicture() {
  const done = ["txt2img", "img2img"].flatMap((tab) => jobsOf(tab)).filter((job) => job.pictures.length);
  const newest = done.sort((one, other) => one.created - other.created).at(-1);
  return newest?.pictures.at(-1) ?? null;
}

async function bytesOf(picture) {
  const answer = await fetch(pictureAddress(picture.id), { credentials: "same-origin" });
  if (!answer.ok) throw new Error("The picture is not there any more.");
  return answer.blob();
}

function settings() {
  const told = {};
  for (const [name, field] of Object.entries(SETTINGS)) {
    const value = Number(document.querySelector(`#txt2img_${field} input[type=number]`)?.value);
    if (value) told[name] = value;
  }
  return told;
}

/** `{node, take(card)}`: the picture with its buttons. */
export function previewMaker(card) {
  let now = card;
  const image = h("img", { alt: "" });
  const none = h("span", { class: "dk-mc-blank", "aria-hidden": "true" }, card.name.slice(0, 1).toUpperCase());
  const told = h("p", { class: "dk-plain-note", role: "status", hidden: true });
  const say = (text) => {
    setText(told, text);
    told.hidden = !text;
  };
  const show = () => {
    image.hidden = !now.preview;
    none.hidden = Boolean(now.preview);
    if (now.preview && image.getAttribute("src") !== now.preview) image.src = now.preview;
  };
  const keep = async (blob) => {
    cardsChanged(await call(pathOf("previews", now), { method: "PUT", body: blob, headers: { "Content-Type": "application/octet-stream" } }));
    note(`${now.name} has a new preview.`, "info");
  };
  const takeLast = async () => {
    const picture = lastPicture();
    if (!picture) throw new Error("No picture has been made yet.");
    await keep(await bytesOf(picture));
  };
  const draw = async () => {
    say("The preview is being drawn …");
    try {
      const checkpoint = now.kind === "checkpoint" ? now.filename : chosenFile();
      const { id } = await post("api/v1/jobs", { ...settings(), mode: "txt2img", prompt: wish.value, checkpoint, save: false });
      await keep(await bytesOf(await firstPicture(id)));
    } finally {
      say("");
    }
  };
  const file = h("input", { type: "file", accept: "image/*", class: "dk-hidden", tabindex: "-1", "aria-label": "Picture file", onchange: () => {
    const [chosen] = file.files;
    file.value = "";
    if (chosen) attempt(() => keep(chosen));
  } });
  const wish = h("input", { type: "text", id: "model_preview_prompt", "aria-label": "Prompt of the preview", value: now.kind === "checkpoint" ? "" : piece(now),
    placeholder: "Prompt of the preview" });
  const button = (id, label, act, title = null) => h("button", { type: "button", class: "dk-action", id, title, onclick: () => attempt(act) }, label);
  const drawing = DRAWN_WITH.includes(now.kind) && !now.problem ? h("form", { class: "dk-page-draw", onsubmit: (event) => {
    event.preventDefault();
    attempt(draw);
  } }, wish, h("button", { type: "submit", class: "dk-action", id: "model_preview_draw", title: "With txt2img's size, steps and CFG scale" }, "Draw")) : null;
  const node = h("div", { class: "dk-page-preview" }, h("div", { class: "dk-page-look" }, image, none), told,
    // What comes with Darkroom lies in the program's own folder, which is left as it is.
    now.embedded ? null : h("details", { class: "dk-page-more" }, h("summary", {}, "Change the preview"), h("div", { class: "dk-actions-row" },
      button("model_preview_last", "Take the last picture", takeLast), button("model_preview_file", "Choose a file", () => file.click())), drawing, file));
  show();
  return { node, take: (changed) => {
    now = changed;
    show();
  } };
}
