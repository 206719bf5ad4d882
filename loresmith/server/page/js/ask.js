// Ask: a talk with the expert. Questions and answers stay in this tab until it is closed.

import { answering } from "./answer.js";
import { stream } from "./api.js";
import { add, announce, button, byId, el, icon } from "./dom.js";
import { answering as released, arms, here, may, refresh } from "./here.js";
import { nothing } from "./parts.js";
import { t, word } from "./texts.js";

const STORED = "loresmith.talk";
const KEPT = 20;
let going = null; // the AbortController of the question under way

function load() {
  try {
    const found = JSON.parse(sessionStorage.getItem(STORED));
    if (found?.chat && Array.isArray(found.turns)) return found;
  } catch { /* nothing kept, or nothing that can be read */ }
  return fresh();
}

function fresh() {
  return { chat: `page-${crypto.getRandomValues(new Uint32Array(2)).join("")}`, turns: [], arm: "" };
}

let talk = load();

function keep() {
  talk.turns = talk.turns.slice(-KEPT);
  try { sessionStorage.setItem(STORED, JSON.stringify(talk)); } catch { /* too large: it lives as long as the page */ }
}

export async function show(root) {
  const list = el("div", { class: "talk" });
  const composer = box(list);
  const empty = welcome();
  root.classList.add("ask");
  const heading = el("h1", { class: "unseen", tabindex: "-1" }, t("nav.ask"));
  root.append(list);
  if (here.status.documents || talk.turns.length) root.append(composer.node);
  const arrange = () => {
    const none = !list.childNodes.length;
    root.classList.toggle("first", none);
    (none ? heading : empty).remove();
    list.before(none ? empty : heading);
  };
  composer.arrange = arrange;
  for (const turn of talk.turns) list.append(told(turn, list));
  arrange();
  if (talk.turns.length) requestAnimationFrame(() => list.lastElementChild?.scrollIntoView({ block: "start" }));
  if (!matchMedia("(pointer: coarse)").matches) composer.input.focus({ preventScroll: true });
  return () => going?.abort();
}

// --- where nothing was asked yet --------------------------------------------------------------------

function welcome() {
  const status = here.status;
  const about = t("ask.about", { documents: t("count.documents", { n: status.documents }), passages: t("count.passages", { n: status.passages }) });
  if (!status.documents) {
    return el("div", { class: "welcome" }, el("h1", { class: "unseen", tabindex: "-1" }, t("nav.ask")), nothing("documents", t("ask.none.title"), t("ask.none.text"),
      may("editor") ? el("a", { class: "button primary", href: "#/documents" }, t("ask.none.add")) : null));
  }
  return el("div", { class: "welcome" }, el("h1", { tabindex: "-1" }, t("ask.title", { name: status.workspace })), el("p", { class: "lead" }, about));
}

// --- the question -----------------------------------------------------------------------------------

function box(list) {
  const input = el("textarea", { rows: "1", id: "question", placeholder: t("ask.placeholder"), "aria-label": t("ask.label"),
    maxlength: "4000", enterkeyhint: "send", autocomplete: "off" });
  const go = el("button", { type: "submit", class: "send", "aria-label": t("ask.send"), title: t("ask.send") }, icon("send"));
  const choices = [["", t("ask.released", { arm: word("arm", released().arm) })], ...arms().map((arm) => [arm, t(`arm.${arm}.long`)])];
  const arm = el("select", { "aria-label": t("ask.arm"), onchange: () => { talk.arm = arm.value; keep(); } },
    choices.map(([value, name]) => el("option", { value }, name)));
  arm.value = choices.some(([value]) => value === talk.arm) ? talk.arm : "";
  const again = button(t("ask.new"), { shape: "plus", kind: "ghost", onclick: () => {
    going?.abort();
    talk = { ...fresh(), arm: talk.arm };
    keep();
    list.replaceChildren();
    made.arrange();
    input.focus();
  } });
  const node = el("form", { class: "composer", onsubmit: (event) => {
    event.preventDefault();
    const question = input.value.trim();
    if (!question || going) return;
    input.value = "";
    grow();
    put(question, arm.value, list, made);
  } },
  el("div", { class: "composer-box" }, input, go),
  el("div", { class: "composer-foot" }, arms().length > 1 ? arm : null, again, el("small", { class: "keys" }, t("ask.keys"))));
  const grow = () => { input.style.height = "auto"; input.style.height = `${Math.min(input.scrollHeight, 240)}px`; };
  input.addEventListener("input", grow);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); node.requestSubmit(); }
    if (event.key === "ArrowUp" && !input.value && talk.turns.length) { event.preventDefault(); input.value = talk.turns.at(-1).question; grow(); }
  });
  const made = { node, input, arrange: () => {} };
  return made;
}

async function put(question, arm, list, composer) {
  const turn = { question, arm, answer: null };
  const node = el("article", { class: "turn" }, el("h2", { class: "asked" }, question));
  list.append(node);
  composer.arrange();
  node.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
  going = new AbortController();
  const mine = going;
  try {
    turn.answer = await ask(turn, node, mine, list, () => { node.remove(); composer.input.focus(); put(question, arm, list, composer); });
    if (turn.answer) { talk.turns.push(turn); keep(); }
  } finally {
    if (going === mine) going = null;
  }
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Ask, show the answer as it comes, and return it (null where it failed or was stopped). */
async function ask(turn, node, controller, list, again) {
  const shown = answering({ onstop: () => controller.abort(), onagain: again, onall: allWays(turn, node) });
  node.append(shown.node);
  // A server that has just been started loads its models first, which may take a minute.
  if (!here.status.warm) refresh().then((status) => { if (!status.warm) shown.waits(t("ask.loading")); }, () => {});
  const answer = await served(turn.question, turn.arm, shown, controller.signal, talk.chat);
  if (answer) shown.done(answer, turn.question);
  return answer;
}

async function served(question, arm, shown, signal, chat) {
  try {
    const body = { question, ...(arm ? { arm } : {}), ...(chat ? { chat } : {}) };
    let answer = null;
    for await (const { event, data } of stream("POST", "/ask", { body, signal })) {
      if (event === "sentence") shown.sentence(data);
      else if (event === "answer") answer = data.answer && typeof data.answer === "object" ? { ...data.answer, id: data.id } : data;
      else if (event === "error") throw new Error(data.error?.message ?? data.message ?? String(data));
    }
    if (!answer) throw new Error(t("ask.broken"));
    return answer;
  } catch (error) {
    shown.failed(error);
    return null;
  }
}

/** A turn that was answered before, as it was. */
function told(turn, list) {
  const node = el("article", { class: "turn" }, el("h2", { class: "asked" }, turn.question));
  const shown = answering({ spoken: false, onall: allWays(turn, node) });
  shown.done(turn.answer, turn.question);
  node.append(shown.node);
  return node;
}

// --- all ways side by side ----------------------------------------------------------------------------

/** A function that asks every other arm the same, one after the other; null where there is only one. */
function allWays(turn, node) {
  if (arms().length < 2) return null;
  return async () => {
    const cards = el("div", { class: "ways" });
    const title = el("h3", { class: "ways-title", tabindex: "-1" }, t("ask.ways"));
    node.append(title, cards);
    title.focus({ preventScroll: true });
    const controller = new AbortController();
    // The talk's own question may be stopped with it; leaving the view stops both.
    going?.signal.addEventListener("abort", () => controller.abort());
    const each = arms().map((arm) => {
      const card = el("section", { class: `way arm-${arm}`, "aria-label": t(`arm.${arm}.long`) },
        el("h4", {}, word("arm", arm), el("small", {}, t(`arm.${arm}.what`))), el("p", { class: "soft wait" }, t("ask.waits")));
      cards.append(card);
      return { arm, card };
    });
    cards.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    for (const { arm, card } of each) {
      card.querySelector(".wait")?.remove();
      const shown = answering({ compact: true, reads: arm === "rag" || arm === "both", onstop: () => controller.abort() });
      add(card, shown.node);
      const known = turn.answer?.arm === arm ? turn.answer : null;
      announce(t(`arm.${arm}.long`));
      const answer = known ?? await served(turn.question, arm, shown, controller.signal, null);
      if (answer) shown.done(answer, turn.question);
      if (controller.signal.aborted) break;
    }
    for (const { card } of each) card.querySelector(".wait")?.remove();
  };
}

export const focusInput = () => byId("question")?.focus();
