// Train: start, watch, stop and resume; below it the adapters that came out, with their curves.

import { get, post } from "./api.js";
import { button, el, replace, toast } from "./dom.js";
import { training } from "./charts.js";
import { refresh } from "./here.js";
import * as jobs from "./jobs.js";
import { attempt, chip, facts, field, filled, nothing, select, watched } from "./parts.js";
import { day, duration, number, size, t, word } from "./texts.js";

export async function show(root) {
  const start = el("div");
  const work = el("div");
  const list = el("section", { class: "section" });
  root.append(work, start, list);
  const reload = () => filled(list, adapters);
  const drawStart = () => replace(start, jobs.running("train") ? null : form());
  const off = jobs.onJob((job) => { if (job.kind === "train") drawStart(); });
  const stop = watched(work, "train", {
    again: (resume) => jobs.start("train", resume ? { resume: true } : {}),
    more: (job) => (job.steps?.length ? training(job.steps) : null),
    ended: (job) => { if (job.state === "done") toast(t("train.done")); reload(); refresh().catch(() => {}); },
  });
  drawStart();
  await reload();
  return () => { off(); stop(); };
}

function form() {
  const method = select(["auto", "lora", "qlora"].map((one) => [one, t(`method.${one}`)]), "auto");
  const effort = select(["quick", "normal", "thorough"].map((one) => [one, t(`effort.${one}`)]), "normal");
  return el("form", { class: "card", onsubmit: (event) => {
    event.preventDefault();
    attempt(event.submitter, () => jobs.start("train", { method: method.value, effort: effort.value }));
  } },
  el("h2", {}, t("train.title")), el("p", { class: "lead" }, t("train.lead")),
  el("div", { class: "choices section" }, field(t("train.method"), method, t("train.method.hint")), field(t("train.effort"), effort, t("train.effort.hint"))),
  el("div", { class: "actions" }, el("button", { class: "primary" }, t("train.start")), el("a", { href: "#/teach/plan" }, t("train.see_plan"))));
}

async function adapters() {
  const found = await get("/adapters");
  const entries = found.adapters ?? [];
  if (!entries.length) return [el("h2", {}, t("adapters.title")), nothing(null, t("adapters.none"), t("adapters.none.text"))];
  return [el("h2", {}, t("adapters.title")), el("div", { class: "grid" }, entries.map((one) => adapterCard(one)))];
}

function adapterCard(card) {
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
        const section = event.target.closest("section.section") ?? document.querySelector("main .section:last-child");
        if (section) await filled(section, adapters);
      }) })),
    facts([[t("adapters.method"), word("method", card.method)], [t("adapters.made"), day(card.created)],
      [t("adapters.loss"), number(figures.loss?.dev ?? figures.loss?.train ?? NaN, 3)],
      better ? [t("adapters.perplexity"), `${number(better.before, 1)} → ${number(better.after, 1)}`] : null,
      right?.of ? [t("adapters.expected"), t("adapters.expected.of", { before: right.before, after: right.after, of: right.of })] : null,
      figures.seconds ? [t("adapters.time"), duration(figures.seconds)] : null,
      figures.peak_memory_bytes ? [t("adapters.memory"), size(figures.peak_memory_bytes)] : null]),
    (card.labels ?? []).length ? el("p", {}, card.labels.map((label) => chip(label))) : null,
    box);
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
