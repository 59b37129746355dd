// @ts-check
/** When what has changed is shown: at once for the person's own doing, otherwise a few times a second. */

/** However fast numbers come, nobody reads more of them. */
const SHOW_MS = 100;

/**
 * Show soon: never in the middle of what came together, so that no number flickers, and not while nobody looks.
 * @param {() => void} show
 */
export function paced(show) {
  let isWaiting = false;
  let shownAt = -Infinity;
  const run = () => {
    isWaiting = false;
    shownAt = performance.now();
    show();
  };
  return {
    soon() {
      if (isWaiting) return;
      isWaiting = true;
      setTimeout(() => requestAnimationFrame(run), Math.max(0, shownAt + SHOW_MS - performance.now()));
    },
    now: show,
  };
}
