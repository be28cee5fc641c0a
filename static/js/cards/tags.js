// What a card puts into a prompt and takes out again: pure edits of a text. `{from, to, insert}` replaces a part of it.

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The kinds of cards that stand in prompts as tags, and what those begin with. */
const TAGS = { lora: "lora", hypernetwork: "hypernet" };

/** What stands in the prompt for a card: a LoRA's or hypernetwork's tag with its weight, an embedding's bare name. */
export function tagOf({ kind, name, preferred_weight: weight }) {
  return TAGS[kind] ? `<${TAGS[kind]}:${name}:${weight ?? 1}>` : name;
}

/** The card's tag, and behind it the words that wake it. */
export function piece(card) {
  const words = card.kind === "embedding" ? "" : (card.activation_text ?? "").trim();
  return words ? `${tagOf(card)} ${words}` : tagOf(card);
}

function pattern({ kind, name, alias, activation_text: activation }) {
  // A weight's brackets go with a word that fills them; parts of longer words are other words.
  if (kind === "embedding") return `\\(+${escaped(name)}(?::[^()]*)?\\)+|(?<![\\w-])${escaped(name)}(?![\\w-])`;
  const words = (activation ?? "").trim();
  const behind = words ? `(?:[\\s,]*${words.split(/\s+/).map(escaped).join("\\s+")}(?![\\w-]))?` : "";
  const names = [name, alias].filter(Boolean).map(escaped).join("|");
  return `<${kind === "lora" ? "(?:lora|lyco)" : TAGS[kind]}:\\s*(?:${names})\\s*(?::[^<>]*)?>${behind}`;
}

/** Whether the text holds the card. */
export function holds(text, card) {
  return new RegExp(pattern(card), card.kind === "embedding" ? "i" : "").test(text);
}

/** Behind the word that the cursor is in or at the end of. */
function behindWord(text, at) {
  let end = at;
  while (end < text.length && /[^\s,]/.test(text[end])) end += 1;
  return end;
}

/** Puts a piece behind what stands at the cursor (null: at the end), with a blank on either side where there is something. */
export function put(text, cursor, inserted) {
  const at = cursor === null ? text.length : behindWord(text, cursor);
  const before = at > 0 && /\S/.test(text[at - 1]) ? " " : "";
  const after = at < text.length && /[^\s,]/.test(text[at]) ? " " : "";
  return { from: at, to: at, insert: before + inserted + after };
}

/** Takes every mention of the card out, with the blank or comma that joined it to the rest. */
export function take(text, card) {
  return cut(text, pattern(card), card.kind === "embedding" ? "gi" : "g");
}

/** Takes words out that were put in with a card. */
export const takeWords = (text, words) => (words.trim() ? cut(text, escaped(words.trim()), "g") : text);

function cut(text, what, flags) {
  return text.replace(new RegExp(`(^|[\\s,]*)(?:${what})([\\s,]*)`, flags), (whole, before, after, at) => {
    if (at === 0) return "";
    if (at + whole.length === text.length) return before.includes("\n") ? "\n" : "";
    const gap = before + after;
    return gap.includes("\n") ? "\n" : gap.includes(",") ? ", " : gap ? " " : "";
  });
}
