// Plan: what full tuning, LoRA and QLoRA of the model take here, before anything is trained.

import { get } from "./api.js";
import { button, el } from "./dom.js";
import { here } from "./here.js";
import { chip, facts, filled, nothing } from "./parts.js";
import { duration, number, size, t, word } from "./texts.js";

const PARTS = ["base", "weights", "quantisation", "adapter", "gradients", "optimizer", "activations", "logits", "workspace", "heap", "mapped"];

export async function show(root) {
  if (here.status?.model === "none") {
    root.append(nothing("teach", t("plan.nomodel"), t("plan.nomodel.what"),
      button(t("nav.settings"), { kind: "primary", onclick: () => { location.hash = "#/settings"; } })));
    return;
  }
  await filled(root, async () => drawn(await get("/plan")));
}

function drawn(plan) {
  return el("div", {},
    el("p", { class: "lead" }, [plan.model, t("plan.rows", { n: plan.data.rows }), `${plan.hardware.name}, ${size(plan.hardware.memory_bytes)}`].join(" · ")),
    el("div", { class: "methods section" }, plan.methods.map((method) => methodCard(method, method.method === plan.method))),
    plan.reason ? el("p", { class: "section" }, plan.reason) : null,
    (plan.notes ?? []).map((note) => el("p", { class: "soft small" }, note)),
    el("div", { class: "actions section" }, button(t("plan.go"), { kind: "primary", onclick: () => { location.hash = "#/teach/train"; } })));
}

function methodCard(method, best) {
  const memory = method.memory_bytes;
  const parts = PARTS.filter((part) => memory[part] > 0);
  const total = parts.reduce((sum, part) => sum + memory[part], 0) || 1;
  const fits = method.fits_here;
  const stack = el("div", { class: `stack ${fits ? "" : "over"}`, role: "img", "aria-label": parts.map((part) => `${t(`memory.${part}`)} ${size(memory[part])}`).join(", ") },
    parts.map((part, at) => {
      const piece = el("i", { title: `${t(`memory.${part}`)}: ${size(memory[part])}` });
      piece.style.width = `${(100 * memory[part]) / total}%`;
      piece.style.setProperty("--strength", String(1 - (0.75 * at) / parts.length));
      return piece;
    }));
  return el("section", { class: `card method ${best ? "best" : ""}`, "aria-label": t(`method.${method.method}`) },
    el("h2", {}, t(`method.${method.method}`), best ? chip(t("plan.best"), "good") : fits ? chip(t("plan.fits")) : chip(t("plan.toolarge"), "bad")),
    el("p", { class: "soft small" }, t(`method.${method.method}.what`)),
    el("p", { class: "big" }, size(memory.peak)), el("p", { class: "soft small" }, t("plan.memory")), stack,
    facts([[t("plan.time"), duration(method.seconds)], [t("plan.trained"), number(method.trainable)],
      [t("plan.speed"), t("plan.tokens", { n: Math.round(method.tokens_per_second ?? 0) })],
      method.gpus?.length ? [t("plan.gpus"), gpu(method.gpus)] : null]),
    method.obstacle ? el("p", { class: "caution" }, method.obstacle) : null,
    el("details", {}, el("summary", {}, t("plan.parts")), el("dl", { class: "lines small" }, parts.map((part) => el("div", {}, el("dt", {}, word("memory", part)), el("dd", {}, size(memory[part])))))));
}

function gpu(cards) {
  const found = cards.find((card) => card.count === 1) ?? cards.find((card) => card.count);
  return found ? `${number(found.count)} × ${number(found.gigabytes)} GB` : "–";
}
