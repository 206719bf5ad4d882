// Where a sentence comes from: the page as a picture, or the text around the passage, with the quote marked.

import { blob, get, query } from "./api.js";
import { add, button, byId, el, replace } from "./dom.js";
import { filled, problem } from "./parts.js";
import { place, t } from "./texts.js";

const panel = byId("panel");
const narrow = window.matchMedia("(max-width: 64rem)");
let opener = null;
let wanted = null; // an AbortController for what is being loaded

export const isOpen = () => !panel.hidden;

export function close() {
  if (panel.hidden) return;
  wanted?.abort();
  panel.hidden = true;
  panel.replaceChildren();
  document.documentElement.classList.remove("with-panel");
  for (const other of [byId("main"), byId("rail")]) other.inert = false;
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
    el("header", { class: "panel-head" },
      el("div", {}, heading, where ? el("p", { class: "soft" }, where) : null),
      button(t("action.close"), { shape: "close", quiet: true, onclick: close })),
    body);
  panel.setAttribute("aria-label", title);
  panel.hidden = false;
  panel.scrollTop = 0;
  document.documentElement.classList.add("with-panel");
  // On a phone the panel covers the page: what lies beneath must not be reached.
  for (const other of [byId("main"), byId("rail")]) other.inert = narrow.matches;
  heading.focus({ preventScroll: true });
  make(body, wanted.signal);
}

narrow.addEventListener("change", () => {
  if (isOpen()) for (const other of [byId("main"), byId("rail")]) other.inert = narrow.matches;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isOpen() && !document.querySelector("dialog[open]")) { event.preventDefault(); close(); }
});

async function shown(citation, body, signal) {
  const locator = citation.locator ?? {};
  const text = el("section", { class: "excerpt" });
  const page = locator.page !== undefined && locator.page !== null;
  if (page) {
    const picture = el("figure", { class: "sheet" });
    body.append(picture);
    drawPage(citation, locator, picture, signal);
  }
  add(body, text);
  await filled(text, async () => excerpt(citation, await get(`/source/${encodeURIComponent(citation.passage)}`), page));
}

async function drawPage(citation, locator, figure, signal) {
  const boxes = (locator.boxes ?? []).map((box) => box.map((x) => Math.round(x * 10) / 10).join(",")).join(";");
  const address = `/page/${citation.document.split("/").map(encodeURIComponent).join("/")}/${locator.page}.png${query({ boxes })}`;
  figure.classList.add("loading");
  try {
    const picture = await blob(address, signal);
    if (signal.aborted) return;
    const url = URL.createObjectURL(picture);
    const image = el("img", { src: url, alt: t("source.page", { n: locator.page, title: citation.title || citation.document }) });
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
    // Not every format has pages to draw (slides, for one): the text stands below.
    if (error.status === 404 || error.status === 415 || error.status === 422 || error.name === "AbortError") figure.remove();
    else replace(figure, problem(error));
  }
}

/** Scroll so that the quote is in sight; the picture tells its scale by its width in points. */
function toQuote(figure, image, boxes) {
  if (!boxes?.length || !image.naturalHeight) return;
  const points = Math.max(...boxes.map((box) => box[3]));
  const ratio = image.clientHeight / image.naturalHeight;
  // The server draws at 2 pixels a point or so; a quote near the foot needs scrolling, one at the head none.
  const guess = Math.min(1, (points * ratio * 2) / image.clientHeight) * image.clientHeight;
  figure.scrollTop = Math.max(0, guess - figure.clientHeight / 2);
}

function excerpt(citation, found, withPage) {
  const text = found.text ?? "";
  const heading = Array.isArray(found.heading) ? found.heading.join(" › ") : found.heading;
  const context = typeof found.context === "object" && found.context !== null ? found.context : { before: found.before, after: found.after };
  return [
    heading ? el("p", { class: "path" }, heading) : null,
    withPage ? el("h3", {}, t("source.text")) : null,
    el("div", { class: "passage" },
      context.before ? el("span", { class: "around" }, context.before) : null,
      el("span", { class: "here" }, marked(text, citation, found)),
      context.after ? el("span", { class: "around" }, context.after) : null),
    found.document ? el("p", { class: "soft file" }, found.document) : null,
    el("div", { class: "actions" }, el("a", { class: "button", href: `#/documents/${encodeURIComponent(found.document ?? citation.document)}` }, t("source.document"))),
  ];
}

/** The passage with the quote marked: by its place, else by its words. */
function marked(text, citation, found) {
  const quote = citation.quote;
  if (!quote) return text;
  const from = found.locator?.start;
  const start = citation.locator?.start;
  let at = from !== undefined && start !== undefined ? [...text].slice(0, start - from).join("").length : -1;
  if (at < 0 || text.slice(at, at + quote.length) !== quote) at = text.indexOf(quote);
  if (at < 0) return loosely(text, quote);
  return [text.slice(0, at), el("mark", {}, text.slice(at, at + quote.length)), text.slice(at + quote.length)];
}

/** The same where white space differs between quote and passage. */
function loosely(text, quote) {
  const words = quote.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const found = new RegExp(words.join("\\s+")).exec(text);
  if (!found) return text;
  return [text.slice(0, found.index), el("mark", {}, found[0]), text.slice(found.index + found[0].length)];
}
