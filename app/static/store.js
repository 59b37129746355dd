// @ts-check
/**
 * What this browser keeps for all tabs of one origin: the visitor's token, and tallies with their unsent presses.
 *
 * 1. Tallies of `once` and `clap` are one entry per item, changed only under the lock, so that two tabs never
 *    raise the same number in two ways.
 * 2. Taps are one entry per item and tab, written at once by their own tab; any tab may send and remove them.
 *    A tab whose entry was removed too early writes it again (`presser.js`).
 * 3. The token is written only for a press. On the server's own pages it is a cookie too (`page_store.js`).
 * 4. Without a token the visitor is lost: of what is stored, only what was not saved is the next one's to press.
 * 5. Entries end with their visitor: each carries its era, a number that every forgetting raises, and is nothing in
 *    another one. A tab that has not heard of it may still write old ones.
 * 6. Where storage is forbidden nothing is kept, and no other tab heard: what is known lives as long as the page does.
 */

import { belongsToVisitor } from "./items.js";
import { inherited } from "./tally.js";

/** @typedef {import("./tally.js").Kept} Kept */
/** @typedef {{item: string, tab: string, kept: Kept | null}} Entry */

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

export class Store {
  /** @type {Storage | null} null where the browser forbids it (rule 6) */
  #shelf = null;
  #token = "";
  #era = 0;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  isDurable = false;

  /** @param {string} server the origin of which this is a visitor */
  constructor(server) {
    // So begin all its entries; the lock and the channel have the bare name.
    this.name = `like@${server}`;
    try {
      this.#shelf = localStorage; // What is full can be read all the same.
      this.#channel = new BroadcastChannel(this.name);
      this.#shelf.setItem(this.name, "");
      this.#shelf.removeItem(this.name);
      this.isDurable = true;
    } catch {
      // The page says so next to what waits.
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
    const [name, item, tab] = key.split(" ");
    if (name !== this.name) return null;
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
    addEventListener("storage", (event) => {
      if (event.key === this.#eraKey) return follow(this.#storedEra);
      const entry = event.key === null ? null : this.#entryOf(event.key, event.newValue);
      return entry ? on.entry(entry) : undefined;
    });
    if (!this.#channel) return;
    this.#channel.onmessage = ({ data }) => (data.token ? on.token(data.token) : follow(data.era));
  }

  /** @returns {Entry[]} */
  stored() {
    return Object.keys(this.#shelf ?? {}).flatMap((key) => {
      const entry = this.#entryOf(key, this.#read(key));
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
    const key = this.#keyOf(item, tab);
    const era = this.#era;
    const run = () => {
      if (era !== this.#era) return; // Whose press this was is forgotten meanwhile.
      const kept = change(this.#entryOf(key, this.#read(key))?.kept ?? null);
      const isDone = kept.n === 0 || (!belongsToVisitor(item) && kept.saved >= kept.n);
      this.#write(key, isDone ? null : kept);
    };
    return belongsToVisitor(item) ? this.locked(run) : run();
  }

  /** @param {string} key */
  #read(key) {
    return this.#shelf?.getItem(key) ?? null;
  }

  /** @param {string} item @param {string} tab */
  #keyOf(item, tab) {
    return `${this.name} ${item} ${tab}`;
  }

  get #eraKey() {
    return `${this.name}-era`;
  }

  /** @param {string} key @param {Kept | null} kept */
  #write(key, kept) {
    this.#put(key, kept && JSON.stringify({ ...kept, era: this.#era }));
  }

  /** @param {string} key @param {string | null} text */
  #put(key, text) {
    if (text === this.#read(key)) return; // Every write wakes all other tabs.
    try {
      if (text === null) this.#shelf?.removeItem(key);
      else this.#shelf?.setItem(key, text);
    } catch {
      this.isDurable = false; // The quota is used up; the press lives in this page.
    }
  }

  /**
   * One tab at a time. Without a lock (plain http on another machine's address) it is done at once.
   * @param {() => void} run
   */
  async locked(run) {
    let isRun = false;
    const once = () => {
      isRun = true;
      return run();
    };
    try {
      await navigator.locks.request(this.name, once);
    } catch (error) {
      if (isRun) throw error;
      // Without locks, or where a browser keeps everything from the page: then it is alone with what it has.
      await once();
    }
  }

  /** The visitor's token, "" if none was taken. */
  get token() {
    return this.#read(`${this.name}-token`) || this.#token;
  }

  set token(token) {
    this.#token = token;
    this.#put(`${this.name}-token`, token || null);
  }

  /** A new visitor begins, and takes over what rule 4 leaves to them. Before their token is set, under the lock. */
  inherit() {
    for (const { item, tab, kept } of this.stored()) {
      this.#write(this.#keyOf(item, tab), kept && kept.n > 0 ? kept : null);
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
    return Number(this.#read(this.#eraKey)) || 0;
  }

  /** @param {number} era */
  #begin(era) {
    this.#era = era;
    this.#token = "";
    for (const key of Object.keys(this.#shelf ?? {})) {
      if (key.startsWith(`${this.name} `) && !keptOf(this.#read(key), era)) this.#shelf?.removeItem(key);
    }
    this.#put(this.#eraKey, String(era));
  }
}
