// Pieces that several views are made of.

import { el, icon, button, replace, toast } from "./dom.js";
import * as jobs from "./jobs.js";
import { t, has, word, duration, number } from "./texts.js";

/** The head of a view: title, one sentence, and what can be done at once. */
export function head(title, lead, ...actions) {
  return el("header", { class: "head" },
    el("div", {}, el("h1", { tabindex: "-1" }, title), lead ? el("p", { class: "lead" }, lead) : null),
    actions.length ? el("div", { class: "actions" }, actions) : null);
}

export function tabs(label, entries, current) {
  return el("nav", { class: "tabs", "aria-label": label }, entries.map(([href, name, count]) =>
    el("a", { href, "aria-current": href === current ? "page" : null }, name,
      count === undefined || count === null ? null : el("span", { class: "count" }, number(count)))));
}

/** What stands where there is nothing yet: why, and what to do. */
export function nothing(shape, title, text, ...actions) {
  return el("div", { class: "nothing" }, shape ? el("span", { class: "nothing-icon" }, icon(shape)) : null,
    el("h2", {}, title), text ? el("p", {}, text) : null,
    actions.length ? el("div", { class: "actions center" }, actions) : null);
}

export const saying = (error) => (error.message === "offline" ? t("error.offline") : error.message);

/** What went wrong, in words, with a way to try again. */
export function problem(error, again) {
  return el("div", { class: "problem", role: "alert" }, icon("warn"),
    el("div", {}, el("p", {}, saying(error)),
      again ? button(t("action.again"), { shape: "retry", onclick: again }) : null));
}

/** Run `work`; the control waits meanwhile, and what goes wrong is said. Returns its value or undefined. */
export async function attempt(control, work) {
  if (control) { control.disabled = true; control.setAttribute("aria-busy", "true"); }
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") toast(saying(error), { bad: true });
    return undefined;
  } finally {
    if (control) { control.disabled = false; control.removeAttribute("aria-busy"); }
  }
}

/** Fill `place` with what `make` gives, with a calm wait and a readable failure. */
export async function filled(place, make) {
  const wait = setTimeout(() => replace(place, loading()), 250);
  try {
    const made = await make();
    clearTimeout(wait);
    replace(place, made);
  } catch (error) {
    clearTimeout(wait);
    if (error.name !== "AbortError") replace(place, problem(error, () => filled(place, make)));
  }
  return place;
}

export const loading = () => el("p", { class: "waiting", role: "status" }, el("span", { class: "dots", "aria-hidden": "true" }), t("wait.loading"));

export function field(label, control, hint) {
  const id = control.id || `f${Math.random().toString(36).slice(2, 9)}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return el("div", { class: "field" }, el("label", { for: id }, label), control,
    hint ? el("small", { id: `${id}-hint` }, hint) : null);
}

export function select(entries, value, onchange) {
  const made = el("select", { onchange: (event) => onchange?.(event.target.value) },
    entries.map(([key, name]) => el("option", { value: key }, name)));
  made.value = value;
  return made;
}

export function bar(done, total, label) {
  const known = total > 0;
  const made = el("progress", { class: known ? null : "unknown", max: known ? total : 1, "aria-label": label });
  if (known) made.value = Math.min(done ?? 0, total);
  else made.removeAttribute("value");
  return made;
}

export const chip = (text, kind = "") => el("span", { class: `chip ${kind}` }, text);

export function facts(entries) {
  return el("dl", { class: "facts" }, entries.filter(Boolean).map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** A stage in words: "loading NAME" and its like have a text for the verb, "asking ARM" for the arm. */
function stageName(stage) {
  if (!stage) return t("job.begins");
  const [verb, ...rest] = stage.split(" ");
  const name = rest.join(" ");
  if (has(`stage.${stage}`) || !has(`stage.${verb}`)) return word("stage", stage);
  return t(`stage.${verb}`, { name: word("arm", name) });
}

/** A job as it goes, and how it ended. `again(resume)` starts it anew. */
export function jobCard(job, { again, more } = {}) {
  const going = jobs.live(job);
  const title = t(`job.${job.kind}.${going ? "going" : job.state}`, {});
  const since = job.started ?? job.created;
  const seconds = since ? (job.finished ?? Date.now() / 1000) - since : null;
  const { stage, done, total, left } = job;
  const count = total > 1 ? t("job.count", { done, total }) : done > 1 ? number(done) : "";
  const rest = left ? t("job.left", { time: duration(Math.max(1, Math.round(left))) }) : "";
  const said = [job.stopping ? t("job.stopping") : stageName(stage), count, job.stopping ? "" : rest].filter(Boolean).join(" · ");
  const why = job.error ? [job.error.problem, job.error.remedy] : [];
  return el("section", { class: `job ${job.state}`, "aria-label": title },
    el("div", { class: "job-head" },
      el("h2", {}, title, seconds !== null && (going || seconds > 1) ? el("small", {}, duration(Math.max(0, Math.round(seconds)))) : null),
      going ? button(t(job.stopping ? "action.stop_now" : "action.stop"), { shape: "stop",
        onclick: (event) => attempt(event.currentTarget, () => jobs.stop(job.id)) }) : null,
      !going && again && job.state !== "done"
        ? button(job.kind === "train" || job.kind === "compare" ? t("action.resume") : t("action.again"),
          { shape: "retry", onclick: (event) => attempt(event.currentTarget, () => again(true)) }) : null),
    going ? bar(done, total, title) : null,
    job.state === "queued" && seconds > 2 ? el("p", { class: "soft" }, t("job.waiting")) : null,
    going && said ? el("p", { class: "soft" }, said) : null,
    going && job.lost ? el("p", { class: "caution" }, t("job.lost")) : null,
    going && job.line && !stage ? el("p", { class: "line" }, job.line) : null,
    !going && why.length ? el("p", { class: "caution" }, why.filter(Boolean).join(" ")) : null,
    more);
}

/** The newest job of a kind, kept up to date in `place`; `ended(job)` once when it ends. */
export function watched(place, kind, { again, ended, more, quietWhenDone = true } = {}) {
  let was = null;
  const draw = () => {
    const job = jobs.running(kind) ?? jobs.latest(kind);
    if (!job || (!jobs.live(job) && quietWhenDone && job.state === "done") || job.dismissed) { place.replaceChildren(); }
    else {
      const focused = place.contains(document.activeElement);
      replace(place, jobCard(job, { again, more: more?.(job) }));
      if (focused) place.querySelector("button")?.focus();
    }
    if (job && was === job.id && !jobs.live(job)) { was = null; ended?.(job); }
    if (job && jobs.live(job)) was = job.id;
  };
  draw();
  const tick = setInterval(() => { if (jobs.running(kind)) draw(); }, 5000);
  const off = jobs.onJob((job) => { if (job.kind === kind) draw(); });
  return () => { off(); clearInterval(tick); };
}
