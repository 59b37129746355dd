// @ts-check
/** What the page's line about saving goes by: whether all that was pressed in this browser is on the nodes' disks. */

/** @typedef {import("./tally.js").Tally} Tally */

/** @param {Tally} tally */
const isOurs = ({ wish, kept, learned }) => wish.presses > 0 || kept.n > learned;

/** @param {Tally} tally */
const isEachSaved = ({ wish, kept }) => wish.presses === 0 && kept.saved >= kept.n;

/**
 * Something was pressed here, and all of it is saved.
 * @param {import("./tallies.js").Tallies} tallies
 */
export function isSaved({ all }) {
  const ours = all.filter(isOurs);
  return ours.length > 0 && ours.every(isEachSaved);
}
