// @ts-check
/**
 * `<like-button>`: one button on any page of any site.
 *
 *     <script async src="https://likes.example/static/like-button.js"></script>
 *     <like-button item="once:blog/post-42"></like-button>
 *
 * 1. All buttons of a page that name the same server share one connection and one visitor, and watch their item while
 *    they are on screen.
 * 2. It needs nothing of its page and changes nothing of it: no globals, no style or markup that a strict
 *    Content-Security-Policy or Trusted Types would stop.
 * 3. Its size is settled before its number is known.
 *
 * Built into `app/static/like-button.js` by `make button`.
 */

import { itemOf } from "../static/item_name.js";
import { counted, kindOf } from "../static/items.js";
import { paced } from "../static/pacing.js";
import { Site } from "../static/site.js";
import { Store } from "../static/store.js";
import { button } from "../static/texts/en.json";
import { formatted, frozenText, nameOf, ownOf, reasonOf, sentences, speak, unitOf, unsavedText } from "../static/words.js";
import { Look } from "./look.js";

const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
const HOME = new URL(script?.src || "/static/", location.href);

/** A server, and this page's buttons of it. */
class Board {
  /** @type {Set<LikeButton>} */
  buttons = new Set();
  /** @type {Map<string, number>} how many buttons on screen show an item */
  #onScreen = new Map();
  #pace = paced(() => this.show());

  /** @param {string} server */
  constructor(server) {
    this.site = new Site(server, new Store(server), this.#pace.soon);
    this.site.start();
  }

  show() {
    for (const button of this.buttons) if (button.isSeen) button.show();
  }

  /** @param {string} item of which nothing may be known yet, but that it is shown */
  meet(item) {
    const { tallies } = this.site;
    if (!tallies.counters.has(item)) tallies.watch({ item, gen: 0, count: null, n: 0 });
  }

  /** @param {string} item @param {1 | -1} change a button came on screen, or left it */
  look(item, change) {
    const number = (this.#onScreen.get(item) ?? 0) + change;
    this.#onScreen.set(item, number);
    if (number === 0) this.site.unwatch([item]);
    if (number === 1 && change === 1) this.site.watch([item]);
  }

  /** @param {string} item */
  press(item) {
    const liked = this.site.press(item);
    this.#pace.now();
    return liked;
  }
}

/** @type {Map<string, Board>} */
const boards = new Map();

/** @param {string} server */
function boardOf(server) {
  const board = boards.get(server) ?? new Board(server);
  boards.set(server, board);
  return board;
}

const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) /** @type {LikeButton} */ (target).see(isIntersecting);
});

class LikeButton extends HTMLElement {
  static observedAttributes = ["item", "kind", "label", "server"];
  /** @type {Board | null} while it is on the page */
  #board = null;
  #item = "";
  isSeen = false;
  #isMine = false;
  #told = "";

  constructor() {
    super();
    this.look = new Look(this.attachShadow({ mode: "open", delegatesFocus: true }), (isSecond) => this.#press(isSecond));
  }

  connectedCallback() {
    this.#item = itemOf(this.getAttribute("item"), this.getAttribute("kind"));
    this.#board = boardOf(new URL(this.getAttribute("server") || HOME, location.href).origin);
    this.#board.buttons.add(this);
    this.#board.meet(this.#item);
    sight.observe(this);
    this.show();
  }

  disconnectedCallback() {
    sight.unobserve(this);
    this.see(false);
    this.#board?.buttons.delete(this);
    this.#board = null;
  }

  attributeChangedCallback() {
    if (!this.#board) return;
    this.disconnectedCallback();
    this.connectedCallback();
  }

  /** @param {boolean} isSeen */
  see(isSeen) {
    if (!this.#board || isSeen === this.isSeen) return;
    this.isSeen = isSeen;
    this.#board.look(this.#item, isSeen ? 1 : -1);
    this.show();
  }

  /** @param {boolean} isSecond the second of a double click, which means one like on a `once` item */
  #press(isSecond) {
    if (!this.#board || (isSecond && kindOf(this.#item) === "once")) return;
    this.#isMine = true;
    this.look.beat(this.#board.press(this.#item));
  }

  show() {
    if (!this.#board) return;
    const { connection, presser, tallies } = this.#board.site;
    const item = this.#item;
    const { own, waiting } = presser.current(item);
    const mine = counted(item, own);
    // Met when it came.
    const counter = /** @type {import("../static/counter.js").Counter} */ (tallies.counters.get(item));
    const count = counter.isKnown ? Math.max(0, tallies.shown(item, performance.now())) : null;
    const { name, code } = connection.state;
    const words = count === null ? "" : `${formatted(count)} ${unitOf(item, count)}`;
    const isStuck = waiting > 0 && (presser.delay || name === "offline");
    this.look.show({
      name: this.getAttribute("label") || nameOf(item),
      count,
      words,
      isLiked: kindOf(item) === "once" ? mine > 0 : null,
      isShut: presser.isShut(item),
      problem: name === "stopped" ? reasonOf(code) : counter.isFrozen ? frozenText() : isStuck ? unsavedText() : "",
    });
    if (this.getAttribute("state") !== name) this.setAttribute("state", name);
    this.#tell(`${item} ${count} ${mine}`, sentences(ownOf(item, mine), words), { item, count, mine });
  }

  /** The reader of this page is forgotten, with all likes: resolves to whether it was done. */
  ["forget"]() {
    return this.#board?.site.forget();
  }

  /**
   * Others hear of it: the page by an event, a screen reader where it was the person's own doing.
   * @param {string} state @param {string} words @param {{item: string, count: number | null, mine: number}} detail
   */
  #tell(state, words, detail) {
    if (state === this.#told) return;
    this.#told = state;
    if (this.#isMine) this.look.region.textContent = words;
    this.#isMine = false;
    if (detail.count !== null) this.dispatchEvent(new CustomEvent("like-change", { detail, bubbles: true }));
  }
}

let locale = navigator.language;
try {
  // A page may say `en_US`, which is none.
  locale = Intl.getCanonicalLocales(document.documentElement.lang)[0] ?? locale;
} catch {
  // The reader's own, then.
}
const [language] = locale.split("-");
speak({ button }, "en", locale);

/** Before the first button: it would change its size. Where the texts do not come, it speaks English. */
async function learn() {
  if (!LANGUAGES.includes(language)) return;
  const answer = await fetch(new URL(`like-button.${language}.json`, HOME), { signal: AbortSignal.timeout(3000) });
  speak(await answer.json(), language, locale);
}

learn()
  .catch(() => undefined)
  .then(() => customElements.get("like-button") || customElements.define("like-button", LikeButton));
