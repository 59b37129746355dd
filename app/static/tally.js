// @ts-check
/**
 * One actor's presses on one item, as this browser knows them. Pure: no page, no network, no clock.
 *
 * `Kept` is what outlives the page; the functions below are all that may change it:
 * 1. within a generation n only grows, and saved <= n;
 * 2. choice is what the person last chose on a `once` item, until that is acknowledged, then null;
 * 3. a larger n from elsewhere never undoes an unacknowledged choice, and always wins over an acknowledged one.
 *
 * `Tally` adds what only this page and this connection know. Who calls: `presser.js`.
 *
 * @typedef {{gen: number, n: number, saved: number, choice: boolean | null}} Kept
 * @typedef {{gen: number, n: number}} Mine
 * @typedef {{gen: number, n: number, copies: number, wanted: number}} Answer
 * @typedef {{presses: number, liked: boolean}} Wish
 */

import { counted, kindOf, tallyMax } from "./items.js";

const isOdd = (/** @type {number} */ n) => n % 2 === 1;

/**
 * A tally that this browser did not press.
 * @param {number} gen
 * @param {number} n
 * @returns {Kept}
 */
export const learned = (gen, n) => ({ gen, n, saved: 0, choice: null });

/**
 * A choice lives until its tally is saved (rule 2).
 * @param {Kept} kept
 * @returns {Kept}
 */
const settled = (kept) => (kept.saved >= kept.n ? { ...kept, choice: null } : kept);

/**
 * What two tabs know together.
 * @param {Kept} a
 * @param {Kept} b
 * @returns {Kept}
 */
export function merge(a, b) {
  if (a.gen !== b.gen) return a.gen > b.gen ? a : b;
  const [larger, other] = b.n > a.n ? [b, a] : [a, b];
  const choice = larger.choice ?? (larger.n === other.n ? other.choice : null);
  return settled({ ...larger, choice, saved: Math.max(a.saved, b.saved) });
}

/**
 * A tally from elsewhere may be larger than ours (rule 3).
 * @param {string} item
 * @param {Kept} kept
 * @param {number} n
 * @returns {Kept}
 */
function raised(item, kept, n) {
  if (n <= kept.n) return kept;
  const isUndone = kindOf(item) === "once" && kept.choice !== null && isOdd(n) !== kept.choice;
  return { ...kept, n: isUndone && n < tallyMax(item) ? n + 1 : n };
}

/**
 * The person pressed. On a `once` item a wish is the state they want, not "the other one": two tabs that
 * both show "not liked" and are both pressed make one like.
 * @param {string} item
 * @param {Kept} kept
 * @param {Wish} wish
 * @returns {Kept}
 */
export function pressed(item, kept, wish) {
  if (kindOf(item) !== "once") return { ...kept, n: Math.min(kept.n + wish.presses, tallyMax(item)) };
  if (isOdd(kept.n) === wish.liked) return settled({ ...kept, choice: wish.liked });
  return kept.n < tallyMax(item) ? { ...kept, n: kept.n + 1, choice: wish.liked } : kept;
}

/**
 * A node said `mine`.
 * @param {string} item
 * @param {Kept} kept
 * @param {Mine} mine
 * @returns {Kept}
 */
export function heard(item, kept, mine) {
  if (mine.gen < kept.gen) return kept;
  return mine.gen > kept.gen ? learned(mine.gen, mine.n) : raised(item, kept, mine.n);
}

/**
 * A node said `pressed`.
 * @param {string} item
 * @param {Kept} kept
 * @param {Answer} answer
 * @returns {Kept}
 */
export function answered(item, kept, answer) {
  const known = heard(item, kept, answer);
  if (known.gen !== answer.gen || answer.copies < answer.wanted) return known;
  return settled({ ...known, saved: Math.max(known.saved, answer.n) });
}

/**
 * Its visitor is lost, and the next one begins: what is saved stays the lost one's, the rest is the next one's to
 * press. A like that was saved can be neither taken back any more nor given twice.
 * @param {string} item
 * @param {Kept} kept
 * @returns {Kept}
 */
export function inherited(item, kept) {
  if (kindOf(item) !== "once") return { ...kept, n: kept.n - kept.saved, saved: 0 };
  if (kept.saved === 0 && kept.choice !== null) return kept;
  const isLike = kept.choice === true && !isOdd(kept.saved);
  return { ...learned(kept.gen, isLike ? 1 : 0), choice: isLike || null };
}

/** What one page knows of a tally, on top of what is kept. */
export class Tally {
  /** How much of it the last count includes. */
  committed = 0;
  /** n as heard from a node rather than pressed in this browser: not ours to call saved or waiting. */
  learned = 0;
  /** Whether this was pressed before any node had told the generation: then it is of the one that is told first. */
  isGuess = false;
  /** Taps of another tab: sent for it, but shown only once a node counts them, as anybody's. */
  isForeign = false;
  /** @type {Wish} presses that wait for the lock before they raise n */
  wish = { presses: 0, liked: false };
  /** The largest target sent on this connection. */
  asked = 0;
  retryAt = 0;
  /** How often in a row a node was behind our generation. */
  behinds = 0;

  /**
   * @param {string} item
   * @param {string} tab the tab whose taps these are; "" for `once` and `clap`
   * @param {Kept} kept
   */
  constructor(item, tab, kept) {
    this.item = item;
    this.tab = tab;
    this.kept = kept;
    this.committed = kept.saved;
  }

  /** A new connection knows nothing of what the last one was asked: everything is pressed again. */
  meetConnection() {
    this.asked = 0;
    this.retryAt = 0;
    this.behinds = 0;
  }

  /** A node has told the generation. @param {number} gen */
  knowGen(gen) {
    this.kept = { ...this.kept, gen };
    this.isGuess = false;
  }

  /** Under the lock: the wishes become n. @param {Kept} kept */
  takeWish(kept) {
    const { wish } = this;
    this.wish = { presses: 0, liked: wish.liked };
    return wish.presses > 0 ? pressed(this.item, kept, wish) : kept;
  }

  /** The tally the person sees, wishes included. */
  get own() {
    const { presses, liked } = this.wish;
    if (presses === 0) return this.kept.n;
    if (kindOf(this.item) === "once") return liked ? 1 : 0;
    return Math.min(this.kept.n + presses, tallyMax(this.item));
  }

  /** What the last count does not show yet; negative where a like was taken back. */
  get pending() {
    return counted(this.item, this.own) - counted(this.item, this.committed);
  }

  /** How many presses made in this browser are not saved. */
  get waiting() {
    const open = this.wish.presses + Math.max(0, this.kept.n - Math.max(this.kept.saved, this.learned));
    return kindOf(this.item) === "once" ? Math.min(open, 1) : open;
  }
}
