// "Get it": downloads a picture's missing file by its hash, and says where it is until it has come.

import { act, download, isBusy, onDownloads } from "./downloads.js";
import { h, setText } from "./dom.js";

/** A button for the file of a hash; `landed` is called once it is here, while the button is still shown. */
export function getButton(hash, landed) {
  let id = null;
  const button = h("button", { type: "button", class: "dk-action dk-get", title: "Download the file of this hash from Civitai" }, "Get it");
  const said = h("span", { class: "dk-get-said", role: "status" });
  const whole = h("span", { class: "dk-get-file" }, button, said);
  const show = (entry) => {
    button.disabled = Boolean(entry) && isBusy(entry);
    setText(button, ["failed", "paused"].includes(entry?.state) ? "Go on" : "Get it");
    setText(said, entry ? words(entry) : "");
  };
  const follow = () => {
    const stop = onDownloads((entries) => {
      const entry = entries.find((one) => one.id === id);
      if (!entry || !whole.isConnected || entry.state === "done") stop();
      if (!entry) id = null; // somebody took it off the list
      show(entry);
      if (entry?.state === "done" && whole.isConnected) landed();
    });
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    if (id) {
      await act(id, "resume");
      return;
    }
    id = (await download(hash))?.id ?? null;
    if (id) follow();
    else button.disabled = false;
  });
  return whole;
}

function words({ state, error, done_bytes: done, total_bytes: total }) {
  if (state === "failed") return error;
  if (state === "paused") return "paused";
  if (state === "queued" || !total) return "is being asked for …";
  return `${Math.floor((100 * done) / total)} %`;
}
