// Where a sentence comes from: the page as a picture, or the text around the passage, with the quote marked.

import { blob, get, query } from "./api.js";
import { add, button, byId, el, replace } from "./dom.js";
import { filled, problem } from "./parts.js";
import { place, t } from "./texts.js";

const panel = byId("panel");
const BENEATH = [byId("skip"), byId("rail"), byId("main")];
const narrow = window.matchMedia("(max-width: 64rem)");
const DPI = 110; // of the server's pictures: parsing/render.py
let opener = null;
let wanted = null; // an AbortController for what is being loaded

export const isOpen = () => !panel.hidden;

export function close() {
  if (panel.hidden) return;
  wanted?.abort();
  panel.hidden = true;
  panel.replaceChildren();
  document.documentElement.classList.remove("with-panel");
  for (const other of BENEATH) other.inert = false;
  opener?.classList.remove("is-open");
  if (opener?.isConnected) opener.focus();
  opener = null;
}

/** Show a citation {document, passage, locator, quote, title}, or another thing made by `make`. */
export function open(citation, from) {
  frame(citation.title || citation.document, place(citation.locator), from, (body, signal) => shown(citation, body, signal));
}

/** Open the panel with a title and what `make(body, signal)` fills it with. */
export function frame(title, where, from, make) {
  opener?.classList.remove("is-open");
  wanted?.abort();
  wanted = new AbortController();
  opener = from ?? null;
  opener?.classList.add("is-open");
  const heading = el("h2", { tabindex: "-1" }, title);
  const body = el("div", { class: "panel-body" });
  replace(panel,
    el("div", { class: "panel-head" },
      el("div", {}, heading, where ? el("p", { class: "soft" }, where) : null),
      button(t("action.close"), { shape: "close", quiet: true, onclick: close })),
    body);
  panel.setAttribute("aria-label", t("source.label", { title }));
  panel.hidden = false;
  panel.scrollTop = 0;
  document.documentElement.classList.add("with-panel");
  cover();
  heading.focus({ preventScroll: true });
  make(body, wanted.signal);
}

/** On a phone the panel covers the page: it is a dialog, and what lies beneath must not be reached. */
function cover() {
  for (const other of BENEATH) other.inert = narrow.matches;
  panel.setAttribute("role", narrow.matches ? "dialog" : "complementary");
  panel.ariaModal = narrow.matches ? "true" : null;
}

narrow.addEventListener("change", () => { if (isOpen()) cover(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isOpen() && !document.querySelector("dialog[open]")) { event.preventDefault(); close(); }
});

async function shown(citation, body, signal) {
  const locator = citation.locator ?? {};
  const text = el("section", { class: "excerpt" });
  add(body, text);
  await filled(text, async () => {
    const found = citation.passage ? await get(`/source/${encodeURIComponent(citation.passage)}`) : await rowOf(citation);
    if (found.page && !signal.aborted) {
      // The quote may begin on the page after the passage.
      const place = locator.page ? locator : found.locator;
      const picture = el("figure", { class: "sheet loading" });
      text.before(picture);
      drawPage(found.document, { ...place, page: place.page ?? found.page }, found.title, picture, signal);
    }
    return excerpt(citation, found);
  });
}

/** Of a row that a table's result rests on no passage is named: it is looked for; where none holds it, the row itself is shown. */
async function rowOf({ document, title, locator = {}, quote = "" }) {
  const { start, sheet, row, key } = locator;
  try {
    return await get(`/row${query({ document, start, sheet, row, key })}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    return { document, title, locator, page: locator.page ?? null, heading: [], header: "", text: quote, start, context: { before: "", after: "" } };
  }
}

async function drawPage(document, locator, title, figure, signal) {
  const boxes = (locator.boxes ?? []).map((box) => box.map((x) => Math.round(x * 10) / 10).join(",")).join(";");
  const address = `/page/${document.split("/").map(encodeURIComponent).join("/")}/${locator.page}.png${query({ boxes })}`;
  try {
    const picture = await blob(address, signal);
    if (signal.aborted) return;
    const url = URL.createObjectURL(picture);
    const image = el("img", { src: url, alt: t("source.page", { n: locator.page, title }) });
    image.addEventListener("load", () => {
      URL.revokeObjectURL(url);
      figure.classList.remove("loading");
      toQuote(figure, image, locator.boxes);
    });
    const zoom = el("button", { type: "button", class: "zoom", "aria-label": t("source.zoom"), "aria-pressed": "false", onclick: () => {
      const large = figure.classList.toggle("large");
      zoom.setAttribute("aria-pressed", String(large));
      toQuote(figure, image, locator.boxes);
    } }, image);
    figure.append(zoom);
  } catch (error) {
    figure.classList.remove("loading");
    // A file that has changed since it was read is not drawn: the text stands below.
    if (error.status === 404 || error.status === 422 || error.name === "AbortError") figure.remove();
    else replace(figure, problem(error));
  }
}

/** Scroll so that the quote is in sight. */
function toQuote(figure, image, boxes) {
  if (!boxes?.length || !image.naturalHeight) return;
  const pixels = (DPI / 72) * (image.clientHeight / image.naturalHeight);
  const middle = (Math.min(...boxes.map((box) => box[1])) + Math.max(...boxes.map((box) => box[3]))) / 2;
  figure.scrollTop = Math.max(0, middle * pixels - figure.clientHeight / 2);
  figure.scrollLeft = Math.max(0, Math.min(...boxes.map((box) => box[0])) * pixels - 24);
}

function excerpt(citation, found) {
  const heading = found.heading.join(" › ");
  const { before, after } = found.context;
  return [
    found.page ? el("h3", {}, t("source.text")) : null,
    heading ? el("p", { class: "path" }, heading) : null,
    el("div", { class: "passage" },
      before ? el("span", { class: "around" }, tail(before)) : null,
      el("span", { class: "here" }, found.header ? el("span", { class: "around" }, `${found.header}\n`) : null, marked(found.text, citation, found)),
      after ? el("span", { class: "around" }, start(after)) : null),
    el("p", { class: "soft file" }, found.document),
    el("div", { class: "actions" }, el("a", { class: "button", href: `#/documents/${encodeURIComponent(found.document)}` }, t("source.document"))),
  ];
}

const AROUND = 320; // characters shown before and after: the passage itself should be in sight

function tail(text) {
  const kept = text.trimStart();
  return kept.length > AROUND ? `… ${kept.slice(-AROUND).replace(/^\S*\s/, "")}` : kept;
}

function start(text) {
  const kept = text.trimEnd();
  return kept.length > AROUND ? `${kept.slice(0, AROUND).replace(/\s\S*$/, "")} …` : kept;
}

/** The passage with the quote marked: by its place, else by its words. */
function marked(text, citation, found) {
  const quote = citation.quote;
  if (!quote) return lined(text, [0, 0]);
  const from = found.start;
  const start = citation.locator?.start;
  let at = from !== undefined && start !== undefined ? [...text].slice(0, start - from).join("").length : -1;
  if (at < 0 || text.slice(at, at + quote.length) !== quote) at = text.indexOf(quote);
  return lined(text, at < 0 ? loosely(text, quote) : [at, at + quote.length]);
}

/** Where the quote stands when white space differs between quote and passage. */
function loosely(text, quote) {
  const words = quote.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const found = new RegExp(words.join("\\s+")).exec(text);
  return found ? [found.index, found.index + found[0].length] : [0, 0];
}

const ROW = /^[^:;]{1,60}: [^;]*(?:; [^:;]{1,60}: [^;]*)+$/; // as the parsers write the row of a table

/** Text with what stands between `from` and `to` marked; each row of a table in a block of its own. */
function lined(text, [from, to]) {
  const blocks = [];
  let at = 0;
  for (const line of text.split("\n")) {
    const row = ROW.test(line);
    const last = blocks.at(-1);
    if (row || !last || last.row) blocks.push({ row, start: at, end: at + line.length });
    else last.end = at + line.length;
    at += line.length + 1;
  }
  return blocks.map(({ row, start, end }) => {
    const cut = (a, b) => { const part = text.slice(Math.max(start, a), Math.min(end, b)); return row ? named(part) : part; };
    const inside = to > start && from < end;
    const parts = inside ? [cut(start, from), el("mark", {}, cut(from, to)), cut(to, end)] : cut(start, end);
    return row ? el("span", { class: "record" }, parts) : parts;
  });
}

/** The names of a row's cells paler than what stands in them. */
function named(text) {
  return text.split(/((?:^|; )[^:;]{1,60}: )/).map((part, at) => (at % 2 ? el("span", { class: "soft" }, part) : part));
}
