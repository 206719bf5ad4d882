// What the tables gave: the figures as a table and a small chart, how they came about, the rows they rest on.

import { get, query } from "./api.js";
import { add, button, el, svg } from "./dom.js";
import { problem } from "./parts.js";
import { frame as openFrame, open as openSource } from "./source.js";
import { number, place, t, word } from "./texts.js";

const FIRST = 10; // rows shown before "show all"
const CHARTED = [2, 40];

/** The node of a result {columns, units, rows, formula, reading, sql, basis, by, truncated}. */
export function resulting(result, { title = (document) => document, compact = false } = {}) {
  const alone = result.rows.length === 1 && result.columns.length === 1;
  const node = el("section", { class: "result", "aria-label": t("result.title") });
  if (!alone && result.rows.length) {
    const picture = compact ? null : chart(result);
    add(node, picture, rowsTable(result));
  }
  if (result.formula) node.append(el("p", { class: "formula" }, el("span", { class: "soft" }, t("result.formula")), el("code", {}, result.formula)));
  if (compact) return node;
  const basis = result.basis.filter((table) => table.rows.length);
  add(node,
    basis.length ? el("details", { class: "basis" }, el("summary", {}, t("result.basis", { n: basis.reduce((sum, table) => sum + table.total, 0) })),
      basis.map((table) => basisTable(table, title(table.document)))) : null,
    result.sql ? el("details", { class: "query" }, el("summary", {}, t("result.query")),
      el("p", { class: "reading" }, result.reading), el("pre", {}, el("code", {}, result.sql)),
      el("p", { class: "soft small" }, word("result.by", result.by))) : null,
    el("div", { class: "actions" }, alone && !basis.length ? null
      : button(t("result.export"), { shape: "sheet", kind: "ghost small", onclick: () => save(result) })));
  return node;
}

// --- the figures --------------------------------------------------------------------------------------

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Which columns hold numbers, and which of these are years, which no one writes as 2,019. */
function columnsOf({ columns, rows, units }) {
  return columns.map((name, at) => {
    const values = rows.map((row) => row[at]).filter((value) => value !== null && value !== undefined);
    const numeric = values.length > 0 && values.every(isNumber);
    const years = numeric && !units?.[at] && values.every((value) => Number.isInteger(value) && value >= 1800 && value <= 2200);
    const digits = numeric ? Math.min(6, Math.max(...values.map((value) => (String(value).split(".")[1] ?? "").length))) : 0;
    const short = values.every((value) => String(value).length <= 16);
    return { name, unit: units?.[at] ?? "", numeric, years, digits, kind: numeric ? "n" : short ? "tight" : null };
  });
}

function shown(value, column) {
  if (value === null || value === undefined) return "–";
  if (!isNumber(value)) return String(value);
  return column?.years ? String(value) : number(value, column?.digits ?? 6);
}

const headed = (column) => [column.name, column.unit ? `(${column.unit})` : ""].filter(Boolean).join(" ");

function rowsTable(result) {
  const columns = columnsOf(result);
  const body = el("tbody");
  const line = (row) => el("tr", {}, row.map((value, at) => el("td", { class: columns[at]?.kind }, shown(value, columns[at]))));
  add(body, result.rows.slice(0, FIRST).map(line));
  const table = el("table", {}, el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col", class: column.numeric ? "n" : null }, headed(column))))), body);
  const rest = result.rows.length - FIRST;
  const frame = el("div", { class: "wide", tabindex: "0", role: "group", "aria-label": t("result.title") }, table);
  const all = rest > 0 ? button(t("result.all", { n: result.rows.length }), { kind: "ghost small", onclick: () => {
    add(body, result.rows.slice(FIRST).map(line));
    all.remove();
    frame.focus({ preventScroll: true });
  } }) : null;
  return [frame, all,
    result.truncated ? el("p", { class: "soft small" }, t("result.truncated", { n: result.rows.length })) : null];
}

// --- the chart ----------------------------------------------------------------------------------------

/** Bars for names, a line for days and years; null where there is nothing to see. */
function chart(result) {
  const columns = columnsOf(result);
  const [least, most] = CHARTED;
  if (columns.length !== 2 || result.rows.length < least || result.rows.length > most) return null;
  const at = columns.findIndex((column) => column.numeric && !column.years);
  if (at < 0) return null;
  const points = result.rows.map((row) => ({ name: row[1 - at], value: row[at] })).filter((point) => isNumber(point.value) && point.name !== null);
  if (points.length < least || new Set(points.map((point) => String(point.name))).size < points.length) return null;
  const label = t("result.chart", { value: headed(columns[at]) || t("result.title"), label: headed(columns[1 - at]) || columns[1 - at].name });
  const said = `${label}. ${points.map((point) => `${point.name}: ${shown(point.value, columns[at])}`).join(", ")}`;
  const timed = points.map((point) => ({ ...point, time: timeOf(point.name) }));
  const picture = timed.every((point) => point.time !== null) && timed.length > 2
    ? line(timed.sort((a, b) => a.time - b.time), columns[at], said) : bars(points, columns[at], said);
  return el("figure", { class: "chart" }, picture);
}

/** A day, a month or a year as milliseconds; null where it is none. */
function timeOf(name) {
  const found = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?:[ T].*)?$/.exec(String(name));
  return found ? Date.UTC(Number(found[1]), Number(found[2] ?? 1) - 1, Number(found[3] ?? 1)) : null;
}

// Letters keep their size: on a phone the picture is drawn narrower, not smaller.
const wide = () => (window.matchMedia("(max-width: 48rem)").matches ? 330 : 520);
const LETTER = 6.6;

function bars(points, column, said) {
  const width = wide();
  const short = (name) => (name.length > 24 ? `${name.slice(0, 23)}…` : name);
  const longest = Math.max(...points.map((point) => short(String(point.name)).length));
  const [step, left, right] = [24, Math.min(width / 3, longest * LETTER + 12), 84];
  const height = points.length * step;
  const low = Math.min(0, ...points.map((point) => point.value));
  const high = Math.max(0, ...points.map((point) => point.value));
  const x = (value) => left + ((width - left - right) * (value - low)) / (high - low || 1);
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said },
    svg("line", { class: "grid-line", x1: x(0), x2: x(0), y1: 0, y2: height }),
    points.map((point, at) => {
      const [from, to] = [Math.min(x(0), x(point.value)), Math.max(x(0), x(point.value))];
      const name = String(point.name);
      return svg("g", {},
        svg("text", { x: left - 10, y: at * step + 16, "text-anchor": "end" }, short(name)),
        svg("rect", { class: "bar", x: from, y: at * step + 4, width: Math.max(1, to - from), height: step - 8, rx: 3 }, svg("title", {}, `${name}: ${shown(point.value, column)}`)),
        svg("text", { x: to + 8, y: at * step + 16 }, shown(point.value, column)));
    }));
}

function line(points, column, said) {
  const width = wide();
  const [height, left, bottom, right] = [190, 12, 26, 74];
  const values = points.map((point) => point.value);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const [first, last] = [points[0].time, points.at(-1).time];
  const x = (time) => left + ((width - left - right) * (time - first)) / (last - first || 1);
  const y = (value) => 14 + (height - bottom - 14) * (1 - (value - low) / (high - low || 1));
  const marked = points.length <= 12 ? points : points.filter((point) => [Math.max(...values), Math.min(...values)].includes(point.value));
  const named = new Set([points[0], points.at(-1), ...(points.length <= 7 ? points : [])]);
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said },
    svg("line", { class: "grid-line", x1: left, x2: width - right, y1: y(0), y2: y(0) }),
    svg("g", { class: "series-result" },
      svg("path", { d: points.map((point, at) => `${at ? "L" : "M"}${x(point.time).toFixed(1)} ${y(point.value).toFixed(1)}`).join("") }),
      marked.map((point) => svg("circle", { cx: x(point.time), cy: y(point.value), r: 3.5 }, svg("title", {}, `${point.name}: ${shown(point.value, column)}`)))),
    svg("text", { x: x(last) + 9, y: y(points.at(-1).value) + 4 }, shown(points.at(-1).value, column)),
    svg("text", { x: left, y: y(points[0].value) - 8 }, shown(points[0].value, column)),
    [...named].map((point) => svg("text", { x: x(point.time), y: height - 4, "text-anchor": point === points[0] ? "start" : "middle" }, String(point.name))));
}

// --- what it rests on ---------------------------------------------------------------------------------

function basisTable(table, title) {
  const where = [title, table.table].filter((name, at, all) => name && !/^\d+$/.test(name) && all.indexOf(name) === at).join(" · ");
  const columns = columnsOf({ columns: table.columns, rows: table.rows.map((row) => row.cells), units: [] });
  const named = (row) => place(row.locator) || t("result.open");
  return el("div", { class: "basis-table" }, el("h3", {}, where, table.total > table.rows.length ? el("small", {}, t("result.some", { n: table.rows.length, total: table.total })) : null),
    el("div", { class: "wide", tabindex: "0", role: "group", "aria-label": where },
      el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, el("span", { class: "unseen" }, t("result.place"))),
        columns.map((column) => el("th", { scope: "col", class: column.numeric ? "n" : null }, column.name)))),
      el("tbody", {}, table.rows.map((row) => el("tr", {},
        el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: (event) => openRow(table, row, title, event.currentTarget) }, named(row))),
        row.cells.map((value, at) => el("td", { class: columns[at]?.kind }, shown(value, columns[at])))))))));
}

/** The row where it stands; its cells alone where no passage holds it. */
async function openRow(table, row, title, from) {
  const { start, sheet, row: at, key } = row.locator;
  let found = null;
  let failure = null;
  from.setAttribute("aria-busy", "true");
  try {
    found = await get(`/row${query({ document: table.document, start, sheet, row: at, key })}`);
  } catch (error) {
    if (error.status !== 404) failure = error;
  } finally {
    from.removeAttribute("aria-busy");
  }
  if (found) {
    openSource({ document: found.document, passage: found.passage, locator: found.locator, title, quote: found.quote }, from);
    return;
  }
  openFrame(title, place(row.locator), from, (body) => add(body, failure ? problem(failure)
    : el("dl", { class: "lines" }, table.columns.map((name, column) => el("div", {}, el("dt", {}, name), el("dd", {}, shown(row.cells[column], null)))))));
}

// --- as a file ----------------------------------------------------------------------------------------

/** One cell of a CSV file; what a spreadsheet would run as a formula is kept as text. */
function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csv({ columns, units, rows }) {
  const head = columns.map((name, at) => [name, units?.[at] ? `(${units[at]})` : ""].filter(Boolean).join(" "));
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
}

function save(result) {
  // The mark at the beginning tells spreadsheet programs that it is UTF-8.
  const url = URL.createObjectURL(new Blob(["\ufeff", csv(result), "\r\n"], { type: "text/csv;charset=utf-8" }));
  const link = el("a", { href: url, download: "result.csv" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
