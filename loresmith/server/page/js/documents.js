// Documents: what the expert reads, what could not be read, and how more comes in.

import { get, post, query, remove, upload } from "./api.js";
import { add, button, byId, confirm, el, icon, replace, toast } from "./dom.js";
import { may, refresh } from "./here.js";
import * as jobs from "./jobs.js";
import { attempt, chip, facts, field, filled, head, nothing, saying, watched } from "./parts.js";
import { frame, open as openSource } from "./source.js";
import { shorten } from "./answer.js";
import { ago, day, number, place, t, word } from "./texts.js";

export async function show(root, [wanted]) {
  const state = { found: null, filter: "", only: "" };
  const failed = el("div");
  const work = el("div");
  const list = el("div");
  const sources = el("section", { class: "section" });
  const line = el("p", { class: "lead" });
  const editor = may("editor");
  const sync = may("whole") ? button(t("documents.sync"), { shape: "retry", onclick: (event) => attempt(event.currentTarget, () => jobs.start("sync")) }) : null;
  const uploads = el("ul", { class: "uploads", "aria-live": "polite" });
  add(root, head(t("documents.title"), null, sync), work, editor ? drop(uploads) : null, uploads, failed, list, sources);
  root.querySelector(".head > div").append(line);

  const load = async () => {
    state.found = await get("/documents");
    line.textContent = summary(state.found);
    drawFailed(failed, state.found, editor, reload);
    drawWaiting(failed, state.found, editor);
    drawSources(sources, state.found, may("owner"), reload);
    return drawList(state, reload);
  };
  const reload = async () => replace(list, await load());
  const stop = watched(work, "sync", {
    again: () => jobs.start("sync"),
    ended: (job) => { if (job.state === "done" && !job.result?.documents?.failed?.length) toast(t("documents.synced")); reload().catch(() => {}); refresh().catch(() => {}); },
  });
  await filled(list, load);
  const one = wanted && state.found?.documents.find((found) => found.id === wanted && found.state !== "failed");
  if (one) details(one, byId(`doc-${wanted}`), reload); // further down a long list it is not drawn yet
  return stop;
}

function summary(found) {
  const documents = found.documents.filter((one) => one.state !== "failed");
  const parts = [t("count.documents", { n: documents.length }), t("count.passages", { n: documents.reduce((sum, one) => sum + (one.passages ?? 0), 0) })];
  if (found.last_sync?.at) parts.push(t("documents.last", { when: ago(found.last_sync.at) }));
  else if (!found.last_sync && !documents.length) parts.push(t("documents.never"));
  return parts.join(" · ");
}

// --- uploads --------------------------------------------------------------------------------------

function drop(uploads) {
  const input = el("input", { type: "file", multiple: true, id: "files", class: "skip", tabindex: "-1", "aria-label": t("documents.choose"),
    onchange: () => { take([...input.files], divided(labels.value), uploads); input.value = ""; } });
  const labels = el("input", { type: "text", autocomplete: "off", placeholder: t("documents.labels.example") });
  const zone = el("div", { class: "drop" }, icon("upload"),
    el("p", {}, button(t("documents.choose"), { kind: "link", onclick: () => input.click() }), " ", t("documents.drop")),
    el("small", {}, t("documents.kinds")),
    el("details", { class: "drop-labels" }, el("summary", {}, t("documents.only")), field(t("documents.labels"), labels, t("documents.only.hint"))), input);
  const over = (event) => { event.preventDefault(); zone.classList.add("over"); };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", (event) => { if (!zone.contains(event.relatedTarget)) zone.classList.remove("over"); });
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    dropped(event.dataTransfer).then((files) => take(files, divided(labels.value), uploads));
  });
  return zone;
}

const divided = (text) => text.split(",").map((word) => word.trim()).filter(Boolean);

const MOST = 500; // files of one drop

/** The files of a drop; of folders what is in them. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const files = [];
  while (entries.length && files.length < MOST) {
    const entry = entries.shift();
    if (entry.name.startsWith(".")) continue;
    if (entry.isFile) files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    else {
      const reader = entry.createReader();
      for (;;) { // it gives a hundred at a time
        const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!some.length) break;
        entries.push(...some);
      }
    }
  }
  return files;
}

/** Upload one after the other, then read them all at once. */
async function take(files, labels, uploads) {
  const rows = files.map((file) => [file, uploadRow(file.name, uploads)]);
  let stored = 0;
  for (const [file, row] of rows) if (await send(file, labels, row)) stored += 1;
  if (stored && may("whole")) await attempt(null, () => jobs.start("sync"));
}

function uploadRow(name, uploads) {
  const meter = el("progress", { max: 1, "aria-label": t("documents.uploading", { name }) });
  meter.value = 0;
  const state = el("span", { class: "soft" }, t("documents.waiting"));
  const node = el("li", {}, el("span", {}, name), meter, state);
  uploads.append(node);
  return { node, meter, state };
}

async function send(file, labels, row) {
  row.node.querySelector(".reason")?.remove();
  replace(row.state, "0 %");
  row.meter.hidden = false;
  const refuse = (reason) => {
    row.meter.hidden = true;
    replace(row.state, button(t("action.again"), { shape: "retry", kind: "small", onclick: async () => { if ((await send(file, labels, row)) && may("whole")) jobs.start("sync"); } }));
    row.node.append(el("p", { class: "reason" }, reason));
    return false;
  };
  try {
    const answer = await upload(file, labels, (share) => { row.meter.value = share; replace(row.state, `${Math.round(100 * share)} %`); });
    const told = answer.files?.[0] ?? {};
    if (told.reason) return refuse(told.reason);
    row.meter.value = 1;
    replace(row.state, chip(t("documents.uploaded"), "good"));
    setTimeout(() => row.node.remove(), 6000);
    return true;
  } catch (error) {
    return refuse(saying(error));
  }
}

// --- what could not be read ---------------------------------------------------------------------------

function drawFailed(node, found, editor, again) {
  const bad = found.documents.filter((one) => one.state === "failed");
  if (!bad.length) { node.replaceChildren(); return; }
  replace(node, el("section", { class: "failed-list" }, el("h2", {}, t("documents.failed", { n: bad.length })),
    el("ul", {}, bad.map((one) => el("li", {}, el("div", {}, el("b", {}, one.title || one.id), el("small", {}, one.reason)),
      editor && one.uploaded ? button(t("documents.delete.this", { name: one.title || one.id }), { shape: "bin", quiet: true, onclick: (event) => takeAway(one, event.currentTarget, again) }) : null))),
    may("whole") ? el("div", { class: "actions" }, button(t("documents.retry"), { shape: "retry", onclick: (event) => attempt(event.currentTarget, () => jobs.start("sync")) })) : null));
}

/** Uploads that arrived and were not read yet: the page was closed, or the server stopped, in between. */
function drawWaiting(node, found, editor) {
  if (!editor || !found.waiting?.length || jobs.running("sync")) return;
  node.append(el("div", { class: "caution unread" }, el("span", {}, t("documents.unread", { n: found.waiting.length, names: shorten(found.waiting.map((one) => one.name).join(", "), 200) })),
    may("whole") ? button(t("documents.sync"), { shape: "retry", kind: "small", onclick: (event) => attempt(event.currentTarget, () => jobs.start("sync")) }) : null));
}

// --- the list -----------------------------------------------------------------------------------------

const KINDS = [["pdf", "PDF"], ["word", "DOC"], ["sheet", "XLS"], ["excel", "XLS"], ["presentation", "PPT"], ["powerpoint", "PPT"], ["csv", "CSV"],
  ["loresmith.table", "TAB"], ["parquet", "PARQ"], ["sqlite", "DB"], ["markdown", "MD"], ["html", "WEB"], ["message", "MAIL"], ["json", "JSON"], ["epub", "EPUB"], ["image", "IMG"], ["plain", "TXT"]];

function kind(one) {
  const ending = /\.([a-z0-9]{1,5})$/i.exec(one.id ?? "");
  const known = KINDS.find(([part]) => (one.media_type ?? "").includes(part));
  return (ending?.[1] ?? known?.[1] ?? "TXT").toUpperCase().slice(0, 5);
}

const STEP = 100; // rows drawn at a time

function drawList(state, reload) {
  const documents = state.found.documents.filter((one) => one.state !== "failed");
  if (!documents.length && !state.found.documents.length) return nothing("documents", t("documents.none.title"), t("documents.none.text"));
  const rows = el("div", { class: "docs" });
  const more = el("div", { class: "actions center" });
  // A long list is drawn as far as one looks: thousands of rows at once hold up a slow machine.
  const sight = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) grow(); }, { rootMargin: "600px" });
  let kept = [];
  const grow = () => {
    const drawn = rows.childNodes.length;
    add(rows, kept.slice(drawn, drawn + STEP).map((one) => row(one, reload)));
    const rest = kept.length - rows.childNodes.length;
    sight.disconnect();
    replace(more, rest > 0 ? button(t("documents.more", { n: rest }), { kind: "ghost", onclick: () => { const next = rows.childNodes.length; grow(); rows.children[next]?.focus(); } }) : null);
    if (rest > 0) sight.observe(more);
  };
  const status = el("p", { class: "soft small", role: "status" });
  const deep = el("div");
  const draw = () => {
    const terms = state.filter.toLowerCase();
    kept = documents.filter((one) => `${one.title} ${one.id} ${(one.labels ?? []).join(" ")}`.toLowerCase().includes(terms)
      && (state.only !== "warned" || one.warnings?.length));
    rows.replaceChildren();
    grow();
    status.textContent = terms || state.only ? t("documents.shown", { n: kept.length, total: documents.length }) : "";
    replace(deep, terms && !kept.length ? nothing(null, t("documents.nomatch"), t("documents.nomatch.text"), button(t("documents.search"), { kind: "primary", onclick: look })) : null);
  };
  const search = el("input", { type: "search", "aria-label": t("documents.filter"), placeholder: t("documents.filter"), value: state.filter,
    oninput: () => { state.filter = search.value; draw(); },
    onkeydown: (event) => { if (event.key === "Enter") look(); } });
  const look = () => {
    if (!search.value.trim()) { search.focus(); return; }
    status.textContent = "";
    passages(search.value.trim(), deep);
  };
  const warned = documents.filter((one) => one.warnings?.length).length;
  const only = warned ? button(t("documents.warned", { n: warned }), { shape: "warn", "aria-pressed": String(state.only === "warned"), onclick: () => {
    state.only = state.only ? "" : "warned";
    only.setAttribute("aria-pressed", String(Boolean(state.only)));
    draw();
  } }) : null;
  draw();
  return el("section", { "aria-label": t("documents.title") }, el("div", { class: "toolbar" }, search,
    button(t("documents.search"), { onclick: look }), only), status, deep, rows, more);
}

function row(one, reload) {
  const size = [one.pages ? t("count.pages", { n: one.pages }) : "", one.passages !== undefined ? t("count.passages", { n: one.passages }) : "", day(one.modified)].filter(Boolean).join(" · ");
  const made = el("button", { type: "button", class: "doc", id: `doc-${one.id}`, onclick: () => details(one, made, reload) },
    el("span", { class: "kind", "aria-hidden": "true" }, kind(one)),
    el("span", { class: "name" }, el("b", {}, one.title || one.id), el("small", {}, one.title && one.title !== one.id ? one.id : "", one.title && one.title !== one.id && size ? " · " : "", size)),
    el("span", { class: "state" },
      (one.labels ?? []).map((label) => chip(label)),
      one.warnings?.length ? chip(t("documents.warnings", { n: one.warnings.length }), "warn") : null,
      one.passages === 0 ? chip(t("documents.empty"), "warn") : null));
  return made;
}

/** What the words find in the passages themselves. */
async function passages(words, node) {
  await filled(node, async () => {
    const found = await get(`/search${query({ q: words, k: 8 })}`);
    return el("section", { class: "section" }, el("h2", {}, t("documents.hits", { n: found.hits.length, words })), hitList(found.hits));
  });
}

function hitList(hits) {
  return el("ol", { class: "found" }, hits.map((hit) => el("li", {},
    el("button", { type: "button", class: "link", onclick: (event) => openSource({
      document: hit.document, passage: hit.passage, locator: hit.locator, title: hit.title, quote: "",
    }, event.currentTarget) }, [hit.title || hit.document, place(hit.locator)].filter(Boolean).join(", ")),
    el("p", {}, shorten(hit.text, 240)))));
}

// --- one document -------------------------------------------------------------------------------------

function details(one, from, reload) {
  frame(one.title || one.id, one.title && one.title !== one.id ? one.id : "", from, (body) => {
    const alike = el("div");
    const data = el("div");
    add(body,
      one.warnings?.length ? el("div", {}, el("h3", {}, t("documents.notes")), one.warnings.map((text) => el("p", { class: "caution" }, text))) : null,
      facts([
        one.pages ? [t("documents.pages"), number(one.pages)] : null,
        [t("documents.passages"), number(one.passages ?? 0)],
        one.modified ? [t("documents.changed"), day(one.modified)] : null,
        one.labels?.length ? [t("documents.labels"), one.labels.join(", ")] : null,
        one.language ? [t("documents.language"), word("language", one.language)] : null,
      ]),
      one.source ? el("div", {}, el("h3", {}, t("documents.source")), el("p", { class: "soft file" }, one.uri || one.source)) : null,
      data,
      el("div", {}, el("h3", {}, t("documents.similar")), alike),
      may("editor") && one.uploaded ? el("div", { class: "actions" }, button(t("documents.delete"), { shape: "bin", onclick: (event) => takeAway(one, event.currentTarget, reload) })) : null);
    // Most documents have none: nothing is said of them, and nothing of a server that cannot tell.
    get(`/tables${query({ document: one.id })}`).then((found) => replace(data, tables(found.tables)), () => {});
    filled(alike, async () => {
      const found = await get(`/similar${query({ document: one.id })}`);
      return found.hits?.length ? hitList(found.hits) : el("p", { class: "soft" }, t("documents.similar.none"));
    });
  });
}

function tables(found) {
  if (!found.length) return null;
  return el("section", {}, el("h3", {}, t("documents.tables")), el("ul", { class: "plain" }, found.map((table) => el("li", {},
    el("b", {}, table.name), " ", el("small", { class: "count" }, t("count.rows", { n: table.rows })),
    el("p", { class: "soft small" }, table.columns.map((column) => (column.unit ? `${column.name} (${column.unit})` : column.name)).join(" · "))))));
}

async function takeAway(one, control, reload) {
  if (!(await confirm(t("documents.delete.title", { name: one.title || one.id }), t("documents.delete.text"), t("documents.delete"), t("action.cancel"), { danger: true }))) return;
  await attempt(control, async () => {
    await remove(`/documents/${one.id.split("/").map(encodeURIComponent).join("/")}`);
    toast(t("documents.deleted"));
    location.hash = "#/documents";
    if (may("whole")) await jobs.start("sync");
    await reload();
  });
}

// --- sources ------------------------------------------------------------------------------------------

function drawSources(node, found, owner, reload) {
  const entries = found.sources ?? [];
  if (!owner && !entries.length) { node.replaceChildren(); return; }
  const uri = el("input", { type: "text", required: true, placeholder: "https://… · /path", autocomplete: "off", spellcheck: "false" });
  const labels = el("input", { type: "text", autocomplete: "off", placeholder: t("documents.labels.example") });
  const form = el("form", { class: "inline", onsubmit: (event) => {
    event.preventDefault();
    attempt(event.submitter, async () => {
      await post("/sources", { uri: uri.value.trim(), labels: divided(labels.value) });
      await jobs.start("sync");
      await reload();
    });
  } }, field(t("documents.address"), uri), field(t("documents.labels"), labels), el("button", {}, icon("plus"), t("documents.add")));
  replace(node, el("h2", {}, t("documents.sources")), el("p", { class: "lead" }, t("documents.sources.text")),
    el("ul", { class: "listed" }, entries.map((entry) => el("li", {}, el("span", { class: "mono" }, entry.uri, " ", (entry.labels ?? []).map((label) => chip(label))),
      owner ? button(t("documents.source.remove", { name: entry.uri }), { shape: "bin", quiet: true, onclick: (event) => dropSource(entry, event.currentTarget, reload) }) : null))),
    owner ? form : null);
}

async function dropSource(entry, control, reload) {
  if (!(await confirm(t("documents.source.title"), t("documents.source.text", { name: entry.uri }), t("action.remove"), t("action.cancel"), { danger: true }))) return;
  await attempt(control, async () => {
    await remove(`/sources${query({ uri: entry.uri })}`);
    await jobs.start("sync");
    await reload();
  });
}
