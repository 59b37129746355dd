// @ts-check
/**
 * What this browser keeps for all tabs of one site: the visitor's token, and tallies with their unsent presses.
 *
 * 1. Tallies of `once` and `clap` are one entry per item, changed only under the lock, so that two tabs never
 *    raise the same number in two ways.
 * 2. Taps are one entry per item and tab, written at once by their own tab; any tab may send and remove them.
 *    A tab whose entry was removed too early writes it again (`presser.js`).
 * 3. The token is a cookie, so that the page works without a script too; written only for a press.
 * 4. Without a token the visitor is lost (some browsers keep a script's cookies for a week): of what is stored,
 *    only what was not saved is the next one's to press.
 * 5. Entries end with their visitor: each carries its era, a number that every forgetting raises, and is nothing in
 *    another one. A tab that has not heard of it may still write old ones.
 * 6. Where storage is forbidden, everything lives as long as the page.
 */

import { belongsToVisitor } from "./items.js";
import { inherited } from "./tally.js";

/** @typedef {import("./tally.js").Kept} Kept */
/** @typedef {{item: string, tab: string, kept: Kept | null}} Entry */

const PREFIX = "like ";
const ERA = "like-era";
const LOCK = "like";
const COOKIE = "like_token";
const COOKIE_SECONDS = 400 * 24 * 3600;

const keyOf = (/** @type {string} */ item, /** @type {string} */ tab) => `${PREFIX}${item} ${tab}`;

/** @param {string | null} text @param {number} now the era @returns {Kept | null} */
function keptOf(text, now) {
  try {
    const { gen, n, saved, choice, era = 0 } = JSON.parse(text ?? "null");
    const isWhole = era === now && [gen, n, saved].every((number) => Number.isSafeInteger(number) && number >= 0);
    return isWhole ? { gen, n, saved: Math.min(saved, n), choice: typeof choice === "boolean" ? choice : null } : null;
  } catch {
    return null;
  }
}

/** @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem"> & {keys: () => string[]}} Shelf */

/** Lives as long as the page. @returns {Shelf} */
function memory() {
  const map = new Map();
  return {
    keys: () => [...map.keys()],
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, text) => void map.set(key, text),
    removeItem: (key) => void map.delete(key),
  };
}

/** localStorage; throws where the browser forbids it. @returns {Shelf} */
function durable() {
  const { localStorage } = window;
  localStorage.setItem(`${PREFIX}trial`, "");
  localStorage.removeItem(`${PREFIX}trial`);
  return {
    keys: () => Object.keys(localStorage),
    getItem: (key) => localStorage.getItem(key),
    setItem: (key, text) => localStorage.setItem(key, text),
    removeItem: (key) => localStorage.removeItem(key),
  };
}

export class Store {
  #shelf = memory();
  #token = "";
  #era = 0;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  isDurable = false;

  constructor() {
    try {
      this.#shelf = durable();
      this.isDurable = true;
    } catch {
      // Rule 6: the page says so next to what waits.
    }
    this.#era = this.#storedEra;
    this.#token = this.token; // An open page's visitor is not lost with the cookie.
  }

  /**
   * @param {string} key
   * @param {string | null} text
   * @returns {Entry | null} null if it is not ours; `kept` is null if it was removed or is not readable
   */
  #entryOf(key, text) {
    if (!key.startsWith(PREFIX)) return null;
    const [item, tab] = key.slice(PREFIX.length).split(" ");
    const kept = keptOf(text, this.#era);
    return { item, tab, kept: kept && !this.token ? inherited(item, kept) : kept }; // Rule 4.
  }

  /**
   * Hear of the other tabs: a changed or removed entry, a token taken, everything forgotten.
   * @param {{entry: (entry: Entry) => void, token: (token: string) => void, forgotten: () => void}} on
   */
  listen(on) {
    const follow = (/** @type {number} */ era) => {
      if (era <= this.#era) return;
      this.#begin(era);
      on.forgotten();
    };
    window.addEventListener("storage", (event) => {
      if (event.key === ERA) return follow(this.#storedEra);
      const entry = event.key === null ? null : this.#entryOf(event.key, event.newValue);
      return entry ? on.entry(entry) : undefined;
    });
    this.#channel = new BroadcastChannel("like");
    this.#channel.onmessage = ({ data }) => (data.token ? on.token(data.token) : follow(data.era));
  }

  /** @returns {Entry[]} */
  entries() {
    return this.#shelf.keys().flatMap((key) => {
      const entry = this.#entryOf(key, this.#shelf.getItem(key));
      return entry?.kept ? [entry] : [];
    });
  }

  /**
   * Change one entry: at once for taps, under the lock for what all tabs share. A tab's taps are forgotten
   * when they are saved: nobody can raise them after the tab is closed.
   * @param {string} item
   * @param {string} tab
   * @param {(stored: Kept | null) => Kept} change
   */
  change(item, tab, change) {
    const key = keyOf(item, tab);
    const era = this.#era;
    const run = () => {
      if (era !== this.#era) return; // Whose press this was is forgotten meanwhile.
      const kept = change(this.#entryOf(key, this.#shelf.getItem(key))?.kept ?? null);
      const isDone = kept.n === 0 || (!belongsToVisitor(item) && kept.saved >= kept.n);
      this.#write(key, isDone ? null : kept);
    };
    return belongsToVisitor(item) ? this.locked(run) : run();
  }

  /** @param {string} key @param {Kept | null} kept */
  #write(key, kept) {
    const text = kept && JSON.stringify({ ...kept, era: this.#era });
    if (text === this.#shelf.getItem(key)) return; // Every write wakes all other tabs.
    try {
      if (text === null) this.#shelf.removeItem(key);
      else this.#shelf.setItem(key, text);
    } catch {
      this.isDurable = false; // The quota is used up; the press lives in this page.
    }
  }

  /**
   * One tab at a time. Without a lock (plain http on another machine's address) it is done at once.
   * @param {() => void} run
   */
  async locked(run) {
    if (navigator.locks) await navigator.locks.request(LOCK, run);
    else run();
  }

  /** The visitor's token, "" if none was taken. */
  get token() {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${COOKIE}=`));
    return found?.slice(COOKIE.length + 1).replaceAll('"', "") || this.#token;
  }

  set token(token) {
    this.#token = token;
    const seconds = token ? COOKIE_SECONDS : 0;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${COOKIE}=${token}; Path=/; Max-Age=${seconds}; SameSite=Lax${secure}`;
  }

  /** A new visitor begins, and takes over what rule 4 leaves to them. Before their token is set, under the lock. */
  inherit() {
    for (const { item, tab, kept } of this.entries()) {
      this.#write(keyOf(item, tab), kept && kept.n > 0 ? kept : null);
    }
  }

  /** @param {string} token */
  tellToken(token) {
    this.#channel?.postMessage({ token });
  }

  /** The visitor is gone: token, tallies and unsent presses with it; the other tabs forget too. */
  forget() {
    this.token = "";
    // Another tab that did it a moment ago meant the same visitor.
    this.#begin(Math.max(this.#era + 1, this.#storedEra));
    this.#channel?.postMessage({ era: this.#era });
  }

  get #storedEra() {
    return Number(this.#shelf.getItem(ERA)) || 0;
  }

  /** @param {number} era */
  #begin(era) {
    this.#era = era;
    this.#token = "";
    for (const key of this.#shelf.keys()) {
      if (key.startsWith(PREFIX) && !keptOf(this.#shelf.getItem(key), era)) this.#shelf.removeItem(key);
    }
    try {
      this.#shelf.setItem(ERA, String(era));
    } catch {
      this.isDurable = false;
    }
  }
}
