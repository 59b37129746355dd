// @ts-check
/** What a screen reader is told: the person's own presses at once, what others do now and then. */

/** Whoever listens to something else must be able to. */
const OTHERS_MS = 15000;

export class Announcer {
  #toldAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #next = "";

  /** @param {Element} region a live region, empty at load */
  constructor(region) {
    this.region = region;
  }

  /** @param {string} text */
  own(text) {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#toldAt = performance.now();
    this.region.textContent = text;
  }

  /** The newest of these, at most every 15 s. @param {string} text */
  others(text) {
    this.#next = text;
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#toldAt + OTHERS_MS - performance.now());
    this.#timer = setTimeout(() => this.own(this.#next), wait);
  }
}
