// @ts-check
/** The page of the cluster, once a second: its table, a picture of nodes and links, and three lines over time. */

import { chart } from "./chart.js";
import { formatted, speak, textOf } from "./words.js";

/** @typedef {{name: string, is_self: boolean, state: string, lag: number, lag_ms: number, watchers: number,
 *   presses: number, uptime_s: number, links: string[], digest: string, version: string}} Node */

const DIGEST_SHOWN = 12;
const AGAIN_MS = 1000;
/** Nodes look for what they miss every few seconds. */
const STUCK_MS = 60000;
const RADIUS = 78;
/** Names stand outside of the circle, so that no line crosses them. */
const NAMES = 1.42;
const COLUMNS = ["state", "uptime", "watchers", "presses", "lag", "links", "digest", "version"];

const { texts, language, locale } = JSON.parse(document.getElementById("texts")?.textContent ?? "");
speak(texts, language, locale);

const say = (/** @type {string} */ key, /** @type {Record<string, string | number>} */ values = {}) =>
  textOf("cluster", key, values);
const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** Whom the page came from, until another one goes on. */
let self = document.querySelector("[data-self]")?.getAttribute("data-node") ?? "";

/** In its largest unit. @param {number} seconds */
function time(seconds) {
  const units = /** @type {const} */ ([["days", 86400], ["hours", 3600], ["minutes", 60], ["seconds", 1]]);
  const [unit, length] = units.find(([, each]) => seconds >= each) ?? units[3];
  return say(unit, { n: Math.floor(seconds / length) });
}

/** What stands in a node's row, by column: as the server writes it. @param {Node} node @returns {Record<string, string>} */
function shown(node) {
  const nothing = say("none");
  const isThere = node.state !== "unreachable";
  const cells = {
    uptime: node.uptime_s ? time(node.uptime_s) : nothing,
    watchers: formatted(node.watchers),
    presses: formatted(node.presses),
    lag: say("lag_value", { rows: node.lag, ms: node.lag_ms }),
    links: node.links.join(", ") || nothing,
    digest: node.digest.slice(0, DIGEST_SHOWN) || nothing,
  };
  const known = isThere ? cells : Object.fromEntries(Object.keys(cells).map((column) => [column, nothing]));
  return { ...known, state: texts.cluster[node.state] ?? node.state, version: node.version || nothing };
}

/** @param {Element | null} element @param {string} text */
function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** @param {Node} node */
function rowOf(node) {
  const found = [...byId("rows").children].find((row) => row.getAttribute("data-node") === node.name);
  if (found) return found;
  const row = document.createElement("tr");
  row.dataset.node = node.name;
  const name = document.createElement("th");
  name.scope = "row";
  name.append(document.createElement("bdi"));
  write(name.firstElementChild, node.name);
  row.append(name, ...COLUMNS.map(() => document.createElement("td")));
  [...row.querySelectorAll("td")].forEach((cell, index) => (cell.dataset.column = COLUMNS[index]));
  byId("rows").append(row);
  return row;
}

/** @param {Node} node */
function showRow(node) {
  const row = /** @type {HTMLElement} */ (rowOf(node));
  row.dataset.state = node.state;
  row.toggleAttribute("data-self", node.name === self);
  const cells = shown(node);
  for (const cell of row.querySelectorAll("td")) write(cell, cells[cell.dataset.column ?? ""]);
  const you = row.querySelector(".you");
  if (you && node.name !== self) you.remove();
  if (you || node.name !== self) return;
  const mark = document.createElement("span");
  mark.className = "you";
  mark.textContent = say("you");
  row.querySelector("th")?.append(" ", mark);
}

/** Since when the nodes hold what they hold. */
const held = { all: "", since: 0 };

/** Whether they differ though nothing changes: then nothing is on its way. @param {string[]} digests */
function isStuck(digests) {
  const all = digests.join();
  if (all !== held.all) Object.assign(held, { all, since: performance.now() });
  return performance.now() - held.since > STUCK_MS;
}

/** @param {Node[]} nodes */
function showAgreement(nodes) {
  const digests = nodes.filter(({ state, digest }) => state !== "unreachable" && digest).map(({ digest }) => digest);
  const isOne = new Set(digests).size === 1;
  const digest = digests[0]?.slice(0, DIGEST_SHOWN) ?? "";
  const agree = digests.length === nodes.length ? "agree" : "agree_some";
  const values = { digest, n: digests.length, all: nodes.length };
  const differ = isStuck(digests) ? "differ_long" : "differ";
  write(byId("agreement"), say(digests.length < 2 ? "alone" : isOne ? agree : differ, values));
}

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function draw(name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.textContent = text;
  return element;
}

/** Each link once that one of its ends tells of. @param {Node[]} nodes @returns {string[][]} the names of both */
function linked(nodes) {
  const told = nodes.filter(({ state }) => state !== "unreachable");
  const pairs = told.flatMap(({ name, links }) => links.map((other) => [name, other].sort().join(" ")));
  return [...new Set(pairs)].map((pair) => pair.split(" "));
}

/** Nodes on a circle, and the links between them. @param {Node[]} nodes */
function showPicture(nodes) {
  const sorted = [...nodes].sort((a, b) => a.name.localeCompare(b.name));
  const places = new Map(
    sorted.map(({ name }, index) => {
      const angle = (2 * Math.PI * index) / sorted.length - Math.PI / 2;
      return [name, { x: Math.round(RADIUS * Math.cos(angle)), y: Math.round(RADIUS * Math.sin(angle)) }];
    }),
  );
  const lines = linked(sorted).flatMap((pair) => {
    const [from, to] = pair.map((name) => places.get(name));
    return from && to ? [draw("line", { x1: from.x, y1: from.y, x2: to.x, y2: to.y })] : [];
  });
  const circles = sorted.map(({ name, state }) => {
    const { x, y } = places.get(name) ?? { x: 0, y: 0 };
    const group = draw("g", { "data-state": state, ...(name === self ? { "data-self": "" } : {}) });
    const label = { x: (NAMES + 0.2) * x, y: NAMES * y + 4 };
    group.append(draw("circle", { cx: x, cy: y, r: 17 }), draw("text", label, name));
    return group;
  });
  const picture = byId("picture");
  picture.replaceChildren(...lines, ...circles);
  picture.removeAttribute("hidden");
}

const lines = {
  perSecond: chart(byId("charts"), say("per_second"), locale),
  lag: chart(byId("charts"), say("lag_ms"), locale),
  latency: chart(byId("charts"), say("latency"), locale),
};
/** @type {{at: number, presses: Map<string, number>} | null} */
let last = null;

/** Of nodes that were there both times: what a restart begins anew is no press taken back. @param {Node[]} nodes */
function perSecond(nodes) {
  const presses = new Map(nodes.filter(({ state }) => state !== "unreachable").map((node) => [node.name, node.presses]));
  const before = last;
  last = { at: performance.now(), presses };
  if (!before) return null;
  const more = [...presses].map(([name, now]) => Math.max(0, now - (before.presses.get(name) ?? now)));
  return more.reduce((sum, each) => sum + each, 0) / ((last.at - before.at) / 1000);
}

/** @param {{nodes: Node[]}} said */
function show({ nodes }) {
  self = nodes.find((node) => node.is_self)?.name ?? self;
  const names = new Set(nodes.map(({ name }) => name));
  for (const row of [...byId("rows").children]) if (!names.has(row.getAttribute("data-node") ?? "")) row.remove();
  nodes.forEach(showRow);
  byId("rows").prepend(...byId("rows").querySelectorAll("[data-self]"));
  showAgreement(nodes);
  showPicture(nodes);
  lines.perSecond.add(perSecond(nodes));
  const told = nodes.filter(({ state }) => state !== "unreachable");
  lines.lag.add(Math.max(...told.map(({ lag_ms }) => lag_ms)));
}

/** @type {EventSource | undefined} */
let stream;

/** It comes back by itself after a lost connection, but not after an answer that is none. */
function listen() {
  stream?.close();
  stream = new EventSource("/api/nodes/stream");
  stream.onmessage = ({ data }) => show(JSON.parse(data));
  stream.onerror = () => {
    if (stream?.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
  };
}
listen();

setInterval(async () => {
  if (document.hidden) return;
  const asked = performance.now();
  const answer = await fetch("/api/nodes", { cache: "no-store" }).catch(() => null);
  lines.latency.add(answer?.ok ? performance.now() - asked : null);
  if (stream?.readyState === EventSource.OPEN) return;
  // Its places may all be taken, or it is about to come back: meanwhile this tells the same.
  if (answer?.ok) return show(await answer.json());
  write(byId("agreement"), say("away"));
  lines.perSecond.add(null);
  lines.lag.add(null);
}, 1000);
addEventListener("pagehide", () => stream?.close());
addEventListener("pageshow", ({ persisted }) => void (persisted && listen()));
