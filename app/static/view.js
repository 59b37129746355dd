// @ts-check
/**
 * Everything the script changes on the page: one `PressForm` per item, one `StatusLine`. It knows no tallies.
 *
 * Motion says what happened, never that it is saved: at once for the person's own press, softly for others'.
 */

import { kindOf } from "./items.js";
import { formatted, hasSaving, savingOf, statusOf, textOf, unitOf } from "./words.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const RIPPLE_MS = 900;
const SPARKS_MAX = 14;
/** Longer counts are set smaller, so that they fit a phone. */
const LONG_COUNT = 9;

/** @param {Element | null} element @param {string} text */
function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** @param {Element} element @param {string} name @param {string | boolean} value */
function mark(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** @param {Element} element @param {Keyframe[]} frames @param {KeyframeAnimationOptions} options */
const animate = (element, frames, options) => (calm.matches ? null : element.animate(frames, options));

export class PressForm {
  #rippledAt = 0;
  #shown = NaN;

  /** @param {HTMLFormElement} form @param {(item: string) => void} onPress */
  constructor(form, onPress) {
    this.item = form.dataset.item ?? "";
    this.rendered = {
      item: this.item,
      gen: Number(form.dataset.gen),
      count: Number(form.dataset.count),
      n: Number(form.dataset.mine),
    };
    this.isFrozen = "frozen" in form.dataset;
    this.form = form;
    this.button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
    this.button.addEventListener("click", (event) => this.#click(event, onPress));
    // A key that is held down is one press; others than Enter press only once by themselves.
    this.button.addEventListener("keydown", (event) => event.repeat && event.key === "Enter" && event.preventDefault());
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** @param {MouseEvent} event @param {(item: string) => void} onPress */
  #click(event, onPress) {
    event.preventDefault();
    // Who double-clicks everything means one like, not a like taken back at once.
    const isSecond = kindOf(this.item) === "once" && event.detail > 1;
    if (isSecond || this.button.getAttribute("aria-disabled") === "true") return;
    onPress(this.item);
  }

  /** @param {number} count @param {string} own @param {boolean} isShut @param {boolean} isLiked */
  show(count, own, isShut, isLiked) {
    const text = formatted(Math.max(0, count));
    const output = this.form.querySelector(".count");
    write(output, text);
    output?.classList.toggle("is-long", text.length > LONG_COUNT);
    const isOnce = kindOf(this.item) === "once";
    write(this.form.querySelector(".unit"), unitOf(this.item, count));
    write(this.form.querySelector(".own"), own);
    if (isOnce) mark(this.button, "aria-pressed", isLiked);
    mark(this.button, "aria-disabled", isShut);
    if (count > this.#shown) this.#ripple();
    this.#shown = count;
  }

  /** Somebody pressed, here or elsewhere. */
  #ripple() {
    const now = performance.now();
    if (now - this.#rippledAt < RIPPLE_MS / 2) return;
    this.#rippledAt = now;
    const frames = [{ opacity: 0.55, transform: "scale(1)" }, { opacity: 0, transform: "scale(1.45)" }];
    const ring = this.form.querySelector(".ring");
    if (ring) animate(ring, frames, { duration: RIPPLE_MS, easing: "cubic-bezier(.2,.7,.3,1)" });
  }

  /** The person's own press, at once. @param {boolean} isTaken false where a like was taken back */
  celebrate(isTaken) {
    const icon = this.form.querySelector(".icon");
    const beat = ["scale(1)", isTaken ? "scale(1.22)" : "scale(.8)", "scale(1)"].map((transform) => ({ transform }));
    if (icon) animate(icon, beat, { duration: 260, easing: "cubic-bezier(.3,1.6,.6,1)" });
    if (isTaken) this.#spark();
  }

  /** A small copy of the icon flies off. */
  #spark() {
    const sky = this.form.querySelector(".sparks");
    const icon = this.form.querySelector(".icon");
    if (!sky || !icon || calm.matches || sky.childElementCount >= SPARKS_MAX) return;
    const spark = /** @type {Element} */ (icon.cloneNode(true));
    sky.append(spark);
    const [x, y, turn] = [(Math.random() - 0.5) * 150, -90 - Math.random() * 80, (Math.random() - 0.5) * 70];
    const frames = [
      { opacity: 0.95, transform: "scale(.5)" },
      { opacity: 0, transform: `translate(${x}px, ${y}px) rotate(${turn}deg) scale(1)` },
    ];
    const flight = spark.animate(frames, { duration: 850, easing: "cubic-bezier(.15,.7,.4,1)" });
    flight.onfinish = () => spark.remove();
  }
}

export class StatusLine {
  /** @param {ParentNode} page */
  constructor(page) {
    this.line = /** @type {HTMLElement} */ (page.querySelector("[data-status]"));
    this.text = this.line.querySelector(".state");
    this.viewers = this.line.querySelector(".viewers");
    this.saved = /** @type {HTMLElement} */ (page.querySelector("[data-saved]"));
  }

  /** @param {import("./connection.js").State} state */
  showConnection(state) {
    mark(this.line, "data-status", state.name);
    write(this.text, statusOf(state));
  }

  /** @param {number} n how many watch in the whole cluster; 0 is not known */
  showViewers(n) {
    write(this.viewers, n ? textOf("page", "viewers", { n }) : "");
  }

  /** @param {{waiting: number, isSaved: boolean, isLive: boolean, delay: string, isDurable: boolean, refusal: string}} facts */
  showSaving({ waiting, isSaved, isLive, delay, isDurable, refusal }) {
    const why = isLive ? refusal : "";
    mark(this.saved, "data-saved", why ? "refused" : waiting > 0 ? "waiting" : isSaved ? "saved" : "nothing");
    if (why) return write(this.saved, textOf("notices", refusal));
    if (waiting === 0) return write(this.saved, isSaved ? savingOf("saved", 0) : "");
    if (isLive) return write(this.saved, savingOf(hasSaving(delay) ? delay : "waiting", waiting));
    return write(this.saved, savingOf(isDurable ? "kept" : "unkept", waiting));
  }
}
