// Settings: how the page looks, what answers, who has access, and whether the machine is in order.

import { get, key, post } from "./api.js";
import { add, button, el, toast } from "./dom.js";
import { here, may, refresh, shortcuts } from "./here.js";
import { attempt, chip, filled, head, select } from "./parts.js";
import { LANGUAGES, choose, language, number, t } from "./texts.js";

export async function show(root) {
  const status = here.status;
  const settings = el("div");
  const doctor = el("div");
  add(root, head(t("settings.title")),
    group(t("settings.page"), line(t("settings.language"), "", select(Object.entries(LANGUAGES), language, async (name) => {
      await choose(name);
      document.dispatchEvent(new CustomEvent("loresmith:language"));
    })), line(t("settings.theme"), "", theme()),
    line(t("settings.shortcuts"), t("settings.shortcuts.text"), el("input", { type: "checkbox", checked: shortcuts.on(), onchange: (event) => shortcuts.set(event.target.checked) }))),
    group(t("settings.access"), ...access(status)),
    settings,
    may("owner") ? el("section", { class: "section" }, el("h2", {}, t("doctor.title")), el("p", { class: "lead" }, t("doctor.text")), doctor) : null,
    el("p", { class: "soft small section" }, t("settings.about", { version: status.version ?? "" })));
  if (!may("owner")) return;
  await Promise.all([filled(settings, drawSettings), filled(doctor, drawDoctor)]);
}

const group = (title, ...lines) => el("section", { class: "section" }, el("h2", {}, title), el("div", { class: "card settings-group" }, lines));

let count = 0;
function line(label, hint, control) {
  const id = `s${(count += 1)}`;
  if (control instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(control.tagName)) {
    control.id = id;
    if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
    return el("div", { class: "setting" }, el("div", {}, el("label", { for: id }, label), hint ? el("small", { id: `${id}-hint` }, hint) : null), control);
  }
  return el("div", { class: "setting" }, el("div", {}, el("span", { class: "label" }, label), hint ? el("small", {}, hint) : null), el("div", {}, control));
}

function theme() {
  const root = document.documentElement;
  return select([["", t("theme.system")], ["light", t("theme.light")], ["dark", t("theme.dark")]], root.dataset.theme ?? "", (value) => {
    if (value) root.dataset.theme = value; else delete root.dataset.theme;
    try { if (value) localStorage.setItem("loresmith.theme", value); else localStorage.removeItem("loresmith.theme"); } catch { /* until the page is closed */ }
  });
}

function access(status) {
  const caller = status.caller ?? {};
  const lines = [line(t("settings.you"), "", [chip(t(`role.${caller.role}`)), " ", caller.name && caller.name !== caller.role ? caller.name : ""]),
    line(t("settings.sees"), "", caller.labels ? caller.labels.map((label) => [chip(label), " "]) : t("settings.everything"))];
  if (key.get()) {
    lines.push(line(t("settings.key"), t("settings.key.text"), button(t("settings.forget"), { onclick: () => { key.set(""); location.reload(); } })));
  } else if (!status.needs_key) lines.push(el("div", { class: "setting" }, el("p", { class: "soft" }, t("settings.open"), " ", el("span", { class: "mono" }, "loresmith keys create"))));
  return lines;
}

// --- the configuration ----------------------------------------------------------------------------------

/** What a person may want to change here; everything else stands in loresmith.toml. */
const OFFERED = [
  ["models", ["model.name", "model.endpoint", "model.max_tokens", "model.temperature", "model.threads"]],
  ["embedders", ["embedder.name", "embedder.provider", "embedder.endpoint"]],
  ["answers", ["retrieval.mode", "retrieval.k", "retrieval.context_tokens", "answer.max_sentences", "answer.memory"]],
];

async function drawSettings() {
  const { fields } = await get("/settings");
  const known = new Map(fields.map((one) => [one.key, one]));
  const chosen = OFFERED.map(([name, keys]) => {
    const lines = keys.filter((dotted) => known.has(dotted)).map((dotted) => setting(known.get(dotted), dotted));
    return lines.length ? group(t(`settings.${name}`), lines) : null;
  });
  return [chosen, everything(fields)];
}

/** Every other key, under the names of the file. */
function everything(fields) {
  const offered = new Set(OFFERED.flatMap(([, keys]) => keys));
  const place = el("div", { class: "card settings-group" });
  const box = el("details", { class: "section", ontoggle: () => {
    if (box.open && !place.childNodes.length) add(place, fields.filter((one) => !offered.has(one.key) && plain(one.value)).map((one) => setting(one)));
  } }, el("summary", {}, t("settings.more")), el("p", { class: "soft small" }, t("settings.more.text")), place);
  return box;
}

const plain = (value) => value === null || typeof value !== "object";

/** One setting with the control that its type wants. `named`: the page has words of its own for it. */
function setting({ key: dotted, value, type, choices, description, restart }, named = "") {
  const hint = named ? t(`setting.${named}.hint`) : [description, restart ? t("settings.restart") : ""].filter(Boolean).join(" · ");
  const label = named ? t(`setting.${named}`) : dotted;
  const save = (control, wanted) => attempt(control, async () => {
    await post("/settings", { [dotted]: wanted });
    value = wanted;
    toast(t("settings.saved"));
    await refresh();
    return true;
  });
  const undo = async (control, wanted, back) => { if (!(await save(control, wanted))) back(); };
  if (choices) {
    const control = select(choices.map((one) => [one, named ? t(`setting.${named}.${one}`) : one]), value, (wanted) => undo(control, wanted, () => { control.value = value; }));
    return line(label, hint, control);
  }
  if (type === "bool" || typeof value === "boolean") {
    const control = el("input", { type: "checkbox", checked: value, onchange: () => undo(control, control.checked, () => { control.checked = value; }) });
    return line(label, hint, control);
  }
  const numeric = /int|float/.test(type) && !/str/.test(type);
  const control = el("input", { type: numeric ? "number" : "text", step: numeric ? "any" : null, value: value ?? "", autocomplete: "off", spellcheck: "false",
    onchange: () => {
      const text = control.value.trim();
      undo(control, text === "" ? null : numeric ? Number(text) : text, () => { control.value = value ?? ""; });
    } });
  return line(label, hint, control);
}

// --- the examination --------------------------------------------------------------------------------------

const SIGNS = { ok: "✓", missing: "✗", optional: "–" };

async function drawDoctor() {
  const found = await get("/doctor");
  const findings = found.findings ?? [];
  const one = (finding) => el("li", {}, el("span", { class: `sign-${finding.state}`, role: "img", "aria-label": t(`doctor.${finding.state}`) }, SIGNS[finding.state]),
    el("span", {}, finding.subject), el("span", { class: "soft" }, finding.found), finding.remedy ? el("span", { class: "remedy" }, finding.remedy) : null);
  const wanting = findings.filter((finding) => finding.state === "missing");
  const rest = findings.filter((finding) => finding.state !== "missing");
  return el("div", { class: "card" }, el("p", {}, chip(wanting.length ? t("doctor.bad", { n: wanting.length }) : t("doctor.good"), wanting.length ? "bad" : "good")),
    wanting.length ? el("ul", { class: "findings" }, wanting.map(one)) : null,
    el("details", {}, el("summary", {}, t("doctor.all", { n: number(rest.length) })), el("ul", { class: "findings" }, rest.map(one))));
}
