// @ts-check
/**
 * All tallies and counts that one page knows, and what they add up to on it. Pure.
 *
 * Shown = last count + own presses not yet in a `pressed`.
 */

import { Counter } from "./counter.js";
import { belongsToVisitor, counted } from "./items.js";
import { Tally, heard, learned } from "./tally.js";

/** @typedef {{item: string, gen: number, count: number | null, n: number}} Rendered what the page came with */

const sum = (/** @type {number[]} */ numbers) => numbers.reduce((total, number) => total + number, 0);

export class Tallies {
  /** @type {Map<string, Tally>} */
  #byKey = new Map();
  /** @type {Map<string, Counter>} of the items on this page */
  counters = new Map();

  /** @param {Rendered} rendered */
  watch({ item, gen, count, n }) {
    this.counters.set(item, new Counter(gen, count));
    if (!belongsToVisitor(item)) return;
    const tally = this.get(item, "");
    tally.kept = heard(item, tally.kept, { gen, n });
    tally.committed = n;
    tally.learned = n;
  }

  /** @param {string} item */
  isFrozen(item) {
    return this.counters.get(item)?.isFrozen;
  }

  /** @param {string} item @param {string} tab */
  has(item, tab) {
    return this.#byKey.has(`${item} ${tab}`);
  }

  /** @param {string} item @param {string} tab */
  get(item, tab) {
    const key = `${item} ${tab}`;
    const found = this.#byKey.get(key);
    if (found) return found;
    const counter = this.counters.get(item);
    const tally = new Tally(item, tab, learned(counter?.gen ?? 0, 0));
    tally.isGuess = counter?.isKnown === false;
    this.#byKey.set(key, tally);
    return tally;
  }

  /** @param {string} item @param {string} tab */
  delete(item, tab) {
    this.#byKey.delete(`${item} ${tab}`);
  }

  /** The visitor is gone, and whatever it pressed is not this page's any more. */
  clear() {
    for (const [item, counter] of this.counters) counter.disown(this.committed(item));
    this.#byKey.clear();
  }

  get all() {
    return [...this.#byKey.values()];
  }

  /** What this page shows as pressed here. @param {string} item */
  #of(item) {
    return this.all.filter((tally) => tally.item === item && !tally.isForeign);
  }

  /** Taps that other tabs made. @param {string} item */
  foreign(item) {
    return this.all.filter((tally) => tally.item === item && tally.isForeign);
  }

  /** How much of an item's count is this page's own. @param {string} item */
  committed(item) {
    return sum(this.#of(item).map((tally) => counted(item, tally.committed)));
  }

  /** @param {string} item @param {number} now */
  shown(item, now) {
    const base = this.counters.get(item)?.base(this.committed(item), now) ?? 0;
    return base + sum(this.#of(item).map((tally) => tally.pending));
  }

  /** A node's count. @param {string} item @param {number} count */
  hearCount(item, count) {
    this.counters.get(item)?.hear(count, this.committed(item));
  }

  /** Another node may be a little behind. @param {number} now */
  hold(now) {
    for (const [item, counter] of this.counters) counter.hold(this.committed(item), now);
  }

  /** Another connection. @param {number} now */
  meetConnection(now) {
    this.hold(now);
    for (const tally of this.all) tally.meetConnection();
  }

  /** How many presses made in this browser are not saved yet. */
  get waiting() {
    return sum(this.all.map((tally) => tally.waiting));
  }
}
