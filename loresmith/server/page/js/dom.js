// Elements from values. Whatever comes from the server becomes text: nothing is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `on…` options are listeners, null and false are left out, children may be nested. */
export function el(name, options = {}, ...children) {
  return fill(document.createElement(name), options, children);
}

/** The same for SVG. */
export function svg(name, options = {}, ...children) {
  return fill(document.createElementNS(SVG, name), options, children);
}

function fill(made, options, children) {
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  add(made, children);
  return made;
}

export function add(parent, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") parent.append(child);
  }
  return parent;
}

export function replace(parent, ...children) {
  parent.replaceChildren();
  return add(parent, ...children);
}

export const byId = (id) => document.getElementById(id);

const SHAPES = {
  ask: "M4.5 5.5h15v10.5h-8l-4 3.5v-3.5h-3z",
  documents: "M6.5 3.5h7.5l4 4v13h-11.5zM14 3.5v4h4M9 12h6.5M9 15.5h6.5",
  teach: "M2.5 9l9.5-4.5 9.5 4.5-9.5 4.5zM6.5 11.2v4.8c3.3 2.4 7.7 2.4 11 0v-4.8M21.5 9v5.5",
  compare: "M5 19.5v-7M10 19.5v-14M15 19.5v-10M20 19.5v-4.5",
  releases: "M12 16.5v-12M7 9l5-4.8 5 4.8M5 19.8h14",
  settings: "M4 7.5h9M18 7.5h2M4 16.5h2M11 16.5h9M13 7.5a2.5 2.5 0 105 0 2.5 2.5 0 10-5 0M6 16.5a2.5 2.5 0 105 0 2.5 2.5 0 10-5 0",
  right: "M7.5 20.5v-10l4-7.2c1.6 0 2.5 1.2 2.2 2.7l-.7 4h5.4c1.3 0 2.2 1.2 1.9 2.5l-1.4 6.2c-.2 1-1.1 1.8-2.2 1.8zM7.5 10.5h-3.5v10h3.5",
  wrong: "M7.5 3.5v10l4 7.2c1.6 0 2.5-1.2 2.2-2.7l-.7-4h5.4c1.3 0 2.2-1.2 1.9-2.5l-1.4-6.2c-.2-1-1.1-1.8-2.2-1.8zM7.5 13.5h-3.5v-10h3.5",
  close: "M6 6l12 12M18 6l-12 12",
  send: "M12 19.5v-14M6.5 11l5.5-5.8 5.5 5.8",
  stop: "M7 7h10v10h-10z",
  upload: "M12 15.5v-11M7.5 9l4.5-4.7 4.5 4.7M4.5 15.5v4h15v-4",
  copy: "M8.5 8.5h11v11h-11zM5.5 15.5h-1v-11h11v1",
  retry: "M19.5 12a7.5 7.5 0 11-2.3-5.4M19.5 3.5v4h-4",
  bin: "M5 7h14M10 7v-2.5h4v2.5M7 7l.8 12.5h8.4l.8-12.5M10.5 10.5v5.5M13.5 10.5v5.5",
  warn: "M12 4.5l8.5 15h-17zM12 10v4.5M12 17v.3",
  open: "M9 5.5h-3.5v13h13v-3.5M13 5h6v6M19 5l-8.5 8.5",
  sheet: "M4 5h16v14h-16zM4 9.7h16M4 14.3h16M10 5v14",
  columns: "M3.5 5.5h17v13h-17zM9.2 5.5v13M14.8 5.5v13",
  plus: "M12 5v14M5 12h14",
  back: "M14.5 5.5l-6.5 6.5 6.5 6.5",
  next: "M9.5 5.5l6.5 6.5-6.5 6.5",
  check: "M5 12.5l4.5 4.5 9.5-10",
};

/** A line drawing; what it means is said by its neighbour or by the control's label. */
export function icon(name) {
  return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: SHAPES[name] }));
}

/** A button with an icon and a name; `quiet` shows the icon alone, and the name as a hint. */
export function button(name, { shape = null, quiet = false, kind = "", onclick, ...rest } = {}) {
  return el("button", {
    type: "button", class: [quiet ? "icon-button" : "", kind].filter(Boolean).join(" ") || null,
    "aria-label": quiet ? name : null, title: quiet ? name : null, onclick, ...rest,
  }, shape ? icon(shape) : null, quiet ? null : el("span", {}, name));
}

/** Say something for a moment, to eyes and to screen readers. */
export function toast(text, { bad = false } = {}) {
  const made = el("p", { class: bad ? "toast bad" : "toast" }, text);
  byId("toasts").append(made);
  setTimeout(() => made.remove(), bad ? 9000 : 4000);
}

/** Say something to screen readers alone: what comes into view by itself, such as the sentences of an answer. */
export function announce(text) {
  const made = el("p", {}, text);
  byId("live").append(made);
  setTimeout(() => made.remove(), 20_000); // said by then; nobody should meet it again at the end of the page
}

/** Ask before something that cannot be taken back; resolves to true or false. */
export function confirm(title, text, yes, no, { danger = false } = {}) {
  return new Promise((resolve) => {
    const box = el("dialog", { class: "dialog", "aria-labelledby": "dialog-title", onclose: () => {
      resolve(box.returnValue === "yes");
      box.remove();
    } },
    el("h2", { id: "dialog-title" }, title),
    text ? el("p", { class: "soft" }, text) : null,
    el("div", { class: "actions end" },
      button(no, { onclick: () => box.close("no") }),
      button(yes, { kind: danger ? "danger" : "primary", onclick: () => box.close("yes") })));
    document.body.append(box);
    box.showModal();
  });
}
