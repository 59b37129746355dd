// @ts-check
/** Every text that the script shows. Names of buttons and headings are in `app/templates`. */

const number = new Intl.NumberFormat(globalThis.document?.documentElement.lang || "en");

/** @param {number} n */
export const formatted = (n) => number.format(n);

/** @type {Record<number, string>} */
const REASONS = {
  4500: "this page and the node do not understand each other",
  4502: "the node does not serve this address",
  1009: "a message was too long",
};

/** @param {number} code of a final close */
export const reasonOf = (code) => REASONS[code] ?? `the node refused the connection (${code})`;

export const status = {
  connecting: () => "Connecting…",
  live: (/** @type {string} */ node) => `Live on ${node}`,
  leaving: (/** @type {string} */ node) => `${node} is about to restart – moving to another node`,
  offline: () => "Offline – presses are kept",
  stopped: (/** @type {string} */ reason) => `Stopped: ${reason}. Presses are kept; reload to try again.`,
};

export const saving = {
  nothing: "",
  saved: "Saved",
  waiting: (/** @type {number} */ n) => `Saving… ${formatted(n)} waiting`,
  kept: (/** @type {number} */ n) => `${formatted(n)} waiting, kept in this browser`,
  unkept: (/** @type {number} */ n) => `${formatted(n)} waiting – this browser stores nothing, leave the page open`,
  readOnly: (/** @type {number} */ n) => `The node cannot save right now – ${formatted(n)} waiting`,
};

const UNITS = { tap: ["press", "presses"], once: ["like", "likes"], clap: ["clap", "claps"] };

/** @param {keyof typeof UNITS} kind @param {number} count */
export const unitOf = (kind, count) => UNITS[kind][count === 1 ? 0 : 1];

export const own = {
  tap: (/** @type {number} */ n) => (n === 0 ? "" : `${formatted(n)} from you, just now`),
  once: (/** @type {number} */ n) => (n % 2 ? "You like this" : ""),
  clap: (/** @type {number} */ n) => (n === 0 ? "" : n < 50 ? `${n} of 50 from you` : "All 50 of yours – thank you"),
};
