// A model's page, a window over the tab: what a file is, what was said of it, and what can be done with it.

import { post } from "../api.js";
import { copyText, fileSize, h, iconButton, setText } from "../dom.js";
import { showTab } from "../letters.js";
import { attempt, note } from "../notes.js";
import { choose, chosenFile } from "./chosen.js";
import { star } from "./face.js";
import { standsIn, toggle } from "./in_prompts.js";
import { previewMaker } from "./preview.js";
import { KINDS, cardPage, changeCard, findCards, onCards, pathOf, sameFile } from "./source.js";
import { tagOf } from "./tags.js";

const HASHES = { autov1: "AutoV1", autov2: "AutoV2", autov3: "AutoV3", sha256: "sha256", crc32: "CRC32", blake3: "BLAKE3" };
const COMPUTING = ["waiting", "reading"];
const USABLE = ["checkpoint", "lora", "embedding", "hypernetwork"];
const IN_PROMPTS = ["lora", "hypernetwork"];
const WATCH_MS = 2_000;

let lastTab = "txt2img";

const count = (number) => (number >= 1e9 ? `${(number / 1e9).toFixed(2)} billion` : number >= 1e6 ? `${(number / 1e6).toFixed(1)} million` : String(number));

/** What to begin with, as one line; null where one may do as one likes. */
function begin(suggested) {
  if (!suggested) return null;
  const { width, height, steps, cfg_scale: cfg, sampler, scheduler } = suggested;
  return [width && `${width} × ${height}`, steps && `${steps} steps`, cfg !== null && `CFG scale ${cfg}`, sampler, scheduler].filter(Boolean).join(", ") || null;
}

/** Which generation tab "Use" means: the one that was shown last. */
export function tabShown(tab) {
  lastTab = tab;
}

/** Opens the page of a card's file. `use(tab, card)` puts it into that tab's prompt. */
export async function openCard(card) {
  const told = await attempt(() => cardPage(card));
  if (told) new CardPage(told).open();
}

class CardPage {
  constructor(card) {
    this.card = card;
    this.about = h("div", { class: "dk-page-about" });
    this.title = h("h3", {});
    this.place = h("p", { class: "dk-page-place" });
    this.star = h("span", {});
    this.preview = previewMaker(card);
    this.form = this.buildForm();
    this.actions = h("dk-model-actions", { kind: card.kind, filename: card.filename });
    const side = h("div", { class: "dk-page-side" }, this.preview.node, this.useButton(), this.links());
    this.node = h("dialog", { class: "dk-window dk-page", id: "model_page", "aria-label": `About ${card.name}` },
      h("div", { class: "dk-window-head" }, h("div", { class: "dk-page-title" }, this.title, this.place), this.star, iconButton("close", "Close", () => this.node.close())),
      h("div", { class: "dk-page-main" }, side, h("div", { class: "dk-page-told" }, this.about, this.form, this.actions)));
    this.show();
  }

  open() {
    const stop = onCards((card) => card && sameFile(card, this.card) && this.take(card));
    const timer = setInterval(() => this.watch(), WATCH_MS);
    this.node.addEventListener("close", () => {
      stop();
      clearInterval(timer);
      this.node.remove();
    });
    this.node.addEventListener("click", (event) => {
      if (event.target === this.node) this.node.close();
    });
    this.node.addEventListener("dk-model-changed", ({ detail }) => this.moved(detail.file));
    document.body.append(this.node);
    this.node.showModal();
  }

  /** Hashes and facts come in while they are being found out. */
  async watch() {
    if (this.card.read && !COMPUTING.includes(this.card.hashes.state)) return;
    const told = await cardPage(this.card).catch(() => null);
    if (told && this.node.isConnected) this.take(told);
  }

  /** The file has another name or place now; without one it is gone. */
  async moved(filename) {
    const told = filename ? await cardPage({ kind: this.card.kind, filename }).catch(() => null) : null;
    if (told) this.take(told);
    else this.node.close();
  }

  take(card) {
    this.card = { ...this.card, ...card };
    this.preview.take(this.card);
    this.show();
  }

  show() {
    const { card } = this;
    setText(this.title, card.title && card.title !== card.name ? `${card.name} (${card.title})` : card.name);
    setText(this.place, card.filename);
    this.star.replaceChildren(star(card));
    const what = new Set([KINDS[card.kind].one, card.family, card.form, card.precision].filter(Boolean)); // a LoRA's form is mostly LoRA
    const facts = [["What it is", [...what].join(" · ")],
      ["Made from", card.base_model], ["Native size", card.native_size_px ? `${card.native_size_px} × ${card.native_size_px}` : null],
      ["Prediction", card.prediction && `${card.prediction}${card.zero_terminal_snr ? ", zero terminal SNR" : ""}`], ["To begin with", begin(card.suggested)],
      ["VAE to get", card.vae_to_get], ["Hint", card.usage_hint], ["License", card.license],
      ["Size", [fileSize(card.size_bytes), card.parameters ? `${count(card.parameters)} parameters in ${card.tensors} tensors` : null].filter(Boolean).join(" · ")],
      ["Date", new Date(card.modified * 1000).toLocaleString()], ["Last used", card.last_used ? new Date(card.last_used * 1000).toLocaleString() : null],
      ["Second name", card.alias], ["At Civitai", card.civitai_name]];
    this.about.replaceChildren(...[card.problem, ...card.remarks].filter(Boolean).map((text) => h("p", { class: "dk-model-problem", role: "note" }, text)),
      card.embedded ? h("span", { class: "dk-model-badge" }, "comes with Darkroom") : "",
      this.table(facts), this.chips("Trigger words", card.trigger_words, "dk-page-words"), this.chips("Tags of its training", card.tags.map(({ tag }) => tag), "dk-page-tags"),
      card.description ? h("details", { class: "dk-page-more", open: card.description.length < 400 }, h("summary", {}, "Description"), h("p", { class: "dk-page-text" }, card.description)) : "",
      this.hashes(), this.lines("Training", card.training), this.lines("ModelSpec", card.spec), this.lines("What else the file says of itself", card.metadata));
  }

  table(rows) {
    const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
    return h("table", { class: "dk-table" }, h("tbody", {}, ...shown.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, String(value))))));
  }

  /** Words that a press copies. */
  chips(title, words, name) {
    if (!words?.length) return "";
    const copy = (text) => attempt(async () => {
      await copyText(text);
      note(`“${text.length > 60 ? `${text.slice(0, 60)} …` : text}” is in the clipboard.`, "info");
    });
    const counts = new Map(this.card.tags.map((tag) => [tag.tag, tag.count]));
    const chip = (word) => h("button", { type: "button", class: "dk-page-chip", title: "Copy", onclick: () => copy(word) }, word,
      counts.has(word) ? h("small", {}, String(counts.get(word))) : null);
    return h("section", { class: name }, h("h4", {}, title, words.length > 1 ? iconButton("copy", `Copy all: ${title}`, () => copy(words.join(", "))) : null),
      h("div", { class: "dk-page-chips" }, ...words.map(chip)));
  }

  hashes() {
    const { hashes } = this.card;
    const rows = Object.entries(HASHES).map(([key, name]) => [name, hashes[key]]).filter(([, value]) => value);
    const compute = async () => {
      const told = await post(pathOf("hashes", this.card));
      this.take({ hashes: told });
    };
    const busy = COMPUTING.includes(hashes.state);
    const said = busy ? `They are being computed${hashes.total_bytes ? ` (${Math.floor((100 * hashes.done_bytes) / hashes.total_bytes)} %)` : ""} …` : hashes.problem ?? "";
    const open = this.about.querySelector(".dk-page-hashes")?.open ?? false;
    return h("details", { class: "dk-page-more dk-page-hashes", open }, h("summary", {}, "Hashes"),
      rows.length ? h("table", { class: "dk-table" }, h("tbody", {}, ...rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name),
        h("td", {}, h("code", { class: `dk-hash-${name.toLowerCase()}` }, value)))))) : null,
      said ? h("p", { class: "dk-plain-note", role: "status" }, said) : null,
      busy || hashes.state === "done" ? null : h("button", { type: "button", class: "dk-action", id: "model_hashes", onclick: () => attempt(compute) }, "Compute all hashes"));
  }

  /** Names and values that the file holds, folded. */
  lines(title, lines) {
    if (!lines.length) return "";
    return h("details", { class: "dk-page-more" }, h("summary", {}, `${title} (${lines.length})`), this.table(lines.map(({ name, value }) => [name, value])));
  }

  links() {
    const { page } = this.card;
    return page ? h("a", { class: "dk-action dk-icon-open", href: page, target: "_blank", rel: "noreferrer noopener" }, "Civitai page") : "";
  }

  useButton() {
    const { card } = this;
    if (card.problem || !USABLE.includes(card.kind)) return "";
    if (card.kind === "checkpoint") {
      const used = chosenFile() === card.filename;
      const button = h("button", { type: "button", class: "dk-action dk-page-use", id: "model_use", disabled: used, onclick: async () => {
        await choose(card);
        setText(button, "In use");
        button.disabled = true;
      } }, used ? "In use" : "Use");
      return button;
    }
    return h("button", { type: "button", class: "dk-action dk-page-use dk-icon-text", id: "model_use", onclick: () => this.use() }, "Put into the prompt");
  }

  use() {
    showTab(lastTab);
    if (!standsIn(lastTab, this.card).length) toggle(lastTab, this.card);
    this.node.close();
    note(`${tagOf(this.card)} stands in the prompt of ${lastTab}.`, "info");
  }

  /** What a person says of the file; A1111 reads and writes the same. */
  buildForm() {
    const { card } = this;
    const inPrompts = IN_PROMPTS.includes(card.kind);
    this.fields = {
      activation_text: inPrompts && h("input", { type: "text", value: card.activation_text ?? "", placeholder: card.trigger_words.join(", ") }),
      negative_text: inPrompts && h("input", { type: "text", value: card.negative_text ?? "" }),
      preferred_weight: inPrompts && h("input", { type: "number", step: "0.05", min: "-100", max: "100", value: card.preferred_weight ?? "", placeholder: "1" }),
      preferred_vae: card.kind === "checkpoint" && h("select", {}, h("option", { value: "" }, "None in particular")),
      notes: h("textarea", { rows: "3" }, card.notes ?? ""),
    };
    const labels = { activation_text: "Words to put in with the tag", negative_text: "Words for the negative prompt", preferred_weight: "Preferred weight",
      preferred_vae: "Preferred VAE", notes: "Notes" };
    const rows = Object.entries(this.fields).filter(([, field]) => field)
      .map(([name, field]) => {
        field.id = `model_${name}`;
        return h("label", { class: `dk-page-field dk-page-${name}` }, h("span", {}, labels[name]), field);
      });
    if (this.fields.preferred_vae) this.fillVaes(this.fields.preferred_vae);
    return h("form", { class: "dk-page-form", onsubmit: (event) => this.save(event) }, ...rows,
      h("button", { type: "submit", class: "dk-action dk-icon-save", id: "model_save" }, "Save"));
  }

  async fillVaes(select) {
    const { preferred_vae: chosen } = this.card;
    const { cards } = await findCards({ kind: "vae", sort: "name" }, 0, 500).catch(() => ({ cards: [] }));
    const names = new Set([...cards.filter(({ problem }) => !problem).map(({ filename }) => filename), ...(chosen ? [chosen] : [])]);
    select.append(...[...names].map((name) => h("option", { value: name }, name)));
    select.value = chosen ?? "";
  }

  async save(event) {
    event.preventDefault();
    const change = {};
    for (const [name, field] of Object.entries(this.fields)) {
      if (!field) continue;
      const value = name === "preferred_weight" ? (field.value === "" ? null : Number(field.value)) : field.value;
      if ((this.card[name] ?? "") !== (value ?? "")) change[name] = value;
    }
    if (!Object.keys(change).length) return;
    const saved = await attempt(() => changeCard(this.card, change));
    if (saved) note("Saved.", "info");
  }
}
