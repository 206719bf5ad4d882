// The server's own API: JSON, uploads with progress, and events. One key, sent in a header.

const KEY = "loresmith.key";
let asked = null; // what to do when a key is needed

export class ApiError extends Error {
  constructor(status, { message, code = null, param = null, ...rest } = {}) {
    super(message || `HTTP ${status}`);
    this.status = status;
    this.code = code;
    this.param = param;
    this.details = rest;
  }
}

export const key = {
  get: () => read(sessionStorage) || read(localStorage),
  set(value, keep) {
    const before = key.get();
    for (const store of [sessionStorage, localStorage]) store.removeItem(KEY);
    if (value) (keep ? localStorage : sessionStorage).setItem(KEY, value);
    if (value === (before ?? "")) return;
    // What one key was told is not for the next: neither what the tab keeps nor what it shows.
    sessionStorage.removeItem("loresmith.talk");
    if (value) location.reload();
  },
};

function read(store) {
  try { return store.getItem(KEY); } catch { return null; }
}

/** `ask()` is called when the server wants a key; the request is tried again when it resolves. */
export function onKeyWanted(ask) { asked = ask; }

function headers(more = {}) {
  const held = key.get();
  return held ? { ...more, Authorization: `Bearer ${held}` } : more;
}

async function refused(response) {
  let said = {};
  try {
    const body = await response.json();
    if (body.error) said = body.error;
    else if (body.detail) said = { message: typeof body.detail === "string" ? body.detail : JSON.stringify(body.detail) };
  } catch { /* no JSON: the status has to do */ }
  return new ApiError(response.status, said);
}

async function send(method, path, { body, signal } = {}, again = true) {
  let response;
  try {
    response = await fetch(`/api${path}`, {
      method, signal, cache: "no-store", credentials: "same-origin",
      headers: headers(body === undefined ? {} : { "Content-Type": "application/json" }),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { message: "offline" });
  }
  if (response.status === 401 && again && asked) {
    await asked();
    return send(method, path, { body, signal }, again);
  }
  if (!response.ok) throw await refused(response);
  return response;
}

async function json(method, path, body) {
  const response = await send(method, path, { body });
  return response.status === 204 ? null : response.json();
}

export const get = (path) => json("GET", path);
export const post = (path, body = {}) => json("POST", path, body);
export const remove = (path) => json("DELETE", path);
export const blob = async (path, signal) => (await send("GET", path, { signal })).blob();

export const query = (values) => {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return kept.length ? `?${new URLSearchParams(kept)}` : "";
};

/** Server-sent events of a request, one by one: {event, data}. Ends with the stream. */
export async function* stream(method, path, { body, signal } = {}) {
  const response = await send(method, path, { body, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const parts = rest.split(/\r?\n\r?\n/);
      rest = parts.pop();
      for (const part of parts) {
        const found = parse(part);
        if (found) yield found;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(part) {
  let event = "message";
  const data = [];
  for (const line of part.split(/\r?\n/)) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (!data.length) return null;
  const text = data.join("\n");
  if (text === "[DONE]") return null;
  try { return { event, data: JSON.parse(text) }; } catch { return { event, data: text }; }
}

/** Send one file, for whoever holds all of `labels`; `onProgress(share)` from 0 to 1. (`fetch` does not tell how far an upload is.) */
export function upload(file, labels, onProgress) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append("files", file, file.name);
    for (const label of labels) form.append("labels", label);
    const request = new XMLHttpRequest();
    request.open("POST", "/api/documents");
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("error", () => reject(new ApiError(0, { message: "offline" })));
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* the status has to do */ }
      if (request.status >= 200 && request.status < 300) resolve(answer);
      else reject(new ApiError(request.status, answer.error || { message: answer.detail }));
    });
    request.send(form);
  });
}
