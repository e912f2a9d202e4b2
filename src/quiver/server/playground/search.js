// The search box over the served index.

import { element, named } from "./element.js";

export function offerSearch(ask) {
  named("search").hidden = false;
  named("search-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const status = named("search-status");
    status.classList.remove("problem");
    status.textContent = "Searching…";
    try {
      const found = await ask("search", "/search", { query: named("search-query").value, mode: named("search-mode").value });
      if (found) show(found, status);
    } catch (problem) {
      status.textContent = problem.message;
      status.classList.add("problem");
    }
  });
}

function show(found, status) {
  const judged = found.reranked ? `, the best ${found.reranked} reranked` : "";
  status.textContent = found.hits.length
    ? `${found.candidates} candidates${judged}, ${Math.round(1000 * found.seconds)} ms`
    : "Nothing found. Try other words, or search by meaning.";
  named("hits").replaceChildren(...found.hits.map(hit));
}

function hit(each) {
  const place = each.page ? `page ${each.page}` : each.first_line ? `lines ${each.first_line}–${each.last_line}` : "";
  const trail = [each.path, ...each.headings, place, `${each.stage} ${each.score.toFixed(3)}`].filter(Boolean).join(" · ");
  return element("li", {},
    element("h3", { dir: "auto" }, each.title || each.path),
    element("p", { class: "where" }, trail),
    element("blockquote", { dir: "auto" }, ...excerpt(each)));
}

/** The span that answers, with its words marked; offsets count characters, not JavaScript's halves of them. */
function excerpt({ text, span }) {
  const characters = Array.from(text);
  const cut = (start, stop) => characters.slice(start, stop).join("");
  if (!span) return [cut(0, 300)];
  const parts = [];
  let end = span.start;
  for (const [start, stop] of span.words) {
    parts.push(cut(end, start), element("mark", {}, cut(start, stop)));
    end = stop;
  }
  return [...parts, cut(end, span.stop)];
}
