// @ts-check
/**
 * Presses of this page on their way: raises tallies, stores them, sends targets. No page, no socket: tested with
 * a fake store and a list for a network. What nodes say comes in through `answers.js`.
 *
 * 1. n is raised and stored before it is sent, and what is sent is always the absolute n.
 * 2. Everything is pressed again on every connection; for the node it is a no-op unless a press was lost.
 */

import { HOLD_MS } from "./counter.js";
import { belongsToVisitor, tallyMax } from "./items.js";
import { merge, pressed } from "./tally.js";
import { Tallies } from "./tallies.js";
import { RETRY_S, SWEEP_MS } from "./timing.js";

/**
 * @typedef {import("./tally.js").Tally} Tally
 * @typedef {import("./tally.js").Kept} Kept
 * @typedef {object} Parts
 * @property {Pick<import("./store.js").Store, "change" | "stored">} store
 * @property {import("./visitor.js").Visitor} visitor
 * @property {(message: import("./visitor.js").Message) => void} send
 * @property {() => number} now milliseconds of a steady clock
 * @property {(run: () => void, ms: number) => void} later
 * @property {() => void} onChange something may look different now
 */

export class Presser {
  tallies = new Tallies();
  /** @type {Map<number, {tally: Tally, gen: number, n: number}>} presses without their last answer */
  inFlight = new Map();
  /** By which refusal presses wait that will be sent again. */
  delay = "";
  #lastId = 0;

  /** @param {Parts} parts */
  constructor({ store, visitor, send, now, later, onChange }) {
    this.store = store;
    this.visitor = visitor;
    this.send = send;
    this.now = now;
    this.later = later;
    this.onChange = onChange;
  }

  /** The tally that a press on this item raises. @param {string} item */
  current(item) {
    return this.tallies.get(item, belongsToVisitor(item) ? "" : this.visitor.tab);
  }

  /** Whether a press would change nothing. @param {string} item */
  isShut(item) {
    return this.tallies.isFrozen(item) || this.current(item).own >= tallyMax(item);
  }

  /**
   * The person pressed.
   * @param {string} item
   * @param {boolean} liked what they want on a `once` item
   */
  press(item, liked) {
    const tally = this.current(item);
    if (this.isShut(item)) return;
    tally.wish = { presses: tally.wish.presses + 1, liked };
    this.change(tally, (kept) => tally.takeWish(kept));
    if (!belongsToVisitor(item)) this.visitor.outgrow(tally.kept.n);
    this.#send();
    this.onChange();
  }

  /**
   * Change a tally together with what is stored of it, then send what came of it.
   * @param {Tally} tally
   * @param {(kept: Kept) => Kept} change
   */
  change(tally, change) {
    this.store.change(tally.item, tally.tab, (entry) => {
      const stored = this.#valid(tally.item, entry);
      if (stored && tally.kept.n === 0) tally.isGuess = false; // Of another page's life: it knew.
      tally.kept = change(stored ? merge(stored, tally.kept) : tally.kept);
      queueMicrotask(() => this.flush()); // After it was stored (rule 1).
      return tally.kept;
    });
  }

  /** @param {string} item @param {Kept | null} kept @returns {Kept | null} null also for a generation given up */
  #valid(item, kept) {
    return kept && !this.tallies.counters.get(item)?.isVoid(kept.gen) ? kept : null;
  }

  /** A new connection has said its first hello. */
  connected() {
    this.delay = "";
    this.inFlight.clear();
    this.tallies.meetConnection(this.now());
    this.later(this.onChange, HOLD_MS + 1); // A count that was held back may fall then.
    this.adopt();
  }

  /** Take over what this browser has stored: presses of closed tabs among it. */
  adopt() {
    for (const { item, tab, kept: stored } of this.store.stored()) {
      const kept = this.#valid(item, stored);
      const isKnown = this.tallies.has(item, tab) || this.tallies.counters.has(item);
      if (!kept || (!isKnown && kept.saved >= kept.n)) continue;
      const isNew = !this.tallies.has(item, tab);
      const tally = this.tallies.get(item, tab);
      const wasUnknown = tally.kept.n === 0;
      tally.kept = merge(kept, tally.kept);
      // As in `change`; and whoever made this page may not have known who looks, but counted them.
      if (wasUnknown) Object.assign(tally, { isGuess: false, committed: tally.kept.saved });
      if (tally.kept.gen > kept.gen) this.change(tally, (known) => known); // What is stored was reset.
      if (isNew) tally.isForeign = !belongsToVisitor(item);
    }
    if (this.tallies.waiting > 0) this.#send();
    this.onChange();
  }

  /**
   * Another tab has changed an entry. It sends its own presses; what stays unsent is adopted.
   * @param {import("./store.js").Entry} entry
   */
  hearEntry({ item, tab, kept: stored }) {
    const kept = this.#valid(item, stored);
    if (stored && !kept) return; // That tab will give it up too.
    if (kept && kept.saved < kept.n) this.later(() => this.adopt(), SWEEP_MS);
    if (!this.tallies.has(item, tab)) return;
    const tally = this.tallies.get(item, tab);
    const isTheirs = !belongsToVisitor(item) && tab !== this.visitor.tab;
    if (kept) tally.kept = merge(kept, tally.kept);
    else if (isTheirs) this.tallies.delete(item, tab);
    else if (tally.waiting > 0) this.change(tally, (known) => known); // Removed too early: write it again.
    this.onChange();
  }

  /** The visitor is gone. */
  forget() {
    this.tallies.clear();
    this.inFlight.clear();
    this.onChange();
  }

  async #send() {
    await this.visitor.take();
    this.flush();
  }

  /** Send every target that this connection was not asked for yet. */
  flush() {
    if (!this.visitor.isReady) return;
    for (const tally of this.tallies.all) if (this.#isDue(tally)) this.#ask(tally);
    this.onChange();
  }

  /** @param {Tally} tally */
  #isDue(tally) {
    const isWorthIt = this.tallies.counters.has(tally.item) || tally.waiting > 0;
    return isWorthIt && !tally.isGuess && tally.asked < tally.kept.n && this.now() >= tally.retryAt;
  }

  /** @param {Tally} tally */
  #ask(tally) {
    const { item, tab, kept } = tally;
    const id = ++this.#lastId;
    tally.asked = kept.n;
    this.inFlight.set(id, { tally, gen: kept.gen, n: kept.n });
    this.send({ type: "press", id, item, gen: kept.gen, n: kept.n, tab: tab || this.visitor.tab });
  }

  /** Ask again later. @param {Tally} tally @param {number} [seconds] as the node wishes */
  retry(tally, seconds = RETRY_S) {
    const ms = seconds * 1000;
    tally.asked = 0;
    tally.retryAt = this.now() + ms;
    this.later(() => this.flush(), ms + 1);
  }
}
