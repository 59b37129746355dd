// @ts-check
/**
 * Items, their kinds, and what a tally of each kind adds to its item's count: `cluster/core/items.py` for the page.
 */

export const TALLY_MAX = 2 ** 20;
export const CLAP_MAX = 50;

/** @param {string} item */
export const kindOf = (item) => item.slice(0, item.indexOf(":"));

/** @param {string} item */
export const tallyMax = (item) => (kindOf(item) === "clap" ? CLAP_MAX : TALLY_MAX);

/**
 * What a tally of n adds to the count.
 * @param {string} item
 * @param {number} n
 */
export const counted = (item, n) => (kindOf(item) === "once" ? n % 2 : n);

/**
 * Whether the actor is the whole visitor (`once`, `clap`) rather than one tab (`tap`).
 * @param {string} item
 */
export const belongsToVisitor = (item) => kindOf(item) !== "tap";
