// Compare: run the arms on the same questions, watch, and read what came out.

import { blob, get, key, post } from "./api.js";
import { interval } from "./charts.js";
import { add, button, el, replace, toast } from "./dom.js";
import * as jobs from "./jobs.js";
import { arms as known } from "./here.js";
import { attempt, field, filled, head, nothing, watched } from "./parts.js";
import { duration, moment, percent, t, word } from "./texts.js";

export async function show(root, [id]) {
  const work = el("div");
  const place = el("div");
  const start = el("div");
  add(root, head(t("compare.title"), t("compare.lead")), work, place);
  const drawStart = () => replace(start, jobs.running("compare") ? null : form());
  const off = jobs.onJob((job) => { if (job.kind === "compare") drawStart(); });
  const stop = watched(work, "compare", {
    again: () => jobs.start("compare", jobs.latest("compare")?.options ?? {}),
    ended: (job) => { if (job.state === "done") { toast(t("compare.done")); location.hash = "#/compare"; filled(place, () => page(id, start)); } },
  });
  drawStart();
  await filled(place, () => page(id, start));
  return () => { off(); stop(); };
}

async function page(id, start) {
  const found = await get("/reports");
  const entries = found.reports ?? [];
  if (!entries.length) return [nothing("compare", t("compare.none.title"), t("compare.none.text")), start];
  const wanted = id ?? (entries.find((one) => one.finished) ?? entries[0]).id;
  const report = entries.find((one) => one.id === wanted)?.finished === false ? null : await get(`/reports/${encodeURIComponent(wanted)}`);
  return [
    report ? drawn(report, wanted) : (jobs.latest("compare")?.state ?? "done") !== "done" ? null : nothing("compare", t("compare.unfinished.title"), t("compare.unfinished.text")),
    el("section", { class: "section" }, el("h2", {}, t("compare.new")), start),
    entries.length > 1 ? el("section", { class: "section" }, el("h2", {}, t("compare.earlier")), el("ul", { class: "listed" }, entries.map((one) => el("li", {},
      el("a", { href: `#/compare/${encodeURIComponent(one.id)}`, "aria-current": one.id === wanted ? "true" : null }, moment(one.created)),
      el("span", { class: "soft" }, one.verdict?.headline ?? t("compare.unfinished", { done: one.answers, id: one.id })))))) : null,
  ];
}

function form() {
  const boxes = (known().length ? known() : ["base", "rag", "tuned", "both"]).map((arm) => {
    const box = el("input", { type: "checkbox", id: `arm-${arm}`, name: arm, checked: true });
    return [box, el("label", { class: "check", for: box.id }, box, el("span", {}, el("b", {}, word("arm", arm)), el("small", {}, ` ${t(`arm.${arm}.what`)}`)))];
  });
  const limit = el("input", { type: "number", min: "4", max: "2000", value: "24", inputmode: "numeric" });
  return el("form", { class: "card", onsubmit: (event) => {
    event.preventDefault();
    const arms = boxes.filter(([box]) => box.checked).map(([box]) => box.name);
    if (arms.length < 2) { toast(t("compare.two"), { bad: true }); return; }
    attempt(event.submitter, () => jobs.start("compare", { arms, limit: Number(limit.value) || 24 }));
  } },
  el("p", { class: "soft" }, t("compare.questions")),
  el("div", { class: "grid section" }, el("fieldset", { class: "plain-set" }, el("legend", {}, t("compare.arms")), boxes.map(([, label]) => label)),
    el("div", {}, field(t("compare.limit"), limit, t("compare.limit.hint")))),
  el("div", { class: "actions section" }, el("button", { class: "primary" }, t("compare.start"))));
}

// --- a report -----------------------------------------------------------------------------------------

function drawn(report, id) {
  const verdict = report.verdict ?? {};
  const kind = word("verdict_kind", verdict.kind);
  const names = Object.keys(report.arms ?? {}).filter((arm) => report.arms[arm].correct?.value !== null && report.arms[arm].correct !== undefined);
  return el("article", {},
    el("section", { class: "card verdict" },
      (verdict.headline ?? "").startsWith(kind) ? null : el("span", { class: `kick kick-${verdict.kind}` }, kind),
      el("p", { class: "headline" }, verdict.headline ?? ""),
      el("p", { class: "soft small" }, [moment(report.created), t("count.questions", { n: report.questions?.asked ?? 0 }), report.model?.name, report.adapter?.id].filter(Boolean).join(" · ")),
      el("div", { class: "actions" }, full(id), verdict.recommended ? el("a", { class: "button", href: "#/releases" }, t("compare.promote", { arm: word("arm", verdict.recommended) })) : null)),
    el("section", { class: "section" }, el("h2", {}, t("compare.overall")), el("p", { class: "lead" }, t("compare.overall.text")),
      el("div", { class: "card scores" }, names.map((arm) => scoreLine(arm, report.arms[arm].correct, costs(report.arms[arm]))))),
    strata(report),
    (verdict.reasons ?? []).length ? el("section", { class: "section" }, el("h2", {}, t("compare.why")), el("ul", { class: "reasons" }, verdict.reasons.map((reason) => el("li", {}, reason)))) : null,
    (verdict.findings ?? []).length ? el("ul", { class: "reasons" }, verdict.findings.map((one) => el("li", {}, word("verdict_kind", one)))) : null,
    (report.questions?.warnings ?? []).map((one) => el("p", { class: "soft small" }, one)));
}

function costs(arm) {
  const parts = [];
  if (arm.latency?.p50) parts.push(duration(arm.latency.p50));
  if (arm.citations?.precision !== null && arm.citations?.precision !== undefined) parts.push(t("compare.citations", { share: percent(arm.citations.precision) }));
  return parts.join(" · ");
}

function scoreLine(arm, share, below) {
  const said = t("compare.between", { value: percent(share.value), low: percent(share.low), high: percent(share.high) });
  return el("div", { class: `score arm-${arm}` }, el("div", {}, el("b", {}, word("arm", arm)), below ? el("small", {}, below) : null),
    interval(share, `${word("arm", arm)}: ${said}`), el("span", { class: "what", title: said }, percent(share.value)));
}

function strata(report) {
  const entries = Object.entries(report.strata ?? {});
  if (!entries.length) return null;
  return el("div", { class: "strata" }, entries.map(([name, stratum]) => el("section", { class: "card" },
    el("h3", {}, word("stratum", name), el("small", {}, t("count.questions", { n: stratum.questions ?? 0 }))),
    Object.entries(stratum.arms ?? {}).filter(([, share]) => share?.value !== null).map(([arm, share]) => scoreLine(arm, share)))));
}

/** The whole report: a page of its own with its own rules, so it is opened beside this one. A tab cannot
    send a key, so where one is needed it shows a ticket, which is good for one look. */
function full(id) {
  const address = `/api/reports/${encodeURIComponent(id)}/report.html`;
  if (!key.get()) return el("a", { class: "button", href: address, target: "_blank", rel: "noopener" }, t("compare.full"));
  return [button(t("compare.full"), { onclick: (event) => attempt(event.currentTarget, async () => {
    const tab = window.open("", "_blank"); // now, as long as it is the answer to a click
    if (!tab) { toast(t("compare.blocked"), { bad: true }); return; }
    tab.opener = null;
    try {
      tab.location = (await post(`/reports/${encodeURIComponent(id)}/ticket`)).address;
    } catch (error) {
      tab.close();
      throw error;
    }
  }) }), button(t("compare.save"), { onclick: (event) => attempt(event.currentTarget, async () => {
    const url = URL.createObjectURL(await blob(`/reports/${encodeURIComponent(id)}/report.html`));
    el("a", { href: url, download: `report-${id}.html` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }) })];
}
