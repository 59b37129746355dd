// @ts-check
/**
 * When the page tries again, and when it must not. Pure.
 */

/** A connection that has not said hello by then is given up. */
export const HELLO_MS = 5000;
/** A visible page asks for a sign of life after so much silence; a hidden one saves battery. */
export const QUIET_MS = 2000;
export const QUIET_HIDDEN_MS = 20000;
/** … and replaces the socket if nothing came by then. 2 + 3 s: a frozen node is left within 5 s. */
export const PONG_MS = 3000;
/** Who says nothing for 150 s is sent away by the node. */
export const SAY_MS = 45000;
/** A connection that lived so long was a good one: the next failure starts from the shortest delay. */
export const STEADY_MS = 5000;
/** Other tabs send what they press; what is still unsent after so long may be a closed tab's. */
export const SWEEP_MS = 2000;
/** Where an answer names no `retry_after`. */
export const RETRY_S = 1;

const BASE_MS = 500;
const CAP_MS = 10000;

/**
 * Full jitter: anything between 0 and 0.5, 1, 2, 4, 8, 10 s, so that a lost node's watchers do not come at once.
 * @param {number} attempt 0 for the first
 * @param {number} random in [0, 1)
 */
export const retryDelay = (attempt, random) => random * Math.min(CAP_MS, BASE_MS * 2 ** attempt);

/** What nobody repairs by trying again: protocol errors, and what a node closed for good (45xx). */
const FINAL = [1002, 1003, 1007, 1008, 1009];

/** @param {number} code of a WebSocket close */
export const isFinal = (code) => FINAL.includes(code) || (code >= 4500 && code < 4600);
