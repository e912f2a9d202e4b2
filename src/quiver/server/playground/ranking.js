// The ranking of one query: the embedder's order beside the reranker's, and how documents moved.

import { drawn, element, named } from "./element.js";

const ROW = 10;

export function showRanking(shown, query) {
  named("ranking-query").textContent = shown.queries[query] ?? "";
  const byEmbedder = ordered(shown.similarity[query] ?? []);
  if (!shown.scores) {
    const list = column("Embedder", byEmbedder, shown, shown.similarity[query] ?? [], () => "");
    named("ranking").replaceChildren(element("div", { class: "ranking is-single" }, list));
    return;
  }
  const byReranker = ordered(shown.log_odds[query]);
  const moved = (document) => Math.sign(byEmbedder.indexOf(document) - byReranker.indexOf(document));
  const direction = (document) => ["down", "", "up"][moved(document) + 1];
  named("ranking").replaceChildren(element("div", { class: "ranking" },
    column("Embedder", byEmbedder, shown, shown.similarity[query], () => ""),
    lines(byEmbedder, byReranker, direction),
    column("Reranker", byReranker, shown, shown.scores[query], direction)));
}

function ordered(values) {
  return values.map((_, place) => place).sort((a, b) => values[b] - values[a] || a - b);
}

function column(title, order, shown, values, direction) {
  const items = order.map((document) => {
    const arrow = { up: " ↑", down: " ↓" }[direction(document)] ?? "";
    return element("li", { title: shown.documents[document] },
      element("span", { class: "number" }, `D${document + 1}`),
      element("span", { dir: "auto" }, shown.documents[document]),
      element("span", { class: `score ${direction(document)}` }, values[document].toFixed(3) + arrow));
  });
  return element("div", {}, element("h3", {}, title), element("ol", { "aria-label": `${title}'s order` }, ...items));
}

function lines(before, after, direction) {
  const height = ROW * before.length;
  const paths = before.map((document, from) => {
    const [start, end] = [from, after.indexOf(document)].map((place) => ROW * (place + 0.5));
    return drawn("path", { class: direction(document), d: `M4 ${start} C50 ${start} 50 ${end} 96 ${end}` });
  });
  const svg = drawn("svg", { viewBox: `0 0 100 ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...paths);
  const heading = element("h3", { "aria-hidden": "true" }, "\u00a0");
  const box = element("div", {}, heading, svg);
  svg.style.height = `${2.1 * before.length}rem`;
  return box;
}
