// What the server says of itself and of whoever asks; the views look here.

import { get } from "./api.js";

/** `whole`: an editor who holds every label there is; only such a one may start work that reads everything. */
export const here = { status: null, whole: false };
const listeners = new Set();

export function onStatus(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export async function refresh() {
  here.status = await get("/status");
  for (const listener of listeners) listener(here.status);
  return here.status;
}

const RANK = { reader: 0, editor: 1, owner: 2 };
export const may = (role) => (role === "whole" ? here.whole : RANK[here.status?.caller?.role ?? "reader"] >= RANK[role]);

const KEYS = "loresmith.keys";

/** Single letters and figures do something (`/`, `1`, `A` …). Whoever speaks or trembles can switch that off. */
export const shortcuts = {
  on() { try { return localStorage.getItem(KEYS) !== "off"; } catch { return true; } },
  set(on) { try { if (on) localStorage.removeItem(KEYS); else localStorage.setItem(KEYS, "off"); } catch { /* until the page is closed */ } },
};

/** The arms that can answer here. */
export const arms = () => here.status?.arms ?? [];

/** What answers when no arm is named. */
export function answering() {
  const release = here.status?.release;
  if (!release) return { arm: "rag", id: null };
  return typeof release === "string" ? { arm: "rag", id: release } : release;
}
