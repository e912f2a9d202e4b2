// The API key: asked for when the server wants one, kept in memory only.

import { named } from "./element.js";

let waiting = null;

/** Gives the key that a person types; those who ask meanwhile get the same. */
export function askForKey(refusedBefore) {
  waiting ??= new Promise((resolve, reject) => {
    const dialog = named("key-dialog");
    named("key-problem").textContent = refusedBefore ? "The server does not know this key." : "";
    named("key").value = dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      waiting = null;
      if (dialog.returnValue === "use") resolve(named("key").value);
      else reject(new Error("This server answers only with an API key. Change a text to be asked again."));
    }, { once: true });
    dialog.showModal();
  });
  return waiting;
}
