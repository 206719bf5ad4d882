// Teach: rows to review, what training would take, and training itself. Each part is a view of its own.

import { add, replace } from "./dom.js";
import { head, tabs } from "./parts.js";
import { t } from "./texts.js";
import { el } from "./dom.js";

const PARTS = {
  review: () => import("./review.js"),
  plan: () => import("./plan.js"),
  train: () => import("./train.js"),
};

export async function show(root, [part = "review"]) {
  const name = part in PARTS ? part : "review";
  const place = el("div");
  add(root, head(t("teach.title"), t("teach.lead")),
    tabs(t("teach.title"), Object.keys(PARTS).map((one) => [`#/teach/${one}`, t(`teach.${one}`)]), `#/teach/${name}`), place);
  replace(place);
  return (await PARTS[name]()).show(place);
}
