// @ts-check
/** Where the parts of the page meet. */

import { hear } from "./answers.js";
import { Connection } from "./connection.js";
import { kindOf } from "./items.js";
import { Presser } from "./presser.js";
import { Store } from "./store.js";
import { PressForm, StatusLine } from "./view.js";
import { Visitor } from "./visitor.js";

/** Most 200-character items that fit one frame of 4 KiB. */
const WATCH_MAX = 15;

const store = new Store();
const send = (/** @type {import("./visitor.js").Message} */ message) => connection.send(message);
const visitor = new Visitor(store, send);
const presser = new Presser({
  store,
  visitor,
  send,
  now: () => performance.now(),
  later: (run, ms) => void setTimeout(run, ms),
  onChange: showSoon,
});
const connection = new Connection(`${location.origin.replace("http", "ws")}/live`, {
  onOpen: open,
  onClose: () => visitor.close(),
  onMessage: (message) => hear(presser, message),
  onState: showSoon,
});
const statusLine = new StatusLine(document);
const forms = [...document.querySelectorAll("form[data-item]")].map(
  (form) => new PressForm(/** @type {HTMLFormElement} */ (form), press),
);

function open() {
  visitor.open();
  const items = [...presser.tallies.counters.keys()];
  for (let start = 0; start < items.length; start += WATCH_MAX) {
    send({ type: "watch", items: items.slice(start, start + WATCH_MAX) });
  }
}

/** @param {string} item */
function press(item) {
  const liked = presser.current(item).own % 2 === 0;
  presser.press(item, liked);
  forms.find((form) => form.item === item)?.celebrate(liked || kindOf(item) !== "once");
}

let isShowing = false;

/** At most once a frame, and after everything that came with the same frame: no number flickers. */
function showSoon() {
  if (isShowing) return;
  isShowing = true;
  requestAnimationFrame(() => {
    isShowing = false;
    show();
  });
}

function show() {
  const now = performance.now();
  for (const form of forms) form.show(presser.tallies.shown(form.item, now), presser.current(form.item).own);
  const { waiting, isSaved } = presser.tallies;
  const isLive = connection.state.name === "live" || connection.state.name === "leaving";
  statusLine.showConnection(connection.state);
  statusLine.showSaving({ waiting, isSaved, isLive, isReadOnly: presser.isReadOnly, isDurable: store.isDurable });
}

function listen() {
  store.listen({
    entry: (entry) => presser.hearEntry(entry),
    token: (token) => void (visitor.hearOtherTab(token) && presser.forget()),
    forgotten: () => {
      const hasToken = visitor.forget();
      presser.forget();
      if (!hasToken) connection.dial();
    },
  });
  addEventListener("online", () => connection.wake());
  addEventListener("offline", () => connection.wake());
  document.addEventListener("visibilitychange", () => void (document.hidden || connection.wake()));
  // An open socket would keep the page out of the back-forward cache, or be dead when it comes back.
  addEventListener("pagehide", () => connection.hangUp());
  addEventListener("pageshow", ({ persisted }) => void (persisted && connection.dial()));
}

for (const form of forms) presser.tallies.watch(form.rendered);
presser.adopt();
listen();
connection.dial();
