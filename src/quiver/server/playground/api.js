// The server's own dialect. Of requests of one kind the latest wins; a key is asked for when one is needed.

let key = "";
const running = new Map();

export class Refused extends Error {}

/** Sends a request and gives its answer, or null if a later one of its kind took its place. */
export async function ask(kind, path, body, askForKey) {
  running.get(kind)?.abort();
  const controller = new AbortController();
  running.set(kind, controller);
  try {
    return await send(path, body, askForKey, controller.signal);
  } catch (problem) {
    if (controller.signal.aborted) return null;
    throw problem;
  }
}

async function send(path, body, askForKey, signal) {
  let response = await attempt(path, body, signal);
  for (let refusedBefore = false; response.status === 401; refusedBefore = true) {
    key = await askForKey(refusedBefore);
    response = await attempt(path, body, signal);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Refused(explained(response, answer));
}

async function attempt(path, body, signal) {
  const headers = { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) };
  const options = body === undefined ? { headers, signal } : { method: "POST", headers, signal, body: JSON.stringify(body) };
  try {
    return await fetch(path, options);
  } catch (problem) {
    if (signal.aborted) throw problem;
    throw new Refused("The server does not answer. Is it still running? Change a text to try again.");
  }
}

function explained(response, answer) {
  const reason = answer.error?.message ?? `${response.status} ${response.statusText}`;
  const wait = response.headers.get("retry-after");
  return wait ? `${reason} (try again in ${wait} s)` : reason;
}
