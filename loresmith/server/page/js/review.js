// Review: one training row at a time, judged by keyboard: accept, mend, reject.

import { get, post, query } from "./api.js";
import { button, el, replace, toast } from "./dom.js";
import { shortcuts } from "./here.js";
import * as jobs from "./jobs.js";
import { attempt, chip, filled, nothing, select, watched } from "./parts.js";
import { t, word } from "./texts.js";

const PAGE = 50;

export async function show(root) {
  const state = { offset: 0, at: 0, split: "", kind: "", review: "", rows: [], total: 0, reviewed: 0, mending: false, busy: false };
  const work = el("div");
  const place = el("div");
  root.append(work, place);
  const stop = watched(work, "dataset", { again: () => jobs.start("dataset"), ended: () => filled(place, () => first(state)) });
  const keys = (event) => onKey(event, state);
  document.addEventListener("keydown", keys);
  await filled(place, () => first(state));
  return () => { stop(); document.removeEventListener("keydown", keys); };
}

const build = (name) => button(name, { shape: "retry", disabled: Boolean(jobs.running("dataset")), onclick: (event) => attempt(event.currentTarget, () => jobs.start("dataset")) });

async function first(state) {
  const known = await get("/datasets");
  if (!(known.datasets ?? []).length) return nothing("teach", t("review.none.title"), t("review.none.text"), build(t("review.first")));
  await load(state);
  const body = el("div", { class: "review" });
  state.draw = () => draw(body, state);
  state.draw();
  return body;
}

async function load(state) {
  const found = await get(`/datasets/current${query({ offset: state.offset, limit: PAGE, split: state.split, kind: state.kind, review: state.review })}`);
  state.rows = found.rows;
  state.total = found.total;
  state.reviewed = found.reviewed;
  state.at = Math.min(state.at, Math.max(0, state.rows.length - 1));
}

/** The answer as it will be taught: the reviewer's, where there is one. */
const answerOf = (row) => (row.review === "mend" && row.correction) || row.answer;

function draw(body, state) {
  const row = state.rows[state.at];
  const top = el("div", { class: "review-top" },
    select([["", t("review.all_splits")], ...["train", "dev", "test"].map((one) => [one, t(`split.${one}`)])], state.split, (value) => refilter(state, { split: value })),
    select([["", t("review.all_kinds")], ...["closed", "grounded", "abstain", "query", "chat"].map((one) => [one, t(`kind.${one}`)])], state.kind, (value) => refilter(state, { kind: value })),
    select([["", t("review.all_reviews")], ...["none", "accept", "mend", "reject"].map((one) => [one, t(`review.only.${one}`)])], state.review, (value) => refilter(state, { review: value })),
    build(t("review.build")),
    el("div", { class: "spread" },
      button(t("review.previous"), { shape: "back", quiet: true, disabled: state.offset + state.at === 0, onclick: () => move(state, -1) }),
      el("span", { "aria-live": "polite" }, state.total ? t("review.at", { n: state.offset + state.at + 1, total: state.total }) : "0"),
      button(t("review.next"), { shape: "next", quiet: true, disabled: state.offset + state.at + 1 >= state.total, onclick: () => move(state, 1) })));
  top.children[0].setAttribute("aria-label", t("review.split"));
  top.children[1].setAttribute("aria-label", t("review.kind"));
  top.children[2].setAttribute("aria-label", t("review.verdict"));
  const judged = state.reviewed ? el("p", { class: "soft small" }, t("review.judged", { n: state.reviewed })) : null;
  if (!row) { replace(body, top, judged, nothing("teach", t("review.nomatch"), "")); return; }
  replace(body, top, judged, card(row, state), judge(row, state));
}

async function refilter(state, change) {
  Object.assign(state, change, { offset: 0, at: 0, mending: false });
  await attempt(null, () => load(state));
  state.draw();
}

function card(row, state) {
  const verdict = row.review;
  const said = state.mending
    ? el("textarea", { rows: 5, "aria-label": t("review.answer"), id: "mend", value: answerOf(row) })
    : el("p", { class: "row-text row-answer" }, answerOf(row));
  return el("article", { class: `card row-card ${verdict === "reject" ? "rejected" : ""}`, "aria-label": t("review.row") },
    el("div", { class: "row-chips" }, chip(word("kind", row.kind)), row.split ? chip(word("split", row.split)) : null, row.language ? chip(word("language", row.language)) : null,
      verdict ? chip(word("verdict", verdict), verdict === "reject" ? "bad" : "good") : null),
    el("div", {}, el("p", { class: "row-label" }, t("review.question")), el("h2", { class: "row-text" }, row.question)),
    el("div", {}, el("p", { class: "row-label" }, t("review.answer")), said),
    row.quote ? el("div", {}, el("p", { class: "row-label" }, t("review.proof")), el("p", { class: "row-quote" }, row.quote)) : null,
    el("p", { class: "soft small row-text" }, [origin(row.origin), ...(row.documents ?? [])].filter(Boolean).filter((one, at, all) => all.indexOf(one) === at).join(" · ")));
}

function origin(text = "") {
  const [kind] = text.split(":");
  return word("origin", kind, text);
}

function judge(row, state) {
  if (state.mending) {
    return el("div", { class: "judge" },
      button(t("action.save"), { kind: "primary", onclick: (event) => mended(row, state, event.currentTarget) }),
      button(t("action.cancel"), { onclick: () => { state.mending = false; state.draw(); } }));
  }
  const verdict = row.review ?? "";
  const one = (name, key, kind) => {
    const made = button(t(`review.${name}`), { kind, "aria-keyshortcuts": key, "aria-pressed": String(verdict === name),
      onclick: () => (name === "mend" ? mend(state) : decide(row, name, state, made)) });
    made.append(el("kbd", { "aria-hidden": "true" }, key));
    return made;
  };
  return el("div", { class: "judge", role: "group", "aria-label": t("review.verdict") }, one("accept", "A", ""), one("mend", "M", ""), one("reject", "R", ""));
}

function mend(state) {
  state.mending = true;
  state.draw();
  document.getElementById("mend")?.focus();
}

async function mended(row, state, control) {
  const text = document.getElementById("mend").value.trim();
  if (!text) return;
  await decide(row, "mend", state, control, text);
}

async function decide(row, verdict, state, control, answer) {
  if (state.busy) return; // a key that is pressed twice is no verdict on the next row
  state.busy = true;
  const kept = await attempt(control, async () => (await post("/datasets/rows", { id: row.id, verdict, ...(answer ? { answer } : {}) })) ?? true);
  state.busy = false;
  if (!kept) return;
  if (!row.review) state.reviewed += 1;
  row.review = verdict;
  row.correction = answer ?? "";
  state.mending = false;
  toast(t(`review.done.${verdict}`));
  await move(state, 1);
}

async function move(state, by) {
  const target = state.offset + state.at + by;
  state.mending = false;
  if (target >= 0 && target < state.total) {
    if (target < state.offset || target >= state.offset + state.rows.length) {
      // Where only some verdicts are shown, rows that got another one meanwhile are there no longer.
      const gone = state.review ? state.rows.filter((row) => (row.review ?? "none") !== state.review).length : 0;
      state.offset = by > 0 ? state.offset + state.rows.length - gone : Math.max(0, state.offset - PAGE);
      await attempt(null, () => load(state));
      state.at = by > 0 ? 0 : Math.max(0, Math.min(state.rows.length, target - state.offset + 1) - 1);
    } else {
      state.at = target - state.offset;
    }
  }
  state.draw();
}

function onKey(event, state) {
  if (document.querySelector("dialog[open]")) return;
  if (state.mending) {
    if (event.key === "Escape") { state.mending = false; state.draw(); }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) document.querySelector(".judge .primary")?.click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select") || !state.rows.length) return;
  const [accept, mendIt, reject] = document.querySelectorAll(".judge button");
  const action = shortcuts.on() && { a: accept, m: mendIt, r: reject }[event.key.toLowerCase()];
  if (action) { event.preventDefault(); action.click(); }
  else if (event.key === "ArrowRight" || event.key === "j") move(state, 1);
  else if (event.key === "ArrowLeft" || event.key === "k") move(state, -1);
}

