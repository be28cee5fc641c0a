// Ctrl+Up and Ctrl+Down in a prompt: the weight of the words under the cursor, as (words:1.1), in steps of 0.1.

const WORD_END = /[\s,.()[\]<>{}|:;"]/;

/** The word around the cursor; an empty range where there is none. */
function wordAt(text, at) {
  let start = at;
  let end = at;
  while (start > 0 && !WORD_END.test(text[start - 1])) start -= 1;
  while (end < text.length && !WORD_END.test(text[end])) end += 1;
  return [start, end];
}

/** Innermost "(...)" without escapes that holds the range; null where there is none. */
function bracketAround(text, start, end) {
  let depth = 0;
  let open = -1;
  for (let at = start - 1; at >= 0; at -= 1) {
    if (text[at - 1] === "\\") continue;
    if (text[at] === ")") depth += 1;
    else if (text[at] === "(") {
      if (depth === 0) {
        open = at;
        break;
      }
      depth -= 1;
    }
  }
  if (open < 0) return null;
  depth = 0;
  for (let at = open + 1; at < text.length; at += 1) {
    if (text[at - 1] === "\\") continue;
    if (text[at] === "(") depth += 1;
    else if (text[at] === ")") {
      if (depth === 0) return at >= end ? { open, close: at } : null;
      depth -= 1;
    }
  }
  return null;
}

/** The bracket's words and weight: "(cat:1.2)" is 1.2, "(cat)" is A1111's 1.1. */
function readBracket(text, { open, close }) {
  const inner = text.slice(open + 1, close);
  const written = /^([\s\S]*):\s*([+-]?\d*\.?\d+)\s*$/.exec(inner);
  return written ? { words: written[1], weight: Number(written[2]) } : { words: inner, weight: 1.1 };
}

/** The range to weight: a bracket that holds the selection or cursor, or exactly encloses the selection; else the selection or word. */
function target(text, start, end) {
  const around = bracketAround(text, start, end);
  if (around) return { ...around, ...readBracket(text, around), bracket: true };
  if (start !== end) {
    while (start < end && /\s/.test(text[start])) start += 1;
    while (end > start && /\s/.test(text[end - 1])) end -= 1;
    const own = text[start] === "(" && text[end - 1] === ")" ? bracketAround(text, start + 1, end - 1) : null;
    if (own && own.open === start && own.close === end - 1) return { ...own, ...readBracket(text, own), bracket: true };
  } else {
    [start, end] = wordAt(text, start);
  }
  if (start === end) return null;
  return { open: start, close: end, words: text.slice(start, end), weight: 1, bracket: false };
}

/**
 * One press: replace `from..to` by `insert` and select `start..end`; null where there is nothing to weight.
 * The brackets go away at weight 1.
 */
export function reweigh(text, start, end, delta) {
  const found = target(text, start, end);
  if (!found || !found.words.trim()) return null;
  const weight = Math.round((found.weight + delta) * 100) / 100;
  const from = found.open;
  const to = found.bracket ? found.close + 1 : found.close;
  if (weight === 1) return { from, to, insert: found.words, start: from, end: from + found.words.length };
  return { from, to, insert: `(${found.words}:${weight})`, start: from + 1, end: from + 1 + found.words.length };
}
