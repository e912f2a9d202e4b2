// The heat map: documents by queries, a grid that arrow keys walk.

import { element, named } from "./element.js";

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const STRONGEST = 55; // percent of colour that leaves text readable on it

export function showHeat(shown, selected, select) {
  const extreme = Math.max(...shown.similarity.flat().map(Math.abs)) || 1;
  const best = shown.similarity.map((values) => values.indexOf(Math.max(...values)));
  const head = shown.queries.map((query, place) =>
    element("th", { scope: "col", title: query, dir: "auto" }, element("span", { class: "number" }, `Q${place + 1}`),
      element("span", { class: "text" }, query)));
  const rows = shown.documents.map((text, row) =>
    element("tr", {},
      element("th", { scope: "row", title: text, dir: "auto" }, element("span", { class: "number" }, `D${row + 1}`), text),
      ...shown.queries.map((_, column) => 
        cell(shown, row, column, { extreme, isBest: best[column] === row, isSelected: selected === column, select }))));
  const table = element("table", { class: "heat", role: "grid", "aria-label": "Similarity of documents and queries" },
    element("thead", {}, element("tr", {}, element("td", { "aria-hidden": "true" }), ...head)),
    element("tbody", {}, ...rows));
  table.addEventListener("keydown", walk);
  keepFocus(table);
  for (const [id, sign] of [["legend-low", "−"], ["legend-high", ""]]) named(id).textContent = sign + extreme.toFixed(2);
}

function keepFocus(table) {
  const before = document.activeElement?.closest(".heat td")?.dataset.place;
  named("heat").replaceChildren(table);
  const cells = [...table.querySelectorAll("[data-place]")];
  const current = cells.find((each) => each.dataset.place === before) ?? cells[0];
  current?.setAttribute("tabindex", "0");
  if (before) current?.focus();
}

function cell(shown, row, column, { extreme, isBest, isSelected, select }) {
  const value = shown.similarity[column][row];
  const names = [value < 0 && "is-far", isBest && "is-best"].filter(Boolean).join(" ");
  const node = element("td", {
    class: names, tabindex: "-1", role: "gridcell", "aria-selected": String(isSelected),
    "aria-label": `Query ${column + 1}, document ${row + 1}: ${value.toFixed(3)}${isBest ? ", the nearest" : ""}`,
    onclick: () => select(column),
    onkeydown: (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), select(column)),
  }, value.toFixed(2).replace("-0.00", "0.00").replace("-", "−"));
  node.dataset.place = `${row}:${column}`;
  node.style.setProperty("--share", `${Math.round(STRONGEST * Math.abs(value) / extreme)}%`);
  return node;
}

function walk(event) {
  const step = STEPS[event.key];
  const place = event.target.dataset?.place;
  if (!step || !place) return;
  event.preventDefault();
  const [row, column] = place.split(":").map(Number);
  const next = event.currentTarget.querySelector(`[data-place="${row + step[0]}:${column + step[1]}"]`);
  if (!next) return;
  event.target.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}
