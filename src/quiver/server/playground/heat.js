// The heat map: documents by queries, a grid that arrow keys walk.

import { element, named } from "./element.js";

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export function showHeat(shown, selected, select) {
  const head = shown.queries.map((query, place) => element("th", { scope: "col", title: query }, `Q${place + 1}`));
  const rows = shown.documents.map((text, row) =>
    element("tr", {},
      element("th", { scope: "row", title: text, dir: "auto" }, element("span", { class: "number" }, `D${row + 1}`), text),
      ...shown.queries.map((_, column) => cell(shown, row, column, selected === column, select))));
  const table = element("table", { class: "heat", role: "grid", "aria-label": "Similarity of documents and queries" },
    element("thead", {}, element("tr", {}, element("td", { "aria-hidden": "true" }), ...head)),
    element("tbody", {}, ...rows));
  table.addEventListener("keydown", walk);
  keepFocus(table);
}

function keepFocus(table) {
  const before = document.activeElement?.closest(".heat td")?.dataset.place;
  named("heat").replaceChildren(table);
  const cells = [...table.querySelectorAll("[data-place]")];
  const current = cells.find((each) => each.dataset.place === before) ?? cells[0];
  current?.setAttribute("tabindex", "0");
  if (before) current?.focus();
}

function cell(shown, row, column, isSelected, select) {
  const value = shown.similarity[column][row];
  const names = [value < 0 && "is-far", Math.abs(value) > 0.6 && "is-strong"].filter(Boolean).join(" ");
  const node = element("td", {
    class: names, tabindex: "-1", role: "gridcell", "aria-selected": String(isSelected),
    "aria-label": `Query ${column + 1}, document ${row + 1}: ${value.toFixed(3)}`,
    onclick: () => select(column),
    onkeydown: (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), select(column)),
  }, value.toFixed(2).replace("-", "−"));
  node.dataset.place = `${row}:${column}`;
  node.style.setProperty("--share", `${Math.round(100 * Math.min(1, Math.abs(value)))}%`);
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
