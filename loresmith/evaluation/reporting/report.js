// Shows the questions of a report: filters, lazily built rows, answers side by side.
// Everything from the data becomes text through `textContent`; nothing is ever parsed as HTML.
"use strict";
(() => {
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);

  function el(name, options = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(options)) {
      if (key === "class") made.className = value;
      else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined && child !== "") made.append(child);
    }
    return made;
  }

  // --- light and dark ---------------------------------------------------------------------------

  const theme = find("theme");
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
  const name = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  prefersDark.addEventListener("change", name);
  theme.hidden = false;
  name();

  // --- one question -----------------------------------------------------------------------------

  let data, rows, shown = [], built = 0;
  const CHUNK = 50;
  const SIGN = { right: "✓", silent: "✓", wrong: "✗", form: "✗", invented: "✗", refused: "○", failed: "!", unscored: "·" };
  const FLAG = { suspect_gold: "accepted answer in doubt", nothing_found: "no documents", removed: "left out" };
  const state = { text: "", stratum: "", flag: "", only: "", preset: "all", arms: {} };
  const served = (answer) => data.served.includes(answer.o);
  const tone = (answer) => (served(answer) ? "good" : answer.o === "unscored" ? "none" : "bad");
  const flagged = (flag) => FLAG[flag] || flag.replaceAll("_", " ");
  const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

  function item(row) {
    const marks = data.arms.filter((arm) => !arm.control).map((arm) => {
      const answer = row.arms[arm.key];
      if (!answer) return el("span", { class: "empty" });
      const said = `${arm.name}: ${data.outcomes[answer.o]}`;
      return el("span", { class: `o ${tone(answer)}`, title: said },
        el("i", { "aria-hidden": "true" }, SIGN[answer.o]), arm.name, el("span", { class: "skip" }, data.outcomes[answer.o]));
    });
    const flags = (row.flags || []).map((flag) => el("span", { class: "flag" }, ` · ${flagged(flag)}`));
    const made = el("details", { class: "item" },
      el("summary", {},
        el("span", { class: "ask" }, row.q, el("span", { class: "tags" }, data.strata[row.s] || row.s, flags)),
        el("span", { class: "marks" }, marks)));
    made.addEventListener("toggle", () => {
      if (made.open && !made.querySelector(".body")) made.append(body(row));
    });
    return made;
  }

  function body(row) {
    const gold = row.a === null ? "Not answerable from the documents: silence is right."
      : row.a.length ? row.a.join("  /  ") : "No accepted answer is given.";
    const from = [...(row.where || []), ...(row.wanted || [])].join(" · ");
    return el("div", { class: "body" },
      el("div", { class: "gold" },
        el("p", {}, el("b", {}, row.a && row.a.length ? "Accepted answer: " : ""), gold),
        from ? el("p", {}, from) : null,
        el("p", {}, [row.id, row.origin].filter(Boolean).join(" · "))),
      el("div", { class: "answers" }, data.arms.filter((arm) => row.arms[arm.key]).map((arm) => card(arm, row.arms[arm.key]))));
  }

  function card(arm, answer) {
    const cited = answer.cite || [];
    const sources = cited.map((citation, i) => source(citation, i + 1));
    const said = (answer.say || []).flatMap(([text, numbers], i) => [
      i ? " " : "", text,
      ...numbers.map((n) => el("button", {
        type: "button", class: "ref", "aria-label": `source ${n + 1}`,
        onclick: () => { sources[n].open = true; sources[n].scrollIntoView({ block: "nearest" }); },
      }, `[${n + 1}]`)),
    ]);
    const dropped = (answer.drop || []).map(([text, reason]) =>
      el("p", { class: "why" }, "Taken out: ", el("s", {}, text), ` (${reason})`));
    const rest = (answer.hits || []).length ? found(answer, cited) : null;
    return el("article", { class: `answer arm-${arm.key}` },
      el("h4", {}, arm.name, el("small", {}, answer.sec === undefined ? "" : `${answer.sec < 9.95 ? answer.sec.toFixed(1) : Math.round(answer.sec)} s`)),
      el("p", { class: `how ${tone(answer)}` }, `${SIGN[answer.o]} ${upper(data.outcomes[answer.o])}`),
      el("p", { class: answer.silent ? "said silent" : "said" }, said.length ? said : answer.text || ""),
      answer.error ? el("p", { class: "why" }, answer.error) : null,
      answer.why ? el("p", { class: "why" }, upper(answer.why), ".") : null,
      dropped, sources, rest);
  }

  function source(citation, number) {
    const passage = citation.p === undefined ? null : data.passages[citation.p];
    const where = [passage ? passage.d : citation.d, citation.w].filter(Boolean).join(", ");
    const inside = passage
      ? [passage.t.slice(0, citation.from), el("mark", {}, passage.t.slice(citation.from, citation.to)), passage.t.slice(citation.to)]
      : [el("mark", {}, citation.quote)];
    return el("details", { class: "source" },
      el("summary", {}, el("b", {}, `[${number}]`), where),
      el("div", { class: "passage", tabindex: 0 }, passage && passage.h ? el("small", {}, passage.h) : null, inside));
  }

  function found(answer, cited) {
    const made = el("details", { class: "source" },
      el("summary", {}, answer.hits.length === 1 ? "1 passage found" : `${answer.hits.length} passages found`));
    made.addEventListener("toggle", () => {
      if (made.childElementCount > 1) return;
      made.append(...answer.hits.map((number) => {
        const passage = data.passages[number];
        return el("div", { class: "passage" },
          el("small", {}, [passage.d, passage.w].filter(Boolean).join(", ")), ...marked(passage.t, cited.filter((c) => c.p === number)));
      }));
    });
    return made;
  }

  function marked(text, quotes) {
    const parts = [];
    let at = 0;
    for (const quote of [...quotes].sort((a, b) => a.from - b.from)) {
      if (quote.from < at) continue;
      parts.push(text.slice(at, quote.from), el("mark", {}, text.slice(quote.from, quote.to)));
      at = quote.to;
    }
    return [...parts, text.slice(at)];
  }

  // --- filters ----------------------------------------------------------------------------------

  const PRESETS = {
    all: ["All", () => true],
    disagree: ["Arms disagree", (row) => {
      const all = four(row).map(served);
      return all.includes(true) && all.includes(false);
    }],
    none: ["No arm served", (row) => four(row).length > 0 && !four(row).some(served)],
    flagged: ["Flagged", (row) => (row.flags || []).length > 0],
  };
  const CHOICES = {
    "": ["any", () => true],
    good: ["served", served],
    bad: ["not served", (answer) => tone(answer) === "bad"],
    silent: ["silent", (answer) => Boolean(answer.silent)],
    said: ["answered", (answer) => !answer.silent],
  };
  const four = (row) => ["base", "rag", "tuned", "both"].map((key) => row.arms[key]).filter((a) => a && a.o !== "unscored");

  function haystack(row) {
    if (row.hay === undefined) {
      const said = Object.values(row.arms).map((a) => [a.text, ...(a.say || []).map((s) => s[0])].join(" "));
      row.hay = [row.id, row.q, ...(row.a || []), ...(row.where || []), ...said].join("\n").toLowerCase();
    }
    return row.hay;
  }

  function matches(row) {
    if (state.only) return row.id === state.only;
    return PRESETS[state.preset][1](row)
      && (!state.stratum || row.s === state.stratum)
      && (!state.flag || (row.flags || []).includes(state.flag))
      && Object.entries(state.arms).every(([key, choice]) => !choice || (row.arms[key] && CHOICES[choice][1](row.arms[key])))
      && state.text.split(/\s+/).every((word) => haystack(row).includes(word));
  }

  function update() {
    shown = rows.filter(matches);
    built = 0;
    find("list").replaceChildren();
    extend();
    const all = rows.length.toLocaleString("en");
    find("count").textContent = shown.length === rows.length ? `${all} questions.` : `${shown.length.toLocaleString("en")} of ${all} questions.`;
    if (!shown.length) find("list").append(el("p", { class: "nothing" }, "No question is like that."));
    for (const [key, chip] of Object.entries(chips)) chip.setAttribute("aria-pressed", String(key === state.preset));
    find("clear").hidden = !(state.only || state.text || state.stratum || state.flag || state.preset !== "all" || Object.values(state.arms).some(Boolean));
  }

  function extend() {
    const next = shown.slice(built, built + CHUNK);
    built += next.length;
    find("list").append(...next.map(item));
    find("more").hidden = built >= shown.length;
  }

  const chips = {};

  function controls() {
    const select = (label, options, change) => {
      const made = el("select", { "aria-label": label, onchange: (e) => { change(e.target.value); state.only = ""; update(); } },
        options.map(([value, text]) => el("option", { value }, text)));
      return made;
    };
    let waiting = 0;
    const search = el("input", {
      type: "search", id: "search", placeholder: "Search questions and answers  ( / )", "aria-label": "Search questions and answers",
      oninput: (e) => {
        clearTimeout(waiting);
        waiting = setTimeout(() => { state.text = e.target.value.trim().toLowerCase(); state.only = ""; update(); }, 120);
      },
    });
    for (const [key, [label]] of Object.entries(PRESETS)) {
      if (key === "flagged" && !rows.some((row) => (row.flags || []).length)) continue;
      chips[key] = el("button", { type: "button", class: "chip", onclick: () => { state.preset = key; state.only = ""; update(); } }, label);
    }
    const strata = Object.entries(data.strata).filter(([key]) => rows.some((row) => row.s === key));
    const flags = [...new Set(rows.flatMap((row) => row.flags || []))];
    const clear = el("button", { type: "button", id: "clear", onclick: reset }, "Show all");
    find("filters").replaceChildren(...[
      search, ...Object.values(chips),
      strata.length > 1 ? select("Kind of question", [["", "Every kind"], ...strata], (v) => { state.stratum = v; }) : null,
      flags.length > 1 ? select("Flag", [["", "Any flag"], ...flags.map((f) => [f, upper(flagged(f))])], (v) => { state.flag = v; }) : null,
      clear,
      el("details", { class: "pick", open: matchMedia("(min-width: 60rem)").matches }, el("summary", {}, "By arm"),
        el("div", {}, data.arms.map((arm) => el("label", {}, arm.name,
          select(arm.name, Object.entries(CHOICES).map(([key, [text]]) => [key, text]), (v) => { state.arms[arm.key] = v; }))))),
      el("p", { class: "legend" }, ["✓ served", "✗ wrong", "○ silent, though it can be answered"].map((text) => el("span", {}, text)),
        el("span", { class: "keys" }, "Keys: / search, j and k next and previous, Enter opens")),
    ].filter(Boolean));
  }

  function reset() {
    Object.assign(state, { text: "", stratum: "", flag: "", only: "", preset: "all", arms: {} });
    if (location.hash.startsWith("#q-")) history.replaceState(null, "", "#questions");
    controls();
    update();
  }

  // --- finding the way --------------------------------------------------------------------------

  function follow() {
    if (!location.hash.startsWith("#q-")) return;
    let id;
    try { id = decodeURIComponent(location.hash.slice(3)); } catch { return; }
    if (!rows.some((row) => row.id === id)) return;
    state.only = id;
    update();
    const first = find("list").querySelector("details");
    first.open = true;
    find("questions").scrollIntoView();
    first.querySelector("summary").focus({ preventScroll: true });
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Escape" && typing) { typing.blur(); return; }
    if (typing) return;
    if (event.key === "/") {
      event.preventDefault();
      find("search").focus();
    } else if (event.key === "j" || event.key === "k") {
      const all = [...find("list").querySelectorAll(".item > summary")];
      const here = all.indexOf(document.activeElement && document.activeElement.closest(".item") && document.activeElement.closest(".item").firstElementChild);
      const next = all[Math.max(0, here + (event.key === "j" ? 1 : -1))];
      if (next) { next.focus(); next.scrollIntoView({ block: "center" }); }
    }
  }

  function start() {
    data = JSON.parse(find("data").textContent);
    rows = data.rows;
    controls();
    update();
    new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting) && built < shown.length) extend(); }, { rootMargin: "1200px" })
      .observe(find("more"));
    addEventListener("hashchange", follow);
    addEventListener("keydown", keys);
    follow();
  }

  // The decision is on the screen before the answers are read.
  requestAnimationFrame(() => setTimeout(start));
})();
