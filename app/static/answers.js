// @ts-check
/**
 * What a node says about counts, tallies and presses, and what the page makes of it. No page, no socket.
 *
 * @typedef {import("./visitor.js").Message} Message
 * @typedef {import("./presser.js").Presser} Presser
 * @typedef {import("./tally.js").Tally} Tally
 */

import { belongsToVisitor } from "./items.js";
import { answered, heard, learned } from "./tally.js";

/** After so many `behind` in a row the node is right: the generation we know was never made. */
const BEHINDS_MAX = 15;

/** @type {Record<string, (presser: Presser, message: Message) => void>} */
const HEAR = {
  hello: hearHello, counts: hearCounts, mine: hearMine, pressed: hearPressed, error: hearError, moved: hearMoved,
  viewers: hearViewers,
};

/** What stands in for a socket goes on at another node. @param {Presser} presser */
function hearMoved({ tallies, now }) {
  tallies.hold(now());
}

/** @param {Presser} presser @param {Message} message */
export function hear(presser, message) {
  HEAR[message.type]?.(presser, message);
  presser.onChange();
}

/** @param {Presser} presser @param {Message} message */
function hearHello(presser, { token, plain }) {
  const { visitor } = presser;
  const isConnectionOld = visitor.isErased;
  if (visitor.hear(token, plain)) isConnectionOld ? presser.adopt() : presser.connected();
  presser.flush();
}

/** @param {Presser} presser @param {Message} message */
function hearError(presser, message) {
  if (message.code !== "bad_token") hearRefusal(presser, message);
  // The press of a visitor that was erased; what is to be done about that was said before.
  else if (message.id === undefined) hearBadToken(presser, message);
}

/** @param {Presser} presser @param {Message} message */
function hearBadToken(presser, { erased }) {
  const { visitor } = presser;
  if (!(erased ? visitor.erase() : visitor.refuse())) return;
  presser.forget();
  if (visitor.isAsking) presser.adopt(); // As somebody else, whose the stored presses are.
}

/** @param {Presser} presser @param {Message} message */
function hearViewers({ tallies: { counters } }, { viewers, frozen }) {
  for (const [item, counter] of counters) if (item in viewers) counter.isFrozen = frozen?.includes(item);
}

/** @param {Presser} presser @param {Message} message */
function hearCounts({ tallies }, { counts }) {
  for (const [item, count] of Object.entries(counts)) tallies.hearCount(item, /** @type {number} */ (count));
}

/** @param {Presser} presser @param {Message} message */
function hearMine(presser, message) {
  for (const [item, mine] of Object.entries(message.tallies)) {
    presser.tallies.counters.get(item)?.hearGen(mine.gen);
    for (const tally of presser.tallies.foreign(item)) {
      if (mine.gen > tally.kept.gen) hearTally(presser, tally, { gen: mine.gen, n: 0 });
    }
    const tally = presser.current(item);
    if (tally.isGuess) learnGen(presser, tally, mine.gen);
    // Before our hello is answered, `mine` of a tap speaks of a tab that the node chose: only its gen is news.
    const isOwn = belongsToVisitor(item) || presser.visitor.knownTab === presser.visitor.tab;
    if (isOwn) hearTally(presser, tally, mine);
    else if (mine.gen > tally.kept.gen) hearTally(presser, tally, { gen: mine.gen, n: 0 });
  }
}

/** What was pressed before is stored as of this one, and sent. @param {Presser} presser @param {Tally} tally @param {number} gen */
function learnGen(presser, tally, gen) {
  tally.knowGen(gen);
  presser.change(tally, (kept) => kept);
}

/** @param {Presser} presser @param {Tally} tally @param {{gen: number, n: number}} mine */
function hearTally(presser, tally, mine) {
  if (mine.gen > tally.kept.gen) Object.assign(tally, { asked: 0, learned: mine.n });
  if (mine.gen >= tally.kept.gen) tally.committed = mine.n;
  presser.change(tally, (kept) => {
    const known = heard(tally.item, kept, mine);
    // Made elsewhere, and nothing of ours is open: not ours to call waiting.
    if (known.n === mine.n && kept.n < mine.n && kept.n <= Math.max(kept.saved, tally.learned)) tally.learned = mine.n;
    return known;
  });
}

/** @param {Presser} presser @param {Message} message */
function hearPressed(presser, message) {
  const { id, gen, n, copies, wanted } = message;
  const flight = presser.inFlight.get(id);
  if (!flight) return;
  const { tally } = flight;
  presser.delay = "";
  tally.behinds = 0;
  tally.asked = Math.max(tally.asked, n);
  count(presser, tally, message);
  if (copies >= wanted) land(presser, tally, id);
  presser.change(tally, (kept) => answered(tally.item, kept, { gen, n, copies, wanted }));
  if (gen === flight.gen && n < flight.n) presser.retry(tally, message.retry_after);
}

/**
 * The count of an answer is news only the first time: the second, when the copies exist, tells an older one again.
 * @param {Presser} presser @param {Tally} tally @param {Message} message
 */
function count({ tallies }, tally, { item, gen, n, count }) {
  // Where no socket is, another node than ours may have answered: ours tells count and tally together (`moved`).
  if (count === null || gen < tally.kept.gen || n <= tally.committed) return;
  tally.committed = n;
  tallies.hearCount(item, count);
}

/** This was the last answer for this tally up to this id. @param {Presser} presser @param {Tally} tally @param {number} id */
function land({ inFlight }, tally, id) {
  for (const [other, flight] of inFlight) if (flight.tally === tally && other <= id) inFlight.delete(other);
}

/** @param {Presser} presser @param {Message} message */
function hearRefusal(presser, { id, code, retry_after, n }) {
  const flight = presser.inFlight.get(id);
  presser.inFlight.delete(id);
  if (!flight || flight.tally.kept.gen !== flight.gen) return;
  const { tally } = flight;
  tally.behinds = code === "behind" ? tally.behinds + 1 : 0;
  const isLater = ["behind", "rate_limited", "read_only"].includes(code) && tally.behinds < BEHINDS_MAX;
  presser.delay = isLater ? code : "";
  if (isLater) presser.retry(tally, retry_after);
  else drop(presser, tally, flight.gen, n);
}

/**
 * The node will never take this: a tally of an old generation, of a frozen item, or one it finds wrong. Start from
 * the node's.
 * @param {Presser} presser @param {Tally} tally @param {number} gen @param {number} [n] what the node has
 */
function drop(presser, tally, gen, n = 0) {
  const counter = presser.tallies.counters.get(tally.item);
  const node = counter?.nodeGen ?? gen;
  counter?.believe();
  Object.assign(tally, { committed: n, asked: n, learned: n, behinds: 0 });
  const now = (tally.kept = learned(node, n));
  presser.change(tally, (kept) => (kept.gen === gen ? now : kept));
}
