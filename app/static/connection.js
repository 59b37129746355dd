// @ts-check
/**
 * One live connection to whichever node answers, for as long as the page lives.
 *
 * 1. A socket is given up 5 s after dialling without a hello, and 3 s after a ping without any frame: a half-open
 *    socket looks open to a browser. And a node ends who says nothing for long, so that it is pinged now and then also
 *    while it has much to say.
 * 2. It comes back by itself, with full jitter (`timing.js`), and at once when there is reason to hope: `wake`.
 * 3. After a final close code it stays away until the page is loaded again.
 * 4. Where no WebSocket comes through, a proxy may be in its way: after it a stream is tried, then plain requests
 *    (`http_sockets.js`), then all again. Where one has come through, nothing else is tried, until this machine was
 *    offline: then it may be in another network, behind another proxy.
 */

import { HELLO_MS, PONG_MS, QUIET_HIDDEN_MS, QUIET_MS, SAY_MS, STEADY_MS, isFinal, retryDelay } from "./timing.js";

/** Of a `WebSocket`, and of what stands in for one. */
const OPEN = 1;
/** Codes of closes from here on are a node's own: what it says has come through. */
const NODE_SAYS = 4000;

/** @typedef {WebSocket | import("./http_sockets.js").Streaming} Socket */

/** Best first; the others are loaded where the first fails. @type {((server: string) => Socket)[]} */
const ways = [(server) => new WebSocket(`${server.replace("http", "ws")}/live`)];

/** By its whole address: a script of another origin does not know its own. @param {string} server */
async function loadOtherWays(server) {
  /** @type {typeof import("./http_sockets.js")} */
  const { Streaming, Polling } = await import(`${server}/static/http_sockets.js`);
  ways[1] = (server) => new Streaming(server);
  ways[2] = (server) => new Polling(server);
}

/**
 * @typedef {import("./visitor.js").Message} Message
 * @typedef {"connecting" | "live" | "leaving" | "offline" | "stopped"} StateName
 * @typedef {{name: StateName, node: string, code: number}} State
 * @typedef {{onOpen: () => void, onClose: () => void, onMessage: (message: Message) => void, onState: () => void}} Handlers
 */

export class Connection {
  /** @type {State} */
  state = { name: "connecting", node: "", code: 0 };
  /** @type {Socket | null} */
  #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} to dial */
  #dialTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} to doubt the socket */
  #doubtTimer;
  #attempt = 0;
  /** How many in a row came to nothing. */
  #failed = 0;
  #way = 0;
  #isProven = false;
  #liveSince = Infinity;
  #saidAt = 0;

  /** @param {string} server its origin @param {Handlers} handlers */
  constructor(server, handlers) {
    this.server = server;
    this.handlers = handlers;
  }

  get isOpen() {
    return this.#socket?.readyState === OPEN;
  }

  /** @param {Message} message */
  send(message) {
    if (!this.isOpen) return;
    this.#saidAt = performance.now();
    this.#socket?.send(JSON.stringify(message));
  }

  /** Dial now, whatever is under way. */
  dial() {
    this.hangUp();
    // Twice, since a crowd at the door is no proxy.
    this.#way = this.#isProven ? 0 : Math.max(0, this.#failed - 1) % ways.length;
    const socket = ways[this.#way](this.server);
    this.#socket = socket;
    this.#doubtTimer = setTimeout(() => this.#lose(), HELLO_MS);
    socket.onopen = () => this.handlers.onOpen();
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.#lose(code);
  }

  /** Leave without coming back: another dial follows, or the page goes to the back-forward cache. */
  hangUp() {
    clearTimeout(this.#dialTimer);
    this.#dialTimer = undefined;
    this.#letGo();
    if (this.state.name !== "offline") this.#become("connecting");
  }

  /** A socket let go of is not listened to any more: its close may come much later, or never. */
  #letGo() {
    clearTimeout(this.#doubtTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.handlers.onClose();
  }

  /** There is reason to hope, or to doubt: the network is gone or back, the page is looked at again. */
  wake() {
    if (this.state.name === "stopped") return;
    this.#isProven &&= navigator.onLine;
    if (this.#socket === null) this.dial();
    else if (this.#liveSince < Infinity) this.#ping();
  }

  /** @param {Message} message */
  #hear(message) {
    if (message.type === "hello") {
      this.#isProven ||= this.#way === 0;
      this.#failed = this.#way && this.#way + 1; // What has worked goes on.
      if (this.state.name !== "leaving") this.#become("live", message.node);
    }
    if (message.type === "leaving") this.#leave(message.after);
    if (this.#liveSince < Infinity) this.#expectNext();
    this.handlers.onMessage(message);
  }

  #expectNext() {
    if (performance.now() - this.#saidAt > SAY_MS) this.send({ type: "ping" });
    clearTimeout(this.#doubtTimer);
    const quiet = document.hidden ? QUIET_HIDDEN_MS : QUIET_MS;
    this.#doubtTimer = setTimeout(() => this.#ping(), quiet);
  }

  #ping() {
    clearTimeout(this.#doubtTimer);
    this.send({ type: "ping" });
    this.#doubtTimer = setTimeout(() => this.#lose(), PONG_MS);
  }

  /** The node spreads its watchers over `after`, so no jitter here. @param {number} after seconds */
  #leave(after) {
    this.#become("leaving", this.state.node);
    clearTimeout(this.#dialTimer);
    this.#dialTimer = setTimeout(() => this.dial(), after * 1000);
  }

  /** @param {number} [code] of the close; none if the socket was silent */
  #lose(code = 0) {
    const wasSteady = performance.now() - this.#liveSince > STEADY_MS;
    this.#isProven ||= this.#way === 0 && code >= NODE_SAYS;
    if (this.#liveSince === Infinity && navigator.onLine) this.#failed += 1;
    if (this.#failed && !this.#isProven) loadOtherWays(this.server).catch(() => undefined); // Or after the next failure.
    this.#letGo();
    if (isFinal(code)) return this.#become("stopped", "", code);
    if (this.#dialTimer !== undefined) return undefined; // It was leaving, the time to come back is set.
    this.#attempt = wasSteady ? 0 : this.#attempt + 1;
    this.#become("offline");
    this.#dialTimer = setTimeout(() => this.dial(), retryDelay(this.#attempt, Math.random()));
    return undefined;
  }

  /** @param {StateName} name @param {string} [node] @param {number} [code] */
  #become(name, node = "", code = 0) {
    const isLive = name === "live" || name === "leaving";
    this.#liveSince = isLive ? Math.min(this.#liveSince, performance.now()) : Infinity;
    this.state = { name, node, code };
    this.handlers.onState();
  }
}
