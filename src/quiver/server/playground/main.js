// The page: texts and settings in, one request, and every panel drawn from its answer.

import { ask as askServer } from "./api.js";
import { Cards } from "./cards.js";
import { named } from "./element.js";
import { DOCUMENTS, QUERIES } from "./example.js";
import { acceptDrops, documentsOf } from "./files.js";
import { showHeat } from "./heat.js";
import { askForKey } from "./key.js";
import { showMap } from "./map.js";
import { showRanking } from "./ranking.js";
import { offerSearch } from "./search.js";
import { offerThemes } from "./theme.js";
import { showTokens } from "./tokens.js";

const PAUSE = 250;
const SMALLEST = 32;

const ask = (kind, path, body) => askServer(kind, path, body, askForKey);
let dimensions = [];
let selected = 0;
let shown = null;
let timer;

const queries = new Cards(named("queries"), "Q", "Query", QUERIES, later);
const documents = new Cards(named("documents"), "D", "Document", DOCUMENTS, later);

function later() {
  clearTimeout(timer);
  timer = setTimeout(compare, PAUSE);
}

async function compare() {
  const asked = { queries: queries.texts, documents: documents.texts };
  if (!asked.queries.length || !asked.documents.length) {
    tell("Write at least one query and one document.");
    return;
  }
  named("results").classList.add("is-stale");
  tell("Comparing…");
  try {
    const instruction = named("instruction").value.trim() || null;
    const answer = await ask("explain", "/explain", { ...asked, instruction, dimensions: dimensions[named("dimension").value] });
    if (answer === null) return;
    shown = { ...answer, ...asked, reports: { queries: answer.queries, documents: answer.documents } };
    selected = Math.min(selected, asked.queries.length - 1);
    draw();
    tell("");
  } catch (problem) {
    tell(problem.message, true);
  }
  named("results").classList.remove("is-stale");
}

function draw() {
  named("prompt").textContent = shown.prompt || "nothing";
  named("curl").textContent = curlOf(shown.queries[selected]);
  showHeat(shown, selected, select);
  showRanking(shown, selected);
  showMap(shown);
  showTokens(shown);
}

function curlOf(text) {
  const body = JSON.stringify({ input: text, input_type: "query" }).replaceAll("'", "'\\''");
  return `curl ${location.origin}/v1/embeddings -H 'Content-Type: application/json' -d '${body}'`;
}

function select(query) {
  selected = query;
  named("curl").textContent = curlOf(shown.queries[selected]);
  showHeat(shown, selected, select);
  showRanking(shown, selected);
}

function tell(message, isProblem = false) {
  named("status").textContent = message;
  named("status").classList.toggle("problem", isProblem);
}

async function receive(files) {
  try {
    documents.add(await documentsOf(files));
  } catch (problem) {
    tell(problem.message, true);
  }
}

function offerDimensions(full) {
  for (let size = SMALLEST; size < full; size *= 2) dimensions.push(size);
  dimensions.push(full);
  const slider = named("dimension");
  const tellDimension = () => {
    named("dimension-value").textContent = `${dimensions[slider.value]} of ${full}`;
    slider.setAttribute("aria-valuetext", `${dimensions[slider.value]} of ${full}`);
  };
  slider.max = dimensions.length - 1;
  slider.value = slider.max;
  slider.addEventListener("input", () => (tellDimension(), later()));
  tellDimension();
}

async function begin() {
  offerThemes(named("theme"));
  for (const each of document.querySelectorAll(".origin")) each.textContent = location.origin;
  named("instruction").addEventListener("input", later);
  named("files").addEventListener("change", (event) => receive([...event.target.files]));
  acceptDrops(named("texts"), receive);
  try {
    const info = await ask("info", "/info");
    const names = [info.embedder?.name, info.reranker?.name].filter(Boolean);
    named("models").textContent = names.join(" · ");
    if (info.index) offerSearch(ask);
    if (!info.embedder) return tell("This server has no embedder; start it with: quiver serve --embedder MODEL", true);
    offerDimensions(info.embedder.dimension);
    await compare();
  } catch (problem) {
    named("models").textContent = "";
    tell(problem.message, true);
  }
}

begin();
