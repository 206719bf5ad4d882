// Train: start, watch, stop and resume; below it the adapters that came out, with their curves.

import { get, post, remove } from "./api.js";
import { button, confirm, el, replace, toast } from "./dom.js";
import { training } from "./charts.js";
import { may, refresh } from "./here.js";
import * as jobs from "./jobs.js";
import { attempt, chip, facts, field, filled, nothing, select, watched } from "./parts.js";
import { ago, day, duration, number, size, t, word } from "./texts.js";

export async function show(root) {
  const start = el("div");
  const work = el("div");
  const list = el("section", { class: "section" });
  root.append(work, start, list);
  const [rows, set] = await Promise.all([get("/datasets/current?limit=1"), configured()]);
  const reload = () => filled(list, () => adapters(reload));
  // While one is under way, or waits to be gone on with, there is no second start.
  const drawStart = () => replace(start, jobs.running("train") ? null : rows.dataset ? form(set) : norows());
  let going = Boolean(jobs.running("train"));
  const off = jobs.onJob((job) => {
    if (job.kind !== "train" || going === Boolean(jobs.running("train"))) return;
    going = !going;
    drawStart();
    reload();
  });
  const stop = watched(work, "train", {
    again: () => {
      const last = jobs.latest("train");
      return jobs.start("train", jobs.begun(last) ? { resume: true } : last.options);
    },
    more: (job) => (job.steps?.length ? training(job.steps) : null),
    ended: (job) => {
      if (job.result?.already) replace(start, already(job));
      else if (job.state === "done") toast(t("train.done"));
      refresh().catch(() => {});
    },
  });
  drawStart();
  await reload();
  return () => { off(); stop(); };
}

const norows = () => nothing("teach", t("review.none.title"), t("train.norows"), el("a", { class: "button primary", href: "#/teach/review" }, t("train.to_rows")));

/** Nothing has changed since this adapter was trained, so nothing was done. */
const already = (job) => el("section", { class: "card" }, el("h2", {}, t("train.already")), el("p", { class: "lead" }, t("train.already.text", { id: job.result.adapter })),
  el("div", { class: "actions" }, button(t("train.again"), { onclick: (event) => attempt(event.currentTarget, () => jobs.start("train", { ...job.options, again: true })) }),
    el("a", { href: "#/teach/review" }, t("train.to_rows"))));

/** How loresmith.toml has it; only an owner may look. */
const configured = async () => (may("owner") ? (await get("/settings")).settings.training : {});

function form(set) {
  const method = select(["auto", "lora", "qlora"].map((one) => [one, t(`method.${one}`)]), set.method ?? "auto");
  const effort = select(["quick", "normal", "thorough"].map((one) => [one, t(`effort.${one}`)]), set.effort ?? "normal");
  return el("form", { class: "card", onsubmit: (event) => {
    event.preventDefault();
    attempt(event.submitter, () => jobs.start("train", { method: method.value, effort: effort.value }));
  } },
  el("h2", {}, t("train.title")), el("p", { class: "lead" }, t("train.lead")),
  el("div", { class: "choices section" }, field(t("train.method"), method, t("train.method.hint")), field(t("train.effort"), effort, t("train.effort.hint"))),
  el("div", { class: "actions" }, el("button", { class: "primary" }, t("train.start")), el("a", { href: "#/teach/plan" }, t("train.see_plan"))));
}

async function adapters(again) {
  const found = await get("/adapters");
  const entries = found.adapters ?? [];
  const unfinished = jobs.running("train") ? [] : found.unfinished ?? [];
  return [el("h2", {}, t("adapters.title")),
    entries.length || unfinished.length ? null : nothing(null, t("adapters.none"), t("adapters.none.text")),
    el("div", { class: "grid" }, unfinished.map((run, at) => unfinishedCard(run, at === 0, again)), entries.map((one) => adapterCard(one, again)))];
}

/** A run that was interrupted; only the one that was active last can be gone on with. */
function unfinishedCard(run, last, again) {
  return el("section", { class: "card adapter", "aria-label": run.adapter },
    el("div", { class: "adapter-head" }, el("h3", { class: "mono" }, run.adapter), chip(t("adapters.unfinished"), "warn")),
    el("p", { class: "soft" }, t("adapters.unfinished.text", { when: ago(run.started) })),
    el("div", { class: "actions" },
      last ? button(t("action.resume"), { shape: "retry", onclick: (event) => attempt(event.currentTarget, () => jobs.start("train", { resume: true })) }) : null,
      removal(run.adapter, again)));
}

const removal = (id, again) => button(t("action.remove"), { shape: "bin", kind: "small", onclick: async (event) => {
  const control = event.currentTarget;
  if (!(await confirm(t("adapters.remove", { id }), t("adapters.remove.text"), t("action.remove"), t("action.cancel"), { danger: true }))) return;
  await attempt(control, async () => { await remove(`/adapters/${encodeURIComponent(id)}`); toast(t("adapters.removed", { id })); await refresh(); await again(); });
} });

function adapterCard(card, again) {
  const figures = card.figures ?? {};
  const more = el("div");
  const better = figures.perplexity?.dev;
  const right = figures.as_expected;
  const box = el("details", { ontoggle: () => { if (box.open && !more.childNodes.length) filled(more, () => detail(card.id)); } }, el("summary", {}, t("adapters.more")), more);
  return el("section", { class: "card adapter", "aria-label": card.id },
    el("div", { class: "adapter-head" }, el("h3", { class: "mono" }, card.id),
      card.current ? chip(t("adapters.current"), "good") : button(t("adapters.use"), { kind: "small", onclick: (event) => attempt(event.currentTarget, async () => {
        await post("/adapters/use", { id: card.id });
        toast(t("adapters.used", { id: card.id }));
        await refresh();
        await again();
      }) })),
    facts([[t("adapters.method"), word("method", card.method)], [t("adapters.made"), day(card.created)],
      [t("adapters.loss"), number(figures.loss?.dev ?? figures.loss?.train ?? NaN, 3)],
      better ? [t("adapters.perplexity"), `${number(better.before, 1)} → ${number(better.after, 1)}`] : null,
      right?.of ? [t("adapters.expected"), t("adapters.expected.of", { before: right.before, after: right.after, of: right.of })] : null,
      figures.seconds ? [t("adapters.time"), duration(figures.seconds)] : null,
      figures.peak_memory_bytes ? [t("adapters.memory"), size(figures.peak_memory_bytes)] : null]),
    (card.labels ?? []).length ? el("p", {}, card.labels.map((label) => chip(label))) : null,
    box,
    el("div", { class: "actions" }, card.current ? el("a", { href: "#/compare" }, t("adapters.compare")) : null, removal(card.id, again)));
}

async function detail(id) {
  const found = await get(`/adapters/${encodeURIComponent(id)}`);
  const card = found.adapter;
  return [
    training(found.curves),
    (card.limits ?? []).length ? el("ul", { class: "plain" }, card.limits.map((limit) => el("li", {}, limit))) : null,
    (card.samples ?? []).slice(0, 3).map((sample) => el("div", { class: "section" }, el("p", { class: "row-label" }, sample.question),
      el("dl", { class: "lines small" }, ["expected", "before", "after"].filter((key) => sample[key]).map((key) => el("div", {}, el("dt", {}, t(`sample.${key}`)), el("dd", {}, sample[key])))))),
  ];
}
