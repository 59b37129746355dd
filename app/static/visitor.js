// @ts-check
/**
 * As whom this connection presses. No page, no network: tested with a fake store.
 *
 * 1. A token is taken at the first press only, under the lock: a stored one, else the one of this connection.
 * 2. Presses go out only while the node is known to take them as that visitor: `isReady`.
 * 3. The first hello of a connection brings a fresh token, and so does the one after the node erased whom the
 *    connection was; the others answer ours, in order.
 * 4. A visitor that is gone is forgotten once: whoever has taken its place meanwhile stays.
 */

import { TALLY_MAX } from "./items.js";

/** @typedef {{type: string, [field: string]: any}} Message */

/** 60 random bits: tabs of one visitor must differ, nobody has to guess them. */
export const newTab = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte & 31).toString(32)).join("");

export class Visitor {
  tab = newTab();
  /** Whose presses these are once one was made. */
  #token = "";
  /** The token this connection came with; "" before its first hello. */
  #fresh = "";
  /** @type {{token: string, tab: string}[]} hellos on their way */
  #asked = [];
  /** The tab that the node's `mine` speaks of. */
  knownTab = "";
  isReady = false;
  /** The node erased whom this connection was: its fresh token is to come. */
  isErased = false;
  /** Since then it takes presses only after a hello of ours: what was on its way is the erased one's. */
  #needsHello = false;
  #isRenewed = false;

  /**
   * @param {Pick<import("./store.js").Store, "token" | "locked" | "inherit" | "tellToken" | "forget">} store
   * @param {(message: Message) => void} send
   */
  constructor(store, send) {
    this.store = store;
    this.send = send;
  }

  /** A connection is open. The stored token goes out before anything is watched, so `mine` is ours at once. */
  open() {
    this.close();
    this.#token = this.store.token || this.#token;
    if (this.#token) this.#sayHello();
  }

  close() {
    this.#fresh = "";
    this.#asked = [];
    this.knownTab = "";
    this.isReady = false;
    this.isErased = false;
    this.#needsHello = false;
  }

  /** Whether a hello is on its way. */
  get isAsking() {
    return this.#asked.length > 0;
  }

  #sayHello() {
    this.isReady = false;
    this.#asked.push({ token: this.#token, tab: this.tab });
    this.send({ type: "hello", token: this.#token, tab: this.tab });
  }

  /**
   * @param {string} token of a hello
   * @param {boolean} [isPlain] whether presses go elsewhere (`http_sockets.js`)
   * @returns {boolean} whether it was a fresh one
   */
  hear(token, isPlain = false) {
    if (!this.#fresh) {
      this.#fresh = token;
      this.#needsHello ||= isPlain;
      this.isErased = false;
      this.#goOn(); // Another tab took one since `open`.
      return true;
    }
    const asked = this.#asked.shift();
    if (!asked) return false;
    this.#needsHello = false;
    this.knownTab = asked.tab;
    if (this.#token === asked.token) this.#signAnew(token);
    else this.#goOn();
    this.isReady = !this.isAsking;
    return false;
  }

  /** As whom we are meanwhile, if that is not asked yet. */
  #goOn() {
    if (this.#token && !this.isAsking) this.#sayHello();
  }

  /** @param {string} token the same visitor, perhaps under a newer key */
  #signAnew(token) {
    if (token !== this.#token && this.store.token === this.#token) this.store.token = token;
    this.#token = token;
  }

  /** The first press, or the first hello after presses that were made offline. Nothing to do if a token was taken. */
  async take() {
    if (this.isReady) this.#renew();
    if (this.isReady || this.isAsking) return;
    await this.store.locked(() => this.#takeLocked());
  }

  /** Once a page: the cookie's 400 days begin anew with a press. */
  #renew() {
    if (!this.#isRenewed && this.store.token === this.#token) this.store.token = this.#token;
    this.#isRenewed = true;
  }

  #takeLocked() {
    if (this.isReady || this.isAsking || !this.#fresh) return;
    const stored = this.store.token || this.#token;
    if (!stored) this.store.inherit();
    this.#token = stored || this.#fresh;
    this.store.token = this.#token;
    if (!stored) this.store.tellToken(this.#token);
    // Once a hello was answered, the connection is no longer its fresh token's.
    if (this.#token !== this.#fresh || this.knownTab || this.#needsHello) this.#sayHello();
    else this.isReady = true;
  }

  /**
   * Another tab has taken a token.
   * @param {string} token
   * @returns {boolean} whether this page belonged to another visitor: its tallies are not the new one's
   */
  hearOtherTab(token) {
    const isAnother = this.#token !== "" && this.#token !== token;
    if (this.#token === token) return false;
    this.#token = token;
    if (isAnother) this.tab = newTab();
    if (this.#fresh) this.#sayHello();
    return isAnother;
  }

  /**
   * The node knows no visitor of the token that we said.
   * @returns {boolean} whether what was pressed here is to be forgotten
   */
  refuse() {
    const asked = this.#asked.shift();
    const isOurs = asked?.token === this.#token;
    if (isOurs) this.#lose();
    this.#goOn();
    return isOurs;
  }

  /**
   * The node has erased whom this connection was, and says hello with a fresh token next.
   * @returns {boolean} whether what was pressed here is to be forgotten
   */
  erase() {
    const isOurs = this.#token !== "" && !this.isAsking;
    this.#fresh = "";
    this.knownTab = "";
    this.isReady = false;
    this.isErased = true;
    this.#needsHello = true;
    if (isOurs) this.#lose();
    return isOurs;
  }

  /** Our visitor is gone. If another tab has a newer one, go on as that; else all tabs forget. */
  #lose() {
    const stored = this.store.token;
    const isNewer = stored !== "" && stored !== this.#token;
    if (!isNewer) this.store.forget();
    this.forget();
    if (isNewer) this.#token = stored;
  }

  /**
   * Start as nobody, under a new tab: the old tab's taps were another visitor's.
   * @returns {boolean} whether this connection has a fresh token left
   */
  forget() {
    if (this.#fresh === this.#token) this.#fresh = ""; // It was the visitor's, and is as good for nothing.
    this.#token = "";
    this.tab = newTab();
    this.isReady = false;
    return this.#fresh !== "";
  }

  /**
   * Go on under a new tab when this one's tally on an item is full.
   * @param {number} n
   */
  outgrow(n) {
    if (n < TALLY_MAX) return;
    this.tab = newTab();
    if (this.#token && this.#fresh) this.#sayHello();
  }
}
