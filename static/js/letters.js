// What our scripts hand to Gradio: a letter is laid down, a hidden button is pressed, and its handler takes the letter.

import { appears } from "./dom.js";
import { pictureAddress } from "./jobs.js";
import { note } from "./notes.js";

const letters = new Map();

/** Takes the letter for a hidden button's handler (called from the page's events). */
export function takeLetter(name) {
  const letter = letters.get(name) ?? "";
  letters.delete(name);
  return letter;
}

/** Lays a letter down and presses the hidden button `dk_<name>`. */
export function deliver(name, letter) {
  letters.set(name, typeof letter === "string" ? letter : JSON.stringify(letter));
  const button = document.getElementById(`dk_${name}`);
  if (!button) throw new Error("The page is not ready yet; try again in a moment.");
  button.click();
}

/** Shows one of the page's tabs: txt2img, img2img, pnginfo, models, settings. */
export function showTab(name) {
  deliver("show_tab", name);
}

/** Fills a generation tab from an infotext and shows it. */
export function fillTab(tab, text) {
  showTab(tab);
  deliver(`fill_${tab}`, text);
}

/** Sends a finished picture to another tab. */
export async function sendPicture(target, picture) {
  if (!picture) return;
  if (target === "txt2img") {
    fillTab("txt2img", picture.infotext);
    return;
  }
  const answer = await fetch(pictureAddress(picture.id), { credentials: "same-origin" });
  if (!answer.ok) throw new Error("The picture is not there any more.");
  const file = new File([await answer.blob()], `${picture.seed}.${picture.format}`, { type: answer.headers.get("Content-Type") ?? "image/png" });
  await sendFile(target, file, picture.infotext);
}

/** Sends a picture file (and its settings, if it has any) to img2img or PNG Info. */
export async function sendFile(target, file, text) {
  if (target === "pnginfo") {
    showTab("pnginfo");
    await (await appears("dk-png-info")).read(file);
    return;
  }
  if (text) fillTab(target, text);
  else showTab(target);
  if (target === "img2img") await (await appears("dk-input-picture")).read(file);
}

/** Answer of a handler that started a job or filled fields: what it has to say becomes notes. */
export function readAnswer(answer) {
  const { error, warnings = [], notes = [] } = answer ?? {};
  if (error) note(error);
  for (const sentence of warnings) note(sentence, "warning");
  for (const sentence of notes) note(sentence, "info");
}


const READ_MS = 60_000;
const readings = new Map();
let lastReading = 0;

/** What a picture file says about itself, read by the server from the file's own bytes; throws with a sentence. */
export async function readPicture(file) {
  const data = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("The file cannot be read."));
    reader.readAsDataURL(file);
  });
  lastReading += 1;
  const id = lastReading;
  const told = new Promise((resolve, reject) => {
    readings.set(id, resolve);
    setTimeout(() => reject(new Error("The server did not answer; drop the picture again.")), READ_MS);
  });
  deliver("read_picture", { id, data: data.slice(data.indexOf(",") + 1) });
  const answer = await told;
  if (answer.error) throw new Error(answer.error);
  return answer;
}

/** The handler's answer for a file that waits for it. */
export function pictureRead(answer) {
  readings.get(answer?.id)?.(answer);
  readings.delete(answer?.id);
}
