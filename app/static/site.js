// @ts-check
/** A server as one page sees it: the visitor, their presses, and the connection that all buttons share. */

import { hear } from "./answers.js";
import { Connection } from "./connection.js";
import { kindOf } from "./items.js";
import { Presser } from "./presser.js";
import { Visitor } from "./visitor.js";

/** Most 200-character items that fit one frame of 4 KiB. */
const WATCH_MAX = 15;

/** @typedef {import("./visitor.js").Message} Message */

export class Site {
  /** @type {Set<string>} what the node is to tell of */
  #watched = new Set();

  /**
   * @param {string} server its origin
   * @param {import("./store.js").Store} store
   * @param {() => void} onChange something may look different now
   */
  constructor(server, store, onChange) {
    const send = (/** @type {Message} */ message) => this.connection.send(message);
    this.server = server;
    this.store = store;
    this.visitor = new Visitor(store, send);
    this.presser = new Presser({
      store,
      visitor: this.visitor,
      send,
      now: () => performance.now(),
      later: (run, ms) => void setTimeout(run, ms),
      onChange,
    });
    this.connection = new Connection(server, {
      onOpen: () => {
        this.visitor.open();
        this.#tell("watch", [...this.#watched]);
      },
      onClose: () => this.visitor.close(),
      onMessage: (message) => hear(this.presser, message),
      onState: onChange,
    });
  }

  get tallies() {
    return this.presser.tallies;
  }

  /** Adopt what is stored, hear of the other tabs and of the network, and connect. */
  start() {
    this.presser.adopt();
    this.#listen();
    this.connection.dial();
  }

  /** @param {"watch" | "unwatch"} type @param {string[]} items */
  #tell(type, items) {
    for (let start = 0; start < items.length; start += WATCH_MAX) {
      this.connection.send({ type, items: items.slice(start, start + WATCH_MAX) });
    }
  }

  /** @param {string[]} items */
  watch(items) {
    this.#tell("watch", items.filter((item) => !this.#watched.has(item)));
    for (const item of items) this.#watched.add(item);
  }

  /** @param {string[]} items */
  unwatch(items) {
    this.#tell("unwatch", items.filter((item) => this.#watched.delete(item)));
  }

  /** The person pressed. @param {string} item @returns {boolean} false where they took a like back */
  press(item) {
    const liked = kindOf(item) !== "once" || this.presser.current(item).own % 2 === 0;
    this.presser.press(item, liked);
    return liked;
  }

  /**
   * All that this visitor ever pressed is taken back, on every node and for good. All tabs start afresh when their
   * nodes tell them.
   * @returns {Promise<boolean>} whether it was done; rejects where no node answers
   */
  async forget() {
    const headers = { Authorization: `Bearer ${this.store.token}` };
    const { ok } = await fetch(`${this.server}/api/visitor`, { method: "DELETE", headers });
    return ok;
  }

  #listen() {
    const { connection, presser, store, visitor } = this;
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
}
