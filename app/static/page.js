// @ts-check
/** Where the parts of the page meet. */

import { kindOf } from "./items.js";
import { paced } from "./pacing.js";
import { PageStore } from "./page_store.js";
import { Site } from "./site.js";
import { PressForm, StatusLine } from "./view.js";
import { speak } from "./words.js";

const { texts, language, locale } = JSON.parse(document.getElementById("texts")?.textContent ?? "");
speak(texts, language, locale);

const pace = paced(show);
const site = new Site(location.origin, new PageStore(), pace.soon);
const statusLine = new StatusLine(document);
const forms = [...document.querySelectorAll("form[data-item]")].map(
  (form) => new PressForm(/** @type {HTMLFormElement} */ (form), press),
);

/** @param {string} item */
function press(item) {
  const liked = site.press(item);
  pace.now();
  forms.find((form) => form.item === item)?.celebrate(liked || kindOf(item) !== "once");
}

function show() {
  const now = performance.now();
  const { connection, presser, store, tallies } = site;
  for (const form of forms) form.show(tallies.shown(form.item, now), presser.current(form.item).own);
  const isLive = connection.state.name === "live" || connection.state.name === "leaving";
  const { waiting, isSaved } = tallies;
  statusLine.showConnection(connection.state);
  statusLine.showSaving({ waiting, isSaved, isLive, isReadOnly: presser.isReadOnly, isDurable: store.isDurable });
}

for (const form of forms) site.tallies.watch(form.rendered);
site.watch(forms.map((form) => form.item));
site.start();
