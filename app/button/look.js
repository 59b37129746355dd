// @ts-check
/** What a `<like-button>` looks like: its shadow tree, and what of it changes. It knows no tallies. */

import { shortened } from "../static/words.js";
import style from "./button.css";

const HEART = "M12 21Q2 13 2 8a5 5 0 0 1 10-1 5 5 0 0 1 10 1q0 5-10 13z";

const sheet = new CSSStyleSheet();
sheet.replaceSync(style);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * @param {Element} element
 * @param {Record<string, string | boolean>} attributes
 * @param {Element[]} children
 */
function fill(element, attributes, ...children) {
  for (const key in attributes) {
    const value = `${attributes[key]}`;
    if (element.getAttribute(key) !== value) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** @param {string} name */
const drawn = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);

/** @param {Record<string, string | boolean>} attributes */
const span = (attributes) => fill(document.createElement("span"), attributes);

/** @param {Element} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class Look {
  #icon = fill(drawn("svg"), { part: "icon", viewBox: "0 0 24 24" }, fill(drawn("path"), { d: HEART }));
  #label = span({ part: "label" });
  /** Of no part in the button's name, which stays the same; its words describe it. */
  #count = span({ part: "count", "aria-hidden": true });
  #words = span({ id: "words", class: "quiet" });
  #problem = span({ id: "problem", part: "problem" });
  #button = fill(
    document.createElement("button"),
    { part: "button", "aria-describedby": "words problem" },
    this.#icon, this.#label, this.#count,
  );
  /** What a screen reader tells; empty at load. */
  region = span({ role: "status", class: "quiet" });

  /** @param {ShadowRoot} root @param {(isSecond: boolean) => void} onPress */
  constructor(root, onPress) {
    root.adoptedStyleSheets = [sheet];
    root.append(this.#button, this.#words, this.region, this.#problem);
    // A key that is held down is one press; others than Enter press only once by themselves.
    this.#button.addEventListener("keydown", (event) => event.repeat && event.key === "Enter" && event.preventDefault());
    this.#button.addEventListener("click", (event) => {
      const { detail } = /** @type {MouseEvent} */ (event);
      // Of thirty buttons with the same problem only those speak that were pressed.
      fill(this.#problem, { role: "status" });
      if (this.#button.ariaDisabled !== "true") onPress(detail > 1);
    });
  }

  /**
   * @param {{name: string, count: number | null, words: string, isLiked: boolean | null,
   *   isShut: boolean, problem: string}} facts
   */
  show({ name, count, words, isLiked, isShut, problem }) {
    write(this.#label, name);
    write(this.#count, count === null ? "" : shortened(count));
    write(this.#words, words);
    write(this.#problem, problem);
    fill(this.#button, { "aria-disabled": isShut });
    if (isLiked === null) this.#button.removeAttribute("aria-pressed");
    else fill(this.#button, { "aria-pressed": isLiked });
  }

  /** The person's own press, at once. @param {boolean} isTaken false where a like was taken back */
  beat(isTaken) {
    if (calm.matches) return;
    const scale = [1, isTaken ? 1.35 : 0.75, 1];
    this.#icon.animate({ scale }, { duration: 260, easing: "ease-out" });
  }
}
