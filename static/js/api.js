// Our own REST API, addressed relative to this file, so that any path prefix a proxy adds is kept.

export const base = new URL("../../", import.meta.url);

/** What the server refused, with its sentence for people. */
export class Refusal extends Error {
  constructor(sentence, status, code) {
    super(sentence);
    this.status = status;
    this.code = code;
  }
}

export function address(path) {
  return new URL(path.replace(/^\//, ""), base).href;
}

async function refusal(answer) {
  let sentence = `The server answered ${answer.status} ${answer.statusText}.`;
  let code = "";
  try {
    const body = await answer.json();
    const said = [body.message, body.errors, body.detail, body.error].find((part) => typeof part === "string" && part);
    if (said) sentence = said;
    code = body.code ?? body.error ?? "";
  } catch {
    // A proxy's own error page: the status line has to do.
  }
  return new Refusal(sentence, answer.status, code);
}

/** One request; gives back the JSON answer (null where it has none; `as`: "text" or "blob") or throws a Refusal with a sentence. */
export async function call(path, { method = "GET", json, body, headers = {}, signal, as = "json" } = {}) {
  const sent = json === undefined ? body : JSON.stringify(json);
  const told = json === undefined ? headers : { "Content-Type": "application/json", ...headers };
  let answer;
  try {
    answer = await fetch(address(path), { method, body: sent, headers: told, signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server cannot be reached. Is it still running?", 0, "unreachable");
  }
  if (!answer.ok) throw await refusal(answer);
  if (answer.status === 204) return null;
  return answer[as]();
}

export const post = (path, json = {}) => call(path, { method: "POST", json });
