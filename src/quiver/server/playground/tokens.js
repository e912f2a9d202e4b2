// What the model read: tokens of each text, and what was cut.

import { element, named } from "./element.js";

export function showTokens(shown) {
  const items = [...reports("Q", shown.queries, shown.reports.queries), ...reports("D", shown.documents, shown.reports.documents)];
  named("tokens").replaceChildren(...items);
  const { tokens_in: given, tokens_saved: saved } = shown.usage;
  named("usage").textContent = `${given.toLocaleString()} tokens given, ${saved.toLocaleString()} of them not computed again: `
    + "equal beginnings and equal texts run once.";
}

function reports(mark, texts, found) {
  return texts.map((text, place) => {
    const report = found[place];
    const count = element("span", { class: "count" }, `${report.tokens.toLocaleString()} tokens`);
    const cut = report.cut ? [element("span", { class: "count cut" }, `only ${report.kept.toLocaleString()} read`)] : [];
    const summary = element("summary", {}, element("span", { class: "count" }, `${mark}${place + 1}`),
      element("span", { class: "text", dir: "auto" }, text), ...cut, count);
    const pieces = element("div", { class: "pieces", dir: "auto" });
    const details = element("details", {}, summary, pieces);
    details.addEventListener("toggle", () => {
      if (!pieces.childElementCount) pieces.append(...report.pieces.map((piece) => element("span", {}, piece)));
    });
    return element("li", {}, details);
  });
}
