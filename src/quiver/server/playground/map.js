// The map: every vector a point; hover or focus tells its text.

import { drawn, named } from "./element.js";

const WIDTH = 640, HEIGHT = 360, MARGIN = 28;

export function showMap(shown) {
  const texts = [...shown.queries, ...shown.documents];
  const place = placed(shown.map);
  const points = texts.map((text, number) => point(text, number, shown.queries.length, place(shown.map[number])));
  const frame = drawn("rect", { class: "frame", x: 0.5, y: 0.5, width: WIDTH - 1, height: HEIGHT - 1, rx: 10 });
  named("map").replaceChildren(drawn("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": "Map of the vectors: queries are triangles, documents are dots",
  }, frame, ...points));
}

function placed(map) {
  const scales = [0, 1].map((axis) => {
    const values = map.map((pair) => pair[axis]);
    const low = Math.min(...values), span = Math.max(...values) - low || 1;
    return (value) => (value - low) / span;
  });
  return ([x, y]) => [MARGIN + scales[0](x) * (WIDTH - 2 * MARGIN), MARGIN + scales[1](y) * (HEIGHT - 2 * MARGIN)];
}

function point(text, number, queries, [x, y]) {
  const isQuery = number < queries;
  const label = isQuery ? `Q${number + 1}` : `D${number - queries + 1}`;
  const tell = () => (named("map-text").textContent = `${label}  ${text}`);
  const shape = isQuery
    ? drawn("path", { class: "query", d: `M${x} ${y - 7} l7 12 h-14 z` })
    : drawn("circle", { class: "document", cx: x, cy: y, r: 5 });
  const isRight = x > WIDTH - 60;
  return drawn("g", { tabindex: "0", role: "img", "aria-label": `${label}: ${text}`, onmouseenter: tell, onfocus: tell },
    drawn("circle", { class: "ring", cx: x, cy: y, r: 12 }), shape,
    drawn("text", { x: isRight ? x - 11 : x + 11, y: y + 4, "text-anchor": isRight ? "end" : "start" }, label));
}
