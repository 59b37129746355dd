// @ts-check
/** The page of an event: on top of the page of an item, a number that rolls, hearts, a line, and what else is pressed. */

import { chart } from "./chart.js";
import { Hearts } from "./hearts.js";
import { afterShow, forms, locale, site } from "./page.js";
import { Rolling } from "./rolling.js";
import { digits, formatted, textOf, unitOf } from "./words.js";

const TOP_MS = 5000;

const [{ form, item }] = forms;
const place = document.createElement("span");
place.className = "rolling";
place.setAttribute("aria-hidden", "true");
form.querySelector(".number")?.prepend(place);
document.body.classList.add("has-rolling");

const rolling = new Rolling(place, digits());
const hearts = new Hearts(
  /** @type {Element} */ (document.getElementById("sky")),
  /** @type {Element} */ (form.querySelector(".icon")),
);
const count = () => Math.max(0, site.tallies.shown(item, performance.now()));

afterShow(() => {
  rolling.show(formatted(count()));
  hearts.show(count());
});
rolling.show(formatted(count()));

const line = chart(/** @type {HTMLElement} */ (document.getElementById("charts")), textOf("event", "per_second"), locale);
let last = { count: count(), at: performance.now() };
setInterval(() => {
  const now = { count: count(), at: performance.now() };
  line.add(Math.max(0, now.count - last.count) / ((now.at - last.at) / 1000));
  last = now;
}, 1000);

/** What the page's address names may stand there, and on the pages that it leads to. */
const named = new URLSearchParams(new URLSearchParams(location.search).getAll("item").map((name) => ["item", name]));
const naming = String(named) && `?${named}`;

/** @param {{item: string, count: number}} each */
function row(each) {
  const [link, name, number] = ["a", "bdi", "span"].map((tag) => document.createElement(tag));
  name.textContent = each.item.slice(each.item.indexOf(":") + 1);
  link.setAttribute("href", `/event/${encodeURIComponent(each.item)}${naming}`);
  link.append(name);
  number.className = "number";
  number.textContent = `${formatted(each.count)} ${unitOf(each.item, each.count)}`;
  const entry = document.createElement("li");
  entry.append(link, " ", number);
  return entry;
}

function nothing() {
  const entry = document.createElement("li");
  entry.className = "nothing";
  entry.textContent = textOf("event", "nothing");
  return entry;
}

async function showTop() {
  if (document.hidden) return;
  const answer = await fetch(`/api/top${naming}`, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return; // The next one tells more.
  const { items } = await answer.json();
  document.getElementById("items")?.replaceChildren(...(items.length > 0 ? items.map(row) : [nothing()]));
}
setInterval(showTop, TOP_MS);
