// The shell: what is where, who asks, which view stands. Views are loaded when they are first opened.

import { key, onKeyWanted } from "./api.js";
import { button, byId, el, icon, replace, svg } from "./dom.js";
import { answering, here, may, onStatus, refresh, shortcuts } from "./here.js";
import * as jobs from "./jobs.js";
import { problem } from "./parts.js";
import { close as closePanel, isOpen } from "./source.js";
import * as texts from "./texts.js";
import { t, word } from "./texts.js";

const VIEWS = {
  ask: { role: "reader", load: () => import("./ask.js") },
  documents: { role: "reader", load: () => import("./documents.js") },
  teach: { role: "whole", load: () => import("./teach.js") },
  compare: { role: "whole", load: () => import("./compare.js") },
  releases: { role: "whole", load: () => import("./releases.js") },
  settings: { role: "reader", load: () => import("./settings.js") },
};

const main = byId("main");
const rail = byId("rail");
let leave = null;
let shown = 0;

// --- the rail ---------------------------------------------------------------------------------------

function mark() {
  return svg("svg", { viewBox: "0 0 32 32", class: "mark", "aria-hidden": "true" },
    svg("rect", { width: 32, height: 32, rx: 8 }),
    svg("path", { d: "M16 11.2c-2.4-1.9-5.4-2.6-9-2.4v13.4c3.6-.2 6.6.5 9 2.4 2.4-1.9 5.4-2.6 9-2.4V8.8c-3.6-.2-6.6.5-9 2.4zm0 0v13.2" }));
}

const brand = (name) => el("a", { class: "brand", href: "#/ask" }, mark(),
  el("span", { class: "brand-name" }, name, name === "Loresmith" ? null : el("small", {}, "Loresmith")));

function drawRail() {
  const status = here.status;
  byId("skip").textContent = t("nav.skip");
  rail.setAttribute("aria-label", t("nav.label"));
  replace(rail, brand(status?.workspace ?? "Loresmith"),
    el("nav", { class: "nav", "aria-label": t("nav.label") }, Object.entries(VIEWS)
      .filter(([, view]) => may(view.role))
      .map(([name]) => el("a", { href: `#/${name}`, "data-view": name }, icon(name), el("span", {}, t(`nav.${name}`))))),
    el("div", { class: "rail-foot" }, el("div", { id: "rail-job" }), status ? standing(status) : null));
  markCurrent();
  drawJob();
}

function standing(status) {
  const now = answering();
  return el("dl", { class: "standing" },
    el("div", {}, el("dt", {}, t("rail.answers")), el("dd", {}, word("arm", now.arm), now.id ? el("small", {}, ` ${now.id}`) : null)),
    el("div", {}, el("dt", {}, t("rail.model")), el("dd", {}, status.model && status.model !== "none" ? status.model : t("rail.quotes"))));
}

const PLACE = { sync: "documents", dataset: "teach", train: "teach/train", compare: "compare" };

function drawJob() {
  const place = byId("rail-job");
  if (!place) return;
  const job = jobs.running();
  if (!job) { place.replaceChildren(); return; }
  const { done, total } = job;
  const share = total ? Math.round((100 * done) / total) : null;
  const meter = el("progress", { max: 100, class: share === null ? "unknown" : null, "aria-label": t(`job.${job.kind}.going`) });
  if (share === null) meter.removeAttribute("value"); else meter.value = share;
  replace(place, el("a", { class: "rail-job", href: `#/${PLACE[job.kind] ?? "documents"}` },
    el("span", {}, t(`job.${job.kind}.going`), share === null ? null : el("small", {}, `${share} %`)), meter));
}

function markCurrent() {
  const [name] = route();
  for (const link of rail.querySelectorAll("[data-view]")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// --- views ------------------------------------------------------------------------------------------

function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  const name = parts[0] in VIEWS && may(VIEWS[parts[0]].role) ? parts[0] : "ask";
  return [name, parts.slice(1)];
}

async function open({ focus = true } = {}) {
  const mine = (shown += 1);
  const [name, rest] = route();
  if (isOpen()) closePanel();
  leave?.();
  leave = null;
  markCurrent();
  document.title = `${t(`nav.${name}`)} · ${here.status?.workspace ?? "Loresmith"}`;
  const view = el("div", { class: `view view-${name}` });
  try {
    const module = await VIEWS[name].load();
    if (mine !== shown) return;
    main.replaceChildren(view);
    window.scrollTo(0, 0);
    const cleanup = await module.show(view, rest);
    if (mine !== shown) { cleanup?.(); return; }
    leave = cleanup ?? null;
  } catch (error) {
    if (mine !== shown) return;
    main.replaceChildren(view);
    replace(view, problem(error, () => open()));
  }
  if (focus && !view.contains(document.activeElement)) (view.querySelector("h1") ?? main).focus({ preventScroll: true });
}

// --- keys -------------------------------------------------------------------------------------------

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (!shortcuts.on() || event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    const box = document.querySelector("#question, [type=search]");
    if (box) box.focus(); else location.hash = "#/ask";
  } else if (event.key === "?") {
    event.preventDefault();
    help();
  } else if (/^[1-6]$/.test(event.key)) {
    const link = rail.querySelectorAll("[data-view]")[Number(event.key) - 1];
    if (link) location.hash = link.getAttribute("href");
  }
});

function help() {
  const lines = ["/", "1–6", "Enter", "Esc", "A · M · R", "← →", "?"];
  const box = el("dialog", { class: "dialog", "aria-labelledby": "help-title", onclose: () => box.remove() },
    el("h2", { id: "help-title" }, t("keys.title")),
    el("dl", { class: "keys-list" }, lines.map((line, at) => el("div", {}, el("dt", {}, el("kbd", {}, line)), el("dd", {}, t(`keys.${at}`))))),
    el("div", { class: "actions end" }, button(t("action.close"), { kind: "primary", onclick: () => box.close() })));
  document.body.append(box);
  box.showModal();
}

// --- the key, where one is needed ---------------------------------------------------------------------

let asking = null;

function askKey() {
  asking ??= new Promise((resolve) => {
    const input = el("input", { type: "password", id: "key", autocomplete: "current-password", required: true, autofocus: true });
    const stays = el("input", { type: "checkbox", id: "stay" });
    const box = el("dialog", { class: "dialog", "aria-labelledby": "key-title", oncancel: (event) => event.preventDefault() },
      el("form", { method: "dialog", onsubmit: (event) => {
        event.preventDefault();
        key.set(input.value.trim(), stays.checked);
        box.close();
        box.remove();
        asking = null;
        resolve();
      } },
      mark(), el("h2", { id: "key-title" }, t("key.title")),
      el("p", { class: "soft" }, key.get() ? t("key.refused") : t("key.text")),
      el("div", { class: "field" }, el("label", { for: "key" }, t("key.label")), input),
      el("label", { class: "check", for: "stay" }, stays, t("key.stay")),
      el("div", { class: "actions end" }, el("button", { class: "primary" }, t("key.enter")))));
    document.body.append(box);
    box.showModal();
  });
  return asking;
}

// --- start --------------------------------------------------------------------------------------------

async function start() {
  onKeyWanted(askKey);
  await texts.load();
  try {
    await refresh();
  } catch (error) {
    replace(rail, brand("Loresmith"));
    replace(main, el("div", { class: "view" }, problem(error, () => location.reload())));
    // Until the server is back: it was restarted, or the machine slept.
    const again = setInterval(() => refresh().then(() => { clearInterval(again); location.reload(); }, () => {}), 4000);
    return;
  }
  here.whole = may("owner");
  if (here.whole) jobs.load().then(drawJob).catch(() => {});
  // Of an editor the server knows whether a label is wanting; asked for jobs, it says so.
  else if (may("editor")) here.whole = await jobs.load().then(() => true, () => false);
  drawRail();
  onStatus(drawRail);
  const going = new Set();
  jobs.onJob((job) => {
    drawJob();
    if (jobs.live(job)) going.add(job.id);
    else if (going.delete(job.id)) refresh().catch(() => {});
  });
  window.addEventListener("hashchange", () => open());
  document.addEventListener("loresmith:language", () => { drawRail(); open(); });
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
  await open({ focus: false });
}

start();
