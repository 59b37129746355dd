// @ts-check
/**
 * What stands in for a WebSocket where a proxy lets none through: the same messages over plain requests, from objects
 * that are used in the same way. Loaded only where it is needed.
 *
 * 1. `Streaming` hears what the node pushes as an event stream. Where even that is held up, `Polling` asks for its
 *    beginning again and again: all that is true at that moment.
 * 2. Whoever uses one hears one connection: a fresh hello first, then an answer for each hello of theirs. In truth
 *    every change of what is watched, or of whom, is another request, perhaps to another node: `moved` says so.
 *    The fresh hello is `plain`: a node tells of a tab's taps only whom has said which tab it is, so a hello of
 *    theirs has to come before the first press.
 * 3. A press is a request of its own, and answered as on a WebSocket. Where its copies do not exist yet it is asked
 *    again: that changes nothing, and tells.
 * 4. Another node may answer a press than pushes the counts, so its count is left out: what is pressed is in the next
 *    count that comes with the tally.
 * 5. What gets no answer that is known here ends the connection: the next one presses it again.
 */

/** @typedef {import("./visitor.js").Message} Message */

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 3;

/** Silence is doubted after 2 s, and ends a connection 3 s later. */
const POLL_MS = 2500;
const POLL_HIDDEN_MS = 15000;
const COPIES_MS = 1000;
const COPIES_MAX_MS = 30000;
/** Longer addresses are refused on the way: of more items than fit, the last are not told of. */
const QUERY_MAX = 6000;
/** What a press may be answered on a WebSocket too. */
const REFUSALS = ["bad_message", "bad_item", "bad_tally", "bad_token", "rate_limited", "read_only", "reset", "behind", "frozen"];

const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Until the next poll is due: at once where somebody looks again. */
const nextPoll = () =>
  new Promise((resolve) => {
    const look = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
      resolve(undefined);
    };
    const timer = setTimeout(look, document.hidden ? POLL_HIDDEN_MS : POLL_MS);
    document.addEventListener("visibilitychange", look);
  });

/** The events of a stream, as they come. @param {ReadableStream<Uint8Array>} body */
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const events = (text + part.value).split("\n\n");
    text = events.pop() ?? "";
    yield* events;
  }
}

export class Streaming {
  readyState = CONNECTING;
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = null;
  /** @type {((event: {code: number}) => void) | null} */
  onclose = null;
  /** The token of the first hello, which is nobody's yet. */
  #fresh = "";
  /** As whom this connection asks and presses. */
  #token = "";
  #tab = "";
  /** @type {Set<string>} */
  #items = new Set();
  /** Hellos that were not answered yet. */
  #owed = 0;
  #isStale = false;
  #abort = new AbortController();
  /** @type {Map<string, Message>} presses whose copies do not exist yet, the newest of each tally */
  #uncopied = new Map();

  /** @param {string} server its origin */
  constructor(server) {
    this.server = server;
    setTimeout(() => {
      if (this.readyState !== CONNECTING) return;
      this.readyState = OPEN;
      this.onopen?.();
      this.refresh();
    });
  }

  /** @param {string} text */
  send(text) {
    const message = JSON.parse(text);
    if (message.type === "press") this.#press(message).catch(() => this.end());
    // The stream's own signs of life, and the next poll, answer a ping.
    if (message.type === "press" || message.type === "ping") return;
    if (message.type === "hello") {
      this.#token = message.token;
      this.#tab = message.tab;
      this.#owed += 1;
    }
    for (const item of message.items ?? []) {
      if (message.type === "watch") this.#items.add(item);
      else this.#items.delete(item);
    }
    this.refresh();
  }

  close() {
    this.readyState = CLOSED;
    this.#abort.abort();
  }

  /** It broke, or the node ended it. */
  end(code = 1006) {
    if (this.readyState === CLOSED) return;
    this.close();
    this.onclose?.({ code });
  }

  /** Ask anew: once for all that is sent in one go. */
  refresh() {
    if (this.#isStale) return;
    this.#isStale = true;
    setTimeout(() => {
      this.#isStale = false;
      this.#abort.abort();
      this.#abort = new AbortController();
      const { signal } = this.#abort;
      if (this.readyState === OPEN) this.run(signal).catch(() => signal.aborted || this.end());
    });
  }

  /** @param {AbortSignal} signal that something else is asked */
  async run(signal) {
    if (this.#fresh) this.#hear({ type: "moved" });
    await this.listen(signal, {});
    if (!signal.aborted) this.end();
  }

  /** Something that was pressed is taken. */
  pressed() {}

  /**
   * Hear one stream to its end.
   * @param {AbortSignal} signal
   * @param {Record<string, string>} options of the request
   */
  async listen(signal, options) {
    const query = new URLSearchParams(this.#tab ? { ...options, tab: this.#tab } : options);
    for (const item of this.#items) if (`${query}`.length + 3 * item.length < QUERY_MAX) query.append("item", item);
    const { body, ok } = await this.#ask(`/api/stream?${query}`, { signal });
    if (!ok || !body) return this.end();
    let isFirst = true;
    for await (const event of eventsOf(body)) {
      if (signal.aborted) return undefined;
      const [, name, data] = /^(?:event: (\w+)\n)?data: (.*)$/.exec(event) ?? [];
      if (name === "close") return this.end(Number(data));
      if (data) isFirst = this.#take(JSON.parse(data), isFirst);
    }
    return undefined;
  }

  /**
   * @param {Message} message
   * @param {boolean} isFirst whether the next hello is a fresh one
   * @returns {boolean} the same, of what follows
   */
  #take(message, isFirst) {
    if (message.type === "hello") return this.#greet(message, isFirst);
    if (message.code !== "bad_token") this.#hear(message);
    else if (message.erased) this.#lose(message);
    else if (this.#owed > 0) this.#answer(message, this.#fresh);
    else {
      // Erased between two requests: the next one is a fresh visitor's.
      this.#lose({ ...message, erased: true });
      this.refresh();
    }
    return isFirst || Boolean(message.erased);
  }

  /** @param {Message} message @param {boolean} isFirst @returns {false} */
  #greet(message, isFirst) {
    if (!isFirst) this.#answer(message, message.token);
    else if (!this.#fresh) {
      this.#fresh = message.token;
      this.#token ||= message.token;
      this.#hear({ ...message, plain: true });
    }
    return false;
  }

  /** What the node says to the token that it was sent. @param {Message} message @param {string} token to go on with */
  #answer(message, token) {
    this.#token = token;
    for (; this.#owed > 0; this.#owed -= 1) this.#hear(message);
  }

  /** Whom this connection was is erased. @param {Message} message */
  #lose(message) {
    this.#fresh = this.#token = "";
    this.#hear(message);
  }

  /** @param {Message} press */
  async #press(press) {
    const { id, item } = press;
    const { ok, said } = await this.#post(press);
    if (ok) {
      this.#hear({ ...said, id, count: null });
      if (said.copies < said.wanted) await this.#askForCopies(press);
      this.pressed();
    } else {
      if (!REFUSALS.includes(said.code)) throw new Error(said.code);
      if (said.code === "reset") this.#hear({ type: "mine", tallies: { [item]: { gen: said.gen, n: 0 } } });
      this.#hear({ type: "error", id, code: said.code, retry_after: said.retry_after, n: said.n });
      if (said.code === "bad_token") this.refresh(); // Whose it was is erased: that answer says so.
    }
  }

  /** @param {Message} press */
  async #post({ item, gen, n, tab }) {
    const body = JSON.stringify({ gen, n, tab });
    const response = await this.#ask(`/api/items/${encodeURIComponent(item)}/press`, { method: "POST", body });
    return { ok: response.ok, said: await response.json() };
  }

  /** Of each tally only the newest press is asked for, and less and less often. @param {Message} press */
  async #askForCopies(press) {
    const tally = `${press.item} ${press.tab}`;
    const isAsking = this.#uncopied.has(tally);
    this.#uncopied.set(tally, press);
    if (isAsking) return;
    this.pressed();
    for (let ms = COPIES_MS; this.readyState === OPEN; ms = Math.min(2 * ms, COPIES_MAX_MS)) {
      await pause(ms);
      const newest = this.#uncopied.get(tally) ?? press;
      const { ok, said } = await this.#post(newest);
      if (!ok) break; // Whatever it is, the next press of it is told.
      this.#hear({ ...said, id: newest.id, count: null });
      if (said.copies >= said.wanted && this.#uncopied.get(tally) === newest) break;
    }
    this.#uncopied.delete(tally);
  }

  /** @param {string} path @param {RequestInit} options */
  #ask(path, options) {
    const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : undefined;
    return fetch(this.server + path, { headers, cache: "no-store", credentials: "omit", ...options });
  }

  /** @param {Message} message */
  #hear(message) {
    if (this.readyState === OPEN) this.onmessage?.({ data: JSON.stringify(message) });
  }
}

export class Polling extends Streaming {
  /** @override What was pressed counts only when a poll tells it. */
  pressed() {
    this.refresh();
  }

  /** @override @param {AbortSignal} signal */
  async run(signal) {
    while (!signal.aborted && this.readyState === OPEN) {
      await this.listen(signal, { end: "1" });
      await nextPoll();
    }
  }
}
