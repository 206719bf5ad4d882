// Curves and intervals as SVG, in the colours of the theme; every picture also says itself in words.

import { el, svg } from "./dom.js";
import { number, t } from "./texts.js";

const WIDTH = 460;
const HEIGHT = 200;
const LEFT = 38;
const BOTTOM = 22;

/**
 * Lines over steps. `series`: [{name, kind, points: [[x, y]], dots, pale}]; `format` writes a value.
 */
export function curves(title, series, { format = (value) => number(value, 2), zero = true } = {}) {
  const points = series.flatMap((one) => one.points).filter(([, y]) => Number.isFinite(y));
  if (!points.length) return null;
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  let [y0, y1] = [zero ? 0 : Math.min(...ys), Math.max(...ys)];
  if (y1 === y0) y1 = y0 + 1;
  const lines = ticks(y0, y1);
  y1 = Math.max(y1, lines.at(-1));
  y0 = Math.min(y0, lines[0]);
  const x = (value) => LEFT + ((WIDTH - LEFT) * (value - x0)) / (x1 - x0 || 1);
  const y = (value) => 8 + (HEIGHT - BOTTOM - 8) * (1 - (value - y0) / (y1 - y0));
  const spoken = series.filter((one) => !one.pale).map((one) => `${one.name}: ${format(one.points.at(-1)?.[1])}`).join(", ");
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}. ${spoken}` },
    lines.map((value) => [
      svg("line", { class: "grid-line", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }),
      svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)),
    ]),
    [x0, x1].map((value, at) => svg("text", { x: x(value), y: HEIGHT - 4, "text-anchor": at ? "end" : "start" }, at ? t("chart.step", { n: value }) : number(value))),
    series.map((one) => svg("g", { class: `series-${one.kind}` },
      svg("path", { class: one.pale ? "pale" : null, d: one.points.filter(([, v]) => Number.isFinite(v)).map(([px, py], at) => `${at ? "L" : "M"}${x(px).toFixed(1)} ${y(py).toFixed(1)}`).join("") }),
      one.dots ? one.points.map(([px, py]) => svg("circle", { cx: x(px), cy: y(py), r: 3 }, svg("title", {}, `${t("chart.step", { n: px })}: ${format(py)}`))) : null)));
  return el("figure", { class: "chart" }, el("figcaption", {}, el("b", {}, title),
    series.filter((one) => !one.pale).map((one) => el("span", { class: `swatch series-${one.kind}` }, `${one.name} ${format(one.points.at(-1)?.[1])}`))), picture);
}

function ticks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= rough);
  const found = [];
  for (let value = Math.floor(low / step) * step; value < high + step * 0.999; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

function mean(points) {
  const window = Math.max(3, Math.floor(points.length / 20));
  return points.map(([x], at) => {
    const part = points.slice(Math.max(0, at - window + 1), at + 1);
    return [x, part.reduce((sum, [, value]) => sum + value, 0) / part.length];
  });
}

/** The curves of a training from its steps: losses, and the share of dev tokens that are right. */
export function training(steps) {
  const pick = (name) => steps.filter((step) => Number.isFinite(step[name])).map((step) => [step.step, step[name]]);
  const [loss, dev, accuracy] = [pick("loss"), pick("dev_loss"), pick("dev_accuracy")];
  if (!loss.length) return null;
  const several = loss.length > 8;
  return el("div", { class: "pair-charts" },
    curves(t("chart.loss"), [
      several ? { name: "", kind: "train", points: loss, pale: true } : null,
      { name: t("chart.train"), kind: "train", points: several ? mean(loss) : loss },
      dev.length ? { name: t("chart.dev"), kind: "dev", points: dev, dots: true } : null,
    ].filter(Boolean)),
    accuracy.length ? curves(t("chart.accuracy"), [{ name: t("chart.dev"), kind: "dev", points: accuracy, dots: true }],
      { format: (value) => `${number(100 * value, 1)} %`, zero: false }) : null);
}

/** A value from 0 to 1 with its interval, on one line. */
export function interval({ value, low, high }, label) {
  const x = (share) => `${(100 * Math.max(0, Math.min(1, share))).toFixed(2)}%`;
  return svg("svg", { height: 18, role: "img", "aria-label": label },
    svg("rect", { class: "way-line", x: 0, y: 7, width: "100%", height: 4, rx: 2 }),
    svg("rect", { class: "band", x: x(low), y: 5, width: x(Math.max(0.004, high - low)), height: 8, rx: 4 }),
    svg("circle", { class: "dot", cx: x(value), cy: 9, r: 5.5 }));
}
