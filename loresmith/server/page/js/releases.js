// Releases: what answers now, how it came to that, promote and roll back.

import { get, post } from "./api.js";
import { add, button, confirm, el, replace, toast } from "./dom.js";
import { arms as known, refresh } from "./here.js";
import { attempt, chip, field, filled, head, saying, select } from "./parts.js";
import { moment, number, t, word } from "./texts.js";

export async function show(root) {
  const place = el("div");
  add(root, head(t("releases.title"), t("releases.lead")), place);
  await filled(place, () => drawn(place));
}

async function drawn(place) {
  const [found, reports] = await Promise.all([get("/releases"), get("/reports").catch(() => ({ reports: [] }))]);
  const entries = [...(found.releases ?? [])].sort((a, b) => Number(b.id.slice(1)) - Number(a.id.slice(1)));
  const current = entries.find((one) => one.id === found.current) ?? null;
  const again = async () => { await refresh(); await filled(place, () => drawn(place)); };
  return [
    now(current, entries, again),
    promotion(reports.reports ?? [], again),
    el("section", { class: "section" }, el("h2", {}, t("releases.history")),
      entries.length ? el("ol", { class: "history" }, entries.map((one) => entry(one, one.id === found.current))) : el("p", { class: "soft" }, t("releases.none"))),
  ];
}

function now(current, entries, again) {
  const arm = current?.arm ?? "rag";
  return el("section", { class: `card now arm-${arm}` }, el("p", { class: "soft" }, t("releases.now")),
    el("p", { class: "big" }, t(`arm.${arm}.long`)),
    el("p", { class: "soft" }, current ? [current.id, current.adapter, current.model, moment(current.created)].filter(Boolean).join(" · ") : t("releases.default")),
    current ? el("div", { class: "actions" }, button(t("releases.rollback"), { shape: "back", onclick: async (event) => {
      const control = event.currentTarget;
      const to = current.before ? entries.find((one) => one.id === current.before) : null;
      if (!(await confirm(t("releases.rollback.title"), to ? t("releases.rollback.to", { id: to.id, arm: word("arm", to.arm) }) : t("releases.rollback.start"), t("releases.rollback"), t("action.cancel")))) return;
      await attempt(control, async () => { await post("/releases/rollback", {}); toast(t("releases.rolled")); await again(); });
    } })) : null);
}

function promotion(reports, again) {
  const report = select([["", t("releases.latest")], ...reports.map((one) => [one.id, `${moment(one.created)} (${one.id})`])], "");
  const best = reports.find((one) => one.finished)?.verdict?.recommended;
  const recommended = best ? [["", t("releases.recommended.arm", { arm: t(`arm.${best}.long`) })]] : [];
  const arm = select([...recommended, ...known().map((one) => [one, t(`arm.${one}.long`)])], best ? "" : known()[0]);
  const reason = el("input", { type: "text", maxlength: "500", autocomplete: "off" });
  const gate = el("div");
  const why = el("div", { hidden: true, class: "section" }, field(t("releases.reason"), reason, t("releases.reason.hint")));
  return el("section", { class: "section" }, el("h2", {}, t("releases.promote")), el("p", { class: "lead" }, t("releases.promote.text")),
    best ? null : el("p", { class: "caution" }, t("releases.uncompared"), " ", el("a", { href: "#/compare" }, t("releases.compare"))),
    el("form", { class: "card", onsubmit: (event) => {
      event.preventDefault();
      promote(event.submitter, { arm: arm.value, report: report.value, reason: reason.value.trim() }, gate, why, again);
    } },
    el("div", { class: "choices" }, field(t("releases.arm"), arm), reports.length ? field(t("releases.report"), report) : null),
    gate, why, el("div", { class: "actions section" }, el("button", { class: "primary" }, t("releases.go")))));
}

async function promote(control, values, gate, why, again) {
  control.disabled = true;
  try {
    const body = Object.fromEntries(Object.entries(values).filter(([, value]) => value));
    const answer = await post("/releases", body);
    toast(t("releases.promoted", { id: (answer.release ?? answer).id ?? "" }));
    await again();
  } catch (error) {
    // The gate says why it is closed; whoever promotes all the same says why.
    replace(gate, el("div", { class: "caution", role: "alert" }, el("p", {}, saying(error).replace(/ [^.]*--reason[^]*$/, "")),
      error.status === 409 ? el("p", {}, t("releases.refused"), " ", el("a", { href: "#/compare" }, t("releases.compare"))) : null));
    if (error.status === 409) { why.hidden = false; why.querySelector("input").focus(); }
  } finally {
    control.disabled = false;
  }
}

function entry(one, current) {
  const gate = one.gate;
  return el("li", { class: `arm-${one.arm} ${current ? "current" : ""}` },
    el("p", {}, el("b", {}, one.id), " ", one.returns_to ? t("releases.back", { to: one.returns_to === "start" ? t("releases.start") : one.returns_to }) : t(`arm.${one.arm}.long`), " ", current ? chip(t("releases.current"), "good") : null,
      gate && !gate.passed ? chip(t("releases.against"), "warn") : null),
    el("p", { class: "when" }, [moment(one.created), one.adapter, one.model].filter(Boolean).join(" · ")),
    one.reason ? el("p", {}, el("q", {}, one.reason)) : null,
    gate && (gate.checks?.length || gate.problems?.length || gate.notes?.length) ? el("details", {}, el("summary", {}, t("releases.gate")),
      el("ul", { class: "checks" }, (gate.problems ?? []).map((text) => el("li", { class: "flag" }, text)),
        (gate.checks ?? []).map((check) => el("li", {}, t("releases.check", { stratum: word("stratum", check.stratum), points: number(100 * check.difference), low: number(100 * check.low), high: number(100 * check.high), n: check.n }))),
        (gate.notes ?? []).map((text) => el("li", { class: "soft" }, text)))) : null);
}
