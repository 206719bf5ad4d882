// Long work: started here, done by the server. A reload finds it again; a lost connection too.

import { ApiError, get, post, remove, stream } from "./api.js";

const known = new Map();      // id -> job
const followed = new Map();   // id -> AbortController
const listeners = new Set();
const LIVE = new Set(["queued", "running"]);

export const live = (job) => LIVE.has(job.state);
export const all = () => [...known.values()].sort((a, b) => b.created - a.created);
export const latest = (kind) => all().find((job) => job.kind === kind) ?? null;
export const running = (kind) => all().find((job) => live(job) && (!kind || job.kind === kind)) ?? null;

/** `listener(job)` at every change of any job; returns how to stop listening. */
export function onJob(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(job) {
  for (const listener of listeners) listener(job);
}

function keep(values) {
  const before = known.get(values.id);
  const job = before ? Object.assign(before, values) : values;
  known.set(job.id, job);
  return job;
}

export async function load() {
  const found = await get("/jobs");
  for (const values of found.jobs ?? []) {
    const job = keep(values);
    if (live(job)) follow(job.id);
  }
  // Views that stand already show how the last work of their kind ended.
  for (const kind of new Set(all().map((job) => job.kind))) tell(latest(kind));
}

export async function start(kind, options = {}) {
  const answer = await post("/jobs", { kind, options });
  const job = keep(answer.job ?? answer);
  tell(job);
  follow(job.id);
  return job;
}

export async function stop(id) {
  const answer = await remove(`/jobs/${encodeURIComponent(id)}`);
  if (answer?.job ?? answer?.id) tell(keep(answer.job ?? answer));
}

/** Whether a training has come so far that it can be resumed; one that was not is begun again. */
export const begun = (job) => Boolean(job.options?.resume) || ["training", "asking before and after"].includes(job.stage) || job.stage.startsWith("waiting for the writer");

/** Stay with a job until it ends, through dropped connections and restarts of the server. */
async function follow(id) {
  if (followed.has(id)) return;
  const controller = new AbortController();
  followed.set(id, controller);
  let pause = 500;
  try {
    for (;;) {
      try {
        let first = true; // of a connection: it brings every step, the next ones only what is new
        for await (const { data } of stream("GET", `/jobs/${encodeURIComponent(id)}/events`, { signal: controller.signal })) {
          pause = 500;
          data.lost = false;
          const before = first ? [] : known.get(id)?.steps ?? [];
          first = false;
          tell(keep({ ...data, steps: [...before, ...(data.steps ?? [])] }));
        }
        const found = await get(`/jobs/${encodeURIComponent(id)}`);
        const job = keep(found.job ?? found);
        tell(job);
        if (!live(job)) return;
      } catch (error) {
        if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) return;
        tell(keep({ id, lost: true })); // what is known of it may be old
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 2, 8000);
    }
  } finally {
    followed.delete(id);
  }
}
