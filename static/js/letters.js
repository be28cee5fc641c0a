// What our scripts hand to Gradio: a letter is laid down, a hidden button is pressed, and its handler takes the letter.

import { appears } from "./dom.js";
import { storeInput } from "./inputs.js";
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

/** Shows one of the page's tabs: txt2img, img2img, extras, pnginfo, models, settings. */
export function showTab(name) {
  deliver("show_tab", name);
}

/** Fills a generation tab from an infotext; `leave` names fields that keep what they hold, `chunk` is our own JSON beside the text. */
export function fill(tab, text, { leave = [], chunk = "" } = {}) {
  deliver(`fill_${tab}`, { text, leave, chunk });
}

/** The same, and shows the tab. */
export function fillTab(tab, text, more) {
  showTab(tab);
  fill(tab, text, more);
}

/** Sends a finished picture to another tab. */
export async function sendPicture(target, picture) {
  if (!picture) return;
  if (target === "txt2img") {
    fillTab("txt2img", picture.infotext);
    return;
  }
  await sendFile(target, await pictureFile(picture), picture.infotext);
}

/** Tabs that take a picture's file alone, and what takes it there. */
const TAKERS = { pnginfo: "dk-png-info", extras: "dk-extras" };

/** Sends a picture file (and its settings, if it has any) to txt2img, img2img, its sub-tab inpaint, Extras, or PNG Info. */
export async function sendFile(target, file, text, more) {
  if (target in TAKERS) {
    showTab(target);
    await (await appears(TAKERS[target])).read(file);
    return;
  }
  const tab = target === "inpaint" ? "img2img" : target;
  if (text) fillTab(tab, text, tab === "img2img" ? withoutSize(more) : more);
  else showTab(tab);
  if (tab === "img2img") await (await appears("dk-input-picture")).read(file, { mode: target, offers: false });
}

/** On img2img the size follows the picture itself, which a hires pass has made larger than its infotext says. */
export function withoutSize(more = {}) {
  return { ...more, leave: [...(more.leave ?? []), "width", "height"] };
}

/** Makes a finished picture img2img's next start; its fields and mask stay as they are, and its sub-tab unless one is named. */
export async function startFrom(picture, mode = null) {
  if (picture) await (await appears("dk-input-picture")).read(await pictureFile(picture), { mode, offers: false, next: true });
}

/** Queues the hires pass of a finished picture, with the picture's settings and the page's hires fix. */
export async function upscale(picture) {
  if (!picture) return;
  const { id } = await storeInput(await pictureFile(picture));
  const { infotext, width, height } = picture;
  deliver("upscale_txt2img", { images: [id], infotext, width, height });
}

async function pictureFile(picture) {
  const answer = await fetch(pictureAddress(picture.id), { credentials: "same-origin" });
  if (!answer.ok) throw new Error("The picture is not there any more.");
  return new File([await answer.blob()], `${picture.seed}.${picture.format}`, { type: answer.headers.get("Content-Type") ?? "image/png" });
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

/** Lays a letter down and waits for the handler's answer to it; throws with its sentence. */
async function ask(name, letter) {
  lastReading += 1;
  const id = lastReading;
  const told = new Promise((resolve, reject) => {
    readings.set(id, resolve);
    setTimeout(() => reject(new Error("The server did not answer; try again.")), READ_MS);
  });
  deliver(name, { id, ...letter });
  const answer = await told;
  if (answer.error) throw new Error(answer.error);
  return answer;
}

/** What a picture file says about itself, read by the server from the file's own bytes; throws with a sentence. */
export async function readPicture(file) {
  const data = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("The file cannot be read."));
    reader.readAsDataURL(file);
  });
  return ask("read_picture", { name: file.name, data: data.slice(data.indexOf(",") + 1) });
}

/** The same for an address, which the server fetches; the answer's `file` is what it found. */
export async function readAddress(url) {
  const told = await ask("read_picture", { url });
  const bytes = Uint8Array.from(atob(told.data), (letter) => letter.charCodeAt(0));
  const type = `image/${told.format.toLowerCase()}`;
  return { ...told, file: new File([bytes], url.split(/[?#]/)[0].split("/").at(-1) || "picture", { type }) };
}

/** Queues the job that makes a picture again; its id. */
export async function reproduce(text, { leave = [], chunk = "" } = {}) {
  return ask("reproduce", { text, leave, chunk });
}

/** The handler's answer for a letter that waits for it. */
export function pictureRead(answer) {
  // A failure before the letter was read names none: all that wait are told.
  for (const id of answer?.id == null ? [...readings.keys()] : [answer.id]) {
    readings.get(id)?.(answer);
    readings.delete(id);
  }
}
