// One answer: its sentences as they stand, where each comes from, and what a person says of it.

import { post } from "./api.js";
import { add, announce, button, byId, el, icon, replace, toast } from "./dom.js";
import { attempt, problem, saying } from "./parts.js";
import { open as openSource } from "./source.js";
import { duration, number, percent, place, t, word } from "./texts.js";

/**
 * An answer in the making: `sentence(s)`, then `done(answer)` or `failed(error)`; its node is `node`.
 * `spoken`: screen readers are told how it comes; not so of one that was given earlier.
 */
export function answering({ compact = false, reads = true, spoken = true, onstop = null, onagain = null, onall = null } = {}) {
  const node = el("div", { class: "answer" });
  let heard = 0;
  const tell = (text) => { if (spoken) announce(text); };
  const said = el("p", { class: "said" });
  const clock = el("span", { class: "clock", "aria-hidden": "true" });
  const waiting = el("p", { class: "waiting" }, el("span", { class: "dots", "aria-hidden": "true" }),
    el("span", {}, t(reads ? "ask.reading" : "ask.writing")), clock,
    onstop ? button(t("action.stop"), { shape: "stop", kind: "small", onclick: onstop }) : null);
  node.append(said, waiting);
  const began = performance.now();
  const tick = setInterval(() => {
    const seconds = Math.floor((performance.now() - began) / 1000);
    if (seconds >= 2) clock.textContent = duration(seconds);
  }, 1000);
  const cited = new Sources();
  const over = () => {
    clearInterval(tick);
    const held = waiting.contains(document.activeElement); // the button to stop it goes: whoever stood on it goes on with the next question
    waiting.remove();
    if (held) byId("question")?.focus();
  };
  if (!compact) tell(waiting.children[1].textContent);

  return {
    node,
    waits(text) { if (!heard) waiting.children[1].textContent = text; },
    sentence(found) {
      append(said, found, cited);
      waiting.children[1].textContent = t("ask.writing");
      heard += 1;
      tell(found.text);
    },
    done(answer, question) {
      over();
      replace(node, finished(answer, question, { compact, onall }));
      const count = new Set((answer.sentences ?? []).flatMap((one) => (one.citations ?? []).map((citation) => citation.passage || citation.quote))).size;
      tell([heard ? "" : answer.answer, count && !answer.abstained ? t("ask.from", { n: count }) : "",
        answer.dropped?.length ? `${t("ask.dropped", { n: answer.dropped.length })}.` : ""].filter(Boolean).join(" "));
    },
    failed(error) {
      over();
      if (error.name === "AbortError") {
        node.append(el("p", { class: "soft" }, t("ask.stopped")), onagain ? button(t("action.again"), { shape: "retry", onclick: onagain }) : "");
      } else {
        const text = error.status === 429 ? t("ask.busy") : saying(error);
        node.append(el("div", { class: "problem", role: "alert" }, icon("warn"), el("div", {}, el("p", {}, text),
          onagain ? button(t("action.again"), { shape: "retry", onclick: onagain }) : null)));
      }
    },
  };
}

/** The passages that an answer cites, numbered in the order in which they come. */
class Sources {
  constructor(hits = []) {
    this.entries = [];
    this.titles = new Map(hits.map((hit) => [hit.document, hit.title]));
  }

  number(citation) {
    const same = (entry) => (citation.passage ? entry.passage === citation.passage
      : entry.document === citation.document && entry.quote === citation.quote);
    let at = this.entries.findIndex(same);
    if (at < 0) { this.entries.push(citation); at = this.entries.length - 1; }
    return at + 1;
  }

  title(citation) { return citation.title || this.titles.get(citation.document) || fileName(citation.document); }
}

const fileName = (document) => String(document).split("/").pop();

function append(said, sentence, cited) {
  // A line of a list or a table row stands on its own line, as the expert wrote it.
  const apart = /^(\s*[-*•]|\s*\d+[.)]\s)/.test(sentence.text) ? "\n" : " ";
  if (said.childNodes.length) said.append(apart);
  const refs = (sentence.citations ?? []).map((citation) => {
    const n = cited.number(citation);
    return el("button", {
      type: "button", class: "ref", title: `${cited.title(citation)} ${place(citation.locator)}`,
      "aria-label": t("ask.source", { n, title: cited.title(citation), place: place(citation.locator) }),
      onclick: (event) => openSource({ ...citation, title: cited.title(citation), n }, event.currentTarget),
    }, String(n));
  });
  const unique = refs.filter((ref, at) => refs.findIndex((other) => other.textContent === ref.textContent) === at);
  said.append(el("span", { class: "sentence" }, sentence.text, unique));
}

function finished(answer, question, { compact, onall }) {
  const cited = new Sources(answer.hits);
  const said = el("p", { class: answer.abstained ? "said silent" : "said" });
  if (answer.abstained || !answer.sentences?.length) said.append(answer.answer);
  else for (const sentence of answer.sentences) append(said, sentence, cited);
  const alone = (answer.arm === "base" || answer.arm === "tuned") && !answer.abstained;
  return [
    said,
    alone && !compact ? el("p", { class: "caution" }, t("ask.alone")) : null,
    answer.result && !answer.abstained ? fromTables(answer.result, cited, compact) : null,
    sources(cited),
    answer.abstained && !compact ? nearest(answer) : null,
    dropped(answer.dropped),
    compact ? el("p", { class: "meta" }, meta(answer)) : foot(answer, question, cited, onall),
  ];
}

/** The result of a query is drawn by a module of its own, loaded when there is one. */
function fromTables(result, cited, compact) {
  const node = el("div", {});
  import("./result.js").then(({ resulting }) => node.replaceChildren(resulting(result, {
    compact, title: (document) => cited.titles.get(document) || fileName(document),
  }))).catch((error) => replace(node, problem(error)));
  return node;
}

const FEW = 8; // sources shown below an answer; the others on demand

function sources(cited) {
  if (!cited.entries.length) return null;
  const one = (citation, at) => el("li", {}, sourceButton(citation, cited.title(citation), at + 1, citation.quote));
  const shown = cited.entries.length > FEW ? FEW - 2 : FEW;
  const list = el("ol", { class: "sources", "aria-label": t("ask.sources") }, cited.entries.slice(0, shown).map(one));
  if (cited.entries.length <= FEW) return list;
  const all = button(t("ask.sources.all", { n: cited.entries.length }), { kind: "ghost small", onclick: () => {
    add(list, cited.entries.slice(shown).map((citation, at) => one(citation, shown + at)));
    all.remove();
    list.children[shown].querySelector("button").focus();
  } });
  return [list, all];
}

function sourceButton(citation, title, n, quote) {
  const where = place(citation.locator);
  return el("button", { type: "button", class: "source", onclick: (event) => openSource({ ...citation, title, n }, event.currentTarget) },
    el("span", { class: "n", "aria-hidden": "true" }, String(n)),
    el("span", { class: "where" }, el("b", {}, title), where && where !== `“${title}”` ? el("span", { class: "soft" }, where) : null,
      quote ? el("q", {}, quote) : null));
}

function nearest(answer) {
  const hits = (answer.hits ?? []).slice(0, 3);
  if (!hits.length) return answer.reason ? el("p", { class: "soft" }, answer.reason) : null;
  return el("div", { class: "nearest" }, el("p", { class: "soft" }, t("ask.nearest")),
    el("ol", { class: "sources" }, hits.map((hit, at) => el("li", {},
      sourceButton({ document: hit.document, passage: hit.passage, locator: hit.locator, quote: "", text: hit.text }, hit.title || fileName(hit.document), at + 1, shorten(hit.text))))));
}

export const shorten = (text, length = 160) => {
  const flat = String(text).replace(/\s+/g, " ").trim();
  return flat.length > length ? `${flat.slice(0, length).replace(/\s\S*$/, "")} …` : flat;
};

function dropped(found) {
  if (!found?.length) return null;
  return el("details", { class: "dropped" }, el("summary", {}, t("ask.dropped", { n: found.length })),
    el("p", { class: "soft" }, t("ask.dropped.why")),
    el("ul", { class: "plain" }, found.map((one) => el("li", {}, el("s", {}, one.text), el("small", {}, one.reason)))));
}

const total = (seconds = {}) => Object.values(seconds).reduce((sum, value) => sum + (Number(value) || 0), 0);

function meta(answer) {
  const seconds = total(answer.seconds);
  const via = answer.result && !answer.abstained ? t(answer.via === "both" ? "via.both" : "via.tables") : "";
  return [word("arm", answer.arm), via, seconds ? duration(seconds) : ""].filter(Boolean).join(" · ");
}

// --- below the answer -----------------------------------------------------------------------------

function foot(answer, question, cited, onall) {
  const below = el("div", { class: "below" });
  const row = el("div", { class: "foot" });
  const id = answer.id;
  // The answer itself goes along: a server that was restarted does not know its id any more.
  const shown = {
    text: answer.answer,
    passages: answer.hits.map((hit) => hit.passage),
    cited: answer.sentences.flatMap((sentence) => sentence.citations.map((one) => one.passage)).filter(Boolean),
  };
  const given = el("div", { class: "verdicts", role: "group", "aria-label": t("feedback.label") });
  const up = button(t("feedback.right"), { shape: "right", quiet: true, "aria-pressed": "false", onclick: () => give("approved") });
  const down = button(t("feedback.wrong"), { shape: "wrong", quiet: true, "aria-pressed": "false", "aria-expanded": "false", onclick: () => correction() });
  given.append(up, down);

  const mark = (which) => {
    up.setAttribute("aria-pressed", String(which === up));
    down.setAttribute("aria-pressed", String(which === down));
  };
  const give = async (verdict, text = "") => {
    const control = verdict === "approved" ? up : down;
    const kept = await attempt(control, async () => {
      await post("/feedback", { question, answer: id, verdict, ...shown, ...(text ? { correction: text } : {}) });
      return true;
    });
    if (!kept) return;
    mark(control);
    if (below.contains(document.activeElement)) control.focus();
    below.replaceChildren();
    down.setAttribute("aria-expanded", "false");
    toast(t(text ? "feedback.corrected" : verdict === "approved" ? "feedback.approved" : "feedback.rejected"));
  };
  const correction = () => {
    if (below.childNodes.length) { below.replaceChildren(); down.setAttribute("aria-expanded", "false"); return; }
    down.setAttribute("aria-expanded", "true");
    const area = el("textarea", { rows: "3", id: `c-${Math.random().toString(36).slice(2)}`, placeholder: t("feedback.placeholder") });
    const form = el("form", { class: "correction", onsubmit: (event) => {
      event.preventDefault();
      const text = area.value.trim();
      give(text ? "corrected" : "rejected", text);
    } },
    el("label", { for: area.id }, t("feedback.question")), area,
    el("div", { class: "actions" }, el("button", { class: "primary" }, t("feedback.save")),
      button(t("feedback.only"), { onclick: () => give("rejected") }),
      el("small", {}, t("feedback.learns"))));
    below.append(form);
    form.scrollIntoView({ block: "nearest" });
    area.focus();
  };

  row.append(
    given,
    button(t("action.copy"), { shape: "copy", quiet: true, onclick: () => copy(answer, cited) }),
    onall ? button(t("ask.all"), { shape: "columns", kind: "ghost", onclick: (event) => { event.currentTarget.remove(); onall(); } }) : "",
    el("span", { class: "meta" }, meta(answer)));
  return el("div", {}, row, below, how(answer));
}

async function copy(answer, cited) {
  const lines = answer.abstained || !answer.sentences?.length ? [answer.answer]
    : [answer.sentences.map((s) => s.text + [...new Set((s.citations ?? []).map((c) => cited.number(c)))].map((n) => ` [${n}]`).join("")).join(" ")];
  cited.entries.forEach((c, at) => lines.push(`[${at + 1}] ${cited.title(c)}${place(c.locator) ? `, ${place(c.locator)}` : ""}: “${c.quote}”`));
  try {
    await navigator.clipboard.writeText(lines.join("\n"));
    toast(t("action.copied"));
  } catch {
    toast(t("error.clipboard"), { bad: true });
  }
}

/** How the answer came about, for whoever wants to know. */
function how(answer) {
  const hits = answer.hits ?? [];
  const seconds = answer.seconds ?? {};
  const entries = [
    [t("how.model"), [answer.model, answer.adapter].filter(Boolean).join(" + ") || "–"],
    ["retrieval", "generation", "verification"].some((part) => part in seconds)
      ? [t("how.time"), ["retrieval", "generation", "verification"].filter((part) => part in seconds)
        .map((part) => `${t(`how.${part}`)} ${duration(seconds[part])}`).join(" · ")] : null,
    answer.arm === "rag" || answer.arm === "both" ? [t("how.confidence"), percent(answer.confidence ?? 0)] : null,
    answer.reason ? [t("how.reason"), answer.reason] : null,
  ].filter(Boolean);
  return el("details", { class: "how" }, el("summary", {}, t("how.title")),
    el("dl", { class: "lines" }, entries.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    hits.length ? el("p", { class: "soft" }, t("how.read", { n: hits.length })) : null,
    hits.length ? el("ol", { class: "hits" }, hits.map((hit) => el("li", {},
      el("button", { type: "button", class: "link", onclick: (event) => openSource({
        document: hit.document, passage: hit.passage, locator: hit.locator, title: hit.title, quote: "", text: hit.text,
      }, event.currentTarget) }, `${hit.title || fileName(hit.document)} ${place(hit.locator)}`.trim()),
      el("small", {}, ` ${number(hit.score, 2)}`)))) : null);
}
