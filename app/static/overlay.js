// @ts-check
/** The overlay: it watches one item, and presses nothing. */

import { Hearts } from "./hearts.js";
import { paced } from "./pacing.js";
import { PageStore } from "./page_store.js";
import { Rolling } from "./rolling.js";
import { Site } from "./site.js";
import { digits, formatted, speak } from "./words.js";

const { texts, language, locale } = JSON.parse(document.getElementById("texts")?.textContent ?? "");
speak(texts, language, locale);

const { item = "", gen, count } = document.body.dataset;
const number = /** @type {Element} */ (document.querySelector(".count"));
const rolling = new Rolling(/** @type {Element} */ (document.querySelector(".rolling")), digits());
const icon = /** @type {Element} */ (document.querySelector(".number .icon"));
const hearts = new Hearts(/** @type {Element} */ (document.getElementById("sky")), icon);
document.body.classList.add("has-rolling");

const pace = paced(() => {
  const now = Math.max(0, site.tallies.shown(item, performance.now()));
  const text = formatted(now);
  if (number.textContent !== text) number.textContent = text;
  rolling.show(text);
  hearts.show(now);
});
const site = new Site(location.origin, new PageStore(), pace.soon);
site.tallies.watch({ item, gen: Number(gen), count: Number(count), n: 0 });
site.watch([item]);
site.start();
pace.now();
