// Pictures and masks to start from, as the server keeps them: by an id that is made from what they show.

import { address, call } from "./api.js";

/** Stores a picture or a mask; the answer has its id and, of a picture, what it says about how it was made. */
export function storeInput(file, kind = "picture") {
  return call(`api/v1/inputs?kind=${kind}`, { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
}

export const inputAddress = (id) => address(`api/v1/inputs/${encodeURIComponent(id)}`);

/** A stored picture's file. */
export async function storedInput(id) {
  const answer = await fetch(inputAddress(id), { credentials: "same-origin" });
  if (!answer.ok) throw new Error("The picture is not there any more.");
  return answer.blob();
}
