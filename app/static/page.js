// @ts-check
/** Where the parts of the page meet. */

import { Announcer } from "./announcer.js";
import { paced } from "./pacing.js";
import { PageStore } from "./page_store.js";
import { isSaved } from "./saving.js";
import { Site } from "./site.js";
import { PressForm, StatusLine } from "./view.js";
import { formatted, frozenText, hasNotice, ownOf, sentences, speak, statusOf, textOf, unitOf } from "./words.js";

export const { texts, language, locale } = JSON.parse(document.getElementById("texts")?.textContent ?? "");
speak(texts, language, locale);

const pace = paced(show);
export const site = new Site(location.origin, new PageStore(), pace.soon);
const statusLine = new StatusLine(document);
const announcer = new Announcer(/** @type {Element} */ (document.getElementById("told")));
export const forms = [...document.querySelectorAll("form[data-item]")].map(
  (form) => new PressForm(/** @type {HTMLFormElement} */ (form), press),
);

let viewers = 0;
/** Why the last press will never be taken, until the next one. */
let refusal = "";
const { handlers } = site.connection;
const { onMessage } = handlers;
handlers.onMessage = (message) => {
  if (message.type === "viewers") viewers = message.viewers[forms[0].item] ?? viewers;
  onMessage(message);
  if (message.type === "error" && message.id !== undefined && !site.presser.delay) refuse(message.code);
};

/** @param {string} code */
function refuse(code) {
  refusal = hasNotice(code) ? code : "";
  if (refusal) announcer.own(textOf("notices", refusal));
}

/** @param {string} item */
function words(item) {
  const count = Math.max(0, site.tallies.shown(item, performance.now()));
  return `${formatted(count)} ${unitOf(item, count)}`;
}

/** @param {string} item */
function press(item) {
  refusal = "";
  const liked = site.press(item);
  pace.now();
  forms.find((form) => form.item === item)?.celebrate(liked);
  told = words(forms[0].item);
  announcer.own(sentences(ownOf(item, site.presser.current(item).own), words(item)));
}

/** What was told last of the page's first button, and of the connection. */
let told = "";
let toldState = "connecting";

/** Which state of the connection is news after which other. @type {Partial<Record<string, string[]>>} */
const NEWS = { offline: ["live"], live: ["offline"], stopped: ["connecting", "live", "offline"] };

/** What others press, now and then; that the connection is lost, back, or given up, at once. */
function announce() {
  const { state } = site.connection;
  const before = NEWS[state.name];
  if (before?.includes(toldState)) announcer.own(statusOf(state));
  if (before) toldState = state.name;
  const now = words(forms[0].item);
  if (told && now !== told) announcer.others(now);
  told = now;
}

/** @type {(() => void)[]} */
const after = [];
/** Call this whenever something was shown. @param {() => void} run */
export const afterShow = (run) => void after.push(run);

function show() {
  const now = performance.now();
  const { connection, presser, store, tallies } = site;
  for (const form of forms) {
    const { own } = presser.current(form.item);
    const words = tallies.isFrozen(form.item) ? frozenText() : ownOf(form.item, own);
    form.show(tallies.shown(form.item, now), words, presser.isShut(form.item), own % 2 === 1);
  }
  const isLive = connection.state.name === "live" || connection.state.name === "leaving";
  statusLine.showConnection(connection.state);
  statusLine.showViewers(isLive ? viewers : 0);
  statusLine.showSaving({
    waiting: tallies.waiting,
    isSaved: isSaved(tallies),
    isLive,
    delay: presser.delay,
    isDurable: store.isDurable,
    refusal,
  });
  announce();
  for (const run of after) run();
}

for (const form of forms) {
  site.tallies.watch(form.rendered);
  Object.assign(site.tallies.counters.get(form.item), { isFrozen: form.isFrozen });
}
site.watch(forms.map((form) => form.item));
site.start();
