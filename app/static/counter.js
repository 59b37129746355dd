// @ts-check
/**
 * The count of one item, and how far a reconnect may pull it down. Pure.
 *
 * Within one connection every count is the truth. The next node may be a little behind the last one, so after a
 * reconnect what others pressed does not fall for `HOLD_MS`; if it is still lower then, it was taken back.
 */

export const HOLD_MS = 5000;

export class Counter {
  /** Nobody may press it any more. @type {boolean | undefined} */
  isFrozen;
  #voidUpTo = 0;
  /** Own presses in the last count that were forgotten since: another node may have taken them back already. */
  #disowned = 0;

  /** @param {number} gen @param {number | null} count null until a node has told it */
  constructor(gen, count) {
    this.gen = gen;
    /** The generation this connection's node knows; lower than ours while it is behind. */
    this.nodeGen = gen;
    /** @type {number | null} null until this connection has told it */
    this.count = count;
    /** @type {number | null} the least that others pressed, while it is held */
    this.others = null;
    this.heldUntil = 0;
  }

  /**
   * Another connection, perhaps to another node.
   * @param {number} committed how much of the count is this page's own
   * @param {number} now milliseconds of any steady clock
   */
  hold(committed, now) {
    if (this.isKnown) this.others = this.base(committed, now) - committed - this.#disowned;
    this.heldUntil = now + HOLD_MS;
    this.count = null;
  }

  /** Whether any node has told it yet. */
  get isKnown() {
    return this.count !== null || this.others !== null;
  }

  /**
   * A node said `counts`, or `pressed` with a count.
   * @param {number} count
   * @param {number} committed
   */
  hear(count, committed) {
    this.#disowned = 0;
    this.count = count;
    if (this.others !== null && count - committed >= this.others) this.others = null;
  }

  /**
   * The visitor is gone: what it pressed is in the last count, and no part of what a reconnect holds.
   * @param {number} committed
   */
  disown(committed) {
    if (this.count !== null) this.#disowned += committed;
  }

  /** @param {number} gen */
  hearGen(gen) {
    if (gen > this.gen) this.others = null; // A reset: the count may fall as far as it likes.
    this.nodeGen = gen;
    this.gen = Math.max(this.gen, gen);
  }

  /** The node is right about the generation, also where it knows an older one. */
  believe() {
    this.#voidUpTo = Math.max(this.#voidUpTo, this.gen);
    this.gen = this.nodeGen;
    this.others = null;
  }

  /**
   * Whether nothing of this generation is to be taken over: it was given up, but other tabs may still hold presses of
   * it; or nobody may press now, and a tab that has not heard may go on storing what others were refused.
   * @param {number} gen
   */
  isVoid(gen) {
    return this.isFrozen || (gen > this.gen && gen <= this.#voidUpTo);
  }

  /**
   * The count to show, without presses that no node has confirmed.
   * @param {number} committed
   * @param {number} now
   */
  base(committed, now) {
    const held = (this.others ?? 0) + committed;
    if (this.count === null) return held + this.#disowned;
    return this.others === null || now >= this.heldUntil ? this.count : Math.max(this.count, held);
  }
}
