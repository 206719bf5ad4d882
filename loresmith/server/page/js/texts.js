// The words of the page in one language, and numbers, times and sizes as that language writes them.

export const LANGUAGES = { en: "English", it: "Italiano", es: "Español", zh: "中文" };
const STORED = "loresmith.language";

let words = {};
export let language = "en";

function wanted() {
  try {
    const stored = localStorage.getItem(STORED);
    if (stored in LANGUAGES) return stored;
  } catch { /* storage is switched off */ }
  const own = (navigator.languages || [navigator.language]).map((name) => name.slice(0, 2));
  return own.find((name) => name in LANGUAGES) || "en";
}

export async function load(name = wanted()) {
  const found = await fetch(`/page/texts/${name}.json`, { cache: "no-cache" });
  words = await found.json();
  language = name;
  document.documentElement.lang = name;
}

export async function choose(name) {
  try { localStorage.setItem(STORED, name); } catch { /* this time only */ }
  await load(name);
}

/** The text of this name; {place} is filled from `values`, and `n` chooses the plural. */
export function t(name, values = {}) {
  let found = words[name];
  if (found !== null && typeof found === "object") {
    found = found[new Intl.PluralRules(language).select(values.n)] ?? found.other;
  }
  if (found === undefined) return name;
  return found.replace(/\{(\w+)\}/g, (whole, key) => {
    const value = values[key];
    return value === undefined ? whole : typeof value === "number" ? number(value) : String(value);
  });
}

/** The text of this name, or `other` where the page has no word for it. */
export const has = (name) => name in words;
export const word = (prefix, name, other = name) => (has(`${prefix}.${name}`) ? t(`${prefix}.${name}`) : other);

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);

export const percent = (share, digits = 0) =>
  new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: digits }).format(share);

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let step = 0;
  let value = bytes;
  while (value >= 1000 && step < units.length - 1) { value /= 1000; step += 1; }
  return new Intl.NumberFormat(language, {
    style: "unit", unit: units[step], unitDisplay: "short", maximumFractionDigits: value < 10 && step ? 1 : 0,
  }).format(value);
}

/** Seconds as a person says them: "8 sec", "3 min", "2 hr 5 min". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const unit = (value, name, digits = 0) => new Intl.NumberFormat(language, {
    style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits,
  }).format(value);
  if (seconds < 60) return unit(seconds, "second", seconds < 10 ? 1 : 0);
  if (seconds < 3600) return unit(Math.round(seconds / 60), "minute");
  if (seconds < 172800) {
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.round((seconds % 3600) / 60);
    return minutes && hours < 10 ? `${unit(hours, "hour")} ${unit(minutes, "minute")}` : unit(seconds / 3600, "hour");
  }
  return unit(seconds / 86400, "day", 1);
}

const instant = (value) => new Date(typeof value === "number" ? value * 1000 : value);

export function day(value) {
  return value ? new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(instant(value)) : "";
}

export function moment(value) {
  return value ? new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(instant(value)) : "";
}

/** "3 minutes ago". */
export function ago(value) {
  if (!value) return "";
  const seconds = (instant(value) - Date.now()) / 1000;
  const said = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return said.format(Math.round(seconds / length), unit);
  }
  return t("time.now");
}

/** Where a passage stands, for a person: "p. 14", "sheet Log, row 12". */
export function place(locator = {}) {
  const parts = [];
  if (locator.page !== undefined) parts.push(t("place.page", { n: locator.page }));
  if (locator.sheet !== undefined) parts.push(t("place.sheet", { name: locator.sheet }));
  if (locator.row !== undefined) parts.push(t("place.row", { n: locator.row }));
  if (locator.line !== undefined && locator.row === undefined) parts.push(t("place.line", { n: locator.line }));
  if (locator.key !== undefined && locator.row === undefined) parts.push(t("place.key", { key: locator.key }));
  if (!parts.length && locator.heading) parts.push(`“${locator.heading}”`);
  return parts.join(", ");
}
